"""Ask at a fixed rate, whether answered or not, and count each answer from when it was due.

A loop that waits for an answer before it asks again asks less of a slow server, and leaves out just
the waits that matter ("coordinated omission").
"""

import select
import socket
from collections.abc import Callable, Sequence
from time import perf_counter, sleep

SPIN_SECONDS = 0.0002
"""A sleep ends this late at most; the rest is waited for awake."""


def one_by_one(calls: Sequence[Callable[[], object]], *, rate: float) -> list[float]:
    """Call each in turn, ``rate`` a second; give the seconds from when each was due to its end."""
    begin = perf_counter() + 0.01
    taken = []
    for number, call in enumerate(calls):
        due = begin + number / rate
        while (left := due - perf_counter()) > 0:
            if left > SPIN_SECONDS:
                sleep(left - SPIN_SECONDS)
        call()
        taken.append(perf_counter() - due)
    return taken


def over_http(address: tuple[str, int], requests: Sequence[bytes], *, rate: float) -> list[float]:
    """Send requests over kept connections, as many as wait at once; give the same seconds.

    Raises:
        RuntimeError: an answer was not 200, or did not come to its end.
    """
    free = [_Connection(address)]
    busy: dict[socket.socket, _Connection] = {}
    begin = perf_counter() + 0.01
    sent, taken = 0, []
    while len(taken) < len(requests):
        due = begin + sent / rate
        left = due - perf_counter() if sent < len(requests) else 1.0
        if left <= 0:
            connection = free.pop() if free else _Connection(address)
            if connection.was_closed():
                connection.socket.close()
                connection = _Connection(address)
            busy[connection.socket] = connection
            connection.ask(requests[sent], due)
            sent += 1
            continue
        wait = left - SPIN_SECONDS if left > SPIN_SECONDS else 0
        for ready in select.select(list(busy), (), (), wait)[0]:
            if busy[ready].is_answered():
                connection = busy.pop(ready)
                taken.append(perf_counter() - connection.due)
                free.append(connection)
    for connection in free:
        connection.socket.close()
    return taken


class _Connection:
    """One kept connection with a request on its way, or none."""

    def __init__(self, address: tuple[str, int]) -> None:
        self.socket = socket.create_connection(address)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.due = 0.0
        self._answer = b""

    def was_closed(self) -> bool:
        """Tell whether the server has hung up since, as it does on who is silent for seconds."""
        return bool(select.select([self.socket], (), (), 0)[0])

    def ask(self, request: bytes, due: float) -> None:
        """Send a request that was due at an instant."""
        self.due, self._answer = due, b""
        self.socket.sendall(request)

    def is_answered(self) -> bool:
        """Read what is there; tell whether it is all."""
        received = self.socket.recv(65536)
        if not received:
            raise RuntimeError("the server hung up instead of answering")
        self._answer += received
        head, found, body = self._answer.partition(b"\r\n\r\n")
        if not found:
            return False
        if not head.startswith(b"HTTP/1.1 200"):
            raise RuntimeError(head.decode())
        length = head.lower().partition(b"content-length:")[2].split(b"\r\n")[0]
        return len(body) == int(length)
