"""Record the argument types that kernels are called with, in ``src/penchant/kernels/signatures.json``.

Every model except neural ones is fitted on the bundled data, saved, loaded and asked everything that
``bench/answers.py`` asks, and a log is prepared. What is found is added to the file; kernels that no longer exist are
removed.
"""

from __future__ import annotations

import importlib
import json
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "src")]

from bench import answers, equality  # noqa: E402  # after the path
from penchant.data.prepared.prepare import prepare  # noqa: E402
from penchant.kernels import Kernel, ready  # noqa: E402
from penchant.kernels.ready import SIGNATURES  # noqa: E402
from penchant.models.registry import MODELS  # noqa: E402


def main(models: list[str]) -> None:
    """Record the calls of some models, or all."""
    found: set[str] = set(json.loads(SIGNATURES.read_text()))

    def recorded(function: Callable[..., Any], args: tuple[Any, ...]) -> None:
        words = ready.described(args)
        if words is not None and function.__module__.startswith("penchant."):
            found.add(f"{function.__module__.rpartition('.')[2]}.{function.__name__}({words})")

    ready.machine_code = recorded
    for name in models or [name for name in MODELS if name not in equality.NETWORKS]:
        print(name, len(found), flush=True)
        with tempfile.TemporaryDirectory() as folder:
            asked = {
                "tree": str(ROOT), "model": name, "params": equality.PARAMS.get(name, {}), "threads": 0, "table": None,
                "positive": None, "rows": 100, "out": f"{folder}/out.npz", "save": f"{folder}/saved",
            }  # fmt: skip
            answers.main(asked | {"load": None})
            answers.main(asked | {"load": asked["save"]})
    with tempfile.TemporaryDirectory() as folder:
        prepare(ROOT / "tests/data/reading/exports/amounts.csv", Path(folder) / "log", rejected=False)
    SIGNATURES.write_text(json.dumps(sorted(filter(_exists, found)), indent=1) + "\n")
    print(f"{len(found)} combinations of argument types")


def _exists(name: str) -> bool:
    module, _, function = name.partition("(")[0].partition(".")
    file = SIGNATURES.with_name(f"{module}.py")
    return file.exists() and isinstance(
        getattr(importlib.import_module(f"penchant.kernels.{module}"), function, None), Kernel
    )


if __name__ == "__main__":
    main(sys.argv[1:])
