"""The columns of ``raw.events`` that the peers fill; nothing but the standard library."""

from typing import Any


def row(event: dict[str, Any], payload: str) -> dict[str, str]:
    """Return one event as a row: without Footfall's checks, and without its place in Kafka."""
    return {
        "message_id": event["messageId"],
        "event_name": event["event"].lower().replace(" ", "_"),
        "customer_ref": f"u:{event['userId']}",
        "anonymous_id": event["anonymousId"],
        "user_id": event["userId"],
        "occurred_at": event["timestamp"],
        "received_at": event["timestamp"],
        "dialect": "segment",
        "payload": payload,
    }
