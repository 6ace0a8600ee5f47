"""Kafka to raw: one micro-batch is one transaction."""
