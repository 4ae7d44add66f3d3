"""What is wrong is said in the words of whoever asked: those of the command line, or Python's."""

from __future__ import annotations

import polars as pl
import pytest

from penchant import read_interactions
from penchant.cli.main import main
from penchant.data.reading.wording import command_line, option
from penchant.errors import DataError

FILES = {
    "no known names": ("who,what\n1,2\n3,4\n", [], "--columns user=NAME,item=NAME", 'columns={"user": "NAME"'),
    "no names": ("a;3\nb;5\n", ["--sep", "tab"], "Leave --sep out", "Leave sep out"),
    "one column": ("a\nb\n", [], "Name it with --sep", "Name it with sep"),
    "a bad row": ("user,item,rating\na,x,y\n", ["--strict"], "read without --strict", "read without strict=True"),
    "every row bad": ("user,item,rating\na,x,y\n", [], "(--sep)", "(sep)"),
}


@pytest.mark.parametrize("what", FILES)
def test_options_are_called_as_the_asker_calls_them(tmp_path, capsys, what):
    text, options, typed, written = FILES[what]
    path = tmp_path / "log.csv"
    path.write_text(text)
    assert main(["inspect", str(path), *options]) == 2
    assert typed in capsys.readouterr().err
    given = {"--sep": {"sep": "tab"}, "--strict": {"strict": True}}.get(options[0], {}) if options else {}
    with pytest.raises(DataError) as wrong:
        read_interactions(path, **given)
    assert written in str(wrong.value)
    assert "--" not in str(wrong.value)


def test_options_with_values():
    assert option("sep", ";") == 'sep=";"'
    assert option("kinds", {"view": 1}) == 'kinds={"view": 1}'
    with command_line():
        assert option("sep", ";") == "--sep ';'"
        assert option("kinds", {"view": 1, "cart": 3}) == "--kind view=1,cart=3"
        assert option("columns", {"user": "User ID"}) == "--columns 'user=User ID'"
    assert option("strict", value=True) == "strict=True"


@pytest.mark.parametrize(("rows", "said"), [([("u", "i"), ("v", "i")], "a list of rows"), ({"user": ["u"]}, "a dict")])
def test_rows_of_python_are_to_be_made_a_table(rows, said):
    with pytest.raises(DataError, match=rf"cannot be read from {said}\. Make a table of it.*polars\.DataFrame"):
        read_interactions(rows)
    table = pl.DataFrame([("u", "i"), ("v", "i")], schema=["user", "item"], orient="row")
    assert len(read_interactions(table)) == 2


@pytest.mark.parametrize(
    ("sep", "text", "said"),
    [
        (";", "user,item\na,x\nb,y\n", "';' separates nothing here, ',' does. Leave --sep out"),
        (",", "user\titem\na\tx\nb\ty\n", "',' separates nothing here, tab does. Leave --sep out"),
        (";", "user\na\nb\n", "';' separates nothing here"),
    ],
)
def test_a_separator_that_separates_nothing_is_told_with_the_one_that_does(tmp_path, capsys, sep, text, said):
    path = tmp_path / "log.csv"
    path.write_text(text)
    assert main(["inspect", str(path), "--sep", sep]) == 2
    assert said in capsys.readouterr().err


def test_one_is_spoken_of_as_one(tmp_path, capsys):
    path, items = tmp_path / "log.csv", tmp_path / "items.csv"
    path.write_text("user,item,rating\na,x,5\nb,x\n")
    items.write_text('item,title\nx,X\ny,"open\n')
    assert main(["inspect", str(path), "--items", str(items)]) == 0
    out, err = capsys.readouterr()
    for text in (out, err, repr(read_interactions(path))):
        assert not [
            word for word in ("1 items", "1 rows", "1 users", "1 events", "1 fields") if f" {word}" in f" {text}"
        ]
