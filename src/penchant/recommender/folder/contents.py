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
from penchant.ranking.moods import Moods
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
    version: str | None  # None: that of the content
    fitted_on: dict[str, Any] = field(default_factory=dict)
    text: TextEncoder | None = None  # what turned the texts of the items into vectors
    opiner: Opiner | None = None  # what reads the texts of events; None: the word list, which ships with the package
    moods: Moods | None = None  # what infers a mood from a session


def content_hash(vocab: Vocab, recipe: Recipe, model: Model, files: list[str] | None = None) -> str:
    """SHA-256 over ids, recipe, models, parameters and learned arrays: everything that answers depend on.

    ``files`` are the hashes of the files of arrays of the model and its members, depth first, where they are known.
    """
    sha = hashlib.sha256()

    def add(document: object) -> None:
        sha.update(json.dumps(document, sort_keys=True).encode() + b"\0")

    add([vocab.fingerprint(), recipe.to_json()])
    models = list(with_members(model))
    files = [tensors.digest(flatten(one)) for one in models] if files is None else files
    for one, file in zip(models, files, strict=True):
        assets = {name: hashlib.sha256(content).hexdigest() for name, content in sorted(one.assets.items())}
        add([to_json(one), file, *([assets] if assets else [])])
    return sha.hexdigest()


def content_version(vocab: Vocab, recipe: Recipe, model: Model, files: list[str] | None = None) -> str:
    """Twelve hex digits of ``content_hash``: the name of a version."""
    return content_hash(vocab, recipe, model, files)[:12]
