"""The service beside callers that would starve the others: light answers with and without them, in one run.

python -m bench serve-hostile                 about three minutes
python -m bench serve-hostile --force         on a busy machine; the result says so
python -m bench serve-hostile --rate 50       fewer light answers a second

The server has one core, the generator the other. Beside a steady rate of light answers come, in turn: nothing; twelve
clients that ask for counts over everybody and for the reasons of long histories; heads without an end; more idle
connections than the service takes. Writes ``bench/results/serve/hostile.json``.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import socket
import tempfile
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

from bench import machine
from bench.peers import ROOT
from bench.serve_generator import open_loop
from bench.serve_load import PENCHANT, Server, Traffic, World, generate, get, prepare

RESULT = ROOT / "bench" / "results" / "serve" / "hostile.json"
CLIENTS = 12
RATE = 200.0  # light answers a second
CONNECTIONS = 2200  # the service takes 2,000
REASONS, LONG = 200, 2000  # items of a heavy answer, and events of its history
RETRY = 0.2  # seconds that a client waits after a 503
EVERY = 0.2  # seconds between two questions to /readyz
MIB = 2**20


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def ask(port: int, request: bytes) -> int:
    """The status of one request on a connection of its own; 0 if the connection was closed."""
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return 0
    try:
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        length = head.lower().partition(b"content-length: ")[2].partition(b"\r")[0]
        await reader.readexactly(int(length or 0))
        return int(head[9:12])
    except (OSError, asyncio.IncompleteReadError):
        return 0
    finally:
        writer.close()


async def heavy(port: int, requests: Iterator[bytes], until: float, statuses: Counter[str]) -> None:
    """A client that asks again as soon as it has an answer."""
    while time.perf_counter() < until:
        status = await ask(port, next(requests))
        statuses[str(status)] += 1
        if status != 200:
            await asyncio.sleep(RETRY)


async def endless(port: int, until: float, statuses: Counter[str]) -> None:
    """A client that sends heads without an end."""
    while time.perf_counter() < until:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        with contextlib.suppress(OSError):
            writer.write(b"GET /livez HTTP/1.1\r\nx: ")
            for _ in range(50):
                writer.write(b"a" * MIB)
                await writer.drain()
        with contextlib.suppress(OSError):
            statuses[(await reader.read(12))[9:12].decode() or "closed"] += 1
        writer.close()
        await asyncio.sleep(RETRY)


async def idle(port: int, until: float, statuses: Counter[str]) -> None:
    """More connections than the service takes, that send nothing, opened anew when they are closed."""
    while time.perf_counter() < until:
        opened = []
        for _ in range(CONNECTIONS):
            with contextlib.suppress(OSError):
                opened.append((await asyncio.open_connection("127.0.0.1", port))[1])
        statuses["opened"] += len(opened)
        await asyncio.sleep(min(5.0, max(0.0, until - time.perf_counter())))
        for writer in opened:
            writer.close()


async def watch(port: int, until: float, asked: list[tuple[int, float]]) -> None:
    """Ask /readyz again and again, on new connections; note the statuses and how long they take."""
    while time.perf_counter() < until:
        start = time.perf_counter()
        status = await ask(port, get("/readyz"))
        asked.append((status, time.perf_counter() - start))
        await asyncio.sleep(EVERY)


Beside = Callable[[int, float, "Counter[str]"], list[Awaitable[None]]]


async def part(
    port: int, light: Iterator[tuple[str, bytes]], rate: float, seconds: int, beside: Beside
) -> dict[str, Any]:
    """Light answers for some seconds beside something else."""
    until, statuses, ready = time.perf_counter() + seconds, Counter[str](), list[tuple[int, float]]()
    others = [asyncio.ensure_future(one) for one in (*beside(port, until, statuses), watch(port, until, ready))]
    told = await open_loop(port, light, rate, seconds, connections=64)
    await asyncio.wait(others, timeout=60)
    late = [one for one in others if not one.done()]
    for one in late:
        one.cancel()
    return {
        **told,
        "ready_ms": {
            "count": len(ready),
            "failed": sum(status != 200 for status, _ in ready),
            "max": round(1000 * max(spent for _, spent in ready), 1),
        },
        "beside": dict(statuses),
        "never_answered": len(late),
    }


def expensive(traffic: Traffic) -> Callable[[], Iterator[bytes]]:
    """Requests for counts over everybody, all different, and for reasons of long histories."""
    numbers = itertools.count(1)
    history = [traffic.items[n % len(traffic.items)] for n in range(LONG)]
    body = json.dumps({"history": history, "k": REASONS, "why": True}).encode()
    head = f"POST /v1/recommendations HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {traffic.read}\r\n"
    reasons = f"{head}content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n".encode() + body

    def requests() -> Iterator[bytes]:
        while True:
            days = 700 + next(numbers) / 1000
            yield get(f"/v1/popular?days={days}", traffic.read)
            yield get(f"/v1/trending?days={days}", traffic.read)
            yield reasons

    return requests


def measure(world: World, port: int, *, rate: float, seconds: int) -> dict[str, Any]:
    """Every part in turn; light answers alone come first and last."""
    requests = expensive(world.traffic)
    parts: dict[str, Beside] = {
        "alone": lambda *_: [],
        "heavy": lambda *one: [heavy(one[0], requests(), one[1], one[2]) for _ in range(CLIENTS)],
        "endless": lambda *one: [endless(*one) for _ in range(4)],
        "idle": lambda *one: [idle(*one)],
        "alone again": lambda *_: [],
    }
    light = world.traffic.answers()
    generate(open_loop(port, light, rate, 3))
    return {name: generate(part(port, light, rate, seconds, beside)) for name, beside in parts.items()}


def main(*, force: bool, rate: float = RATE, seconds: int = 20) -> int:
    """Measure, write the result and print the goals; return the number of missed ones."""
    from bench import serve_report

    busy = machine.require_quiet(force=force)
    with tempfile.TemporaryDirectory() as folder:
        port, world = free_port(), prepare(Path(folder), "item-knn:neighbours=100")
        command = [str(PENCHANT), "serve", world.model, "--store", world.url, "--port", str(port)]
        server = Server(command, port)
        try:
            parts = measure(world, port, rate=rate, seconds=seconds)
        finally:
            server.stop()
    result = {
        "what": "light answers beside callers that would starve the others",
        "command": "python -m bench serve-hostile" + f" --rate {rate:g}" * (rate != RATE) + " --force" * force,
        **world.about,
        "machine": machine.describe(),
        "busy_before": round(busy, 3),
        "clients": CLIENTS,
        "parts": parts,
    }
    RESULT.parent.mkdir(parents=True, exist_ok=True)
    RESULT.write_text(json.dumps(result, indent=1) + "\n")
    goals = serve_report.hostile_goals(result)
    for goal in goals:
        print(f"{goal['text']}: {goal['value']:.4g} ({'met' if goal['met'] else 'MISSED'}, limit {goal['limit']:.4g})")
    return sum(not goal["met"] for goal in goals)
