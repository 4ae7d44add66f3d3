"""A real process of the service, to be traced and killed."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.serve.conftest import begin_with

RUN = "from penchant.cli.main import run; run()"


class Process:
    """``penchant serve`` on a free port; ``before`` stands before the command, as strace does, ``more`` is at its end;
    ``settings`` are in its environment."""

    def __init__(
        self,
        folder: Path,
        store: Path | str,
        *,
        before: tuple[str, ...] = (),
        code: str = RUN,
        demo: bool = False,
        more: tuple[str, ...] = (),
        settings: Mapping[str, object] | None = None,
    ) -> None:
        arguments = (
            ["demo", "--serve"]
            if demo
            else [
                "serve",
                str(folder),
                "--store",
                store if isinstance(store, str) else f"sqlite:///{store}",
                "--active",
                begin_with(str(folder)),
            ]
        )
        command = [*before, sys.executable, "-c", code, *arguments]
        given = {f"PENCHANT_{name.upper()}": str(value) for name, value in (settings or {}).items()}
        self.process = subprocess.Popen(
            [*command, *more, "--port", "0"],
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
            env={**os.environ, **given},
        )
        self.lines: list[dict[str, Any]] = []
        self.port = 0
        assert self.process.stderr is not None
        told = []  # all it says, a traceback as well
        for line in self.process.stderr:
            told.append(line)
            with contextlib.suppress(ValueError):
                self.lines.append(json.loads(line))
                if self.lines[-1]["message"] == "listening":
                    self.port = self.lines[-1]["port"]
                    break
        if not self.port:
            self.kill()
            raise AssertionError("it did not start: " + "".join(told))
        self.start_seconds = self._worked()
        threading.Thread(target=self._drain, daemon=True).start()

    def _worked(self) -> float:
        """Seconds of processor time so far, which others that use the machine do not lengthen."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def _drain(self) -> None:
        assert self.process.stderr is not None
        with contextlib.suppress(ValueError):
            for line in self.process.stderr:
                with contextlib.suppress(ValueError):
                    self.lines.append(json.loads(line))

    def ask(self, method: str, path: str, document: Any = None) -> tuple[int, Any]:
        """One request over a connection of its own."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            body = None if document is None else json.dumps(document)
            connection.request(method, path, body, {"content-type": "application/json"} if body else {})
            response = connection.getresponse()
            return response.status, json.loads(response.read())
        finally:
            connection.close()

    def kill(self) -> None:
        """As a power cut would, for the process."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self._ended()
        until = time.monotonic() + 30
        while self._children():  # on a busy machine they hold files and locks for a while
            assert time.monotonic() < until, "a killed process does not end"
            time.sleep(0.01)

    def _children(self) -> list[str]:
        """What is left of its process group."""
        alive = []
        for path in Path("/proc").glob("[0-9]*/stat"):
            with contextlib.suppress(OSError):
                state, _, group = path.read_text().rpartition(")")[2].split()[:3]
                alive += [path.parent.name] if int(group) == self.process.pid and state != "Z" else []
        return alive

    def stop(self, by: signal.Signals = signal.SIGTERM) -> int:
        """As an operator would; returns what it ended with."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, by)
        return self._ended()

    def _ended(self) -> int:
        try:
            code = self.process.wait(30)
        except subprocess.TimeoutExpired:  # the test fails, and leaves nothing behind
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait(30)
            raise
        assert self.process.stderr is not None
        self.process.stderr.close()
        return code
