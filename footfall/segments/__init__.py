"""Segments: which versions of their rules count, and who is told of entering and leaving."""
