"""What the checks of a manifest say, to the letter."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from penchant.errors import DataError, FormatError, ParameterError
from penchant.recommender.folder.manifest import (
    KEYS,
    MEMBER_KEYS,
    check_files,
    check_unchanged,
    measure,
    naming,
    object_of,
    read_manifest,
    refuse_link,
    seal,
    text_of,
)

ZEROS = 64 * "0"
GOOD = {"format": 1, "model": {"model": "popular"}, "members": 0, "arrays": {}, "files": {}}


def written(folder: Path, document: Any, *, sealed: bool = False) -> Path:
    text = (
        document if isinstance(document, str) else json.dumps(document | ({"sha256": seal(document)} if sealed else {}))
    )
    (folder / "manifest.json").write_text(text)
    return folder


def refused(work: Callable[[], object], kind: type[Exception] = FormatError) -> str:
    with pytest.raises(kind) as caught:
        work()
    return str(caught.value)


def test_a_manifest_is_read_with_and_without_its_seal(tmp_path: Path) -> None:
    assert read_manifest(written(tmp_path, GOOD), MEMBER_KEYS) == GOOD
    assert read_manifest(written(tmp_path, GOOD, sealed=True), MEMBER_KEYS) == GOOD
    assert seal(GOOD) == seal(dict(reversed(GOOD.items()))) != seal(GOOD | {"members": 1})
    text = json.dumps({"a": 1, "é": "\ud800"}, sort_keys=True, ensure_ascii=False)
    assert seal({"é": "\ud800", "a": 1}) == hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


@pytest.mark.parametrize(
    ("document", "says"),
    [
        ("{}x", "manifest.json is not JSON (Extra data: line 1 column 3 (char 2))"),
        ("[1]", "manifest.json names no format: it was written by another program"),
        ({**GOOD, "format": "1"}, "manifest.json names no format: it was written by another program"),
        ({**GOOD, "format": 0}, "manifest.json names no format: it was written by another program"),
        ({**GOOD, "format": True}, "manifest.json names no format: it was written by another program"),
        (
            {**GOOD, "format": 2, "penchant": "9.9.9" * 9},
            "the format is 2, written by a newer Penchant (9.9.99.9.99.9.99.9.9); this one reads up to 1: upgrade it",
        ),
        (
            {**GOOD, "sha256": "0" * 64},
            "manifest.json has changed since it was saved: it is not what its sha256 says",
        ),
        ({**GOOD, "zebra": 1}, "manifest.json has the unknown key 'zebra'"),
        ({key: value for key, value in GOOD.items() if key != "arrays"}, "manifest.json lacks 'arrays'"),
        ('{"format": NaN}', "manifest.json holds NaN, which is not a number"),
        ('{"format": 1, "format": 1}', "manifest.json has a key twice"),
    ],
)  # fmt: skip
def test_what_is_not_a_manifest_is_refused(tmp_path: Path, document: Any, says: str) -> None:
    assert refused(lambda: read_manifest(written(tmp_path, document), MEMBER_KEYS)) == says


def test_a_manifest_is_a_file_of_the_folder_and_not_large(tmp_path: Path) -> None:
    assert refused(lambda: read_manifest(tmp_path, KEYS)) == (
        "there is no manifest.json: this is not a saved recommender, or it is incomplete"
    )
    (tmp_path / "other.json").write_text("{}")
    (tmp_path / "manifest.json").symlink_to(tmp_path / "other.json")
    assert refused(lambda: read_manifest(tmp_path, KEYS)) == (
        "manifest.json is a symbolic link: a saved recommender holds its own files"
    )
    (tmp_path / "manifest.json").unlink()
    written(tmp_path, " " * (16 * 2**20 + 1))
    assert refused(lambda: read_manifest(tmp_path, KEYS)) == "manifest.json is larger than any that Penchant writes"
    written(tmp_path, json.dumps(GOOD) + " " * (16 * 2**20 - len(json.dumps(GOOD))))
    assert read_manifest(tmp_path, MEMBER_KEYS) == GOOD


def test_parts_have_their_types() -> None:
    assert object_of(GOOD, "model") == GOOD["model"] == object_of(GOOD, "model", {"model"})
    for key, keys in (("members", None), ("model", {"model", "params"}), ("arrays", {"x"})):
        assert refused(lambda key=key, keys=keys: object_of(GOOD, key, keys)) == (
            f"manifest.json: {key!r} is not a valid object"
        )
    assert text_of({"version": "v"}, "version") == "v"
    assert refused(lambda: text_of(GOOD, "members")) == "manifest.json: 'members' is not text"


def test_files_are_those_that_are_listed(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"12345")
    (tmp_path / "statistics.safetensors").write_bytes(b"1")
    stated = {"a": measure(tmp_path / "a")}
    assert stated["a"] == {"bytes": 5, "sha256": hashlib.sha256(b"12345").hexdigest()}
    check_files(tmp_path, {"files": stated}, {"a"})
    both = {**stated, "statistics.safetensors": {"bytes": 1, "sha256": ZEROS}}
    check_files(tmp_path, {"files": both}, {"a"})
    check_unchanged(tmp_path, "a", stated["a"])
    for files, says in (
        ({"b": {}}, "manifest.json lists the files ['b'], a folder of this format has ['a']"),
        ({"a": 5}, "manifest.json does not say the size and sha256 of a"),
        ({"a": {"bytes": 5, "sha256": "../a"}}, "manifest.json: the sha256 of a is not 64 hex digits"),
        ({"a": {"bytes": 5, "sha256": None}}, "manifest.json: the sha256 of a is not 64 hex digits"),
        ({"a": {"bytes": 5}}, "manifest.json does not say the size and sha256 of a"),
        ({"a": {"bytes": 6, "sha256": ZEROS}}, "a has 5 bytes, manifest.json says 6: it was truncated or changed"),
        ({**both, "statistics.safetensors": {"bytes": 2, "sha256": ZEROS}},
         "statistics.safetensors has 1 bytes, manifest.json says 2: it was truncated or changed"),
    ):  # fmt: skip
        assert refused(lambda files=files: check_files(tmp_path, {"files": files}, {"a"})) == says
    assert refused(lambda: check_unchanged(tmp_path, "a", {"sha256": "x"}, "models/0/")) == (
        "models/0/a has changed since it was saved: its sha256 is not that of manifest.json"
    )
    (tmp_path / "link").symlink_to(tmp_path / "a")
    link = {"link": {"bytes": 5, "sha256": ZEROS}}
    assert refused(lambda: check_files(tmp_path, {"files": link}, {"link"})) == (
        "link is a symbolic link: a saved recommender holds its own files"
    )
    refuse_link(tmp_path / "a")


def test_a_large_file_is_measured_in_pieces(tmp_path: Path) -> None:
    data = b"x" * (2**22 + 3)
    (tmp_path / "large").write_bytes(data)
    assert measure(tmp_path / "large") == {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}


@pytest.mark.parametrize(
    ("wrong", "kind", "says"),
    [
        (FileNotFoundError(2, "no", "/some/where/items.parquet"), FormatError, "items.parquet is missing"),
        (FormatError("broken"), FormatError, "broken"),
        (ParameterError("odd"), FormatError, "odd"),
        (DataError("odd"), FormatError, "odd"),
        (KeyError("name"), FormatError, "the content is damaged ('name')"),
        (TypeError("kind"), FormatError, "the content is damaged (kind)"),
        (ValueError("size"), FormatError, "the content is damaged (size)"),
    ],
)
def test_errors_name_the_folder(wrong: Exception, kind: type[Exception], says: str, tmp_path: Path) -> None:
    def work() -> None:
        with naming(tmp_path):
            raise wrong

    assert refused(work, kind) == f"{tmp_path}: {says}"


def test_other_errors_pass_unchanged(tmp_path: Path) -> None:
    from penchant.errors import MissingExtraError

    for wrong in (MissingExtraError("onnx", "this"), MemoryError("full")):
        with pytest.raises(type(wrong)) as caught, naming(tmp_path):
            raise wrong
        assert caught.value is wrong
