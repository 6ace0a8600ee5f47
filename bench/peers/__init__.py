"""What else a user could load events with: programs of their own, each run in a fresh process."""
