"""One of several processes that answer on the socket of their parent (see ``workers``)."""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any

from penchant.errors import InputError, PenchantError
from penchant.serve.common.settings import Settings
from penchant.serve.common.signals import endings


def main() -> None:
    """Serve as the parent says over the socket that is named in the arguments; end when the parent does."""
    for number in set(endings()) - {signal.SIGTERM}:  # a terminal sends them to the parent, too, which ends this one
        signal.signal(number, signal.SIG_IGN)
    channel = socket.socket(fileno=int(sys.argv[1]))
    lines = channel.makefile("rb")
    told = json.loads(lines.readline())
    values: dict[str, Any] = told["settings"]
    values |= {name: tuple(one) for name, one in values.items() if isinstance(one, list)}  # JSON has lists only
    settings = Settings(**values)
    sockets = [socket.socket(fileno=handle) for handle in told["sockets"]]
    threading.Thread(target=lambda: _end_after(lines), name="penchant-parent", daemon=True).start()
    from penchant.serve.run import serve

    try:
        serve(
            settings,
            sockets=sockets,
            beside=told["beside"],
            started=lambda port: _tell(channel, {"ready": port}),
            config=told["config"],
            worker=(told["number"], Path(told["metrics"])),
        )
    except PenchantError as failed:
        _tell(channel, {"failed": str(failed), "input": isinstance(failed, InputError)})
        sys.exit(1)


def _end_after(lines: Any) -> None:
    """End when the parent is gone."""
    lines.read()
    os.kill(os.getpid(), signal.SIGTERM)


def _tell(channel: socket.socket, document: dict[str, Any]) -> None:
    with suppress(OSError):  # the parent is gone
        channel.sendall(json.dumps(document).encode() + b"\n")
