"""Read and verify a saved recommender."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from penchant.data.recipe import Recipe
from penchant.errors import DataError, FormatError
from penchant.models.kinds.base import Model
from penchant.models.kinds.composite import Composite, members_of
from penchant.models.registry import from_saved, model_class
from penchant.ranking.moods import Moods
from penchant.recommender.folder import onnx, tensors
from penchant.recommender.folder.arrays import fill, fill_statistics
from penchant.recommender.folder.assets import check_asset
from penchant.recommender.folder.atomic import recover
from penchant.recommender.folder.contents import Contents
from penchant.recommender.folder.copies import Copies
from penchant.recommender.folder.index_file import read_index
from penchant.recommender.folder.manifest import (
    FORMAT,
    ITEMS,
    KEYS,
    MANIFEST,
    MEMBER_KEYS,
    MODEL,
    MOODS,
    OPINER,
    STATISTICS,
    TEXT,
    added_files,
    check_files,
    check_unchanged,
    naming,
    object_of,
    open_regular,
    read_manifest,
    read_unchanged,
    refuse_link,
    text_of,
)
from penchant.text.encoder import TextEncoder
from penchant.text.encoders import load_encoder
from penchant.text.learned_opinion import LearnedOpiner

Function = Callable[[list[str]], Any]
COUNT_BYTES = 8  # of an item in the learned ``item_counts``
MOST_MEMBERS, MOST_DEPTH = 1000, 32


def load(
    folder: str | Path, *, statistics: bool = False, copies: Copies | None = None, encoder: Function | None = None
) -> Contents:
    """What a saved folder holds, with the arrays mapped into memory.

    ``statistics`` also loads what an updatable model is updated from; ``copies`` maps copies instead of the files of
    the folder, and ``encoder`` is the operator's function that turned texts into vectors, if one did. Raises
    ``DataError`` where there is no such folder, and ``FormatError`` where the content is not what
    was saved or the requested statistics are missing.
    """
    from penchant.recommender.folder.items import read_items

    root = Path(folder)
    recover(root, MANIFEST)
    if not root.exists():
        raise DataError("there is no such folder", file=str(root), fix="penchant fit LOG -o FOLDER makes one.")
    if not root.is_dir():
        raise DataError("this is a file, a saved recommender is a folder", file=str(root))
    with naming(root):
        manifest = read_manifest(root, KEYS)
        check_files(root, manifest, {MODEL, ITEMS, *_assets_of(manifest)})
        recipe = Recipe.from_json(object_of(manifest, "input"))
        stated = object_of(manifest, "vocab", {"items", "integers", "fingerprint"})
        n_items = _count_of(stated, object_of(manifest, "files")[MODEL])
        content = read_unchanged(root, ITEMS, object_of(manifest, "files")[ITEMS])  # parsers trust their input
        vocab, counts, catalog = read_items(ITEMS, content, n_items, integers=stated["integers"] is True)
        if len(vocab) != n_items or vocab.fingerprint() != stated["fingerprint"]:
            raise FormatError(f"{ITEMS} holds other items than {MANIFEST} says: the fingerprint does not match")
        model = _read_model(root, manifest, len(vocab), copies, MOST_DEPTH)
        if not np.array_equal(model.item_counts, counts[: model.n_items]):
            raise FormatError(f"the training counts of {ITEMS} are not those of {MODEL}")
        if statistics:
            if "private" in object_of(manifest, "fitted_on"):
                raise FormatError(
                    "it was fitted with a promise of privacy and keeps no sums of single histories: it cannot be "
                    "updated, fit it again, which the ledger counts"
                )
            if STATISTICS not in manifest["files"]:
                raise FormatError("it holds no statistics: fit the model with updatable=True")
            fill_statistics(model, tensors.read(root / STATISTICS, finite=True), len(vocab))
        text = _read_text(root, manifest, encoder)
        version, fitted_on = text_of(manifest, "version"), object_of(manifest, "fitted_on")
        moods = _read_moods(root, manifest, model.n_items, len(recipe.contexts))
        return Contents(vocab, model, recipe, catalog, version, fitted_on, text, _read_opiner(root, manifest), moods)


def _read_text(root: Path, manifest: Mapping[str, Any], encoder: Function | None) -> TextEncoder | None:
    """What turned the texts of the items into vectors."""
    if "text" not in manifest:
        return None
    check_unchanged(root, TEXT, object_of(manifest, "files")[TEXT])  # one of its kinds is parsed by another library
    arrays = tensors.read(root / TEXT, finite=True)
    if "graph" in arrays:
        onnx.check(f"the graph in {TEXT}", arrays["graph"].tobytes())
    return load_encoder(object_of(manifest, "text"), arrays, encoder)


def _read_opiner(root: Path, manifest: Mapping[str, Any]) -> LearnedOpiner | None:
    """What reads the texts of events, if it was learned."""
    if "opiner" not in manifest:
        return None
    check_unchanged(root, OPINER, object_of(manifest, "files")[OPINER])
    return LearnedOpiner.of(object_of(manifest, "opiner"), tensors.read(root / OPINER, finite=True))


def _read_moods(root: Path, manifest: Mapping[str, Any], n_items: int, contexts: int) -> Moods | None:
    """What infers a mood from a session, if that was asked for."""
    if "moods" not in manifest:
        return None
    check_unchanged(root, MOODS, object_of(manifest, "files")[MOODS])
    moods = Moods.of(object_of(manifest, "moods"), tensors.read(root / MOODS, finite=True), n_items)
    if moods.column >= contexts:
        raise FormatError(f"{MOODS} infers a context that the log did not have")
    return moods


def verify(folder: str | Path, *, copies: Copies | None = None) -> dict[str, Any]:
    """Load a folder, read every byte and compare the hashes; returns what the folder holds, as plain values.

    Raises as ``load`` does, and ``FormatError`` for a changed byte or a foreign file.
    """
    root = Path(folder)
    contents = load(root, copies=copies)
    with naming(root):
        files = dict(_verify_files(root, {ITEMS, STATISTICS}))
    manifest = read_manifest(root, KEYS)
    return {
        "folder": str(root),
        "format": FORMAT,
        "penchant": manifest["penchant"],
        "created": manifest["created"],
        "model": {"name": type(contents.model).name, "version": contents.version},
        "items": len(contents.vocab),
        "bytes": sum(files.values()),
        "files": files,
    }


def _verify_files(folder: Path, known: set[str], prefix: str = "") -> Iterator[tuple[str, int]]:
    manifest = read_manifest(folder, MEMBER_KEYS if prefix else KEYS)
    for name, stated in manifest["files"].items():
        check_unchanged(folder, name, stated, prefix)
        yield prefix + name, stated["bytes"]
    known = known | added_files(manifest)
    belong = {MANIFEST, MODEL, *_assets_of(manifest), *known} | ({"models"} if manifest["members"] else set())
    for path in folder.iterdir():
        if path.name not in belong and not path.name.startswith("."):
            raise FormatError(f"{prefix}{path.name} does not belong to a saved recommender")
    yield prefix + MANIFEST, (folder / MANIFEST).stat().st_size
    for number in range(manifest["members"]):
        yield from _verify_files(folder / "models" / str(number), set(), f"{prefix}models/{number}/")


def _count_of(stated: Mapping[str, Any], arrays: Mapping[str, Any]) -> int:
    """The number of items; not more than the counts for which ``MODEL`` has room."""
    n_items = stated["items"]
    if type(n_items) is not int or n_items < 0 or COUNT_BYTES * n_items > arrays["bytes"]:
        raise FormatError(f"{MANIFEST} says {str(n_items)[:40]} items, {MODEL} has no room for their counts")
    return n_items


def _assets_of(manifest: Mapping[str, Any]) -> tuple[str, ...]:
    """The files that the model of a manifest has besides its arrays, as its class declares."""
    name = object_of(manifest, "model", {"model", "params"})["model"]
    return model_class(name).assets_needed if isinstance(name, str) else ()


def _read_model(folder: Path, manifest: Mapping[str, Any], n_items: int, copies: Copies | None, depth: int) -> Model:
    if depth == 0:
        raise FormatError(f"it has members inside members, deeper than {MOST_DEPTH} folders")
    spec = object_of(manifest, "model", {"model", "params"})
    model = from_saved(spec)
    stated_file = object_of(manifest, "files")[MODEL]
    path = folder / MODEL
    arrays = tensors.read(path, finite=True) if copies is None else copies.read(path, stated_file)
    found = {name: tensors.describe(array) for name, array in arrays.items()}
    stated = object_of(manifest, "arrays")
    for name in sorted(set(found) | set(stated)):
        if found.get(name) != stated.get(name):
            raise FormatError(
                f"{MODEL}: {name!r} is {found.get(name, 'missing')}, {MANIFEST} says {stated.get(name, 'nothing')}"
            )
    fill(model, arrays, n_items)
    if "index" in manifest:
        read_index(model, folder, manifest, copies)
    for name in type(model).assets_needed:
        with open_regular(folder / name) as file:
            model.assets[name] = file.read()
        check_asset(name, model.assets[name])
    count, stated_members = manifest["members"], members_of(model)
    if type(count) is not int or not 0 <= count <= MOST_MEMBERS or (stated_members and len(stated_members) != count):
        raise FormatError(f"{MANIFEST} says {count!r} members, the model {spec['model']!r} has {len(stated_members)}")
    members = []
    for number in range(count):
        inner_folder = folder / "models" / str(number)
        refuse_link(inner_folder.parent)
        refuse_link(inner_folder)
        inner = read_manifest(inner_folder, MEMBER_KEYS)
        check_files(inner_folder, inner, {MODEL, *_assets_of(inner)})
        if stated_members and from_saved(inner["model"]) != stated_members[number]:
            raise FormatError(f"models/{number} is another model than the one {MANIFEST} names")
        members.append(_read_model(inner_folder, inner, n_items, copies, depth - 1))
    if members:
        if not isinstance(model, Composite):
            raise FormatError(f"{MANIFEST} says {count} members, the model {spec['model']!r} takes none")
        model.members = members
    model.check_loaded()
    return model
