"""The reading options as parameters of a command."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from inspect import Parameter, Signature, signature
from typing import Any, TypeVar, get_type_hints

from penchant.cli.options import ReadOptions
from penchant.core.memory import limited

R = TypeVar("R")
NOT_OPTIONS = ("logs", "item_table", "user_table", "known_contexts", "known_people", "opiner")
OWN_OPTIONS = ("store", "store_url_file", "context", "users")  # a command may have its own


def reading_options(command: Callable[..., R]) -> Callable[..., R]:
    """Add the reading options to a typer command, whose parameter ``reading`` receives a ``ReadOptions``.

    A command with options of its own for the store or the context keeps its own.

    ::

        @app.command()
        @reading_options
        def inspect(logs: Logs, reading: ReadOptions) -> None:
            log, catalog = read_log(reading.with_logs(logs))
    """
    hints = get_type_hints(command, include_extras=True)
    own = [p.replace(annotation=hints[p.name]) for p in signature(command).parameters.values() if p.name != "reading"]
    # --sql or --store takes the place of files, so none is required
    own = [p.replace(default=None) if p.name == "logs" else p for p in own]
    option_hints = get_type_hints(ReadOptions, include_extras=True)
    options = [
        Parameter(f.name, Parameter.KEYWORD_ONLY, default=f.default, annotation=option_hints[f.name])
        for f in fields(ReadOptions)
        if f.name not in NOT_OPTIONS and not (f.name in OWN_OPTIONS and any(p.name == f.name for p in own))
    ]
    names = {option.name for option in options}
    if clash := sorted(names & {p.name for p in own}):
        raise TypeError(f"{command.__name__} has a parameter {clash[0]!r}, which is also a reading option")

    def run(**given: Any) -> R:
        reading = ReadOptions(**{name: given.pop(name) for name in names})
        with limited(reading.memory):
            return command(**given, reading=reading)

    parameters = [*(p.replace(kind=Parameter.KEYWORD_ONLY) for p in own), *options]
    run.__name__, run.__doc__, run.__module__ = command.__name__, command.__doc__, command.__module__
    run.__annotations__ = {p.name: p.annotation for p in parameters}
    run.__signature__ = Signature(parameters)  # type: ignore[attr-defined]  # where typer looks for its parameters
    return run
