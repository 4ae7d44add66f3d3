"""From a log and a model to a recommender."""

from __future__ import annotations

import copy
import time
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from penchant.core.blocks import counted
from penchant.core.run import Run
from penchant.core.weight_range import weight_range
from penchant.data.catalog import Catalog
from penchant.data.support import supported
from penchant.errors import DataError, ParameterError
from penchant.evaluation.described import features_of
from penchant.evaluation.protocols import training_rows
from penchant.evaluation.repeats import repeat_warnings
from penchant.models.kinds.base import Model
from penchant.models.kinds.updatable import Updatable
from penchant.models.registry import parse
from penchant.planning.check import check_memory
from penchant.ranking.moods import Moods
from penchant.recommender.indexing import check_can_have_index
from penchant.recommender.recommender import Recommender
from penchant.training.choice import BUDGET, Choice
from penchant.training.item_text import Way, with_text
from penchant.training.need import choose_need

if TYPE_CHECKING:
    from penchant.core.histories import Histories
    from penchant.data.interactions import Interactions
    from penchant.text.encoder import TextEncoder


def fit(
    log: Interactions,
    model: Model | Choice | str | None = None,
    *,
    catalog: Catalog | None = None,
    run: Run = Run(),  # noqa: B008  # frozen
    updatable: bool = False,
    budget: float | None = None,
    repeat: bool | None = None,
    text: Way | None = None,
    encoder: TextEncoder | None = None,
    index: bool = False,
    infer: str | None = None,
    min_support: int = 1,
) -> Recommender:
    """Fit a model (or its name, ``"item-knn:neighbours=100"``) on a log and return a recommender.

    Without a model, ``choose`` compares the strong models first, for about ``budget`` seconds (default 60);
    ``fitted_on["choice"]`` records the comparison and the reason. ``repeat`` says whether the comparison counts seen
    items as answers.

    Rows marked ``test`` are left out; ``fitted_on`` holds their number and other facts about the training data. The
    catalogue adds titles and item features; ``text`` turns the texts of its items into vectors (``"learned"``,
    ``"static"``, ``"choose"``, an encoder or a function), which the folder keeps with what made them; ``encoder`` is
    what has made those of the catalogue already. With either, the weight of a stated need is chosen on held-out items.
    With ``updatable`` the model keeps statistics from which ``recommender.model.update`` adds and removes histories
    exactly. With ``index``, lists come from an approximate index over the items where exact ones are slow
    (``Recommender.build_index``; ``notes`` say so). ``infer`` names a context, such as ``"mood"``, that is inferred
    from the session where a request does not state it; ``fitted_on["inferred"]`` says how well (``ranking.moods``).
    With ``min_support`` above 1, items, pairs and values of contexts that fewer histories hold are not learned
    (``data.support``); models whose statistics are sums over pairs leave out pairs, all others learn whole histories
    of the items that are left.

    Raises ``DataError`` where no row is left to learn from, or none is a positive, and ``ParameterError`` for a model
    that has no exact update or no index, for a context that cannot be inferred, and for ``budget`` or ``repeat`` with
    a model.
    """
    _check(log, model)
    if index and model is None:
        raise ParameterError("an index needs a model whose scores are inner products: name it")
    log, catalog, rare = supported(log, min_support, catalog)
    if updatable and log.recipe.min_support > 1:
        raise ParameterError("updatable keeps sums over every pair, however rare: leave out one of min_support and it")
    if text is not None:
        catalog, encoder = with_text(catalog, log, text)
    if log.aspects is not None:
        catalog = log.aspects.described(Catalog.empty(log.vocab) if catalog is None else catalog)
    features = features_of(catalog, log)
    if model is None:
        from penchant.training.choose import choose

        model = choose(log, catalog=catalog, budget=BUDGET if budget is None else budget, repeat=repeat, run=run)
    elif budget is not None or repeat is not None:
        word = "repeat" if budget is None else "budget"
        raise ParameterError(f"{word} applies only when no model is given: leave out one of the two")
    choice, chosen = (model, model.model) if isinstance(model, Choice) else (None, model)
    chosen = parse(chosen) if isinstance(chosen, str) else chosen
    if index:
        check_can_have_index(chosen)
    log.need_positives()
    used, left_out = training_rows(log)
    if len(used) == 0:
        raise DataError("the log holds no training rows")
    features = features if chosen.uses_features else None
    unfitted = None if encoder is None else copy.deepcopy(chosen)
    start, histories = time.perf_counter(), used.histories()
    check_memory(chosen, histories, run, index=index)
    if isinstance(chosen, Updatable):
        chosen.fit(histories, run=run, features=features, updatable=updatable)
    elif updatable:
        raise ParameterError(f"{chosen.name} has no exact update: leave out updatable, and fit it again instead")
    else:
        chosen.fit(histories, run=run, features=features)
    seconds = time.perf_counter() - start
    seen = _seen(used, left_out, chosen, run, seconds)
    if choice is not None:
        seen["choice"] = choice.to_json()
    if log.recipe.min_support > 1:
        seen["min_support"] = log.recipe.min_support
        seen["notes"] += [rare] if rare else []
    recipe = replace(log.recipe, weight_range=weight_range(histories))
    fitted = Recommender(log.vocab, chosen, recipe, catalog, seen, encoder, log.opiner)
    if infer is not None:
        fitted.moods = _inferred(infer, fitted, histories)
    if index:
        seen["notes"].append(fitted.build_index(histories, threads=run.threads, seed=run.seed))
    if unfitted is not None and (need := choose_need(unfitted, fitted, used, features, run)) is not None:
        seen["need"] = need
    return fitted


def _inferred(name: str, fitted: Recommender, histories: Histories) -> Moods:
    """What infers a context from sessions; how well it does on unseen histories goes into ``fitted_on``."""
    names = list(fitted.recipe.contexts)
    if name not in names or not fitted.model.uses_context:
        wanted = f"one of {', '.join(names)}" if names else "contexts: name them when the log is read"
        raise ParameterError(f"infer: {name!r} cannot be inferred: it needs a model that uses contexts, and {wanted}")
    moods = Moods.fit(histories, names.index(name))
    fitted.fitted_on["inferred"] = {"context": name, **{key: round(value, 4) for key, value in moods.judged.items()}}
    return moods


def _check(log: object, model: object) -> None:
    from penchant.data.interactions import Interactions

    if not isinstance(log, Interactions):
        raise DataError(f"log must be Interactions, not {type(log).__name__}: read the table with read_interactions")
    if isinstance(model, type):
        raise ParameterError(f"{model.__name__} is a class: pass an instance, {model.__name__}(), or its name as text")


def _seen(used: Interactions, left_out: int, model: Model, run: Run, seconds: float) -> dict[str, Any]:
    """What a saved recommender records about its training data: sizes and times, no ids."""
    positives = used.histories().positives()
    seen: dict[str, Any] = {
        "events": len(used),
        "histories": used.n_users,
        "items": int((model.item_counts > 0).sum()),  # those of positives
        "positives": len(positives.items),
        "histories_with_positives": int((positives.lengths > 0).sum()),
        "items_in_log": int(np.count_nonzero(counted(used.items, used.n_items))),
        "test_rows_left_out": left_out,
        "sessions": used.sessions,
        "from": _day(used.times, np.min),
        "to": _day(used.times, np.max),
        "seed": run.seed,
        "seconds": round(seconds, 3),
        "notes": [*model.notes, *_idle(model, run.device), *repeat_warnings(used)],
    }
    if used.report.store is not None and not left_out:
        seen["store"] = dict(used.report.store)
    if used.values_are == "rating" and used.values is not None:
        positive = used.values if used.liked is None else used.values[used.liked]
        seen["typical_rating"] = round(float(positive.mean(dtype=np.float64)), 4) if len(positive) else None
    return seen


def _idle(model: Model, device: str) -> list[str]:
    """A note where the model does not use the requested device."""
    if device == "cpu" or model.uses_device:
        return []
    return [f"{model.name} was fitted on the CPU: only neural models use the device {device!r}"]


def _day(times: Any, which: Any) -> str | None:
    if times is None or len(times) == 0:
        return None
    try:
        return datetime.fromtimestamp(int(which(times)), UTC).isoformat()
    except (ValueError, OverflowError, OSError):  # beyond what a calendar holds
        return None
