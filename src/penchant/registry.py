"""Model names ↔ model classes, as strings, so that naming a model imports nothing until it is wanted."""

from __future__ import annotations

import difflib
import importlib
import json
from typing import TYPE_CHECKING, Any

from penchant.errors import MissingExtraError, ParameterError

if TYPE_CHECKING:
    from penchant.models.base import Model

# name: (module, class, extra that must be installed or "")
MODELS: dict[str, tuple[str, str, str]] = {
    "popular": ("penchant.models.popular", "Popular", ""),
    "random": ("penchant.models.random", "Random", ""),
    "item-knn": ("penchant.models.item_knn", "ItemKNN", ""),
    "ease": ("penchant.models.ease", "EASE", ""),
    "transitions": ("penchant.models.transitions", "Transitions", ""),
}
CLASS_NAMES: dict[str, str] = {cls: name for name, (_, cls, _) in MODELS.items()}


def model_class(name: str) -> type[Model]:
    """The class registered under ``name``; raises ``ParameterError`` with the nearest names, or the missing extra."""
    if name not in MODELS:
        near = difflib.get_close_matches(name, MODELS, n=3, cutoff=0.5)
        hint = f"did you mean {' or '.join(near)}?" if near else "penchant models lists them"
        raise ParameterError(f"there is no model {name!r}: {hint}")
    module, cls, extra = MODELS[name]
    try:
        found = getattr(importlib.import_module(module), cls)
    except ModuleNotFoundError as missing:
        if extra and not (missing.name or "").startswith("penchant"):
            raise MissingExtraError(extra, f"model {name!r}") from missing
        raise
    return found  # type: ignore[no-any-return]


def create(name: str, params: dict[str, Any] | None = None) -> Model:
    """A model from its name and hyper-parameters; unknown ones raise ``ParameterError`` and name those there are."""
    cls = model_class(name)
    known = [f.name for f in cls.hyper_parameters()]
    for key in params or {}:
        if key not in known:
            near = difflib.get_close_matches(key, known, n=1)
            hint = f"did you mean {near[0]!r}?" if near else "it has " + ", ".join(known)
            raise ParameterError(f"{name} has no parameter {key!r}: {hint}")
    return cls(**(params or {}))


def parse(text: str) -> Model:
    """A model as written on the command line: ``NAME`` or ``NAME:param=value,param=value``."""
    name, _, rest = text.partition(":")
    params: dict[str, Any] = {}
    for part in filter(None, (p.strip() for p in rest.split(","))):
        key, sign, value = part.partition("=")
        if not sign or not key.strip():
            raise ParameterError(f"{text!r}: {part!r} should read param=value")
        params[key.strip()] = literal(value.strip())
    return create(name.strip(), coerce(name.strip(), params))


def literal(text: str) -> Any:
    """A JSON number, true, false or null; anything else is the text itself."""
    try:
        value = json.loads(text, parse_constant=lambda word: word)
    except ValueError:
        return text
    return value if isinstance(value, (bool, int, float)) or value is None else text


def coerce(name: str, params: dict[str, Any]) -> dict[str, Any]:
    """Whole numbers written for fractional parameters (``half_life=3``) and back (``window=3.0``)."""
    defaults = {f.name: f.default for f in model_class(name).hyper_parameters()}
    out = dict(params)
    for key, value in params.items():
        default = defaults.get(key)
        if isinstance(default, float) and isinstance(value, int) and not isinstance(value, bool):
            out[key] = float(value)
        elif (
            isinstance(default, int)
            and not isinstance(default, bool)
            and isinstance(value, float)
            and value.is_integer()
        ):
            out[key] = int(value)
    return out
