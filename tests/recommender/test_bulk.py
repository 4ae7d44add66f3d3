"""Lists of many users: their blocks, their files, and that they are those of each user alone."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow.parquet as pq
import pytest

import penchant as pc
from penchant.core.histories import Histories
from penchant.data.catalog import Catalog
from penchant.data.interactions import Interactions
from penchant.data.recipe import Recipe
from penchant.data.vocab import Vocab
from penchant.errors import ParameterError
from penchant.recommender.bulk import blocks
from penchant.recommender.recommender import Recommender

N = 7
ROWS = [[0, 1], [], [2, 6], [3], [9]]


@pytest.fixture
def rec() -> Recommender:
    train = Histories.from_lists([[0, 1, 2], [1, 2, 3], [3, 4], [4, 5, 6]], N)
    vocab = Vocab([str(10 + n) for n in range(N)], integers=True)
    titles = [f"Title {n}" if n % 2 else None for n in range(N)]
    catalog = Catalog(vocab, titles, available=np.arange(N) != 5)
    return Recommender(vocab, pc.ItemKNN(neighbours=None, half_life=None).fit(train), Recipe(), catalog)


@pytest.fixture
def log() -> Interactions:
    """The items of the recommender and some more, in another order; the second user is without events."""
    ids = [str(10 + n) for n in reversed(range(N))] + ["x", "y", "z"]
    items = [ids.index(str(10 + n)) if n < N else ids.index("z") for row in ROWS for n in row]
    users = np.repeat(np.arange(len(ROWS)), [len(row) for row in ROWS])
    names = [f"u{n}" for n in range(len(ROWS))]
    return Interactions(Vocab(ids), names, users.astype(np.int32), np.array(items, np.int32))


def test_lists_are_those_of_each_user_alone(rec: Recommender, log: Interactions) -> None:
    for repeat in (False, True):
        answers = list(rec.recommend_all(log, 4, repeat=repeat))
        assert [answer.user for answer in answers] == log.user_ids
        for answer, row in zip(answers, ROWS, strict=True):
            alone = rec.recommend([10 + n if n < N else "z" for n in row], 4, repeat=repeat)
            assert answer.ids == alone.ids and answer.fallback == alone.fallback and answer.unknown == alone.unknown
            assert [entry.title for entry in answer] == [entry.title for entry in alone]
            np.testing.assert_allclose([e.score for e in answer], [e.score for e in alone], rtol=1e-6)
    assert answers[4].unknown == ["z"] and answers[4].fallback and answers[1].fallback and not answers[0].fallback
    assert all(15 not in answer.ids for answer in answers)


@pytest.mark.parametrize(("memory", "sizes"), [(1, [1] * 5), (2 * 400 * 3, [2, 2, 1]), (10**6, [5])])
def test_blocks_are_bounded_by_memory(rec: Recommender, log: Interactions, memory: int, sizes: list[int]) -> None:
    given, unknown = rec.translation.of_log(log)
    made = list(blocks(rec.model, given, log.user_ids, unknown, 3, memory=memory))
    assert [len(block.users) for block in made] == sizes == [len(block.ranked) for block in made]
    assert [block.done for block in made] == np.cumsum(sizes).tolist() and {block.total for block in made} == {5}
    assert [user for block in made for user in block.users] == log.user_ids
    assert [ids for block in made for ids in block.unknown] == unknown
    whole = np.concatenate([block.ranked.items for block in made])
    assert whole.tolist() == next(blocks(rec.model, given, log.user_ids, unknown, 3)).ranked.items.tolist()
    assert next(blocks(rec.model, given, log.user_ids, unknown, 99)).ranked.items.shape == (5, N)
    allowed = next(blocks(rec.model, given, log.user_ids, unknown, 99, allow=np.arange(N) < 2)).ranked.items
    assert allowed.max() == 1
    assert 0 in next(blocks(rec.model, given, log.user_ids, unknown, 99, repeat=True)).ranked.items[0]


@pytest.mark.parametrize("memory", [1, 10**6])
def test_a_parquet_file_has_a_row_per_item(rec: Recommender, log: Interactions, tmp_path: Path, memory: int) -> None:
    told: list[tuple[str, int, int]] = []
    path = tmp_path / "new" / "folder" / "lists.parquet"
    assert rec.write_all(log, path, 3, memory=memory, progress=lambda *values: told.append(values)) == 5
    assert told[-1] == ("recommending", 5, 5) and len(told) == (5 if memory == 1 else 1)
    assert [file.name for file in path.parent.iterdir()] == ["lists.parquet"]
    frame = pl.read_parquet(path)
    assert frame.schema == {
        "user": pl.String, "rank": pl.UInt32, "item": pl.Int64, "title": pl.String, "score": pl.Float32,
        "fallback": pl.Boolean,
    }  # fmt: skip
    expected = [
        (answer.user, rank, entry.item, entry.title, np.float32(entry.score), answer.fallback)
        for answer in rec.recommend_all(log, 3)
        for rank, entry in enumerate(answer, 1)
    ]
    assert frame.rows() == expected
    assert pq.ParquetFile(path).metadata.row_group(0).column(0).compression == "ZSTD"


def test_lines_are_the_answers(rec: Recommender, log: Interactions, tmp_path: Path) -> None:
    path = tmp_path / "lists.jsonl"
    path.write_text("old")
    assert rec.write_all(log, path, 2, repeat=True, force=True) == 5
    text = path.read_text(encoding="utf-8")
    assert [json.loads(line) for line in text.splitlines()] == [
        answer.to_json() for answer in rec.recommend_all(log, 2, repeat=True)
    ]
    assert text.endswith("\n")


def test_a_file_without_catalogue_or_users(rec: Recommender, log: Interactions, tmp_path: Path) -> None:
    bare = Recommender(Vocab([f"é{n}" for n in range(N)]), rec.model)
    assert bare.write_all(log, tmp_path / "bare.parquet", 2) == 5
    frame = pl.read_parquet(tmp_path / "bare.parquet")
    assert "title" not in frame.columns and frame["item"].dtype == pl.String and len(frame) == 10
    bare.write_all(log, tmp_path / "bare.jsonl", 1)
    assert '"é' in (tmp_path / "bare.jsonl").read_text(encoding="utf-8")
    nobody = log.where(np.zeros(len(log), np.bool_))
    assert rec.write_all(nobody, tmp_path / "none.parquet") == 0
    empty = pl.read_parquet(tmp_path / "none.parquet")
    assert empty.shape == (0, 6) and empty.schema["rank"] == pl.UInt32 and empty.schema["item"] == pl.Int64
    assert pq.ParquetFile(tmp_path / "none.parquet").metadata.num_rows == 0


def test_another_ending_is_refused_before_any_work(rec: Recommender, log: Interactions, tmp_path: Path) -> None:
    with pytest.raises(ParameterError) as refused:
        rec.write_all(log, tmp_path / "sub" / "lists.txt")
    assert str(refused.value) == "lists are written to a .parquet, .jsonl or .csv file, not to 'lists.txt'"
    assert not (tmp_path / "sub").exists()


def test_nothing_is_left_of_a_file_that_failed(rec: Recommender, log: Interactions, tmp_path: Path) -> None:
    def stop(stage: str, done: int, total: int) -> None:
        raise KeyboardInterrupt

    (tmp_path / "lists.jsonl").write_text("old")
    with pytest.raises(KeyboardInterrupt):
        rec.write_all(log, tmp_path / "lists.jsonl", progress=stop, force=True)
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("lists.jsonl", "old")]


def test_a_csv_file_names_guests_by_session_and_protects_spreadsheets(tmp_path: Path) -> None:
    rows = pl.DataFrame({"user": ["=u", None, "b"], "session": ["s1", "s2", "s3"], "item": ["=x", "y", "y"]})
    seen = pc.read_interactions(rows)
    train = Histories.from_lists([[0, 1], [0, 1], [1]], 2)
    asked = Recommender(seen.vocab, pc.Popular().fit(train), catalog=Catalog(seen.vocab, ["@run", None]))
    answers = list(asked.recommend_all(seen, 2, repeat=True))
    assert [(answer.user, answer.session) for answer in answers if answer.session] == [(None, "s2")]
    assert [answer.to_json().get("session") for answer in answers if answer.session] == ["s2"]
    for spreadsheet, mark in ((False, ""), (True, "'")):
        path = tmp_path / "lists.csv"
        assert asked.write_all(seen, path, 2, repeat=True, spreadsheet=spreadsheet, force=True) == 3
        frame = pl.read_csv(path)
        assert set(frame["item"]) == {f"{mark}=x", "y"}
        assert set(frame["title"].drop_nulls()) == {"'@run"}
        assert set(frame["user"].drop_nulls()) == {f"{mark}=u", "b"}
        assert set(frame["session"].drop_nulls()) == {"s2"}
