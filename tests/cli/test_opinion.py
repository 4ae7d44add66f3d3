import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from penchant.cli.main import main

ROWS = [("wonderful, I love it", 5), ("a great gift", 4), ("awful, I hate it", 1), ("a bad gift", 2), ("a gift", 3)] * 5


@pytest.fixture
def reviews(tmp_path: Path) -> Path:
    file = tmp_path / "reviews.csv"
    pl.DataFrame(ROWS, schema=["review", "stars"], orient="row").write_csv(file)
    return file


def test_learn_and_score(reviews: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder, scored = tmp_path / "opinion", tmp_path / "scored.parquet"
    assert main(["opinion", "learn", str(reviews), "--text", "review", "--stars", "stars", "-o", str(folder)]) == 0
    assert "learned from 20 of 25 texts, 10 of them positive" in capsys.readouterr().out
    words = ["opinion", "score", str(reviews), "--text", "review", "--with", str(folder), "-o", str(scored), "--json"]
    assert main(words) == 0
    assert json.loads(capsys.readouterr().out) == {"file": str(scored), "rows": 25, "empty": 0, "with": str(folder)}
    frame = pl.read_parquet(scored)
    assert frame.columns == ["review", "stars", "opinion", "probability", "low", "high", "words"]
    best, worst = frame.filter(pl.col.stars >= 4), frame.filter(pl.col.stars <= 2)
    assert best["opinion"].min() > 0 > worst["opinion"].max()
    assert main(words) == 2  # it exists


@pytest.mark.parametrize("ending", ["csv", "jsonl", "parquet"])
def test_without_a_folder_the_word_list_scores(reviews: Path, tmp_path: Path, ending: str) -> None:
    scored = tmp_path / f"scored.{ending}"
    assert main(["opinion", "score", str(reviews), "--text", "1", "-o", str(scored)]) == 0
    read = {"csv": pl.read_csv, "jsonl": pl.read_ndjson, "parquet": pl.read_parquet}[ending]
    frame = read(scored)
    best, worst = (frame.filter(pl.col.stars == stars)["opinion"] for stars in (5, 1))
    assert best.min() > 0.5 > -0.5 > worst.max()


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        (["--text", "nothing"], "there is no column 'nothing'"),
        (["-o", "scored.txt"], "not to 'scored.txt'"),
        (["--with", "nowhere"], "there is no such folder"),
    ],
)
def test_refusals(
    reviews: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], changed: list[str], message: str
) -> None:
    words = ["opinion", "score", str(reviews), "--text", "review", "-o", str(tmp_path / "out.csv"), *changed]
    assert main(words) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out.csv").exists()


def test_one_kind_of_stars_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "same.csv"
    file.write_text("t,s\ngood,5\nfine,5\n", encoding="utf-8")
    words = ["opinion", "learn", str(file), "--text", "t", "--stars", "s", "-o", str(tmp_path / "o")]
    assert main(words) == 2
    assert "at least two of each" in capsys.readouterr().err
    assert main([*words, "--scale", "a"]) == 2
    assert "--scale is two numbers" in capsys.readouterr().err


def test_a_changed_folder_is_refused(reviews: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "opinion"
    assert main(["opinion", "learn", str(reviews), "--text", "review", "--stars", "stars", "-o", str(folder)]) == 0
    content = bytearray((folder / "opinion.safetensors").read_bytes())
    content[-1] ^= 1
    (folder / "opinion.safetensors").write_bytes(content)
    out = str(tmp_path / "o.csv")
    assert main(["opinion", "score", str(reviews), "--text", "review", "--with", str(folder), "-o", out]) == 1
    assert "has changed since it was saved" in capsys.readouterr().err


def test_a_table_of_texts_alone_is_one_column(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = ["质量很好，很好", "not good at all, 😡", "", None, '<b>great</b> "gift"', "🎉🎉", "x" * 1_000_000]
    for header, separator in (("comment", []), ("comment", ["--sep", ","])):
        pl.DataFrame({header: said}).write_csv(tmp_path / "comments.csv", quote_style="always" if separator else None)
        words = ["opinion", "score", str(tmp_path / "comments.csv"), "--text", "comment", *separator]
        assert main([*words, "-o", str(tmp_path / "scored.parquet"), "--force"]) == 0
        frame = pl.read_parquet(tmp_path / "scored.parquet").filter(pl.col.comment.fill_null("") != "")
        assert frame["comment"].to_list() == [text for text in said if text]
        assert [np.sign(one) for one in frame["opinion"]] == [1, -1, 1, 1, 0]
    (tmp_path / "plain.txt").write_text("comment\ngood, nice\nbad, awful; sad\n")  # no quotes, and the text has commas
    plain = ["opinion", "score", str(tmp_path / "plain.txt"), "--text", "comment"]
    assert main([*plain, "-o", str(tmp_path / "p.csv")]) == 0
    assert pl.read_csv(tmp_path / "p.csv")["comment"].to_list() == ["good, nice", "bad, awful; sad"]
    capsys.readouterr()
    assert main([*words[:3], "--text", "nothing", "-o", str(tmp_path / "none.csv")]) == 2
    assert "no separator" in capsys.readouterr().err
    assert main([*words[:5], "--with", words[2], "-o", str(tmp_path / "none.csv")]) == 2
    assert "this is a file, learned opinions are a folder" in capsys.readouterr().err


def test_one_column_cannot_be_the_text_and_the_stars(
    reviews: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["opinion", "learn", str(reviews), "--text", "review", "--stars", "review", "-o", str(tmp_path / "opinion")]
    assert main(words) == 2
    assert "one column is named for two things: review, review" in capsys.readouterr().err
