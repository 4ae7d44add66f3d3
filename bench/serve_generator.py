"""Load generators: an open loop that sends on schedule without waiting for answers, and a closed loop of clients."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator
from typing import Any

Right = Callable[[str, bytes], bool]  # whether the body of a response to a kind of request is as it must be


class Connection(asyncio.Protocol):
    """One keep-alive connection with at most one request in flight."""

    def __init__(self, done: Callable[[Connection, int, bytes], None]) -> None:
        self.done, self.buffer = done, b""
        self.transport: Any = None
        self.asked = 0.0
        self.tag = ""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Store the transport."""
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        """Read one response: status line, headers, a body of the stated length."""
        self.buffer += data
        head = self.buffer.find(b"\r\n\r\n")
        if head < 0:
            return
        at = self.buffer.find(b"content-length: ", 0, head)
        length = int(self.buffer[at + 16 : self.buffer.find(b"\r", at)]) if at >= 0 else 0
        if len(self.buffer) < head + 4 + length:
            return
        status, body = int(self.buffer[9:12]), self.buffer[head + 4 : head + 4 + length]
        self.buffer = self.buffer[head + 4 + length :]
        self.done(self, status, body)

    def connection_lost(self, exc: Exception | None) -> None:
        """The server closed the connection; a pending request counts as a failure."""
        if self.asked:
            self.done(self, 0, b"")


class Tally:
    """Latencies in seconds by kind of request, and status counts."""

    def __init__(self, right: Right | None) -> None:
        self.seconds: dict[str, list[float]] = {}
        self.statuses: Counter[str] = Counter()
        self.answered = 0
        self.right = right

    def add(self, tag: str, status: int, seconds: float, body: bytes) -> None:
        """Record one response; "wrong" stands behind the status of one whose body is not right."""
        self.seconds.setdefault(tag, []).append(seconds)
        wrong = self.right is not None and not self.right(tag, body)
        self.statuses[f"{tag} {status}{' wrong' * wrong}"] += 1
        self.answered += 1

    def summary(self) -> dict[str, Any]:
        """Latency quantiles in milliseconds by kind, and the number of responses per status."""
        kinds = {}
        for tag, values in self.seconds.items():
            ordered = sorted(values)
            at = {name: ordered[min(len(ordered) - 1, int(share * len(ordered)))] for name, share in QUANTILES.items()}
            kinds[tag] = {"count": len(ordered), **{name: round(value * 1000, 3) for name, value in at.items()}}
        return {"latency_ms": kinds, "statuses": dict(sorted(self.statuses.items()))}


QUANTILES = {"p50": 0.5, "p90": 0.9, "p99": 0.99, "p999": 0.999, "max": 1.0}


async def connect(port: int, count: int, done: Callable[[Connection, int, bytes], None]) -> list[Connection]:
    """Open connections."""
    loop = asyncio.get_running_loop()
    return [(await loop.create_connection(lambda: Connection(done), "127.0.0.1", port))[1] for _ in range(count)]


async def open_loop(
    port: int,
    requests: Iterator[tuple[str, bytes]],
    rate: float,
    seconds: float,
    *,
    connections: int = 256,
    right: Right | None = None,
) -> dict[str, Any]:
    """Send ``rate`` requests a second, evenly spaced.

    Latency counts from the time a request was due, so that a server that falls behind cannot hide it.
    """
    tally = Tally(right)
    idle: deque[Connection] = deque()
    waiting: deque[tuple[float, str, bytes]] = deque()

    def send(connection: Connection, due: float, tag: str, request: bytes) -> None:
        connection.asked, connection.tag = due, tag
        connection.transport.write(request)

    def done(connection: Connection, status: int, body: bytes) -> None:
        tally.add(connection.tag, status, time.perf_counter() - connection.asked, body)
        connection.asked = 0.0
        if tally.answered == planned:
            finished.set()
        if status == 0:
            return
        if waiting:
            send(connection, *waiting.popleft())
        else:
            idle.append(connection)

    planned, finished = int(rate * seconds), asyncio.Event()
    everyone = await connect(port, connections, done)
    idle.extend(everyone)
    start = time.perf_counter()
    late = 0.0
    for n in range(planned):
        due = start + n / rate
        now = time.perf_counter()
        if due > now:
            await asyncio.sleep(due - now)
        else:
            late = max(late, now - due)
            if n % 32 == 0:
                await asyncio.sleep(0)
        tag, request = next(requests)
        if idle:
            send(idle.popleft(), due, tag, request)
        else:
            waiting.append((due, tag, request))
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(finished.wait(), 10)
    elapsed = time.perf_counter() - start
    for connection in everyone:
        connection.asked = 0.0
        connection.transport.close()
    answered = tally.answered
    return {
        "asked_a_second": rate,
        "seconds": seconds,
        "answered": answered,
        "unanswered": planned - answered,
        "answered_a_second": round(answered / elapsed, 1),
        "generator_late_ms": round(late * 1000, 3),
        **tally.summary(),
    }


async def closed_loop(
    port: int,
    requests: Iterator[tuple[str, bytes]],
    clients: int,
    seconds: float,
    *,
    each: int = 1,
    right: Right | None = None,
) -> dict[str, Any]:
    """Run ``clients`` that send again as soon as they get an answer; ``each`` is the number of events per request."""
    tally = Tally(right)
    stop = time.perf_counter() + seconds
    finished: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    left = clients

    def send(connection: Connection) -> None:
        connection.tag, request = next(requests)
        connection.asked = time.perf_counter()
        connection.transport.write(request)

    def done(connection: Connection, status: int, body: bytes) -> None:
        nonlocal left
        tally.add(connection.tag, status, time.perf_counter() - connection.asked, body)
        connection.asked = 0.0
        if time.perf_counter() < stop and status:
            send(connection)
            return
        left -= 1
        if left == 0 and not finished.done():
            finished.set_result(None)

    everyone = await connect(port, clients, done)
    start = time.perf_counter()
    for connection in everyone:
        send(connection)
    await asyncio.wait_for(finished, seconds + 30)
    elapsed = time.perf_counter() - start
    for connection in everyone:
        connection.transport.close()
    good = sum(count for status, count in tally.statuses.items() if status.endswith(" 200"))
    return {
        "clients": clients,
        "seconds": round(elapsed, 1),
        "events_in_a_request": each,
        "events_a_second": round(good * each / elapsed, 1),
        **tally.summary(),
    }
