"""A loader that is killed or stopped: by itself at a given line, or by whoever started it.

Run as: python doomed_loader.py [--die FILE:LINE | --stop FILE:LINE] [--visit N] [--loads N]
[--patience SECONDS]. It prints "loading" when it starts, and then the number of records loaded so
far after each load, or the error that ends it. LINE is reached for the Nth time when the loader
dies there by SIGKILL, or stops by SIGSTOP.
"""

import argparse
import itertools
import signal
import sys
import threading
from types import CodeType, FrameType
from typing import Any

from footfall.errors import FootfallError
from footfall.ingest.micro_batch import ingest_until_caught_up
from footfall.settings import ROOT
from footfall.warehouse import loads

MODULES = (
    *("footfall/ingest/micro_batch.py", "footfall/ingest/reader.py", "footfall/ingest/feed.py"),
    *("footfall/ingest/gaps.py", "footfall/ingest/reject_rate.py"),
    *("footfall/warehouse/loads.py", "footfall/warehouse/offsets.py"),
    *("footfall/warehouse/events.py", "footfall/warehouse/rejects.py"),
)


def places() -> list[str]:
    """Return every line of the loading code that can run inside a function, as FILE:LINE."""
    found = []
    for module in MODULES:
        code = compile((ROOT / module).read_text(), module, "exec")
        lines = {line for function in _functions(code) for line in _lines(function)}
        found += [f"{module}:{line}" for line in sorted(lines)]
    return found


def line_of(module: str, text: str) -> str:
    """Return the place of the one line of a module that holds a text."""
    lines = (ROOT / module).read_text().splitlines()
    [number] = [number for number, line in enumerate(lines, 1) if text in line]
    return f"{module}:{number}"


def _functions(code: CodeType) -> list[CodeType]:
    inner = [constant for constant in code.co_consts if isinstance(constant, CodeType)]
    own = [code] if code.co_flags & 0x2 else []  # CO_NEWLOCALS: no module or class body
    return own + [function for part in inner for function in _functions(part)]


def _lines(code: CodeType) -> set[int]:
    return {line for *_, line in code.co_lines() if line} - {code.co_firstlineno}


def at(place: str, visit: int, end: signal.Signals) -> None:
    """Send this process a signal when it comes to a line for the nth time."""
    module, _, line = place.partition(":")
    file, number, visits = str(ROOT / module), int(line), itertools.count(1)

    def trace(frame: FrameType, event: str, argument: Any) -> Any:
        if frame.f_code.co_filename != file:
            return None
        if event == "line" and frame.f_lineno == number and next(visits) == visit:
            signal.pthread_kill(threading.get_ident(), end)  # here, not in another thread first
        return trace

    threading.settrace(trace)
    sys.settrace(trace)


def main() -> None:
    """Load as the arguments say."""
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--die")
    arguments.add_argument("--stop")
    arguments.add_argument("--visit", type=int, default=1)
    arguments.add_argument("--loads", type=int)
    arguments.add_argument("--patience", type=int, default=loads.LOCK_SECONDS)
    given = arguments.parse_args()
    loads.LOCK_SECONDS = given.patience
    print("loading", flush=True)
    if given.die or given.stop:
        place = given.die or given.stop
        at(place, given.visit, signal.SIGKILL if given.die else signal.SIGSTOP)
    try:
        ingest_until_caught_up(
            most_loads=given.loads, on_progress=lambda records: print(records, flush=True)
        )
    except FootfallError as error:
        print(f"{type(error).__name__}: {error}", flush=True)


if __name__ == "__main__":
    main()
