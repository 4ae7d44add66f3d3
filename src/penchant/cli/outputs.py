"""Checks of every file that a command writes, before any work is done."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

from penchant.cli.options import ReadOptions
from penchant.core.outputs import reachable_file, refuse_existing, refuse_inputs
from penchant.errors import ParameterError


def check_inputs(outputs: Sequence[str | Path | None], reading: ReadOptions, *more: str | Path | None) -> None:
    """Raise ``ParameterError`` if an output is an input of the command, the same as another output, or inside it.

    The inputs are the logs, the item table and ``more``; a model given as ``@FILE`` counts as its file.
    """
    named = [Path(str(one).removeprefix("@")) for one in more if one is not None]
    inputs = [*reading.inputs(), *(path for path in named if path.exists())]
    targets = [Path(one) for one in (*outputs, reading.rejected) if one is not None]
    for at, target in enumerate(targets):
        refuse_inputs(target, inputs)
        for other in targets[:at]:
            one, two = target.resolve(), other.resolve()
            if one == two:
                raise ParameterError(f"{target} is named for two outputs: give each a file of its own")
            if one.is_relative_to(two) or two.is_relative_to(one):
                inner, outer = (target, other) if one.is_relative_to(two) else (other, target)
                raise ParameterError(f"{inner} is inside {outer}, another output: name another place for it")


def check_file(target: str | Path, *, force: bool, ours: Callable[[Path], bool] | None = None) -> None:
    """Raise ``ParameterError`` if a file cannot be written, or exists and neither is forced nor recognised as ours."""
    reachable_file(Path(target))
    refuse_existing(Path(target), force=force, ours=ours)


def check_lists(target: str | Path, *, force: bool, spreadsheet: bool = False) -> None:
    """As ``check_file``, for a file of lists; its ending names the format."""
    from penchant.recommender.bulk import check_ending

    check_ending(Path(target))
    if spreadsheet and Path(target).suffix != ".csv":
        raise ParameterError(f"--spreadsheet applies to a .csv file, not to {Path(target).name}")
    check_file(target, force=force)


def models_in_files(models: Sequence[str | None]) -> list[str]:
    """The models that are given as ``@FILE``."""
    return [model for model in models if model is not None and model.startswith("@")]


def is_training_log(path: Path) -> bool:
    """Whether a file has a line of JSON per epoch, to which training appends."""
    try:
        with path.open(encoding="utf-8") as file:
            first = json.loads(file.readline(1 << 16))
    except (OSError, ValueError):
        return False
    return isinstance(first, dict) and "epoch" in first
