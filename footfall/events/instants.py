"""When an event occurred, by the time stamps that its sender gave."""

from datetime import UTC, datetime


def parse_instant(text: str) -> datetime:
    """Read an ISO 8601 instant as UTC; a text without zone is UTC, a bare date is midnight.

    Raises:
        ValueError: the text is no instant, or one outside the years 1 to 9999.

    >>> parse_instant("2017-12-02T01:30:00+01:30").isoformat()
    '2017-12-02T00:00:00+00:00'
    """
    at = datetime.fromisoformat(text)
    if at.tzinfo is UTC:
        return at
    try:
        return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    except OverflowError:
        raise ValueError(f"{text!r} lies outside the years 1 to 9999") from None


def corrected_instant(
    received_at: str | None, sent_at: str | None, original: str | None
) -> datetime | None:
    """Return receivedAt − (sentAt − originalTimestamp), None where one of them is missing.

    It takes the error of the device's clock out.

    Raises:
        ValueError: a time stamp that is needed cannot be read.
    """
    if not (received_at and sent_at and original):
        return None
    try:
        return parse_instant(received_at) - (parse_instant(sent_at) - parse_instant(original))
    except OverflowError:
        raise ValueError(
            f"receivedAt {received_at!r} − (sentAt {sent_at!r} − originalTimestamp {original!r})"
            " lies outside the years 1 to 9999"
        ) from None
