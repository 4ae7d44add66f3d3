"""What a quick ``penchant fit`` loads, and what it leaves to the commands that need it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from penchant.kernels import ahead, ready

LATE = {
    "numba", "scipy", "rich", "pandas", "pyarrow", "torch", "sqlalchemy", "fastapi", "pydantic",
    "penchant.evaluation.measure", "penchant.text.encoders", "penchant.text.lexicon", "statistics",
}  # fmt: skip
CODE = (
    "import sys; from pathlib import Path; from penchant.kernels import ready; "
    "folder = sys.argv.pop(); ready.places = lambda: [Path(folder)]; "
    "from penchant.cli.main import main; code = main(sys.argv[1:]); print(*sys.modules); sys.exit(code)"
)
KERNELS = ("ragged.by_item(", "half_life.", "nearest.", "corated.", "transitions.")


def loaded(log: Path, model: str, folder: Path) -> set[str]:
    """The modules that a process has loaded when it has fitted and saved a model."""
    words = ["fit", log / "log.csv", "-m", model, "-o", folder / "model", folder]
    env = {k: v for k, v in os.environ.items() if not k.startswith("NUMBA") and k != "PENCHANT_KERNELS"}
    done = subprocess.run([sys.executable, "-c", CODE, *words], capture_output=True, text=True, check=True, env=env)
    assert (folder / "model" / "manifest.json").exists()
    return set(done.stdout.splitlines()[-1].split())


def test_popularity_needs_neither_compiler_nor_scipy(shop: Path, tmp_path: Path) -> None:
    modules = loaded(shop, "popular", tmp_path)
    assert "penchant.models.popular" in modules
    assert not modules & LATE


@pytest.mark.slow
def test_ready_made_kernels_need_neither_compiler_nor_scipy(shop: Path, tmp_path: Path) -> None:
    level = ready.level()
    if level is None:
        pytest.skip("kernels are compiled ahead of time only for x86-64 processors")
    names = [name for name in json.loads(ready.SIGNATURES.read_text()) if name.startswith(KERNELS)]
    ahead.build(level, tmp_path / f"{level}.safetensors", names=names)
    tmp_path.chmod(0o755)
    for model in ("item-knn", "transitions"):
        into = tmp_path / model
        into.mkdir(mode=0o755)
        (into / f"{level}.safetensors").hardlink_to(tmp_path / f"{level}.safetensors")
        modules = loaded(shop, model, into)
        assert {"llvmlite", f"penchant.models.{model.replace('-', '_')}"} <= modules
        assert not modules & LATE, model
