"""``python -m bench list | NAME ... | accuracy | report | all``."""

from __future__ import annotations

import argparse
import sys

from bench import duel, machine


def main() -> int:
    """Run what is asked; 1 when a goal is missed, 2 when the machine is too busy to measure."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("what", nargs="+", metavar="NAME", help="a comparison; list shows them")
    parser.add_argument("--rounds", type=int, help="rounds of ours and theirs in turn")
    parser.add_argument("--force", action="store_true", help="measure although the machine is busy")
    options = parser.parse_args()
    missed = 0
    for name in duel.names() if options.what == ["all"] else options.what:
        goals = duel.run(name, rounds=options.rounds, force=options.force)
        for goal in goals:
            print(f"{name}: {goal.text}: {goal.value:.4g} ({'met' if goal.met else 'MISSED'}, limit {goal.limit:g})")
        missed += sum(not goal.met for goal in goals)
    return int(missed > 0)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except machine.BusyError as busy:
        print(f"bench: {busy}", file=sys.stderr)
        sys.exit(2)
