"""A saved folder gives back exactly what was saved, and says what is wrong when it cannot."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import safetensors.numpy
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import penchant as pc
from penchant.core.histories import Histories
from penchant.data.catalog import Catalog
from penchant.data.interactions import Interactions
from penchant.data.recipe import Recipe
from penchant.data.vocab import Vocab
from penchant.errors import DataError, FormatError, ParameterError, PenchantError
from penchant.models.item_knn import ItemKNN
from penchant.models.popular import Popular
from penchant.recommender.folder import atomic as folders
from penchant.recommender.folder import tensors
from penchant.recommender.folder.load import verify
from penchant.recommender.recommender import Recommender, load, save

FORMAT_1 = Path(__file__).parent / "format-1"
N = 12
FILES = ["items.parquet", "manifest.json", "model.safetensors"]
PROPERTY = settings(
    deadline=None, max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture], derandomize=True
)


def make(model: object = None, *, catalog: bool = True) -> Recommender:
    """A small recommender with everything that a folder can hold."""
    rng = np.random.default_rng(1)
    rows = [sorted(rng.choice(N, size=4, replace=False).tolist()) for _ in range(40)]
    vocab = Vocab([str(7 * n) for n in range(N)], integers=True)
    log = Interactions(
        vocab,
        [f"u{n}" for n in range(len(rows))],
        np.repeat(np.arange(len(rows)), 4).astype(np.int32),
        np.concatenate(rows).astype(np.int32),
        values=np.full(160, 2.5, np.float32),
        values_are="rating",
        times=np.arange(160, dtype=np.int64) * 10**7,
        recipe=Recipe(kinds={"view": 0.5}, positive="value>=2", values_are="rating", max_history=77),
    )
    known = Catalog(
        vocab,
        [f"Títle {n} 片" if n % 3 else None for n in range(N)],
        {"genres": [["a", "b"][: n % 3] for n in range(N)], "year": [1990 + n for n in range(N)], "count": ["x"] * N},
        vectors=rng.normal(size=(N, 3)).astype(np.float32),
        available=np.arange(N) != 5,
        domains=["books" if n % 2 else None for n in range(N)],
    )
    return pc.fit(log, model or ItemKNN(neighbours=4), catalog=known if catalog else None)


@pytest.fixture(scope="module")
def rec() -> Recommender:
    return make()


@pytest.fixture(scope="module")
def saved(rec: Recommender, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("saved") / "model"
    rec.save(folder)
    return folder


@pytest.fixture
def copy(saved: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(saved, tmp_path / "copy"))


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def restate(folder: Path, change: Callable[[dict], object] = lambda manifest: None) -> None:
    """Write the manifest anew so that sizes and hashes are right: a forger, not an accident."""
    path = folder / "manifest.json"
    manifest = json.loads(path.read_text())
    for name in manifest["files"]:
        data = (folder / name).read_bytes()
        manifest["files"][name] = {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    change(manifest)
    manifest.pop("sha256", None)
    path.write_text(json.dumps(manifest))


# -- there and back ---------------------------------------------------------------------------------------------------


def test_everything_comes_back(rec: Recommender, saved: Path) -> None:
    back = load(saved)
    assert sorted(path.name for path in saved.iterdir()) == FILES
    assert back.vocab == rec.vocab
    assert back.vocab.integers
    assert back.recipe == rec.recipe
    assert back.fitted_on == rec.fitted_on
    assert back.version == rec.version
    assert back.model == rec.model
    assert back.catalog.titles == rec.catalog.titles
    assert back.catalog.attributes == rec.catalog.attributes
    assert back.catalog.domains == rec.catalog.domains
    np.testing.assert_array_equal(back.catalog.vectors, rec.catalog.vectors)
    np.testing.assert_array_equal(back.catalog.available, rec.catalog.available)
    every = Histories.from_lists([[item] for item in range(N)], N)
    np.testing.assert_array_equal(back.model.score(every), rec.model.score(every))
    assert back.recommend([7, 14], 5, why=True) == rec.recommend([7, 14], 5, why=True)


def test_saving_what_was_loaded_writes_the_same_arrays(saved: Path, tmp_path: Path) -> None:
    load(saved).save(tmp_path / "again")
    for name in ("model.safetensors", "items.parquet"):
        assert (tmp_path / "again" / name).read_bytes() == (saved / name).read_bytes()


def test_a_recommender_can_be_saved_over_the_folder_it_came_from(copy: Path) -> None:
    loaded = load(copy)
    before = loaded.recommend([7, 14], 5)
    loaded.save(copy, force=True)  # its arrays are still mapped from the old file
    assert loaded.recommend([7, 14], 5) == before == load(copy).recommend([7, 14], 5)


def test_loaded_arrays_are_mapped_and_private(copy: Path) -> None:
    before = contents(copy)
    loaded = load(copy)
    assert not loaded.model.weights.data.flags.owndata
    loaded.model.weights.data[:] = 0
    assert contents(copy) == before


def test_any_safetensors_reader_can_open_the_arrays(rec: Recommender, saved: Path) -> None:
    found = safetensors.numpy.load_file(saved / "model.safetensors")
    assert set(found) >= {"item_counts", "weights.indptr", "weights.indices", "weights.data"}
    np.testing.assert_array_equal(found["weights.data"], rec.model.weights.data)


def test_without_a_catalogue_there_are_no_titles(tmp_path: Path) -> None:
    make(Popular(), catalog=False).save(tmp_path / "bare")
    back = load(tmp_path / "bare")
    assert back.catalog is None
    assert back.recommend([7], 2)[0].title is None


def test_the_folder_of_format_1_can_be_read_for_ever() -> None:
    """Written once by the first version; answers written down beside it."""
    report = verify(FORMAT_1)
    expected = json.loads((FORMAT_1.parent / "format-1.json").read_text())
    assert report["format"] == 1
    answer = load(FORMAT_1).recommend([7, ("14", 5.0), "nobody"], 4, why=True).to_json()
    for entry, wanted in zip(answer["items"], expected["items"], strict=True):
        assert entry.pop("score") == pytest.approx(wanted.pop("score"), rel=1e-6)
        for part, given_by in zip(entry["why"]["parts"], wanted["why"]["parts"], strict=True):
            assert part.pop("contribution") == pytest.approx(given_by.pop("contribution"), rel=1e-6)
    assert answer == expected


def test_verify_says_what_is_there(rec: Recommender, saved: Path) -> None:
    report = verify(saved)
    assert sorted(report["files"]) == FILES
    assert report["bytes"] == sum(len(data) for data in contents(saved).values())
    assert report["model"] == {"name": "item-knn", "version": rec.version}
    assert report["items"] == N


# -- what is wrong is named -------------------------------------------------------------------------------------------


def edit(**changes: object) -> Callable[[Path], None]:
    return lambda folder: restate(folder, lambda manifest: manifest.update(changes))


def inside(key: str, **changes: object) -> Callable[[Path], None]:
    return lambda folder: restate(folder, lambda manifest: manifest[key].update(changes))


def rewrite(name: str, change: Callable[[bytes], bytes]) -> Callable[[Path], None]:
    return lambda folder: (folder / name).write_bytes(change((folder / name).read_bytes()))


def arrays(**changes: np.ndarray | None) -> Callable[[Path], None]:
    """Other arrays, with a manifest that agrees with them."""

    def apply(folder: Path) -> None:
        path = folder / "model.safetensors"
        found = {name: array.copy() for name, array in tensors.read(path).items()}
        for name, array in changes.items():
            key = name.replace("__", ".")
            found.pop(key, None)
            if array is not None:
                found[key] = array
        path.unlink()
        tensors.write(path, found)
        described = {name: f"{tensors.code(array)}{list(array.shape)}" for name, array in found.items()}
        restate(folder, lambda manifest: manifest.update(arrays=described))

    return apply


def table(change: Callable[[pl.DataFrame], pl.DataFrame]) -> Callable[[Path], None]:
    def apply(folder: Path) -> None:
        change(pl.read_parquet(folder / "items.parquet")).write_parquet(folder / "items.parquet")
        restate(folder)

    return apply


def link(name: str) -> Callable[[Path], None]:
    def apply(folder: Path) -> None:
        (folder / name).rename(folder.parent / "elsewhere")
        (folder / name).symlink_to(folder.parent / "elsewhere")

    return apply


WRONG: dict[str, tuple[Callable[[Path], object], str]] = {
    "no manifest": (lambda folder: (folder / "manifest.json").unlink(), "no manifest.json"),
    "no items": (lambda folder: (folder / "items.parquet").unlink(), "items.parquet is missing"),
    "no arrays": (lambda folder: (folder / "model.safetensors").unlink(), "model.safetensors is missing"),
    "empty manifest": (rewrite("manifest.json", lambda data: b""), "not JSON"),
    "cut manifest": (rewrite("manifest.json", lambda data: data[:100]), "not JSON"),
    "deep manifest": (rewrite("manifest.json", lambda data: b"[" * 100_000), "not JSON"),
    "binary manifest": (rewrite("manifest.json", lambda data: b"\xff\xfe\x00"), "not JSON"),
    "list manifest": (rewrite("manifest.json", lambda data: b"[1]"), "another program"),
    "foreign manifest": (rewrite("manifest.json", lambda data: b'{"name": "web app"}'), "another program"),
    "infinite number": (rewrite("manifest.json", lambda data: data.replace(b'"seed": 0', b'"seed": NaN')), "NaN"),
    "edited by hand": (
        rewrite("manifest.json", lambda data: data.replace(b'"shrink": 3.0', b'"shrink": 9.0')),
        "has changed since it was saved",
    ),
    "key twice": (rewrite("manifest.json", lambda data: data.replace(b'"seed"', b'"events"')), "twice"),
    "future": (edit(format=2, penchant="9.9"), r"format is 2, written by a newer Penchant \(9.9\)"),
    "format of text": (edit(format="1"), "another program"),
    "format zero": (edit(format=0), "another program"),
    "unknown key": (edit(hook="os.system"), "unknown key 'hook'"),
    "missing key": (lambda folder: restate(folder, lambda manifest: manifest.pop("input")), "lacks 'input'"),
    "unknown model": (inside("model", model="os.system"), "no model 'os.system'"),
    "path as model": (inside("model", model="../x.py"), "no model '../x.py'"),
    "unknown parameter": (inside("model", params={"neighbors": 3}), "neighbors"),
    "bad parameter": (inside("model", params={"neighbours": -3}), "neighbours must be"),
    "other model": (inside("model", model="popular", params={}), "popular"),
    "unknown recipe": (inside("input", code="x"), "a recipe has no 'code'"),
    "bad recipe": (inside("input", positive="__import__('os')"), "a positive reads"),
    "recipe of text": (edit(input="view"), "'input'"),
    "version of numbers": (edit(version=3), "'version'"),
    "path as file": (inside("files", **{"../../etc/passwd": {"bytes": 1, "sha256": ""}}), "lists the files"),
    "files left out": (edit(files={}), "lists the files"),
    "members": (edit(members=1), "manifest.json|members"),
    "minus one member": (edit(members=-1), "members"),
    "longer arrays": (rewrite("model.safetensors", lambda data: data + b"\0"), "model.safetensors has .* bytes"),
    "shorter arrays": (rewrite("model.safetensors", lambda data: data[:-1]), "model.safetensors has .* bytes"),
    "shorter items": (rewrite("items.parquet", lambda data: data[:-9]), "items.parquet has .* bytes"),
    "no tensors": (
        lambda folder: (rewrite("model.safetensors", lambda data: b"PK" * 99)(folder), restate(folder)),
        "model.safetensors",
    ),
    "no table": (
        lambda folder: (rewrite("items.parquet", lambda data: b"PAR1" * 99)(folder), restate(folder)),
        "items.parquet is a damaged Parquet file|items.parquet is not a Parquet file",
    ),
    "array of another shape": (
        lambda folder: restate(folder, lambda m: m["arrays"].update(item_counts="I64[11]")),
        r"'item_counts' is I64\[12\], manifest.json says I64\[11\]",
    ),
    "array not stated": (lambda folder: restate(folder, lambda m: m["arrays"].pop("item_counts")), "item_counts"),
    "unknown array": (arrays(payload=np.zeros(3)), "'payload' is not learned by the model"),
    "unknown part": (arrays(weights__payload=np.zeros(3)), "payload is not a part of Weights"),
    "array for a group": (
        arrays(weights=np.zeros(3, np.float32), weights__indptr=None, weights__indices=None, weights__data=None),
        "group of arrays",
    ),
    "counts of another dtype": (arrays(item_counts=np.zeros(N, np.float32)), "should hold int64, it holds float32"),
    "fewer counts": (arrays(item_counts=np.zeros(N - 1, np.int64)), "counts 11 items, the folder holds 12"),
    "other counts": (arrays(item_counts=np.arange(N)), "training counts"),
    "no counts": (arrays(item_counts=None), "counts 0 items"),
    "index outside": (arrays(weights__indices=np.full(48, N, np.int32)), "not an operator"),
    "index below": (arrays(weights__indices=np.full(48, -1, np.int32)), "not an operator"),
    "falling pointers": (arrays(weights__indptr=np.arange(N, -1, -1)), "not an operator"),
    "operator in parts": (arrays(weights__data=None), "belong together"),
    "dense of another shape": (arrays(weights__dense=np.zeros((3, N), np.float32)), "dense part"),
    "left alone": (arrays(weights__left=np.zeros((N, 2), np.float32)), "left and right"),
    "other ids": (table(lambda t: t.with_columns(item=pl.lit("x") + pl.col("item"))), "fingerprint"),
    "fewer ids": (table(lambda t: t.head(N - 1)), "items.parquet has 11 rows, manifest.json says 12 items"),
    "ids twice": (table(lambda t: t.with_columns(item=pl.lit("x"))), "twice"),
    "no ids": (table(lambda t: t.drop("item")), "lacks the columns"),
    "ids of numbers": (table(lambda t: t.with_columns(item=pl.lit(1))), "lacks the columns"),
    "ids missing": (table(lambda t: t.with_columns(item=pl.lit(None, pl.String))), "without an id"),
    "titles of numbers": (table(lambda t: t.with_columns(title=pl.lit(1))), "'title'"),
    "items as a link": (link("items.parquet"), "symbolic link"),
    "arrays as a link": (link("model.safetensors"), "symbolic link"),
    "manifest as a link": (link("manifest.json"), "symbolic link"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_is_named(name: str, copy: Path) -> None:
    spoil, says = WRONG[name]
    spoil(copy)
    with pytest.raises(FormatError, match=says) as caught:
        load(copy)
    assert str(copy) in str(caught.value)
    with pytest.raises(FormatError):
        verify(copy)


def test_a_folder_that_is_not_there_is_bad_input(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such folder"):
        load(tmp_path / "nothing")
    (tmp_path / "file").write_text("x")
    with pytest.raises(DataError, match="this is a file"):
        load(tmp_path / "file")


def says(manifest: bytes) -> object:
    """What a manifest says, None where it is no JSON."""
    try:
        return json.loads(manifest)
    except ValueError:
        return None


@PROPERTY
@given(name=st.sampled_from(FILES), at=st.floats(0, 1, exclude_max=True), flip=st.integers(1, 255))
def test_one_changed_byte_is_always_found(saved: Path, tmp_path: Path, name: str, at: float, flip: int) -> None:
    folder = tmp_path / "changed"
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(saved, folder)
    data = bytearray((folder / name).read_bytes())
    place = int(at * len(data))
    data[place] ^= flip
    (folder / name).write_bytes(data)
    try:
        load(folder)
    except PenchantError as wrong:
        assert isinstance(wrong, FormatError)  # noqa: PT017  # loading may pass: only verify reads every byte
    if name == "manifest.json" and says(bytes(data)) == says((saved / name).read_bytes()):
        return  # another blank between its words
    with pytest.raises(FormatError):
        verify(folder)


@PROPERTY
@given(name=st.sampled_from(FILES), share=st.floats(0, 1, exclude_max=True))
def test_a_truncated_file_is_always_found_at_once(saved: Path, tmp_path: Path, name: str, share: float) -> None:
    folder = tmp_path / "cut"
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(saved, folder)
    data = (folder / name).read_bytes()
    (folder / name).write_bytes(data[: int(share * (len(data) - 1))])
    with pytest.raises(FormatError):
        load(folder)


def test_verify_finds_what_load_does_not_read(copy: Path) -> None:
    data = bytearray((copy / "model.safetensors").read_bytes())
    data[-4 * 48 - 4] ^= 1  # the last bit of the last weight; the indices stand behind it
    (copy / "model.safetensors").write_bytes(data)
    load(copy)
    with pytest.raises(FormatError, match=r"model\.safetensors has changed since it was saved"):
        verify(copy)


def test_verify_finds_a_file_that_does_not_belong(copy: Path) -> None:
    (copy / ".DS_Store").write_text("x")
    verify(copy)
    (copy / "run.py").write_text("x")
    with pytest.raises(FormatError, match=r"run\.py does not belong"):
        verify(copy)


# -- folders that exist -----------------------------------------------------------------------------------------------


def test_an_existing_folder_is_refused_unless_forced(rec: Recommender, copy: Path) -> None:
    before = contents(copy)
    with pytest.raises(ParameterError, match="exists"):
        rec.save(copy)
    assert contents(copy) == before
    make(Popular()).save(copy, force=True)
    assert load(copy).model == Popular()
    assert [path.name for path in copy.parent.iterdir()] == ["copy"]


def test_force_never_deletes_what_is_no_recommender(rec: Recommender, tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    rec.save(home, force=True)  # empty: nothing is lost
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter.txt").write_text("years of work")
    (tmp_path / "file").write_text("x")
    (tmp_path / "link").symlink_to(home)
    for name in ("thesis", "file", "link"):
        with pytest.raises(ParameterError):
            rec.save(tmp_path / name, force=True)
    assert contents(tmp_path / "thesis") == {"chapter.txt": b"years of work"}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "home", "link", "thesis"]


def test_a_failure_leaves_the_old_folder_and_nothing_else(
    rec: Recommender, copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = contents(copy)

    def full(path: Path, arrays: object) -> None:
        raise OSError(28, "No space left on device", str(path))

    monkeypatch.setattr(tensors, "write", full)
    with pytest.raises(OSError, match="No space left"):
        rec.save(copy, force=True)
    with pytest.raises(OSError, match="No space left"):
        rec.save(copy.parent / "new")
    assert contents(copy) == before
    assert [path.name for path in copy.parent.iterdir()] == ["copy"]


@pytest.mark.parametrize("swaps", [True, False])
def test_replacing_works_with_and_without_exchange(
    rec: Recommender, copy: Path, monkeypatch: pytest.MonkeyPatch, swaps: bool
) -> None:
    if not swaps:
        monkeypatch.setattr(folders, "_exchange", lambda one, other: False)
    make(Popular()).save(copy, force=True)
    verify(copy)
    assert load(copy).model == Popular()
    assert [path.name for path in copy.parent.iterdir()] == ["copy"]


def test_loading_recovers_a_replacement_that_was_interrupted(
    rec: Recommender, copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(folders, "_exchange", lambda one, other: False)
    rename = Path.rename

    def crash(self: Path, target: Path) -> Path:
        if ".new-" in self.name:
            raise KeyboardInterrupt
        return rename(self, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", crash)
        with pytest.raises(KeyboardInterrupt):
            make(Popular()).save(copy, force=True)
    assert not copy.exists()
    assert load(copy).model == rec.model
    assert copy.exists()


def test_a_relative_name_and_missing_parents_are_fine(
    rec: Recommender, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    save(rec, "deep/er/model")
    assert load("deep/er/model").version == rec.version
    os.chdir("deep")
    assert load("er/model").version == rec.version


# -- tensors ----------------------------------------------------------------------------------------------------------

shapes = st.lists(st.integers(0, 4), max_size=3).map(tuple)
names = st.text("abc.0é", min_size=1, max_size=6)


@pytest.fixture
def files(tmp_path: Path) -> Iterator[Callable[[], Path]]:
    numbers = iter(range(10**6))
    return lambda: tmp_path / f"{next(numbers)}.safetensors"


@PROPERTY
@given(made=st.dictionaries(names, st.tuples(st.sampled_from(sorted(tensors.DTYPES)), shapes), max_size=5))
def test_any_arrays_come_back_and_the_reference_agrees(files: Callable[[], Path], made: dict) -> None:
    rng = np.random.default_rng(0)
    arrays = {name: (rng.random(shape) * 100).astype(tensors.DTYPES[dtype]) for name, (dtype, shape) in made.items()}
    path = files()
    written = tensors.write(path, arrays)
    back = tensors.read(path)
    reference = safetensors.numpy.load_file(path)
    assert set(back) == set(arrays) == set(reference)
    for name, array in arrays.items():
        for other in (back[name], reference[name]):
            assert (other.dtype, other.shape) == (array.dtype, array.shape)
            np.testing.assert_array_equal(other, array)
        assert back[name].flags.aligned
    assert written == {"bytes": path.stat().st_size, "sha256": hashlib.sha256(path.read_bytes()).hexdigest()}
    assert tensors.digest(back) == tensors.digest(arrays) == written["sha256"]


def test_files_of_the_reference_can_be_read(files: Callable[[], Path]) -> None:
    path = files()
    arrays = {"a": np.arange(7, dtype=np.int8), "b": np.ones((2, 3), np.float32)}
    safetensors.numpy.save_file(arrays, path, metadata={"format": "np"})
    for name, array in tensors.read(path).items():
        np.testing.assert_array_equal(array, arrays[name])


@pytest.mark.parametrize(
    ("header", "says"),
    [
        ({"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 4]}}, "does not match its offsets"),
        ({"a": {"dtype": "F32", "shape": [1], "data_offsets": [4, 8]}}, "gap"),
        ({"a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}, "too long"),
        ({"a": {"dtype": "F32", "shape": [3], "data_offsets": [0, 12]}}, "truncated"),
        ({"a": {"dtype": "PICKLE", "shape": [1], "data_offsets": [0, 8]}}, "unknown dtype"),
        ({"a": {"dtype": ["F32"], "shape": [1], "data_offsets": [0, 8]}}, "unknown dtype"),
        ({"a": {"dtype": "F32", "shape": [-2], "data_offsets": [0, 8]}}, "whole numbers"),
        ({"a": {"dtype": "F32", "shape": [2.0], "data_offsets": [0, 8]}}, "whole numbers"),
        ({"a": {"dtype": "F32", "shape": 2, "data_offsets": [0, 8]}}, "whole numbers"),
        ({"a": {"dtype": "F32", "shape": [2]}}, "not a dtype"),
        ({"a": 1}, "not a dtype"),
        ([], "not an object"),
        (
            {f"{n}": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]} for n in range(2)},
            "gap or overlap",
        ),
    ],
)
def test_a_header_that_lies_is_refused(files: Callable[[], Path], header: object, says: str) -> None:
    path = files()
    text = json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + bytes(8))
    with pytest.raises(FormatError, match=says):
        tensors.read(path)


def test_what_tensors_cannot_hold_is_refused(files: Callable[[], Path]) -> None:
    for dtype in ("U3", "complex64", "O"):
        with pytest.raises(FormatError, match="cannot be saved"):
            tensors.write(files(), {"a": np.zeros(2, dtype)})
