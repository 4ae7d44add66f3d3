"""Item tables of every make become one catalogue."""

from __future__ import annotations

import json

import numpy as np
import polars as pl
import pytest

from penchant import Catalog, Vocab
from penchant.errors import AmbiguousItemError, DataError, UnknownItemError

VOCAB = Vocab(["3", "1", "9"])


def write(folder, content, name="items.csv"):
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def test_aligned_with_the_vocabulary_whatever_the_order_of_the_table(tmp_path):
    catalog = Catalog.read(
        write(tmp_path, "item,title,year\n1,One,2001\n2,Two,2002\n3.0, Three ,\n1,Uno,2003\n"), VOCAB
    )
    assert catalog.titles == ["Three", "One", None]
    assert catalog.attributes == {"year": [None, 2001, None]}
    assert [catalog.label(i) for i in range(3)] == ["Three", "One", "9"]


def test_movielens_layouts(tmp_path):
    csv = write(
        tmp_path, 'movieId,title,genres\n1,"Three, Colors",Drama|War\n3,Four,(no genres listed)\n', "movies.csv"
    )
    catalog = Catalog.read(csv, VOCAB)
    assert catalog.titles == ["Four", "Three, Colors", None]
    assert catalog.attributes["genres"] == [["(no genres listed)"], ["Drama", "War"], None]
    dat = write(
        tmp_path, "1::Amélie (2001)::Comedy|Romance\n3::Ran (1985)::Drama|War\n".encode("latin-1"), "movies.dat"
    )
    assert Catalog.read(dat, VOCAB).titles == ["Ran (1985)", "Amélie (2001)", None]
    flags = ["0"] * 19
    flags[5] = flags[8] = "1"
    item = write(
        tmp_path, f"1|Toy Story (1995)|01-Jan-1995||http://x|{'|'.join(flags)}\n" * 1 + f"3|B|||u|{'|'.join(flags)}\n"
    )
    catalog = Catalog.read(item, VOCAB)
    assert catalog.titles[1] == "Toy Story (1995)"
    assert catalog.attributes["genres"][1] == ["Comedy", "Drama"]


def test_recbole_and_amazon_layouts(tmp_path):
    inter = write(
        tmp_path, "item_id:token\tmovie_title:token_seq\tclass:token_seq\tprice:float\n1\tToy Story\tA B\t3.5\n"
    )
    catalog = Catalog.read(inter, VOCAB)
    assert catalog.titles[1] == "Toy Story"
    assert catalog.attributes == {"class": [None, ["A", "B"], None], "price": [None, 3.5, None]}
    meta = [
        {"asin": "1", "title": "A", "categories": ["x", "y"], "brand": None},
        {"asin": "3", "title": "B", "brand": "b"},
    ]
    lines = write(tmp_path, "".join(json.dumps(row) + "\n" for row in meta), "meta.json")
    catalog = Catalog.read(lines, VOCAB)
    assert catalog.titles == ["B", "A", None]
    assert catalog.attributes["categories"] == [None, ["x", "y"], None]
    assert catalog.attributes["brand"] == ["b", None, None]


def test_vectors_availability_and_domains(tmp_path):
    frame = pl.DataFrame(
        {"id": ["1", "3"], "vector": [[1.0, 2.0], [3.0, 4.0]], "available": [True, False], "domain": ["film", "book"]}
    )
    catalog = Catalog.read(frame, VOCAB)
    assert catalog.vectors.tolist() == [[3, 4], [1, 2], [0, 0]]
    assert catalog.available.tolist() == [False, True, True]
    assert catalog.domains == ["book", "film", None]
    text = write(tmp_path, 'item,embedding\n1,"[0.5, 1]"\n3,2 3\n')
    assert Catalog.read(text, VOCAB).vectors.tolist() == [[2, 3], [0.5, 1], [0, 0]]
    with pytest.raises(DataError, match="different lengths"):
        Catalog.read(pl.DataFrame({"item": ["1", "3"], "vector": [[1.0], [1.0, 2.0]]}), VOCAB)
    with pytest.raises(DataError, match="not finite"):
        Catalog.read(pl.DataFrame({"item": ["1", "3"], "vector": [[1.0], [np.inf]]}), VOCAB)


def test_a_column_of_ids_by_name_and_none(tmp_path):
    path = write(tmp_path, "code,title\n1,One\n3,Three\n")
    assert Catalog.read(path, VOCAB, column="code").titles == ["Three", "One", None]
    with pytest.raises(DataError, match="item ids"):
        Catalog.read(path, VOCAB)


def test_finding_and_resolving():
    vocab = Vocab(["7", "8", "9", "Dune"])
    catalog = Catalog(vocab, ["Dune", "Dune Messiah", "Ärger im Paradies", None])
    assert catalog.find("DUNE") == [("7", "Dune"), ("8", "Dune Messiah")]
    assert catalog.find("ÄRGER") == [("9", "Ärger im Paradies")]
    assert catalog.find(" ") == []
    assert catalog.resolve("Dune") == 3  # an exact id comes first
    assert catalog.resolve("dune ") == 0  # then an exact title
    assert catalog.resolve("messiah") == 1
    assert catalog.resolve(" 9.0") == 2
    with pytest.raises(UnknownItemError, match="nobody"):
        catalog.resolve("nobody")
    with pytest.raises(AmbiguousItemError) as error:
        catalog.resolve("dun")
    assert error.value.matches == [("7", "Dune"), ("8", "Dune Messiah")]


def test_a_whole_title_wins_without_its_year():
    titles = [
        "Heat (1995)",
        "Heat Wave (1990)",
        "White Heat (1949)",
        "Alien (1979)",
        "Alien (2000)",
        "Fargo (TV) (2014)",
    ]
    catalog = Catalog(Vocab(str(n) for n in range(6)), titles)
    assert catalog.resolve("heat") == 0
    assert catalog.resolve("Fargo") == 5
    with pytest.raises(AmbiguousItemError) as error:
        catalog.resolve("alien")
    assert len(error.value.matches) == 2


def test_frame_and_back():
    frame = pl.DataFrame(
        {
            "item": ["3", "1"],
            "title": ["c", "a"],
            "tags": [["x"], ["y", "z"]],
            "year": [1, None],
            "vector": [[1.0, 2.0], [0.0, 1.0]],
        }
    )
    catalog = Catalog.read(frame, VOCAB)
    again = Catalog.read(catalog.frame(), VOCAB)
    assert again.titles == catalog.titles
    assert again.attributes == catalog.attributes
    assert np.array_equal(again.vectors, catalog.vectors)


def test_a_catalogue_that_does_not_fit_its_vocabulary_is_refused():
    with pytest.raises(DataError, match="2 entries for 3 items"):
        Catalog(VOCAB, ["a", "b"])
    assert Catalog.empty(VOCAB).titles == [None, None, None]
