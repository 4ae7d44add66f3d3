"""What a saved recommender holds, as plain data: the folder knows neither who made it nor who will answer with it."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from penchant.data.recipe import Recipe
from penchant.data.vocab import Vocab
from penchant.models.kinds.base import Model
from penchant.models.kinds.composite import with_members
from penchant.models.registry import to_json
from penchant.recommender.folder import tensors
from penchant.recommender.folder.arrays import flatten
from penchant.text.encoder import TextEncoder
from penchant.text.opinion import Opiner

if TYPE_CHECKING:
    from penchant.data.catalog import Catalog


@dataclass(frozen=True, eq=False)
class Contents:
    """Everything that a folder keeps."""

    vocab: Vocab
    model: Model
    recipe: Recipe
    catalog: Catalog | None
    version: str
    fitted_on: dict[str, Any] = field(default_factory=dict)
    text: TextEncoder | None = None  # what turned the texts of the items into vectors
    opiner: Opiner | None = None  # what reads the texts of events; None: the word list, which ships with the package


def content_hash(vocab: Vocab, recipe: Recipe, model: Model) -> str:
    """SHA-256 over ids, recipe, models, parameters and learned arrays: everything that answers depend on."""
    sha = hashlib.sha256()

    def add(document: object) -> None:
        sha.update(json.dumps(document, sort_keys=True).encode() + b"\0")

    add([vocab.fingerprint(), recipe.to_json()])
    for one in with_members(model):
        assets = {name: hashlib.sha256(content).hexdigest() for name, content in sorted(one.assets.items())}
        add([to_json(one), tensors.digest(flatten(one)), *([assets] if assets else [])])
    return sha.hexdigest()
