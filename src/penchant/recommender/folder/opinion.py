"""Learned opinions as a folder: ``manifest.json`` and ``opinion.safetensors``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal

from penchant.data.opinions import LEARN
from penchant.errors import DataError, FormatError
from penchant.recommender.folder import tensors
from penchant.recommender.folder.atomic import replacing
from penchant.recommender.folder.manifest import (
    FORMAT,
    MANIFEST,
    SEAL,
    check_unchanged,
    measure,
    naming,
    object_of,
    read_manifest,
    seal,
)
from penchant.text.learned_opinion import LearnedOpiner

ARRAYS = "opinion.safetensors"
KEYS = frozenset({"format", "penchant", "opinion", "files"})


def save_opinion(opiner: LearnedOpiner, folder: str | Path, *, force: bool = False) -> None:
    """Write learned opinions to a new folder, which appears complete or not at all.

    An existing folder is refused; with ``force``, a saved one is replaced. Raises ``ParameterError`` for a refusal and
    ``OSError`` where the folder cannot be written.
    """
    import penchant

    with replacing(Path(folder), force=force, marker=ARRAYS) as fresh:
        tensors.write(fresh / ARRAYS, opiner.arrays())
        manifest: dict[str, Any] = {
            "format": FORMAT,
            "penchant": penchant.__version__,
            "opinion": opiner.to_json(),
            "files": {ARRAYS: measure(fresh / ARRAYS)},
        }
        text = json.dumps({**manifest, SEAL: seal(manifest)}, indent=2, ensure_ascii=False, allow_nan=False)
        (fresh / MANIFEST).write_text(text + "\n", encoding="utf-8")


def load_opinion(folder: str | Path) -> LearnedOpiner:
    """The opinions of a folder. Raises ``DataError`` where there is none, and ``FormatError`` for another content."""
    root = Path(folder)
    if root.is_file():
        raise DataError("this is a file, learned opinions are a folder", file=str(root))
    if not root.is_dir():
        raise DataError(
            "there is no such folder", file=str(root), fix="penchant opinion learn FILE --text C --stars C -o FOLDER"
        )
    with naming(root):
        manifest = read_manifest(root, KEYS)
        files = object_of(manifest, "files", {ARRAYS})
        check_unchanged(root, ARRAYS, files[ARRAYS])
        data = object_of(manifest, "opinion")
        arrays = tensors.read(root / ARRAYS, finite=True)
        if set(arrays) != {"weights", "rarity"}:
            raise FormatError(f"{ARRAYS} holds other arrays than learned opinions")
        return LearnedOpiner.of(data, arrays)


def opiner_of(source: str | None) -> LearnedOpiner | Literal["learn"] | None:
    """What ``--opinion USE:SOURCE`` names: None for the word list, ``learn``, or the opinions of a folder."""
    if source is None or source == LEARN:
        return None if source is None else "learn"
    return load_opinion(source)
