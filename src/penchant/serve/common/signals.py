"""The signals that end the service."""

from __future__ import annotations

import signal


def endings() -> list[signal.Signals]:
    """SIGTERM, SIGINT, and SIGHUP, when the terminal went away, unless it is ignored, as ``nohup`` does."""
    ends = [signal.SIGTERM, signal.SIGINT]
    if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:
        ends.append(signal.SIGHUP)
    return ends
