"""Penchant: personalised recommendations, from a raw log to a live service.

Importing this loads nothing heavy: every public name is fetched from its module when it is first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from penchant import errors as errors
from penchant.models.registry import CLASS_NAMES, model_class

__version__ = "0.1.0"

if TYPE_CHECKING:
    from penchant.core.histories import Histories as Histories
    from penchant.core.rank import rank as rank
    from penchant.core.run import Run as Run
    from penchant.core.split import Split as Split
    from penchant.data.catalog import Catalog as Catalog
    from penchant.data.datasets import load_movielens_small as load_movielens_small
    from penchant.data.interactions import Interactions as Interactions
    from penchant.data.prepared.prepare import prepare as prepare
    from penchant.data.read import read_interactions as read_interactions
    from penchant.data.reading.query import query as query
    from penchant.data.recipe import Recipe as Recipe
    from penchant.data.vocab import Vocab as Vocab
    from penchant.evaluation.evaluate import evaluate as evaluate
    from penchant.models.als import ALS as ALS
    from penchant.models.bias import Bias as Bias
    from penchant.models.blend import Blend as Blend
    from penchant.models.bpr import BPR as BPR
    from penchant.models.buy_again import BuyAgain as BuyAgain
    from penchant.models.content_knn import ContentKNN as ContentKNN
    from penchant.models.ease import EASE as EASE
    from penchant.models.graph_filter import GraphFilter as GraphFilter
    from penchant.models.item_knn import ItemKNN as ItemKNN
    from penchant.models.kinds.base import Model as Model
    from penchant.models.logistic_mf import LogisticMF as LogisticMF
    from penchant.models.neural.auto_rec import AutoRec as AutoRec
    from penchant.models.neural.gru4rec import GRU4Rec as GRU4Rec
    from penchant.models.neural.history_classifier import HistoryClassifier as HistoryClassifier
    from penchant.models.neural.history_mlp import HistoryMLP as HistoryMLP
    from penchant.models.neural.mult_vae import MultVAE as MultVAE
    from penchant.models.neural.neu_mf import NeuMF as NeuMF
    from penchant.models.neural.sasrec import SASRec as SASRec
    from penchant.models.neural.two_tower import TwoTower as TwoTower
    from penchant.models.nmf import NMF as NMF
    from penchant.models.popular import Popular as Popular
    from penchant.models.pure_svd import PureSVD as PureSVD
    from penchant.models.random import Random as Random
    from penchant.models.rp3beta import RP3beta as RP3beta
    from penchant.models.session_knn import SessionKNN as SessionKNN
    from penchant.models.slim import SLIM as SLIM
    from penchant.models.slope_one import SlopeOne as SlopeOne
    from penchant.models.sparse_ease import SparseEASE as SparseEASE
    from penchant.models.svd import SVD as SVD
    from penchant.models.svdpp import SVDpp as SVDpp
    from penchant.models.tifu_knn import TIFUKNN as TIFUKNN
    from penchant.models.transitions import Transitions as Transitions
    from penchant.models.user_knn import UserKNN as UserKNN
    from penchant.models.warp import WARP as WARP
    from penchant.placements.reading import read_placements as read_placements
    from penchant.planning.plan import plan as plan
    from penchant.ranking.deepfm import DeepFM as DeepFM
    from penchant.ranking.deepfm_rating import DeepFMRating as DeepFMRating
    from penchant.ranking.fm import FM as FM
    from penchant.ranking.fm_rating import FMRating as FMRating
    from penchant.ranking.gbm_rating import GBMRating as GBMRating
    from penchant.ranking.ranked import Ranked as Ranked
    from penchant.recommender.answer import Answer as Answer
    from penchant.recommender.answer import Item as Item
    from penchant.recommender.answer import Why as Why
    from penchant.recommender.folder.load import verify as verify
    from penchant.recommender.recommender import Recommender as Recommender
    from penchant.recommender.recommender import load as load
    from penchant.recommender.recommender import save as save
    from penchant.store.log import store_log as store_log
    from penchant.training.choice import Choice as Choice
    from penchant.training.choose import choose as choose
    from penchant.training.fit import fit as fit
    from penchant.training.tune import tune as tune

# public name: the module that holds it
_PUBLIC = {
    "Vocab": "penchant.data.vocab",
    "Histories": "penchant.core.histories",
    "Interactions": "penchant.data.interactions",
    "query": "penchant.data.reading.query",
    "read_interactions": "penchant.data.read",
    "read_placements": "penchant.placements.reading",
    "Catalog": "penchant.data.catalog",
    "Recipe": "penchant.data.recipe",
    "load_movielens_small": "penchant.data.datasets",
    "Recommender": "penchant.recommender.recommender",
    "Answer": "penchant.recommender.answer",
    "Item": "penchant.recommender.answer",
    "Why": "penchant.recommender.answer",
    "fit": "penchant.training.fit",
    "choose": "penchant.training.choose",
    "Choice": "penchant.training.choice",
    "plan": "penchant.planning.plan",
    "prepare": "penchant.data.prepared.prepare",
    "save": "penchant.recommender.recommender",
    "load": "penchant.recommender.recommender",
    "verify": "penchant.recommender.folder.load",
    "evaluate": "penchant.evaluation.evaluate",
    "tune": "penchant.training.tune",
    "Split": "penchant.core.split",
    "Model": "penchant.models.kinds.base",
    "Run": "penchant.core.run",
    "rank": "penchant.core.rank",
    "store_log": "penchant.store.log",
}

__all__ = ["__version__", "errors", *sorted(_PUBLIC), *sorted(CLASS_NAMES)]


def __getattr__(name: str) -> Any:
    if name in _PUBLIC:
        return getattr(importlib.import_module(_PUBLIC[name]), name)
    if name in CLASS_NAMES:
        return model_class(CLASS_NAMES[name])
    raise AttributeError(f"module 'penchant' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
