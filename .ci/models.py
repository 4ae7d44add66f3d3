"""Write what the registry of models says into README.md (its table) and src/penchant/__init__.py (its imports).

Run it with ``make models`` after a change of ``MODELS`` in ``src/penchant/models/registry.py``.
"""

from __future__ import annotations

import re
from pathlib import Path

from penchant.models.registry import CLASS_NAMES, MODELS

ROOT = Path(__file__).parents[1]
README, INIT = ROOT / "README.md", ROOT / "src" / "penchant" / "__init__.py"
TABLE = re.compile(r"(?s)(<!-- models: written by `make models` -->\n).*?(<!-- end of models -->)")
BLOCK = re.compile(r"(?s)(if TYPE_CHECKING:\n)(.*?)(\n\n)")


def readme(text: str) -> str:
    """README.md with the table of the registered models."""
    rows = [f"| `{name}` | {entry.summary} |" for name, entry in MODELS.items()]
    table = "\n".join(["", "| model | what it does |", "| --- | --- |", *rows, "", ""])
    return TABLE.sub(lambda found: found[1] + table + found[2], text)


def init(text: str) -> str:
    """The package's file with the imports of the registered models among those for type checkers."""
    models = {f"    from {entry.module} import {entry.cls} as {entry.cls}" for entry in MODELS.values()}

    def imports(found: re.Match[str]) -> str:
        others = [line for line in found[2].split("\n") if not _imports_a_model(line)]
        return found[1] + "\n".join(sorted({*others, *models}, key=lambda line: line.split()[1:4:2])) + found[3]

    return BLOCK.sub(imports, text, count=1)


def _imports_a_model(line: str) -> bool:
    """Whether a line imports a model, registered or not any more."""
    _, module, _, name, *_ = line.split()
    inside = module.startswith("penchant.models.") and not module.startswith("penchant.models.kinds.")
    return name in CLASS_NAMES or inside


if __name__ == "__main__":
    for file, written in ((README, readme), (INIT, init)):
        file.write_text(written(file.read_text(encoding="utf-8")), encoding="utf-8")
