"""The peers' environments, one each, built from the pinned requirements next to this file."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
ENVIRONMENTS = ROOT / "bench" / ".envs"


def python(peer: str | None) -> Path:
    """The interpreter of a peer's environment, built if missing or if its requirements changed; None means our own."""
    if peer is None:
        return Path(sys.executable)
    requirements = Path(__file__).with_name(f"{peer}.txt")
    wanted = hashlib.sha256(requirements.read_bytes()).hexdigest()
    folder = ENVIRONMENTS / peer
    interpreter, stamp = folder / "bin" / "python", folder / "requirements.sha256"
    if not stamp.exists() or stamp.read_text() != wanted:
        print(f"making the environment of {peer} from {requirements.name}", file=sys.stderr)
        venv.create(folder, clear=True, with_pip=True)
        pip = [str(interpreter), "-m", "pip", "--disable-pip-version-check", "--quiet", "install"]
        subprocess.run([*pip, "--requirement", str(requirements)], check=True)
        stamp.write_text(wanted)
    return interpreter
