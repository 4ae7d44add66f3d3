"""Model names ↔ model classes, as strings, so that naming a model imports nothing until it is wanted."""

from __future__ import annotations

import difflib
import importlib
import json
from typing import TYPE_CHECKING, Any

from penchant.errors import DataError, MissingExtraError, ParameterError

if TYPE_CHECKING:
    from penchant.models.kinds.base import Model

# name: (module, class, extra that must be installed or "")
MODELS: dict[str, tuple[str, str, str]] = {
    "popular": ("penchant.models.popular", "Popular", ""),
    "random": ("penchant.models.random", "Random", ""),
    "als": ("penchant.models.als", "ALS", ""),
    "bpr": ("penchant.models.bpr", "BPR", ""),
    "warp": ("penchant.models.warp", "WARP", ""),
    "logistic-mf": ("penchant.models.logistic_mf", "LogisticMF", ""),
    "pure-svd": ("penchant.models.pure_svd", "PureSVD", ""),
    "svd": ("penchant.models.svd", "SVD", ""),
    "svdpp": ("penchant.models.svdpp", "SVDpp", ""),
    "nmf": ("penchant.models.nmf", "NMF", ""),
    "slope-one": ("penchant.models.slope_one", "SlopeOne", ""),
    "bias": ("penchant.models.bias", "Bias", ""),
    "item-knn": ("penchant.models.item_knn", "ItemKNN", ""),
    "user-knn": ("penchant.models.user_knn", "UserKNN", ""),
    "ease": ("penchant.models.ease", "EASE", ""),
    "slim": ("penchant.models.slim", "SLIM", ""),
    "sparse-ease": ("penchant.models.sparse_ease", "SparseEASE", ""),
    "rp3beta": ("penchant.models.rp3beta", "RP3beta", ""),
    "graph-filter": ("penchant.models.graph_filter", "GraphFilter", ""),
    "content-knn": ("penchant.models.content_knn", "ContentKNN", ""),
    "blend": ("penchant.models.blend", "Blend", ""),
    "session-knn": ("penchant.models.session_knn", "SessionKNN", ""),
    "transitions": ("penchant.models.transitions", "Transitions", ""),
    "history-mlp": ("penchant.models.neural.history_mlp", "HistoryMLP", "neural"),
    "history-classifier": ("penchant.models.neural.history_classifier", "HistoryClassifier", "neural"),
    "auto-rec": ("penchant.models.neural.auto_rec", "AutoRec", "neural"),
    "neu-mf": ("penchant.models.neural.neu_mf", "NeuMF", "neural"),
    "two-tower": ("penchant.models.neural.two_tower", "TwoTower", "neural"),
    "mult-vae": ("penchant.models.neural.mult_vae", "MultVAE", "neural"),
    "gru4rec": ("penchant.models.neural.gru4rec", "GRU4Rec", "neural"),
    "sasrec": ("penchant.models.neural.sasrec", "SASRec", "neural"),
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
        found: type[Model] = getattr(importlib.import_module(module), cls)
    except ModuleNotFoundError as missing:
        if extra and not (missing.name or "").startswith("penchant"):
            raise MissingExtraError(extra, f"model {name!r}") from missing
        raise
    return found


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
    """A model as written on the command line: ``NAME``, ``NAME:param=value,param=value`` or ``@FILE.json``."""
    if text.startswith("@"):
        return read(text[1:])
    name, _, rest = text.partition(":")
    params: dict[str, Any] = {}
    for part in filter(None, (p.strip() for p in rest.split(","))):
        key, sign, value = part.partition("=")
        if not sign or not key.strip():
            raise ParameterError(f"{text!r}: {part!r} should read param=value")
        params[key.strip()] = literal(value.strip())
    return create(name.strip(), coerce(name.strip(), params))


def read(path: str) -> Model:
    """A model from a JSON file ``{"model": NAME, "params": {...}}``; raises ``DataError`` where it is not one.

    A parameter file of the tuner also says how the parameters were found, under ``curve`` and others: all of that is
    for people to read.
    """
    from pathlib import Path

    try:
        spec = json.loads(Path(path).read_bytes())
    except OSError as wrong:
        raise DataError(f"cannot be read ({wrong.strerror})", file=path) from None
    except (ValueError, RecursionError) as wrong:
        raise DataError(f"is not JSON ({wrong})", file=path) from None
    if isinstance(spec, dict) and "curve" in spec:
        spec = {key: value for key, value in spec.items() if key in {"model", "params"}}
    return from_saved(spec)


def from_json(spec: Any) -> Model:
    """The model that ``{"model": NAME, "params": {...}}`` describes, nested models as well."""
    return _described(spec, saved=False)


def from_saved(spec: Any) -> Model:
    """As ``from_json``, for the description in a saved folder or a parameter file: of this or an earlier version."""
    return _described(spec, saved=True)


def _described(spec: Any, *, saved: bool) -> Model:
    if not isinstance(spec, dict) or not isinstance(spec.get("model"), str) or set(spec) - {"model", "params"}:
        raise ParameterError('a model is described as {"model": NAME, "params": {...}}')
    name, params = spec["model"], spec.get("params", {})
    if not isinstance(params, dict):
        raise ParameterError(f"the params of {name!r} must be an object of name and value")
    params = renewed(name, params) if saved else params
    return create(name, coerce(name, {key: _from_value(value, saved=saved) for key, value in params.items()}))


def to_json(model: Model) -> dict[str, Any]:
    """What ``from_json`` reads: the name and the hyper-parameters, nested models as well."""
    return {"model": type(model).name, "params": {key: _to_value(value) for key, value in model.params().items()}}


def _from_value(value: Any, *, saved: bool) -> Any:
    if isinstance(value, dict):
        if "model" in value:
            return _described(value, saved=saved)
        return {key: _from_value(part, saved=saved) for key, part in value.items()}
    return [_from_value(part, saved=saved) for part in value] if isinstance(value, list) else value


def _to_value(value: Any) -> Any:
    from penchant.models.kinds.base import Model

    if isinstance(value, Model):
        return to_json(value)
    if isinstance(value, dict):
        return {key: _to_value(part) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [_to_value(part) for part in value]
    return value.item() if hasattr(value, "item") and not isinstance(value, (bool, int, float, str)) else value


def literal(text: str) -> Any:
    """A JSON number, true, false or null; anything else is the text itself."""
    try:
        value = json.loads(text, parse_constant=lambda word: word)
    except ValueError:
        return text
    return value if isinstance(value, (bool, int, float)) or value is None else text


def coerce(name: str, params: dict[str, Any]) -> dict[str, Any]:
    """Values as the hyper-parameters take them: numbers of the right type, and None for ``none`` where it may be.

    A whole number may be written for a fractional one (``half_life=3``) and the other way round (``window=3.0``).
    """
    declared = {f.name: f.metadata.get("hyper") for f in model_class(name).hyper_parameters()}
    out = dict(params)
    for key, value in params.items():
        meta = declared.get(key)
        if meta is None:
            continue
        if meta["optional"] and value == "none":
            out[key] = None
        elif meta["number"] is float and isinstance(value, int) and not isinstance(value, bool):
            out[key] = float(value)
        elif meta["number"] is int and isinstance(value, float) and value.is_integer():
            out[key] = int(value)
    return out


def renewed(name: str, params: dict[str, Any]) -> dict[str, Any]:
    """Parameters of a file that an earlier version may have written: -1 was "auto" then, 0 was "none" and "all"."""
    was = {f.name: f.metadata["hyper"]["was"] for f in model_class(name).hyper_parameters() if "hyper" in f.metadata}
    return {
        key: was[key][value]
        if key in was and isinstance(value, (int, float, str)) and not isinstance(value, bool) and value in was[key]
        else value
        for key, value in params.items()
    }
