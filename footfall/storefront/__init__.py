"""What a shop imports to read: the record and a small client."""
