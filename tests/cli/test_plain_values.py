"""Values that need no conversion are those that typer's conversion returns, for every option of every command."""

from __future__ import annotations

from typing import Any

import pytest
import typer

from penchant.cli.main import make_app
from penchant.cli.plain_values import convert_seldom

VALUES = [
    None, "", "x", " 12 ", "12", "007", "-3", "1_0", "١٢", "1.5", "9" * 30, "nan", True, 0, 1, -1, 10**20, 0.5,
    [], ["a", "b"], ("a",), (), ["a", 1], b"x",
]  # fmt: skip


def parameters(command: Any) -> list[Any]:
    """Of a command and those below it."""
    return [*command.params, *(one for below in getattr(command, "commands", {}).values() for one in parameters(below))]


def outcome(parameter: Any, value: Any) -> Any:
    """What a parameter makes of a value: type and value, or the message of its error."""
    try:
        made = parameter.process_value(typer.Context(typer.main.get_command(make_app("warm"))), value)
    except Exception as error:  # noqa: BLE001  # any: the same from both
        return type(error), str(error)
    return type(made), repr(made)


def test_every_option_of_every_command_takes_what_it_took() -> None:
    theirs, ours = (typer.main.get_command(make_app()) for _ in range(2))
    convert_seldom(ours)
    seen, spared = set(), 0
    for before, after in zip(parameters(theirs), parameters(ours), strict=True):
        about = before.type_descriptor
        key = str(about.annotation), about.parameter_info.min, before.required, before.multiple, before.nargs
        if key in seen or (before.callback is not None and before.name != "version"):
            continue
        seen.add(key)
        for value in [*VALUES, before.default]:
            assert outcome(after, value) == outcome(before, value), (key, value)
        spared += "process" in after.process_value.__qualname__
    assert spared > 5


@pytest.mark.parametrize("least", [0, 3])
def test_bounds_of_numbers_hold(least: int) -> None:
    app = typer.Typer()

    @app.command()
    def run(count: int = typer.Option(5, min=least, max=9)) -> None: ...

    command: Any = typer.main.get_command(app)
    before = [outcome(command.params[0], str(n)) for n in range(12)]
    convert_seldom(command)
    assert [outcome(command.params[0], str(n)) for n in range(12)] == before
    refused = [isinstance(one[0], type) and issubclass(one[0], Exception) for one in before]
    assert refused == [n < least or n > 9 for n in range(12)]
