"""The section ``publish`` of the bench, on a small shop."""

import shutil
import tempfile
from pathlib import Path

import pytest

from bench import publish


def test_a_full_publication_and_a_delta_stand_beside_ready_made_records(
    test_home: Path, capsys: pytest.CaptureFixture[str]
):
    said: list[str] = []
    with tempfile.TemporaryDirectory(prefix="footfall-test-") as name:
        Path(name).chmod(0o755)  # Postgres is not root
        measured = publish.measure(
            profiles=200, rounds=2, with_peers=False, folder=Path(name), say=said.append
        )
    full, delta, raw, benchmark = measured
    assert [len(one.seconds) for one in (full, delta, raw)] == [2, 2, 2]
    assert (full.profiles, delta.profiles) == (200, 2)
    assert 0 < raw.median < full.median
    program = shutil.which("redis-benchmark") or shutil.which("valkey-benchmark")
    assert len(benchmark.seconds) == (2 if program else 0)
    assert (benchmark.problem is None) == bool(program)
    publish.show(measured, load="load average 0.1")
    printed = capsys.readouterr().out
    assert "a delta of 1 %" in printed
    assert program or str(benchmark.problem) in printed
