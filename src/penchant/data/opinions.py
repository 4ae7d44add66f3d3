"""What the opinion of a text makes of the value of its event: in reading a log, and in serving."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal, cast, get_args

import numpy as np
from numpy.typing import NDArray

from penchant.core.histories import Bools, Floats
from penchant.errors import ParameterError
from penchant.text.comment import AGAINST, COMMENT, DIGITS

if TYPE_CHECKING:
    import polars as pl

    from penchant.text.opinion import Opiner

Use = Literal["replace", "blend", "weight"]
LEARN = "learn"  # in the place of an opiner: learn from the texts and stars of the log itself
UNREAD = 2.0  # in the place of an opinion that is learned later
TEXT, HEARD = "text", "heard"  # roles of columns: texts, and comments as a store keeps them


def parse_opinion(text: str | None) -> tuple[Use | None, str | None]:
    """How opinions are used, and the folder they come from, of ``blend:FOLDER``; None where there is none."""
    use, colon, folder = (text or "").partition(":")
    if text is None:
        return None, None
    if use not in get_args(Use) or (colon and not folder):
        raise ParameterError(
            f"an opinion is used as {', '.join(get_args(Use))}, alone or with a folder (blend:opinion/, "
            f"blend:{LEARN}), not {text[:40]!r}"
        )
    return cast("Use", use), folder or None


def scale_of(low: float, high: float) -> tuple[float, float] | None:
    """The smallest usual scale that holds ratings from ``low`` to ``high``; None if they are all one number."""
    from penchant.text.learned_opinion import SCALES

    usual = next(((lo, hi) for lo, hi in SCALES if lo <= low and high <= hi and low < high), None)
    return usual or ((low, high) if low < high else None)


def rated(use: str, scale: tuple[float, float], ratings: Floats, opinions: Floats) -> Floats:
    """Ratings after the opinions of their texts, ``(events,)``; NaN in either is what is missing.

    An opinion o is the rating r(o) = low + (o + 1) / 2 · (high - low). ``replace`` takes r(o) for the rating, ``blend``
    the mean of both. ``weight`` leaves a rating whose text agrees and moves one whose text contradicts it towards the
    middle of the scale, all the way for the strongest opinion. A missing rating is r(o).
    """
    low, high = scale
    middle, told = (low + high) / 2, low + (opinions + 1) / 2 * (high - low)
    if use == "replace":
        found = told
    elif use == "blend":
        found = (ratings + told) / 2
    else:
        found = middle + (ratings - middle) * (1 + np.minimum(0, np.sign(ratings - middle) * opinions))
    found = np.where(np.isnan(ratings), told, found)
    return np.where(np.isnan(opinions), ratings, found).astype(np.float32)


def weighted(use: str, weights: Floats, opinions: Floats) -> Floats:
    """Weights after the opinions of their texts, ``(events,)``; an event without an opinion keeps its weight.

    ``replace`` takes the opinion o, from -1 to 1, for the weight w, ``blend`` the mean of both. ``weight`` makes of w
    w · (1 + o) where the text agrees, and o · |w|, a dislike, where it speaks against the item.
    """
    if use == "replace":
        found = opinions
    elif use == "blend":
        found = ((weights + opinions) / 2).astype(np.float32)
    else:
        agreed = weights * (1 + np.sign(weights) * opinions)
        found = np.where((weights > 0) & (opinions <= AGAINST), weights * opinions, agreed).astype(np.float32)
    return np.where(np.isnan(opinions), weights, found).astype(np.float32)


def against(opinions: Floats) -> Bools:
    """Which texts speak against their item."""
    return np.asarray(opinions <= AGAINST)


def opinions_of(texts: list[Any], opiner: Opiner | None) -> Floats:
    """The opinion of each text by an opiner, by default the word list, ``(texts,)``, rounded as a store keeps it.

    NaN where nothing is said: an opinion of 0, as of a text without a known word, is none.
    """
    said = [at for at, text in enumerate(texts) if isinstance(text, str) and text.strip()]
    out = np.full(len(texts), np.nan, dtype=np.float32)
    if said:
        from penchant.text.lexicon import LexiconOpiner

        out[said] = settled((opiner or LexiconOpiner()).score([texts[at] for at in said], words=0).opinion)
    return out


def settled(opinions: NDArray[np.float64]) -> Floats:
    """Opinions rounded as a store keeps them; NaN for 0, which is none."""
    rounded = np.round(opinions, DIGITS)
    return np.where(rounded == 0, np.nan, rounded).astype(np.float32)


def kept_opinion(context: object) -> float:
    """The opinion that a store has kept of a comment, in the context of its event or as its JSON; NaN for none."""
    if isinstance(context, str):
        try:
            context = json.loads(context)
        except ValueError:
            return float("nan")
    inner = context.get(COMMENT, context) if isinstance(context, Mapping) else None
    found = inner.get("opinion") if isinstance(inner, Mapping) else None
    usable = isinstance(found, (int, float)) and not isinstance(found, bool) and -1 <= found <= 1
    return float(found) if usable and found else float("nan")


def heard(column: Mapping[str, pl.Series], opiner: Opiner | None, *, later: bool) -> Floats | None:
    """The opinions of the rows of a batch: of its texts, and of what a store has kept; None without such a column.

    With ``later`` a text is only noted, as ``UNREAD``.
    """
    import polars as pl

    found: Floats | None = None
    if HEARD in column:
        kept = column[HEARD].cast(pl.String).to_list()
        found = np.array([kept_opinion(one) for one in kept], dtype=np.float32)
    if TEXT in column:
        texts = column[TEXT].cast(pl.String)
        if later:
            blank = (texts.fill_null("").str.strip_chars() == "").to_numpy()
            said = np.where(blank, np.nan, UNREAD).astype(np.float32)
        else:
            said = opinions_of(texts.to_list(), opiner)
        found = said if found is None else np.where(np.isnan(said), found, said)
    return found
