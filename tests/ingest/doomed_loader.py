"""A loader that is killed: by itself at a given line of the loading code, or by whoever started it.

Run as: python doomed_loader.py LINES, where 0 never kills itself. It prints "loading" when it
starts.
"""

import itertools
import os
import signal
import sys
import threading
from types import FrameType
from typing import Any

from footfall.ingest.micro_batch import ingest_until_caught_up

TRACED = ("footfall/ingest/micro_batch.py", "footfall/warehouse/loads.py")


def die_at(last_line: int) -> None:
    """Have this process killed when it comes to its nth line of the loading code."""
    lines = itertools.count(1)

    def trace(frame: FrameType, event: str, argument: Any) -> Any:
        if not frame.f_code.co_filename.endswith(TRACED):
            return None
        if event == "line" and next(lines) >= last_line:
            os.kill(os.getpid(), signal.SIGKILL)
        return trace

    threading.settrace(trace)
    sys.settrace(trace)


if __name__ == "__main__":
    print("loading", flush=True)
    if int(sys.argv[1]):
        die_at(int(sys.argv[1]))
    ingest_until_caught_up()
