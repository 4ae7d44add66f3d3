"""HTTP connections with bounds: size and time of a head, time of a body, number of connections."""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from penchant.serve.common.settings import Settings

TOO_LARGE = b"HTTP/1.1 431 Request Header Fields Too Large\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
SEPARATORS = 4  # bytes beside the name and the value of a header


class BoundedProtocol(HttpToolsProtocol):
    """Closes a connection whose head is too large, whose head or body does not arrive in time, or
    that is one too many."""

    settings = Settings()
    _timer: asyncio.TimerHandle | None = None
    _in_head, _head = False, 0  # whether a head has begun, and its bytes so far
    _half_closed = False  # whether the client sends no more and awaits answers

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        """Refuse one connection too many; wait for the first head."""
        super().connection_made(transport)
        if len(self.connections) > self.settings.max_connections:
            transport.close()
        else:
            self._within(self.settings.head_seconds)

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing is awaited any more."""
        self._arrived()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse what arrived, unless the connection is closing; the parser's work grows with a head without an end."""
        if self.transport.is_closing():
            return
        super().data_received(data)
        if self._in_head:
            self._head += len(data)
            if self._head > self.settings.max_head:
                self._refuse()

    def eof_received(self) -> bool:  # type: ignore[override]  # asyncio asks whether to stay open
        """The client sends no more (``shutdown(SHUT_WR)``): it still gets the answers to its complete requests."""
        awaited = self.cycle is not None and not self.cycle.response_complete
        self._half_closed = bool(self.pipeline) or (awaited and not self.cycle.more_body)
        if self._half_closed:
            self._arrived()  # what is missing of another request never comes
        return self._half_closed

    def on_response_complete(self) -> None:
        """Close after the last answer to a client that sends no more."""
        super().on_response_complete()
        if self._half_closed and not self.pipeline and (self.cycle.response_complete or self.cycle.more_body):
            self.transport.close()

    def on_message_begin(self) -> None:
        """A head begins."""
        super().on_message_begin()
        self._in_head, self._head = True, 0
        self._within(self.settings.head_seconds)

    def on_headers_complete(self) -> None:
        """The head is complete, the body is awaited."""
        self._in_head = False
        size = len(self.url) + sum(len(name) + len(value) + SEPARATORS for name, value in self.headers)
        if size > self.settings.max_head:
            self._refuse()
            return
        self._within(self.settings.body_seconds)
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """A part of a body."""
        if not self.transport.is_closing():
            super().on_body(body)

    def on_message_complete(self) -> None:
        """The request is complete."""
        self._arrived()
        if not self.transport.is_closing():
            super().on_message_complete()

    def _refuse(self) -> None:
        self._arrived()
        self._in_head = False
        self.transport.write(TOO_LARGE)
        self.transport.close()

    def _within(self, seconds: float) -> None:
        self._arrived()
        self._timer = self.loop.call_later(seconds, self.transport.close)

    def _arrived(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def bounded(settings: Settings) -> Any:
    """The class of connections with the bounds of these settings."""
    return type("Bounded", (BoundedProtocol,), {"settings": settings})
