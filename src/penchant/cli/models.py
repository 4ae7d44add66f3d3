"""``penchant models``: the models and their hyper-parameters."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from penchant.cli.render import AsJson, example, print_json, show
from penchant.errors import MissingExtraError
from penchant.models.registry import MODELS, model_class


def register(app: typer.Typer) -> None:
    """Add the command."""

    @app.command(epilog=example("penchant models", "penchant models item-knn"))
    def models(
        name: Annotated[str | None, typer.Argument(help="Show the hyper-parameters of one model.")] = None,
        as_json: AsJson = False,
    ) -> None:
        """List the models, or one model's hyper-parameters."""
        listed = [describe(each) for each in ([name] if name else MODELS)]
        if as_json:
            print_json(listed[0] if name else listed)
        elif name:
            _show_one(listed[0])
        else:
            _show_all(listed)


def describe(name: str) -> dict[str, Any]:
    """One model with its purpose and hyper-parameters; ``missing`` names an extra to install."""
    from penchant.models.kinds.rating import RatingModel

    try:
        cls = model_class(name)
    except MissingExtraError as missing:
        return {
            "name": name,
            "missing": missing.extra,
            "about": str(missing),
            "task": None,
            "predicts": False,
            "params": [],
        }
    params = [
        {
            "name": field.name,
            "default": field.default if isinstance(field.default, (bool, int, float, str)) else None,
            "help": meta["help"],
            "choices": None if meta["choices"] is None else list(meta["choices"]),
            "at_least": meta["gt"] if meta["ge"] is None else meta["ge"],
            "at_most": meta["le"],
            "auto": meta["auto"],
            "optional": meta["optional"],
        }
        for field in cls.hyper_parameters()
        if (meta := field.metadata.get("hyper")) is not None
    ]
    about = (cls.__doc__ or "").strip().partition("\n\n")[0].replace("``", "")
    predicts = issubclass(cls, RatingModel)
    return {
        "name": name,
        "missing": None,
        "about": " ".join(about.split()),
        "task": cls.task,
        "predicts": predicts,
        "params": params,
    }


def _tasks(one: dict[str, Any]) -> str:
    """The task of a model, and ``rating`` if it also predicts ratings."""
    return ", ".join([one["task"] or "-", *(["rating"] if one["predicts"] and one["task"] != "rating" else [])])


def _show_all(listed: list[dict[str, Any]]) -> None:
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD)
    table.add_column("model", style="bold", no_wrap=True)
    table.add_column("task")
    table.add_column("what it does")
    for one in listed:
        table.add_row(one["name"], _tasks(one), one["about"])
    show(table, "penchant models NAME shows the hyper-parameters of one model.")


def _show_one(one: dict[str, Any]) -> None:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD)
    for column in ("parameter", "default", "what it does"):
        table.add_column(column)
    for param in one["params"]:
        choices = f" ({', '.join(map(str, param['choices']))})" if param["choices"] else ""
        default = "none" if param["optional"] and param["default"] is None else str(param["default"])
        table.add_row(param["name"], default, param["help"] + choices)
    show(Text.assemble((one["name"], "bold"), "  ", one["about"]), table)
