"""Candidates of several models in an order by boosted trees, from everything that is known about the request."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from penchant.ranking.boosted import Boosted
from penchant.ranking.ordering import Ordering


@dataclass(kw_only=True)
class Ranked(Ordering, Boosted):
    """Score = a weighted sum of the members + the sum of boosted trees over the features of a candidate: LambdaMART.

    Minimises Σ |ΔNDCG_ij| · log(1 + exp(s_j − s_i)) over pairs of an answer i and another candidate j of one question
    (Burges, "From RankNet to LambdaRank to LambdaMART: an overview", 2010), by LightGBM (Ke et al., NIPS 2017).

    Candidates are the best ``depth`` items of each member, popular ones, those that are popular in the context of the
    request, new items that resemble the history and, where answers often repeat, the history itself. Features are the
    members' scores and ranks, the history (counts, recency, rhythm), its fit to each attribute, numbers such as prices
    against what is usual in it, popularity and trend, content vectors, and each context. Missing values stay missing.
    Questions are held-out events: members and statistics that answer them have seen neither them nor, where there are
    times, anything later. All other items follow the candidates, by the mean of the members.

    Cost: the members twice (five times without an order), and trees over up to two million candidates. An
    empty history is answered by popularity and its context. Needs the extra ``rank`` to fit, not to answer.
    """

    name: ClassVar[str] = "ranked"
    objective: ClassVar[str] = "lambdarank"
