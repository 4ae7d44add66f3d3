"""``penchant inspect`` and the reading options, as a person types them."""

from __future__ import annotations

import json

import pytest

from penchant.cli.main import main
from penchant.cli.options import ReadOptions, read_log
from penchant.cli.reading_options import reading_options
from penchant.errors import ParameterError

LOG = "user,item,rating,timestamp\n" + "".join(
    f"u{n % 20},i{n * 7 % 25},{n % 5 + 1},{1_500_000_000 + n * 1000}\n" for n in range(100)
)


@pytest.fixture
def log(tmp_path):
    path = tmp_path / "log.csv"
    path.write_text(LOG + "u1,i1,excellent,1500000000\n")
    return path


def test_what_was_understood_the_figures_and_the_findings(log, capsys):
    assert main(["inspect", str(log)]) == 0
    out, err = capsys.readouterr()
    out = " ".join(out.split())
    for expected in (
        "separated by comma", "utf-8", "user = user", "times in", "seconds", "has 5 distinct values from 1 to 5",
        "101, 1 rejected", "density 20 %", "median 5", "2017-07-14T02:40:00Z",
        "Length of histories", "Popularity of items",
        "cold in a time split", "█", "this is not a number", "line 102",
    ):  # fmt: skip
        assert expected in out
    assert "1 of 101 rows could not be used" in err
    assert f"{log}, line 102, value: this is not a number ('excellent')" in err
    assert f"{log}.rejected.csv" in err


def test_json_is_one_document_and_nothing_else(log, capsys):
    assert main(["inspect", str(log), "--json", "--positive", "value>=4"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["statistics"]["positives"] == 40
    assert document["recipe"] == {"kinds": {}, "positive": "value>=4", "values_are": "rating", "max_history": 500}
    assert document["sources"][0]["separator"] == "comma"
    assert document["rejected"] == 1
    assert document["rejected_examples"][0]["line"] == 102
    assert [finding["line"] for finding in document["findings"]] == [102]


def test_every_reading_option_is_heard(tmp_path, capsys):
    path = tmp_path / "log.txt"
    path.write_bytes("wer;was;wie;Wert;\nJörg;x;view;1;\nJörg;y;cart;2;\nAnn;x;cart;oops;\n".encode("latin-1"))
    items = tmp_path / "items.csv"
    items.write_text("item,title\nx,X\nz,Z\n")
    options = [
        "--items", str(items), "--columns", "user=wer,item=was,kind=wie,value=Wert", "--kind", "view=1,cart=3",
        "--values", "weight", "--positive", "value>=2", "--sep", ";", "--encoding", "latin-1",
        "--rejected", str(tmp_path / "bad.csv"), "--json",
    ]  # fmt: skip
    assert main(["inspect", str(path), *options]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["recipe"]["kinds"] == {"view": 1.0, "cart": 3.0}
    assert document["sources"][0]["encoding"] == "iso8859-1"
    assert document["statistics"]["values"]["max"] == 6
    assert document["statistics"]["positives"] == 1
    assert document["statistics"]["items_without_events"] == 1
    assert (tmp_path / "bad.csv").read_text().count("\n") == 2
    assert main(["inspect", str(path), *options, "--strict"]) == 2
    assert "line 4, column 'value': this is not a number" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments",
    [
        ["nobody.csv"],
        ["."],
        ["log.csv", "--values", "stars"],
        ["log.csv", "--positive", "often"],
        ["log.csv", "--sep", '"'],
        ["log.csv", "--encoding", "klingon"],
        ["log.csv", "--columns", "user"],
        ["log.csv", "--kind", "a"],
        ["*.nothing"],
        [],
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(log, monkeypatch, capsys, arguments):
    monkeypatch.chdir(log.parent)
    assert main(["inspect", *arguments]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("penchant: ")
    assert "Traceback" not in err


RATED = [f"u{n % 20},i{(n * 7 + n // 100) % 25},{n % 5 + 1}\n" for n in range(400)]
SPOILT = {
    "no item of the catalogue": (["user,item,rating\n", *RATED], "xi", "error: ", "25 items of the log are not in the"),
    "a part of the log": (
        ["user,item,rating\n", *RATED],
        "i",
        "warning: ",
        "5 items of the log are not in the item table (20%)",
    ),
    "swapped": (["item,user,rating\n", *RATED], "u", "error: ", "user ids look like item ids"),
    "one wild rating": (["user,item,rating\n", *RATED, "u1,i1,9999\n"], "i", "error: ", "1 rating lies outside"),
}


@pytest.mark.parametrize("what", SPOILT)
def test_what_spoils_everything_is_said_by_every_command_that_reads(tmp_path, capsys, what):
    rows, names, severity, said = SPOILT[what]
    path, items, model = tmp_path / "log.csv", tmp_path / "items.csv", tmp_path / "model"
    path.write_text("".join(rows))
    items.write_text("item,title\n" + "".join(f"{names}{n},T{n}\n" for n in range(20)))
    for command in (["fit", "-o", str(model)], ["evaluate", "--split", "leave-last"]):
        assert main([*command, str(path), "--items", str(items), "-m", "popular"]) == 0
        lines = capsys.readouterr().err.splitlines()
        assert [line for line in lines if said in line and line.startswith(f"penchant: {severity}")]
    assert main(["inspect", str(path), "--items", str(items), "--json"]) == 0
    findings = json.loads(capsys.readouterr().out)["findings"]
    assert [said in finding["what"] for finding in findings].count(True) == 1


def test_a_healthy_log_is_read_in_silence(tmp_path, capsys):
    path, items = tmp_path / "log.csv", tmp_path / "items.csv"
    path.write_text("".join(["user,item,rating\n", *RATED]))
    items.write_text("item,title\n" + "".join(f"i{n},T{n}\n" for n in range(25)))
    assert main(["fit", str(path), "--items", str(items), "-m", "popular", "-o", str(tmp_path / "model")]) == 0
    assert capsys.readouterr().err == ""


def test_read_log_returns_the_log_and_its_catalogue(log, tmp_path):
    items = tmp_path / "items.csv"
    items.write_text("item,title\ni1,One\nnew,New\n")
    read, catalog = read_log(ReadOptions(items=items).with_logs([str(log)]))
    assert read.vocab.ids[-1] == "new"
    assert catalog.vocab is read.vocab
    assert catalog.title(read.vocab.index("i1")) == "One"
    assert read_log(ReadOptions().with_logs([str(log)]))[1] is None
    with pytest.raises(ParameterError, match="no log"):
        read_log(ReadOptions())


def test_a_command_cannot_hide_a_reading_option():
    def command(sep: str, reading: ReadOptions) -> None:
        """Nothing."""

    with pytest.raises(TypeError, match="'sep'"):
        reading_options(command)
