"""Model names ↔ model classes, as strings, so that nothing is imported until a model is used."""

from __future__ import annotations

import difflib
import importlib
import json
from typing import TYPE_CHECKING, Any, NamedTuple

from penchant.errors import DataError, MissingExtraError, ParameterError

if TYPE_CHECKING:
    from penchant.models.kinds.base import Model


class Registered(NamedTuple):
    """Where a model is found and what it does, in a line."""

    module: str
    cls: str
    summary: str  # the row of README.md
    extra: str = ""  # that must be installed


# one entry a model; `make models` writes the table of README.md and the imports for type checkers from it
MODELS: dict[str, Registered] = {
    "popular": Registered(
        "penchant.models.popular",
        "Popular",
        "the items with the most events, the same for everybody: the baseline to beat",
    ),
    "random": Registered("penchant.models.random", "Random", "a random list: what metrics reach by chance"),
    "bias": Registered("penchant.models.bias", "Bias", "predicts ratings from the means of items and people"),
    "item-knn": Registered(
        "penchant.models.item_knn",
        "ItemKNN",
        "items that occur in the same histories, under a dozen similarities; ranks and predicts ratings",
    ),
    "user-knn": Registered(
        "penchant.models.user_knn", "UserKNN", "what the most similar training histories contain; lists and ratings"
    ),
    "content-knn": Registered(
        "penchant.models.content_knn",
        "ContentKNN",
        "items with similar attributes or vectors, so that new items are recommended at once",
    ),
    "transitions": Registered(
        "penchant.models.transitions",
        "Transitions",
        "what people did next: sequential item-to-item weights, recent events counting more",
    ),
    "session-knn": Registered(
        "penchant.models.session_knn",
        "SessionKNN",
        "what came next in the most similar sessions: SKNN, V-SKNN, STAN and VSTAN in one",
    ),
    "tifu-knn": Registered(
        "penchant.models.tifu_knn",
        "TIFUKNN",
        "the next basket: a person's own habits, and those of people with similar ones",
    ),
    "buy-again": Registered(
        "penchant.models.buy_again",
        "BuyAgain",
        "what a person will take again: their own rhythm, how lately, how often; ask it with repeats",
    ),
    "ease": Registered("penchant.models.ease", "EASE", "a linear item-to-item model in closed form"),
    "sparse-ease": Registered(
        "penchant.models.sparse_ease", "SparseEASE", "EASE for large catalogues: memory is linear in the items"
    ),
    "slim": Registered(
        "penchant.models.slim", "SLIM", "a sparse linear item-to-item model with few, positive weights (elastic net)"
    ),
    "rp3beta": Registered(
        "penchant.models.rp3beta",
        "RP3beta",
        "a random walk over people and items, with popular items counting less; P3alpha with beta=0",
    ),
    "graph-filter": Registered(
        "penchant.models.graph_filter",
        "GraphFilter",
        "a filter on the item graph: sparse neighbours plus the leading frequencies",
    ),
    "als": Registered("penchant.models.als", "ALS", "matrix factorisation by alternating least squares (iALS)"),
    "pure-svd": Registered("penchant.models.pure_svd", "PureSVD", "a truncated SVD of the log"),
    "bpr": Registered("penchant.models.bpr", "BPR", "matrix factorisation by pairs of a taken and a sampled item"),
    "warp": Registered("penchant.models.warp", "WARP", "matrix factorisation that searches for wrongly ranked items"),
    "logistic-mf": Registered("penchant.models.logistic_mf", "LogisticMF", "matrix factorisation with a logistic loss"),
    "svd": Registered(
        "penchant.models.svd", "SVD", "predicts ratings by biased matrix factorisation with learned priors"
    ),
    "svdpp": Registered(
        "penchant.models.svdpp", "SVDpp", "predicts ratings by factors that also use which items were rated"
    ),
    "nmf": Registered("penchant.models.nmf", "NMF", "predicts ratings by non-negative factors"),
    "slope-one": Registered(
        "penchant.models.slope_one", "SlopeOne", "predicts ratings by the mean differences between pairs of items"
    ),
    "history-mlp": Registered(
        "penchant.models.neural.history_mlp",
        "HistoryMLP",
        "the textbook network: embedded last items through dense layers to the next item",
        "neural",
    ),
    "history-classifier": Registered(
        "penchant.models.neural.history_classifier",
        "HistoryClassifier",
        "the same network over classes of items, such as decades or categories",
        "neural",
    ),
    "gru4rec": Registered(
        "penchant.models.neural.gru4rec", "GRU4Rec", "a recurrent network over the history", "neural"
    ),
    "sasrec": Registered(
        "penchant.models.neural.sasrec",
        "SASRec",
        "a causal transformer over the history, with times and, if asked, item attributes",
        "neural",
    ),
    "two-tower": Registered(
        "penchant.models.neural.two_tower",
        "TwoTower",
        "one tower for histories and one for items with their attributes, for new items too",
        "neural",
    ),
    "mult-vae": Registered(
        "penchant.models.neural.mult_vae", "MultVAE", "a variational autoencoder of the set of items", "neural"
    ),
    "neu-mf": Registered(
        "penchant.models.neural.neu_mf", "NeuMF", "a product of factors plus a dense network over both sides", "neural"
    ),
    "auto-rec": Registered(
        "penchant.models.neural.auto_rec", "AutoRec", "predicts ratings by an autoencoder", "neural"
    ),
    "blend": Registered("penchant.models.blend", "Blend", "a weighted sum of other models"),
    "ranked": Registered(
        "penchant.ranking.ranked",
        "Ranked",
        "orders the candidates of other models by boosted trees over all that is known: history, item, context",
        "rank",
    ),
    "gbm-rating": Registered(
        "penchant.ranking.gbm_rating",
        "GBMRating",
        "predicts ratings by boosted trees over the errors of another model: attributes, context, mood",
        "rank",
    ),
    "fm": Registered(
        "penchant.ranking.fm",
        "FM",
        "orders the candidates of other models by a factorisation machine over ids, attributes, contexts and features",
    ),
    "fm-rating": Registered(
        "penchant.ranking.fm_rating",
        "FMRating",
        "predicts ratings by a factorisation machine over the errors of another model",
    ),
    "deepfm": Registered(
        "penchant.ranking.deepfm",
        "DeepFM",
        "orders the candidates of other models by a factorisation machine and a network over the same vectors",
        "neural",
    ),
    "deepfm-rating": Registered(
        "penchant.ranking.deepfm_rating",
        "DeepFMRating",
        "predicts ratings by a factorisation machine and a network over the errors of another model",
        "neural",
    ),
}
CLASS_NAMES: dict[str, str] = {entry.cls: name for name, entry in MODELS.items()}


def model_class(name: str) -> type[Model]:
    """The class registered under ``name``; raises ``ParameterError`` with the nearest names, or the missing extra."""
    if name not in MODELS:
        near = difflib.get_close_matches(name, MODELS, n=3, cutoff=0.5)
        hint = f"did you mean {' or '.join(near)}?" if near else "penchant models lists them"
        raise ParameterError(f"there is no model {name!r}: {hint}")
    module, cls, _, extra = MODELS[name]
    try:
        found: type[Model] = getattr(importlib.import_module(module), cls)
    except ModuleNotFoundError as missing:
        if extra and not (missing.name or "").startswith("penchant"):
            raise MissingExtraError(extra, f"model {name!r}") from missing
        raise
    return found


def create(name: str, params: dict[str, Any] | None = None) -> Model:
    """A model from its name and hyper-parameters; unknown ones raise ``ParameterError``, which lists the known ones."""
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
    name, params = stated(text)
    return create(name, coerce(name, params))


def stated(text: str) -> tuple[str, dict[str, Any]]:
    """The name of a model and the parameters that a text gives, as they are written there."""
    name, _, rest = text.partition(":")
    params: dict[str, Any] = {}
    for part in filter(None, (p.strip() for p in rest.split(","))):
        key, sign, value = part.partition("=")
        if not sign or not key.strip():
            raise ParameterError(f"{text!r}: {part!r} should read param=value")
        params[key.strip()] = literal(value.strip())
    return name.strip(), params


def read(path: str) -> Model:
    """A model from a JSON file ``{"model": NAME, "params": {...}}``; raises ``DataError`` where it is not one.

    A parameter file of the tuner also says how the parameters were found (``curve`` and others); that part is ignored.
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


def members(owner: str, given: Any) -> list[Model]:
    """The members of model ``owner`` from models, descriptions, names, specifications or files."""
    return [_member(owner, one) for one in separate(owner, "members", given)]


def separate(owner: str, name: str, value: Any) -> list[Any]:
    """The parts of a parameter that holds several values; text as on the command line is separated by ``+``."""
    if isinstance(value, str):
        return [part.strip() for part in value.split("+") if part.strip()]
    if name == "weights" and isinstance(value, (int, float)) and not isinstance(value, bool):
        return [value]
    if not isinstance(value, (list, tuple)):
        raise ParameterError(f"{owner}: {name} must be a list, or text separated by +, got {value!r}")
    return list(value)


def _member(owner: str, given: Any) -> Model:
    """A model from itself, its description, or its name, specification or file."""
    from penchant.models.kinds.base import Model

    if isinstance(given, Model):
        return given
    if isinstance(given, str):
        return parse(given)
    if isinstance(given, dict):
        return from_json(given)
    raise ParameterError(f"{owner}: a member is a model, its name or its description, got {given!r}")


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
