"""What hyper-parameters may be, how they are written, and what files of earlier versions meant by -1 and 0."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import penchant as pc
from penchant.errors import ParameterError
from penchant.models import registry
from penchant.models.kinds.base import Model
from penchant.models.registry import from_json, from_saved, parse, to_json
from tests.models.fitting import usable


def fields() -> list[tuple[str, str, dict[str, Any]]]:
    return [
        (name, field.name, field.metadata["hyper"])
        for name in usable()
        for field in registry.model_class(name).hyper_parameters()
    ]


@pytest.mark.parametrize(
    ("written", "name", "value"),
    [
        ("als:reg=auto", "reg", "auto"),
        ("als:reg=1", "reg", 1.0),
        ("pure-svd:factors=auto", "factors", "auto"),
        ("pure-svd:factors=12.0", "factors", 12),
        ("ease:half_life=none", "half_life", None),
        ("ease:half_life=null", "half_life", None),
        ("ease:half_life=auto", "half_life", "auto"),
        ("ease:half_life=3", "half_life", 3.0),
        ("item-knn:window=none", "window", None),
        ("item-knn:candidate_exponent=0", "candidate_exponent", 0.0),
        ("transitions:reach=none", "reach", None),
        ("popular:half_life_days=none", "half_life_days", None),
    ],
)
def test_auto_and_none_are_written_as_words(written: str, name: str, value: object) -> None:
    model = parse(written)
    found = model.params()[name]
    assert found == value and type(found) is type(value)
    assert from_json(json.loads(json.dumps(to_json(model)))) == model


@pytest.mark.parametrize(
    ("written", "words"),
    [
        ("ease:reg=none", "ease: reg must be a finite number or auto, got 'none'"),
        ("ease:reg=null", "ease: reg must be a finite number or auto, got None"),
        ("ease:reg=-1", "ease: reg must be > 0 or auto, got -1.0; -1 is now written auto"),
        ("ease:reg=-2", "ease: reg must be > 0 or auto, got -2.0"),
        ("ease:dropout=auto", "ease: dropout must be a finite number, got 'auto'"),
        ("ease:half_life=0", "ease: half_life must be > 0, auto or none, got 0.0; 0 is now written none"),
        ("ease:half_life=soon", "ease: half_life must be a finite number, auto or none, got 'soon'"),
        ("item-knn:window=auto", "item-knn: window must be a whole number or none, got 'auto'"),
        ("item-knn:neighbours=0", "item-knn: neighbours must be ≥ 1 or none, got 0; 0 is now written none"),
        ("item-knn:candidate_exponent=-1", "must be > -1 or auto, got -1.0; -1 is now written auto"),
        ("pure-svd:factors=8.5", "pure-svd: factors must be a whole number or auto, got 8.5"),
        ("graph-filter:neighbours=true", "graph-filter: neighbours must be a whole number or none, got True"),
    ],
)
def test_nonsense_is_refused_in_words(written: str, words: str) -> None:
    with pytest.raises(ParameterError) as refused:
        parse(written)
    assert str(refused.value).endswith(words)


def test_every_value_of_an_earlier_version_is_read_from_files_and_nowhere_else(tmp_path: Path) -> None:
    checked = 0
    for model, name, meta in fields():
        for old, new in meta["was"].items():
            params = {name: old, **({"members": [{"model": "popular"}]} if model == "blend" else {})}
            spec = {"model": model, "params": params}
            file = tmp_path / "params.json"
            file.write_text(json.dumps({**spec, "curve": []}))
            for read in (from_saved(spec), parse(f"@{file}")):
                assert read.params()[name] == new
                assert read == registry.create(model, params | {name: new})
            if old == "":
                continue  # text is text: such an attribute is refused when there is a catalogue
            with pytest.raises(ParameterError, match=f"is now written {'none' if new is None else new}"):
                from_json(spec)
            checked += 1
    assert checked >= 40


def test_what_files_held_and_still_hold_is_read_as_it_is() -> None:
    for name in usable():
        model: Model = registry.create(name, {"members": [{"model": "popular"}]} if name == "blend" else {})
        assert from_saved(json.loads(json.dumps(to_json(model)))) == model
    honest = {"shrink": 0.0, "user_exponent": 0, "window": 3, "similarity": "cosine", "candidate_exponent": 0.0}
    assert from_saved({"model": "item-knn", "params": honest}) == pc.ItemKNN(**{**honest, "user_exponent": 0.0})
    assert from_saved({"model": "graph-filter", "params": {"rank": 0}}).params()["rank"] == 0


def test_members_of_an_earlier_version_are_read_too() -> None:
    old = {"model": "blend", "params": {"members": [{"model": "ease", "params": {"reg": -1, "half_life": 0}}]}}
    read = from_saved(old)
    assert read.params()["members"] == [pc.EASE(reg="auto", half_life=None)]
    with pytest.raises(ParameterError, match="now written"):
        from_json(old)


def test_where_numbers_may_be_words_the_type_of_the_numbers_is_known() -> None:
    for model, name, meta in fields():
        if meta["auto"] or (meta["optional"] and meta["choices"] is None and not isinstance(meta["other"], str)):
            assert meta["number"] in {int, float}, (model, name)
            assert meta["other"] is None or isinstance(meta["other"], meta["number"]), (model, name)
