"""What an event is, its dialects, and the sources that produce events."""
