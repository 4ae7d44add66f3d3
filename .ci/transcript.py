"""Put a fresh transcript of the demonstration into README.md."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

README = Path(__file__).parents[1] / "README.md"
BEGIN, END = "<!-- transcript -->\n", "<!-- end of transcript -->"


def main() -> None:
    """Run ``penchant demo`` a hundred columns wide and without colours."""
    demo = Path(sys.executable).with_name("penchant")
    environment = {**os.environ, "COLUMNS": "100", "NO_COLOR": "1", "TERM": "dumb"}
    done = subprocess.run([demo, "demo"], check=True, capture_output=True, text=True, env=environment)  # noqa: S603  # ours
    lines = [line.rstrip() for line in done.stdout.rstrip().splitlines()]
    before, _, rest = README.read_text().partition(BEGIN)
    _, _, after = rest.partition(END)
    README.write_text(before + BEGIN + "```text\n$ make demo\n" + "\n".join(lines) + "\n```\n" + END + after)


if __name__ == "__main__":
    main()
