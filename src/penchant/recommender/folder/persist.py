"""A saved recommender is a folder: a manifest, the items and the learned arrays; nothing in it can run.

::

    manifest.json       format, versions, model and parameters, recipe, what it was fitted on, sizes and sha256 of files
    items.parquet       ids, training counts, the catalogue
    model.safetensors   exactly the learned arrays, mapped on load
    encoder.onnx        of a neural model: the graph that turns a history's vectors into one, run without torch
    statistics.safetensors  what an updatable model is updated from; serving does not load it
    models/0/ ...       the members of a composite, each with its own manifest.json and model.safetensors

Classes come from the registry by name and file names from this page, never from what a file says. Loading checks the
manifest, the sizes, the headers and the fingerprint of the ids; ``verify`` reads every byte as well.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from penchant.data.recipe import Recipe
from penchant.errors import DataError, FormatError
from penchant.models.kinds.base import Model
from penchant.models.registry import from_json, model_class, to_json
from penchant.recommender.folder import onnx, tensors
from penchant.recommender.folder.arrays import fill, fill_statistics, flatten, flatten_statistics
from penchant.recommender.folder.atomic import recover, replacing
from penchant.recommender.folder.manifest import (
    FORMAT,
    ITEMS,
    KEYS,
    MANIFEST,
    MEMBER_KEYS,
    MODEL,
    SEAL,
    STATISTICS,
    check_files,
    naming,
    object_of,
    read_manifest,
    refuse_link,
    seal,
    text_of,
)

if TYPE_CHECKING:
    from penchant.recommender.recommender import Recommender


# -- writing ----------------------------------------------------------------------------------------------------------


def save(recommender: Recommender, folder: str | Path, *, force: bool = False) -> None:
    """Write a recommender to a new folder.

    The folder appears complete or not at all. One that exists is refused; with ``force`` a saved recommender is
    replaced in one step, and anything else is still refused. Raises ``ParameterError`` for that and ``OSError`` where
    it cannot be written.
    """
    import penchant

    with replacing(Path(folder), force=force, marker=MANIFEST) as fresh:
        _write_items(recommender, fresh / ITEMS)
        manifest = {
            "format": FORMAT,
            "penchant": penchant.__version__,
            "created": datetime.now(UTC).isoformat(timespec="seconds"),
            "version": recommender.version,
            "input": recommender.recipe.to_json(),
            "fitted_on": recommender.fitted_on,
            "vocab": {
                "items": len(recommender.vocab),
                "integers": recommender.vocab.integers,
                "fingerprint": recommender.vocab.fingerprint(),
            },
        }
        files = [ITEMS]
        if statistics := flatten_statistics(recommender.model):
            tensors.write(fresh / STATISTICS, statistics)
            files.append(STATISTICS)
        _write_model(recommender.model, fresh, manifest, files)


def _write_model(model: Model, folder: Path, manifest: dict[str, Any], files: list[str]) -> None:
    arrays = flatten(model)
    tensors.write(folder / MODEL, arrays)
    for name, content in model.assets.items():
        (folder / name).write_bytes(content)
    members = members_of(model)
    for number, member in enumerate(members):
        place = folder / "models" / str(number)
        place.mkdir(parents=True)
        _write_model(member, place, {"format": FORMAT}, [])
    manifest["model"] = to_json(model)
    manifest["members"] = len(members)
    manifest["arrays"] = {name: _describe(array) for name, array in sorted(arrays.items())}
    manifest["files"] = {name: _measure(folder / name) for name in [MODEL, *model.assets, *files]}
    text = json.dumps({**manifest, SEAL: seal(manifest)}, indent=2, ensure_ascii=False, allow_nan=False)
    (folder / MANIFEST).write_text(text + "\n", encoding="utf-8")


def _describe(array: NDArray[Any]) -> str:
    return f"{tensors.code(array)}{list(array.shape)}"


def _measure(path: Path) -> dict[str, Any]:
    sha = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(2**22):
            sha.update(chunk)
    return {"bytes": path.stat().st_size, "sha256": sha.hexdigest()}


def _write_items(recommender: Recommender, path: Path) -> None:
    from penchant.recommender.folder.items import write_items

    write_items(path, recommender.vocab, recommender.item_counts, recommender.catalog)


def members_of(model: Model) -> list[Model]:
    """The fitted members of a composite, in order; none for any other model."""
    return list(getattr(model, "members", None) or ())


def content_hash(recommender: Recommender) -> str:
    """SHA-256 over ids, recipe, models, parameters and learned arrays: what answers depend on."""
    sha = hashlib.sha256()

    def tell(document: object) -> None:
        sha.update(json.dumps(document, sort_keys=True).encode() + b"\0")

    tell([recommender.vocab.fingerprint(), recommender.recipe.to_json()])
    for model in with_members(recommender.model):
        assets = {name: hashlib.sha256(content).hexdigest() for name, content in sorted(model.assets.items())}
        tell([to_json(model), tensors.digest(flatten(model)), *([assets] if assets else [])])
    return sha.hexdigest()


def with_members(model: Model) -> Iterator[Model]:
    """A model and every member of it, and of them, depth first."""
    yield model
    for member in members_of(model):
        yield from with_members(member)


def _unchanged(folder: Path, name: str, stated: Mapping[str, Any], prefix: str = "") -> None:
    """Raises ``FormatError`` where a file is not the one that was saved, to the byte."""
    if _measure(folder / name)["sha256"] != stated["sha256"]:
        raise FormatError(f"{prefix}{name} has changed since it was saved: its sha256 is not that of {MANIFEST}")


# -- reading ----------------------------------------------------------------------------------------------------------


def load(folder: str | Path, *, statistics: bool = False) -> Recommender:
    """The recommender of a saved folder, its arrays mapped into memory.

    ``statistics`` loads those as well from which a model that was fitted updatable can be updated. Raises
    ``DataError`` where there is no such folder and ``FormatError`` where its content is not what was saved, or holds no
    statistics though they are asked for.
    """
    from penchant.recommender.folder.items import read_items
    from penchant.recommender.recommender import Recommender

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
        _unchanged(root, ITEMS, object_of(manifest, "files")[ITEMS])  # parsers trust their input
        vocab, counts, catalog = read_items(root / ITEMS, integers=stated["integers"] is True)
        if len(vocab) != stated["items"] or vocab.fingerprint() != stated["fingerprint"]:
            raise FormatError(f"{ITEMS} holds other items than {MANIFEST} says: the fingerprint does not match")
        model = _read_model(root, manifest, len(vocab))
        if not np.array_equal(model.item_counts, counts[: model.n_items]):
            raise FormatError(f"the training counts of {ITEMS} are not those of {MODEL}")
        if statistics:
            if STATISTICS not in manifest["files"]:
                raise FormatError("it holds no statistics: fit the model with updatable=True")
            fill_statistics(model, tensors.read(root / STATISTICS), len(vocab))
        recommender = Recommender(vocab, model, recipe, catalog, object_of(manifest, "fitted_on"))
        recommender.version = text_of(manifest, "version")
    return recommender


def verify(folder: str | Path) -> dict[str, Any]:
    """Load a folder, read every byte of it and compare the hashes; what it holds, as plain values.

    Raises as ``load`` does, and ``FormatError`` for a byte that changed or a file that does not belong.
    """
    root = Path(folder)
    recommender = load(root)
    with naming(root):
        files = dict(_verify_files(root, {ITEMS, STATISTICS}))
    manifest = read_manifest(root, KEYS)
    return {
        "folder": str(root),
        "format": FORMAT,
        "penchant": manifest["penchant"],
        "created": manifest["created"],
        "model": {"name": type(recommender.model).name, "version": recommender.version},
        "items": len(recommender.vocab),
        "bytes": sum(files.values()),
        "files": files,
    }


def _verify_files(folder: Path, known: set[str], prefix: str = "") -> Iterator[tuple[str, int]]:
    manifest = read_manifest(folder, MEMBER_KEYS if prefix else KEYS)
    for name, stated in manifest["files"].items():
        _unchanged(folder, name, stated, prefix)
        yield prefix + name, stated["bytes"]
    belong = {MANIFEST, MODEL, *_assets_of(manifest), *known} | ({"models"} if manifest["members"] else set())
    for path in folder.iterdir():
        if path.name not in belong and not path.name.startswith("."):
            raise FormatError(f"{prefix}{path.name} does not belong to a saved recommender")
    yield prefix + MANIFEST, (folder / MANIFEST).stat().st_size
    for number in range(manifest["members"]):
        yield from _verify_files(folder / "models" / str(number), set(), f"{prefix}models/{number}/")


def _assets_of(manifest: Mapping[str, Any]) -> tuple[str, ...]:
    """The files that the model of a manifest has besides its arrays, as its class says."""
    name = object_of(manifest, "model", {"model", "params"})["model"]
    return model_class(name).assets_needed if isinstance(name, str) else ()


def _read_model(folder: Path, manifest: Mapping[str, Any], n_items: int) -> Model:
    spec = object_of(manifest, "model", {"model", "params"})
    model = from_json(spec)
    arrays = tensors.read(folder / MODEL)
    found = {name: _describe(array) for name, array in arrays.items()}
    stated = object_of(manifest, "arrays")
    for name in sorted(set(found) | set(stated)):
        if found.get(name) != stated.get(name):
            raise FormatError(
                f"{MODEL}: {name!r} is {found.get(name, 'missing')}, {MANIFEST} says {stated.get(name, 'nothing')}"
            )
    fill(model, arrays, n_items)
    for name in type(model).assets_needed:
        model.assets[name] = (folder / name).read_bytes()
        onnx.check(name, model.assets[name])
    count, stated_members = manifest["members"], members_of(model)
    if type(count) is not int or count < 0 or (stated_members and len(stated_members) != count):
        raise FormatError(f"{MANIFEST} says {count!r} members, the model {spec['model']!r} has {len(stated_members)}")
    members = []
    for number in range(count):
        place = folder / "models" / str(number)
        refuse_link(place.parent)
        refuse_link(place)
        inner = read_manifest(place, MEMBER_KEYS)
        check_files(place, inner, {MODEL, *_assets_of(inner)})
        if stated_members and from_json(inner["model"]) != stated_members[number]:
            raise FormatError(f"models/{number} is another model than the one {MANIFEST} names")
        members.append(_read_model(place, inner, n_items))
    if members:
        if not hasattr(model, "members"):
            raise FormatError(f"{MANIFEST} says {count} members, the model {spec['model']!r} takes none")
        model.members = members
    return model
