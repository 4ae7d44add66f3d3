"""The manifest of a saved folder, and the checks before any file that it names is opened."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import stat
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any, BinaryIO

from penchant.errors import FormatError, InputError, NotFittedError, PenchantError

FORMAT = 1
MANIFEST, ITEMS, MODEL = "manifest.json", "items.parquet", "model.safetensors"
INDEX = (
    "items.faiss"  # beside ``MODEL``, of models with an index over their items; the manifest then has the key "index"
)
TEXT = "text.safetensors"  # what turned texts into vectors; the manifest then has the key "text"
MOODS = "moods.safetensors"  # what infers a mood from a session, if asked for; the manifest then has "moods"
OPINER = "opiner.safetensors"  # what reads the texts of events, if it was learned; the manifest then has "opiner"
STATISTICS = "statistics.safetensors"  # beside ``MODEL``, of models that were fitted updatable
KEYS = frozenset(
    {"format", "penchant", "created", "version", "model", "members", "input", "fitted_on", "vocab", "arrays", "files"}
)
OPTIONAL = frozenset({"index", "text", "opiner", "moods"})
MEMBER_KEYS = frozenset({"format", "model", "members", "arrays", "files"})
SEAL = "sha256"  # hash of the rest of the manifest; the first folders have none
MOST_BYTES = 16 * 2**20
_OWN_FRAMES = 2  # of ``naming`` and of the code inside it
_SHA256 = re.compile("[0-9a-f]{64}")
_READ = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)


@contextmanager
def naming(folder: Path) -> Iterator[None]:
    """Turn every error inside into a ``FormatError`` that names the folder."""
    try:
        yield
    except FileNotFoundError as missing:
        raise FormatError(f"{folder}: {Path(missing.filename or '').name} is missing") from None
    except (FormatError, InputError, NotFittedError) as wrong:
        raise FormatError(f"{folder}: {wrong}") from wrong
    except PenchantError:
        raise
    except (TypeError, ValueError, KeyError, IndexError, AttributeError) as wrong:
        if _of_a_module(wrong):
            raise
        raise FormatError(f"{folder}: the content is damaged ({wrong})") from wrong


def _of_a_module(wrong: BaseException) -> bool:
    """Whether an error came from importing a module, or from one that lacks something: the folder is not to blame."""
    names = [frame.f_code.co_name for frame, _ in traceback.walk_tb(wrong.__traceback__)]
    return isinstance(getattr(wrong, "obj", None), ModuleType) or "<module>" in names[_OWN_FRAMES:]


def read_manifest(folder: Path, keys: frozenset[str]) -> dict[str, Any]:
    """The manifest of a folder; raises ``FormatError`` unless it has this format and exactly ``keys``."""
    path = folder / MANIFEST
    if not path.exists():
        raise FormatError(f"there is no {MANIFEST}: this is not a saved recommender, or it is incomplete")
    with open_regular(path) as file:
        content = file.read(MOST_BYTES + 1)
    if len(content) > MOST_BYTES:
        raise FormatError(f"{MANIFEST} is larger than any that Penchant writes")
    try:
        manifest = json.loads(content, parse_constant=_refuse_constant, object_pairs_hook=_unique)
    except (ValueError, RecursionError) as wrong:
        raise FormatError(f"{MANIFEST} is not JSON ({wrong})") from None
    number = manifest.get("format") if isinstance(manifest, dict) else None
    if type(number) is not int or number < 1:
        raise FormatError(f"{MANIFEST} names no format: it was written by another program")
    if number > FORMAT:
        raise FormatError(
            f"the format is {number}, written by a newer Penchant ({str(manifest.get('penchant'))[:20]}); "
            f"this one reads up to {FORMAT}: upgrade it"
        )
    stated = manifest.pop(SEAL, None)
    if stated is not None and stated != seal(manifest):
        raise FormatError(f"{MANIFEST} has changed since it was saved: it is not what its {SEAL} says")
    if set(manifest) - OPTIONAL != keys:
        odd = min((set(manifest) - OPTIONAL) ^ keys)
        raise FormatError(f"{MANIFEST} {'has the unknown key' if odd in manifest else 'lacks'} {odd!r}")
    return dict(manifest)


def seal(manifest: Mapping[str, Any]) -> str:
    """The SHA-256 of the content of a manifest, whatever its layout; it detects edits by hand."""
    text = json.dumps(manifest, sort_keys=True, ensure_ascii=False, allow_nan=False)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _refuse_constant(word: str) -> None:
    raise FormatError(f"{MANIFEST} holds {word}, which is not a number")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise FormatError(f"{MANIFEST} has a key twice")
    return found


def object_of(manifest: Mapping[str, Any], key: str, keys: set[str] | None = None) -> dict[str, Any]:
    """The object under ``key``, with exactly ``keys`` if given."""
    value = manifest[key]
    if not isinstance(value, dict) or (keys is not None and set(value) != keys):
        raise FormatError(f"{MANIFEST}: {key!r} is not a valid object")
    return value


def text_of(manifest: Mapping[str, Any], key: str) -> str:
    """The text under ``key``."""
    value = manifest[key]
    if not isinstance(value, str):
        raise FormatError(f"{MANIFEST}: {key!r} is not text")
    return value


def check_files(folder: Path, manifest: Mapping[str, Any], names: set[str]) -> None:
    """Check that the listed files are exactly ``names``, plus the statistics, the index and what makes vectors of texts
    if there are any, that they are regular files of the folder, and that their sizes match."""
    files = object_of(manifest, "files")
    names = names | ({STATISTICS} & set(files)) | added_files(manifest)
    if set(files) != names:
        raise FormatError(f"{MANIFEST} lists the files {sorted(files)}, a folder of this format has {sorted(names)}")
    for name in sorted(names):
        stated = files[name]
        if not isinstance(stated, dict) or set(stated) != {"bytes", "sha256"}:
            raise FormatError(f"{MANIFEST} does not say the size and sha256 of {name}")
        if not isinstance(stated["sha256"], str) or not _SHA256.fullmatch(stated["sha256"]):
            raise FormatError(f"{MANIFEST}: the sha256 of {name} is not 64 hex digits")
        with open_regular(folder / name) as file:
            size = os.fstat(file.fileno()).st_size
        if size != stated["bytes"]:
            raise FormatError(
                f"{name} has {size} bytes, {MANIFEST} says {stated['bytes']}: it was truncated or changed"
            )


def added_files(manifest: Mapping[str, Any]) -> set[str]:
    """The files that stand beside the model because of an optional key."""
    return {
        name
        for key, name in (("index", INDEX), ("text", TEXT), ("opiner", OPINER), ("moods", MOODS))
        if key in manifest
    }


def measure(path: Path) -> dict[str, Any]:
    """Size and SHA-256 of a file, as a manifest states them."""
    sha = hashlib.sha256()
    with open_regular(path) as file:
        while chunk := file.read(2**22):
            sha.update(chunk)
        return {"bytes": os.fstat(file.fileno()).st_size, "sha256": sha.hexdigest()}


def check_unchanged(folder: Path, name: str, stated: Mapping[str, Any], prefix: str = "") -> None:
    """Raises ``FormatError`` where a file is not the one that was saved, to the byte."""
    if measure(folder / name)["sha256"] != stated["sha256"]:
        raise changed(f"{prefix}{name}")


def read_unchanged(folder: Path, name: str, stated: Mapping[str, Any]) -> bytes:
    """The content of a file; raises ``FormatError`` as ``check_unchanged`` does."""
    with open_regular(folder / name) as file:
        content = file.read(stated["bytes"] + 1)
    if hashlib.sha256(content).hexdigest() != stated["sha256"]:
        raise changed(name)
    return content


def changed(name: str) -> FormatError:
    """The error for a file that is not the one that was saved."""
    return FormatError(f"{name} has changed since it was saved: its sha256 is not that of {MANIFEST}")


def open_regular(path: Path) -> BinaryIO:
    """A regular file, opened to be read. Raises ``FormatError`` for a symbolic link, a pipe or a device, without
    waiting for it."""
    refuse_link(path)
    try:
        handle = os.open(path, _READ)
    except OSError as wrong:
        if wrong.errno in {errno.ELOOP, errno.ENXIO}:  # a link that has just appeared; a socket
            raise FormatError(f"{path.name} is not a regular file") from None
        raise
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise FormatError(f"{path.name} is not a regular file")
    return os.fdopen(handle, "rb")


def refuse_link(path: Path) -> None:
    """Raises ``FormatError`` for a symbolic link, which could point anywhere."""
    if path.is_symlink():
        raise FormatError(f"{path.name} is a symbolic link: a saved recommender holds its own files")
