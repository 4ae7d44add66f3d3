"""Candidates of several models in an order by a factorisation machine."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from penchant.ranking.factored import Factored
from penchant.ranking.ordering import Ordering


@dataclass(kw_only=True)
class FM(Ordering, Factored):
    """Score = Σ_j w_j x_j + Σ_{f < g} e_f · e_g, e_f = Σ_{j in field f} x_j v_j: a factorisation machine in fields.

    Rendle, "Factorization Machines", ICDM 2010; products inside one field are left out. Fields are the item, its
    attributes, each context of the request, the items of the history, and each feature of ``ranked``: as one of
    ``bins`` parts, or as missing, and as a number. Minimises −Σ log softmax of the answer among up to 51 candidates of
    its question, plus reg · |θ|², by Adagrad; candidates and questions are those of ``ranked``.

    Cost: the members twice (five times without an order), and ``epochs`` passes over up to two million candidates. An
    empty history is answered by popularity and its context. Raises ``TrainingError`` when what it learns is no longer a
    number.
    """

    name: ClassVar[str] = "fm"
    softmax: ClassVar[bool] = True
