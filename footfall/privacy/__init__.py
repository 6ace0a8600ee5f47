"""Erasure and the audit log."""
