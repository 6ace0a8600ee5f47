"""Feed the decoder what nobody would send: ``make fuzz ARGS=600`` for ten minutes.

With atheris (``pip install atheris``, it is not in the lock) inputs are steered by the lines of the
decoder that they reach; without it Hypothesis changes the golden records at random.
"""

import json
import sys
import tempfile
import time
from contextlib import nullcontext
from datetime import UTC, datetime
from pathlib import Path

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

try:
    import atheris
except ImportError:
    atheris = None

with atheris.instrument_imports(include=["footfall.events"]) if atheris else nullcontext():
    from footfall.events.decode import _decode_native, decode, sender_and_time
    from footfall.events.envelope import MAX_ID
    from footfall.events.event import Event, Reject
    from footfall.events.json_text import parse

GOLDEN = Path(__file__).parent / "golden"
NOW = datetime(2026, 1, 1, tzinfo=UTC)
FIRST_DAY = datetime(2000, 1, 1, tzinfo=UTC)
ROUND = 1_000

RECORDS = [
    json.dumps(json.loads(line).get("sent", json.loads(line)), ensure_ascii=False).encode()
    for path in sorted(GOLDEN.rglob("*.jsonl"))
    for line in path.read_bytes().splitlines()
]
FRAGMENTS = [
    *(b"null", b"true", b"1e400", b"-1E-4000", b"9" * 350, b"0." + b"1" * 450, b"1e99"),
    *(b"\\u0000", b"\\ud800", b"\\ud83d\\ude00", b"\xff", b"\xc3\xa9", b"\xed\xa0\x80", b"\0"),
    *(b"[" * 70, b"]" * 70, b'{"a":' * 70, b"{", b"}", b"[", b"]", b'"', b",", b":", b"\\"),
    *(b'"type":"track",', b'"userId":"",', b'"timestamp":"noon",', b'"events":[],', b"[]", b"{}"),
    *(
        b'"x":"\\u0000","x":1,',
        b'"price":"1,5"',
        b'"products":[1]',
        b'"consent":"yes"',
        b"NaN",
        b"2017-06-01",
        b"1" * 256,
    ),
]


@st.composite
def changed_records(draw: st.DrawFn) -> bytes:
    """Draw a golden record with up to four pieces cut out, put in or repeated."""
    value = draw(st.sampled_from(RECORDS))
    for _ in range(draw(st.integers(0, 4))):
        start = draw(st.integers(0, len(value)))
        end = min(len(value), start + draw(st.integers(0, 40)))
        new = draw(st.sampled_from([b"", value[start:end] * 2, *FRAGMENTS]) | st.binary(max_size=4))
        value = value[:start] + new + value[end:]
    return value


def check(value: bytes) -> None:
    """See that a value is read without raising, alike each time, and as something storable."""
    result = decode(value, received_at=NOW, first_day=FIRST_DAY)
    again = decode(value, received_at=NOW, first_day=FIRST_DAY)
    assert result == again
    sender_and_time(value)
    if isinstance(result, Reject):
        assert result.detail
        _check_text(result.event_name, result.customer_ref)
        return
    parsed = parse(value)
    assert not isinstance(parsed, Reject), parsed
    _check_json(value)
    events = [result] if isinstance(result, Event) else result
    assert events
    for event in events:
        _check_text(event.message_id, event.user_id, event.anonymous_id, event.customer_ref)
        assert event.payload == value
        assert max(len(event.message_id), len(event.customer_ref) - 2) <= MAX_ID
        if event.mapped is not None:
            _check_json(event.mapped)
    if isinstance(result, Event) and result.mapped is None:
        assert _decode_native(parsed, value, NOW, FIRST_DAY) == result


def _check_json(value: bytes) -> None:
    """See that another reader takes it, and that no text, of equal keys too, is one of U+0000."""
    everything = json.loads(value.decode(), object_pairs_hook=list)
    _check_text(json.dumps(everything, ensure_ascii=False))
    assert "\\u0000" not in json.dumps(everything).replace("\\\\", "")


def _check_text(*texts: str | None) -> None:
    for text in texts:
        if text is not None:
            assert "\0" not in text
            text.encode()


def _by_hypothesis(seconds: float) -> int:
    """Check changed records for so long; return how many."""
    started, done = time.monotonic(), 0
    while time.monotonic() - started < seconds:

        @seed(done)
        @settings(
            max_examples=ROUND,
            deadline=None,
            database=None,
            phases=[Phase.generate, Phase.shrink],
            suppress_health_check=list(HealthCheck),
        )
        @given(changed_records() | st.binary(max_size=64))
        def some(value: bytes) -> None:
            check(value)

        some()
        done += ROUND
    return done


def _by_atheris(seconds: float) -> None:
    """Fuzz for so long, from the golden records on; libFuzzer ends the process."""
    with tempfile.TemporaryDirectory() as corpus, tempfile.NamedTemporaryFile("w") as words:
        for number, record in enumerate(RECORDS):
            (Path(corpus) / f"{number}.json").write_bytes(record)
        quoted = ("".join(f"\\x{byte:02x}" for byte in word) for word in FRAGMENTS)
        words.writelines(f'"{word}"\n' for word in quoted)
        words.flush()
        limits = [f"-max_total_time={int(seconds)}", "-max_len=8192", "-print_final_stats=1"]
        atheris.Setup([sys.argv[0], f"-dict={words.name}", *limits, corpus], check)
        atheris.Fuzz()


def main() -> None:
    """Fuzz for the seconds that the first argument says, by default a minute."""
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 60.0
    if atheris is None:
        sys.stderr.write("atheris is not installed; fuzzing with Hypothesis\n")
        sys.stderr.write(f"{_by_hypothesis(seconds):,} inputs, no finding\n")
    else:
        _by_atheris(seconds)


if __name__ == "__main__":
    main()
