"""``penchant plan``: memory and time of every step, before it is taken."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from penchant.cli.options import Logs, ReadOptions
from penchant.cli.outputs import check_inputs
from penchant.cli.reading_options import reading_options
from penchant.cli.render import AsJson, example, print_json, show
from penchant.errors import ParameterError


def register(app: typer.Typer) -> None:
    """Add the command."""

    @app.command(
        epilog=example(
            "penchant plan events.parquet -m item-knn -m als -m ease",
            "penchant plan --rows 1e8 --users 1e7 --items 1e6 -m item-knn --machine 24GiB,2cores",
        )
    )
    @reading_options
    def plan(
        logs: Logs,
        reading: ReadOptions,
        model: Annotated[
            list[str] | None,
            typer.Option("--model", "-m", help="NAME or NAME:param=value,...; may be repeated (default: all models)."),
        ] = None,
        rows: Annotated[
            str | None,
            typer.Option(
                "--rows",
                metavar="N",
                help="Plan a log of so many rows (1e8) that you do not have; then --items is a number, too.",
            ),
        ] = None,
        users: Annotated[str | None, typer.Option("--users", metavar="N", help="With --rows: its users.")] = None,
        machine: Annotated[
            str | None,
            typer.Option("--machine", metavar="MEMORY,CORES", help="Another machine: 24GiB,2cores (default: this)."),
        ] = None,
        index: Annotated[
            bool, typer.Option("--index", help="With an index over the items, as --index of penchant fit.")
        ] = False,
        as_json: AsJson = False,
    ) -> None:
        """Say how much memory and time models would take, without fitting any; only a sample of the log is read."""
        from penchant.planning.plan import plan as plan_models

        if rows is None and users is None:
            reading = reading.with_logs(logs)
            check_inputs([], reading)
            given: dict[str, Any] = _reading(reading)
        elif logs or reading.sql:
            raise ParameterError("--rows and --users describe a log that you do not have: leave them out, or the log")
        else:
            numbers = {"rows": rows, "users": users, "items": None if reading.items is None else str(reading.items)}
            given = {name: _number(name, text) for name, text in numbers.items() if text is not None}
        found = plan_models(given.pop("source", None), model, machine=machine, index=index, **given)
        if as_json:
            print_json(found.to_json())
            return
        show(found.table())


def _number(name: str, text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise ParameterError(f"--{name} must be a number, such as 1e6, got {text!r}") from None


def _reading(options: ReadOptions) -> dict[str, Any]:
    """The log and what changes how it is read."""
    if not options.logs:
        raise ParameterError("no log was given: name one or more files, or plan by --rows, --users and --items")
    return {
        "source": options.logs, "columns": options.columns, "kinds": options.kind, "values": options.values,
        "weight": options.weight, "positive": options.positive, "refund": options.refund, "sep": options.sep,
        "encoding": options.encoding, "time_format": options.time_format, "time_zone": options.time_zone,
        "day_first": options.day_first, "by": options.by, "table": options.item_table,
    }  # fmt: skip
