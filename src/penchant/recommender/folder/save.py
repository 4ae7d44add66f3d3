"""Write a saved recommender."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from penchant.models.kinds.base import Model
from penchant.models.kinds.composite import members_of
from penchant.models.registry import to_json
from penchant.recommender.folder import tensors
from penchant.recommender.folder.arrays import flatten, flatten_statistics
from penchant.recommender.folder.atomic import await_file, replacing
from penchant.recommender.folder.contents import Contents, content_version
from penchant.recommender.folder.index_file import write_index
from penchant.recommender.folder.manifest import (
    FORMAT,
    INDEX,
    ITEMS,
    MANIFEST,
    MODEL,
    MOODS,
    OPINER,
    SEAL,
    STATISTICS,
    TEXT,
    measure,
    seal,
)


def save(contents: Contents, folder: str | Path, *, force: bool = False, awaited: Path | None = None) -> str:
    """Write a recommender to a new folder; return its version.

    The folder appears complete or not at all. An existing folder is refused. With ``force``, a saved recommender is
    replaced in one step, and anything else is still refused. Raises ``ParameterError`` for a refusal and ``OSError``
    where the folder cannot be written. ``awaited`` is a file that the caller publishes next; it then calls ``settle``.
    """
    import penchant
    from penchant.recommender.folder.items import write_items

    with replacing(Path(folder), force=force, marker=MANIFEST) as fresh:
        write_items(fresh / ITEMS, contents.vocab, contents.model.item_counts, contents.catalog)
        manifest = {
            "format": FORMAT,
            "penchant": penchant.__version__,
            "created": datetime.now(UTC).isoformat(timespec="seconds"),
            "version": contents.version,
            "input": contents.recipe.to_json(),
            "fitted_on": contents.fitted_on,
            "vocab": {
                "items": len(contents.vocab),
                "integers": contents.vocab.integers,
                "fingerprint": contents.vocab.fingerprint(),
            },
        }
        files = [ITEMS]
        if statistics := flatten_statistics(contents.model):
            tensors.write(fresh / STATISTICS, statistics)
            files.append(STATISTICS)
        if contents.text is not None:
            tensors.write(fresh / TEXT, contents.text.arrays())
            manifest["text"] = contents.text.to_json()
            files.append(TEXT)
        if contents.opiner is not None:
            from penchant.text.learned_opinion import LearnedOpiner

            if isinstance(contents.opiner, LearnedOpiner):  # the word list ships with the package
                tensors.write(fresh / OPINER, contents.opiner.arrays())
                manifest["opiner"] = contents.opiner.to_json()
                files.append(OPINER)
        if contents.moods is not None:
            tensors.write(fresh / MOODS, contents.moods.arrays())
            manifest["moods"] = contents.moods.to_json()
            files.append(MOODS)
        written = _write_arrays(contents.model, fresh)
        if contents.version is None:
            hashes = [one["sha256"] for one in written]
            manifest["version"] = content_version(contents.vocab, contents.recipe, contents.model, hashes)
        _write_manifests(contents.model, fresh, iter(written), manifest, files)
        if awaited is not None:
            await_file(fresh, awaited)
    return str(manifest["version"])


def _write_arrays(model: Model, folder: Path) -> list[dict[str, Any]]:
    """Write the arrays of a model and its members; return what manifests state of their files, depth first."""
    written = [tensors.write(folder / MODEL, flatten(model))]
    for number, member in enumerate(members_of(model)):
        inner = _inner(folder, number)
        inner.mkdir(parents=True)
        written += _write_arrays(member, inner)
    return written


def _write_manifests(
    model: Model, folder: Path, written: Iterator[dict[str, Any]], manifest: dict[str, Any], files: list[str]
) -> None:
    """Write the manifests of a model and its members, and what is no array."""
    stated, arrays, members = next(written), flatten(model), members_of(model)
    for name, content in model.assets.items():
        (folder / name).write_bytes(content)
    for number, member in enumerate(members):
        _write_manifests(member, _inner(folder, number), written, {"format": FORMAT}, [])
    manifest["model"] = to_json(model)
    manifest["members"] = len(members)
    manifest["arrays"] = {name: tensors.describe(array) for name, array in sorted(arrays.items())}
    if (facts := write_index(model, folder)) is not None:
        manifest["index"] = facts
        files = [*files, INDEX]
    manifest["files"] = {MODEL: stated, **{name: measure(folder / name) for name in [*model.assets, *files]}}
    text = json.dumps({**manifest, SEAL: seal(manifest)}, indent=2, ensure_ascii=False, allow_nan=False)
    (folder / MANIFEST).write_text(text + "\n", encoding="utf-8")


def _inner(folder: Path, number: int) -> Path:
    return folder / "models" / str(number)
