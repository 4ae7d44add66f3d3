"""Ratings from another model, corrected by boosted trees over everything that is known."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from penchant.models.kinds.base import Task
from penchant.ranking.boosted import Boosted
from penchant.ranking.correcting import Correcting


@dataclass(kw_only=True)
class GBMRating(Correcting, Boosted):
    """Predicted rating = that of the first member + a weighted sum + boosted trees, over features of history, item and
    context.

    Minimises Σ (r − p_0 − w·x − Σ f_t(x))² + reg · Σ leaf² by gradient boosting (Friedman, "Greedy function
    approximation", 2001; Ke et al., "LightGBM", NIPS 2017). p_0 is what the first member predicts; the others are
    features. w·x, a ridge regression, sums what is in units of ratings: members, earlier ratings, and by how much the
    item, items of its kind and the history are rated otherwise in each context that is stated.
    The errors that trees learn from are those of members and statistics that did not see the rating: each of ``folds``
    parts of the ratings is held out once.

    Cost: the members ``folds`` + 1 times, and trees over all ratings. An empty history, or an unrated item, gets
    what the first member says, corrected by item and context. Raises ``DataError`` when values are not ratings. Needs
    the extra ``rank`` to fit, not to answer.
    """

    name: ClassVar[str] = "gbm-rating"
    task: ClassVar[Task] = "rating"
    objective: ClassVar[str] = "regression"
