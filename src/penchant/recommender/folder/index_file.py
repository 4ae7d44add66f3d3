"""The index of a saved folder: a file that native code parses, so only one with the hash of the manifest is opened."""

from __future__ import annotations

import dataclasses
import mmap
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from penchant.core.nearest_items import EXTRA, Facts, NearestItems, installed, library
from penchant.errors import FormatError
from penchant.models.kinds.base import Model
from penchant.models.kinds.products import ProductModel
from penchant.recommender.folder.copies import Copies
from penchant.recommender.folder.manifest import INDEX, MANIFEST, check_unchanged, object_of


def write_index(model: Model, folder: Path) -> dict[str, Any] | None:
    """Write the index of a model, if it has one of its present vectors; returns what the manifest says about it."""
    if not isinstance(model, ProductModel) or (made := model.usable_index) is None:
        return None
    library().write_index(made.index, str(folder / INDEX))
    return made.facts.to_json()


def read_index(model: Model, folder: Path, manifest: Mapping[str, Any], copies: Copies | None) -> None:
    """Give a model the index of its folder, or the copy of it in ``copies``, mapped into memory.

    The whole file is hashed first; a copy, when it is made. Without the extra, the model answers exactly and its notes
    say why. Raises ``FormatError`` for a file that is not the one that was saved, and for an index of another model.
    """
    names = {field.name for field in dataclasses.fields(Facts)}
    stated = object_of(manifest, "index", names)
    if wrong := [name for name, value in stated.items() if type(value) not in (int, float) or not 0 <= value < np.inf]:
        raise FormatError(f"{MANIFEST}: index: {wrong[0]!r} is not a number from 0")
    facts = Facts(**stated)
    if not 1 <= facts.probes <= facts.cells:
        raise FormatError(f"{MANIFEST}: index: it cannot read {facts.probes} of {facts.cells} cells")
    if not isinstance(model, ProductModel) or not model.has_products or facts.items != model.n_items:
        raise FormatError(f"{INDEX} is not an index over the items of this model")
    if not installed():
        model.notes.append(
            f"{INDEX} is not used: it needs the extra {EXTRA!r} (pip install 'penchant[{EXTRA}]'); lists are exact"
        )
        return
    path, file_stated, held = folder / INDEX, object_of(manifest, "files")[INDEX], None
    if copies is None:
        check_unchanged(folder, INDEX, file_stated)
    else:
        with copies.hold(path, file_stated) as file:
            path, held = Path(file.name), mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    faiss = library()
    try:
        index = faiss.read_index(str(path), faiss.IO_FLAG_MMAP_IFC)
    except RuntimeError as wrong:
        raise FormatError(f"{INDEX} cannot be read: {str(wrong)[:200]}") from None
    vectors, bias = model.item_side()
    width = vectors.shape[1] + (bias is not None) + 1
    if (index.ntotal, index.d, index.nlist, facts.width) != (facts.items, width, facts.cells, width):
        raise FormatError(f"{INDEX} holds another index than the manifest says")
    model.index = NearestItems(vectors, facts, index, held)
