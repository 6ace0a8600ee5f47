"""Postgres to Redis: publications, verified and flipped whole."""
