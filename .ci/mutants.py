"""Mutation testing of ``core/`` and ``recommender/``: mutmut changes the code, and the tests beside it must notice.

Draws the same sample of mutants for the same code, runs the tests that reach each of them, lists the survivors, and
fails if fewer than 90 % were killed. ``[tool.mutmut]`` in pyproject.toml says what is mutated and which tests run.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
MUTANTS = ROOT / "mutants"
GENERATE = "penchant.core.run.*"  # few mutants: running them generates all
SEED, WANTED = 12, 0.9
SURVIVED = (0, 5, 33, 34, None)  # passed, no tests, not run


def mutmut(*names: str) -> None:
    """Run the tests against mutants; results go beside the mutated files."""
    subprocess.run([sys.executable, "-m", "mutmut", "run", *names], cwd=ROOT, check=True)  # noqa: S603  # ours


def outcomes() -> dict[str, int | None]:
    """The exit code of the tests by mutant, None for mutants that were not run."""
    found: dict[str, int | None] = {}
    for path in sorted(MUTANTS.rglob("*.meta")):
        found |= json.loads(path.read_text())["exit_code_by_key"]
    return found


def main() -> int:
    asked = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    asked.add_argument("--sample", type=int, default=220, help="how many mutants to run")
    asked.add_argument("--seed", type=int, default=SEED, help="which ones")
    given = asked.parse_args()
    mutmut(GENERATE)
    names = sorted(outcomes())
    sample = random.Random(given.seed).sample(names, min(given.sample, len(names)))
    mutmut(*sample)
    ran = {name: code for name, code in outcomes().items() if name in set(sample)}
    survivors = sorted(name for name, code in ran.items() if code in SURVIVED)
    for name in survivors:
        subprocess.run([sys.executable, "-m", "mutmut", "show", name], cwd=ROOT, check=False)  # noqa: S603  # ours
    share = 1 - len(survivors) / len(ran)
    print(f"{len(ran)} of {len(names):,} mutants, {len(ran) - len(survivors)} killed ({share:.1%}); survivors:")
    print("\n".join(f"  {name}" for name in survivors) or "  none")
    return 0 if share >= WANTED else 1


if __name__ == "__main__":
    sys.exit(main())
