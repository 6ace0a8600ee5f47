"""The local servers: up, down, status, reset."""
