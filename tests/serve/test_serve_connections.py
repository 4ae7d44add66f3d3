"""Connections are bounded: heads without an end, bodies that never come, too many sockets, clients that hang up."""

from __future__ import annotations

import logging
import socket
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from penchant.serve.service import Service
from tests.serve.hosting import hosted
from tests.serve.serving import Process

HEAD = b"POST /v1/events HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 500\r\n\r\n"
BOUNDS = {"max_head": 2048, "head_seconds": 0.5, "body_seconds": 0.5, "max_connections": 5}


@pytest.fixture
def served(knn: Path, tmp_path: Path) -> Iterator[tuple[int, Service]]:
    with hosted(folder=str(knn), store=f"sqlite:///{tmp_path / 'store.db'}", **BOUNDS) as (address, service):
        yield int(address.rpartition(":")[2]), service


def opened(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), timeout=10)


def answer(connection: socket.socket) -> bytes:
    """Everything until the other end closes the connection."""
    parts = []
    try:
        while part := connection.recv(65_536):
            parts.append(part)
    except ConnectionResetError:
        pass
    return b"".join(parts)


def live(port: int) -> bool:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/livez", timeout=5) as response:
        return bool(response.status == 200)


def head_of(size: int) -> bytes:
    """A request whose head counts as so many bytes."""
    start = b"GET /livez HTTP/1.1\r\nconnection: close\r\nhost: localhost\r\nx: "
    counted = len(b"/livez") + len(b"connectionclose") + len(b"hostlocalhost") + len(b"x") + 3 * 4
    return start + b"a" * (size - counted) + b"\r\n\r\n"


def test_a_head_has_a_size(served: tuple[int, Service]) -> None:
    port, _ = served
    for size, status in ((2048, b"200"), (2049, b"431")):
        with opened(port) as connection:
            connection.sendall(head_of(size))
            assert answer(connection)[9:12] == status


def test_a_head_without_an_end_is_refused_at_once(served: tuple[int, Service]) -> None:
    port, _ = served
    with opened(port) as connection:
        connection.sendall(b"GET /livez HTTP/1.1\r\nx: ")
        start = time.perf_counter()
        with pytest.raises((BrokenPipeError, ConnectionResetError)):
            connection.sendall(b"a" * 50_000_000)
        assert time.perf_counter() - start < 3
    assert live(port)


@pytest.mark.parametrize("sent", [b"", b"GET /livez HTT", b"GET /livez HTTP/1.1\r\nx: y\r\n", HEAD, HEAD + b"{"])
def test_what_does_not_arrive_is_not_awaited(served: tuple[int, Service], sent: bytes) -> None:
    port, _ = served
    with opened(port) as connection:
        start = time.perf_counter()
        connection.sendall(sent)
        answer(connection)
        assert 0.4 < time.perf_counter() - start < 4
    assert live(port)


def test_what_arrives_in_time_is_answered(served: tuple[int, Service]) -> None:
    port, _ = served
    with opened(port) as connection:
        for _ in range(3):  # the pauses between requests of one connection are longer than a head may take
            for part in (b"GET /livez HTTP/1.1\r\n", b"host: localhost\r\n\r\n"):
                connection.sendall(part)
                time.sleep(0.2)
            assert connection.recv(65_536).startswith(b"HTTP/1.1 200")
            time.sleep(0.7)


def test_a_client_that_hangs_up_is_no_error(served: tuple[int, Service], caplog: pytest.LogCaptureFixture) -> None:
    port, service = served
    with caplog.at_level(logging.WARNING):
        for sent in (HEAD, HEAD + b'{"events": [', HEAD[:40]):
            with opened(port) as connection:
                connection.sendall(sent)
                time.sleep(0.1)
        time.sleep(0.3)
        assert live(port)
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR] == []
    assert 'status="500"' not in service.metrics.text().decode()


EVENT = b'{"events": [{"user": "ann", "item": "i00"}]}'
SENT = HEAD.replace(b"500", str(len(EVENT)).encode()) + EVENT


@pytest.mark.parametrize("requests", [1, 2, 3])
def test_a_client_that_sends_no_more_still_gets_its_answers(served: tuple[int, Service], requests: int) -> None:
    port, _ = served
    with opened(port) as connection:
        connection.sendall(SENT * requests)
        connection.shutdown(socket.SHUT_WR)
        start = time.perf_counter()
        told = answer(connection)
        assert told.count(b"HTTP/1.1 200") == told.count(b'"accepted":1') == requests
        assert time.perf_counter() - start < 5  # it is closed then, not kept for more


@pytest.mark.parametrize("rest", [HEAD, HEAD[:40], b""])
def test_what_is_cut_short_is_not_answered(served: tuple[int, Service], rest: bytes) -> None:
    port, _ = served
    for sent, answers in ((rest, 0), (SENT + rest, 1)):
        with opened(port) as connection:
            connection.sendall(sent)
            connection.shutdown(socket.SHUT_WR)
            assert answer(connection).count(b"HTTP/1.1 200") == answers
    assert live(port)


def test_open_connections_are_limited(served: tuple[int, Service]) -> None:
    port, _ = served
    held = [opened(port) for _ in range(5)]
    time.sleep(0.1)
    with opened(port) as one_more:
        assert answer(one_more) == b""
    held[0].sendall(head_of(200))
    assert held[0].recv(65_536).startswith(b"HTTP/1.1 200")
    for connection in held:
        connection.close()
    time.sleep(0.2)
    assert live(port)


def test_what_strangers_send_fills_no_log(knn: Path, tmp_path: Path) -> None:
    process = Process(knn, tmp_path / "store.db")
    try:
        lines = len(process.lines)
        for wrong in (b"\x16\x03\x01\x02", b"GET / HTTP/9.9\r\n\r\n", b"GET /livez HTTP/1.1\r\nX: a\0b\r\n\r\n"):
            with opened(process.port) as connection:
                connection.sendall(wrong + bytes(100))
                assert answer(connection).startswith(b"HTTP/1.1 400")
        assert process.ask("GET", "/livez")[0] == 200
        time.sleep(0.3)
        assert process.lines[lines:] == []
    finally:
        process.stop()
