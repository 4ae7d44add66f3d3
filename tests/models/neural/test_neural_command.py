"""``penchant fit`` of a network: checkpoints, the log, the curve, and what cannot be gone on with."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from penchant.cli.main import main
from tests.models.neural.small_logs_of_walks import walks


@pytest.fixture
def log(tmp_path: Path) -> Path:
    rows = walks(40, times=False)
    lines = [f"u{row},i{item},{n}" for n, (row, item) in enumerate(zip(rows.rows, rows.items, strict=True))]
    file = tmp_path / "log.csv"
    file.write_text("user,item,timestamp\n" + "\n".join(lines) + "\n", encoding="utf-8")
    return file


def fit(log: Path, *more: str, model: str = "gru4rec:factors=4,epochs=2,batch=99") -> int:
    return main(["fit", str(log), "-m", model, "--threads", "1", *more])


def test_a_network_is_trained_watched_and_gone_on_with(log: Path, tmp_path: Path, capsys) -> None:
    folder, lines, curve = str(tmp_path / "m"), tmp_path / "log.jsonl", tmp_path / "c.svg"
    state = str(tmp_path / "state")
    done = fit(log, "-o", folder, "--checkpoints", state, "--training-log", str(lines), "--curve", str(curve))
    assert done == 0 and "best after pass" in capsys.readouterr().err
    assert [json.loads(line)["epoch"] for line in lines.read_text().splitlines()] == [1, 2]
    assert curve.read_text().startswith("<svg") and "ndcg@10 after each pass" in curve.read_text()
    assert fit(log, "-o", str(tmp_path / "again"), "--checkpoints", state, "--resume") == 0
    same = [(tmp_path / name / "model.safetensors").read_bytes() for name in ("m", "again")]
    assert same[0] == same[1], "all passes were done before"


def test_what_cannot_be_gone_on_with_is_bad_input(log: Path, tmp_path: Path, capsys) -> None:
    state, out = str(tmp_path / "state"), str(tmp_path / "m")
    assert fit(log, "-o", out, "--resume") == 2 and "--checkpoints" in capsys.readouterr().err
    assert fit(log, "-o", out, "--checkpoints", state) == 0
    assert fit(log, "-o", str(tmp_path / "x"), "--checkpoints", state) == 2
    assert "already a checkpoint" in capsys.readouterr().err
    assert fit(log, "-o", str(tmp_path / "x"), "--curve", str(tmp_path / "curve.png")) == 2
    assert "name it curve.svg" in capsys.readouterr().err
    log.write_text(log.read_text() + "u1,i3,9999\n")
    other = fit(log, "-o", str(tmp_path / "x"), "--checkpoints", state, "--resume")
    assert other == 2 and "of another model, other parameters, another seed or other data" in capsys.readouterr().err
    checkpoint = next(Path(state).iterdir())
    checkpoint.write_bytes(checkpoint.read_bytes()[:100])
    assert fit(log, "-o", str(tmp_path / "x"), "--checkpoints", state, "--resume") != 0
    said = capsys.readouterr().err
    assert "is damaged" in said and "Traceback" not in said
    assert fit(log, "-o", str(tmp_path / "x"), "--device", "cuda") == 2
    assert "the device 'cuda' cannot be used here" in capsys.readouterr().err
    assert not (tmp_path / "x").exists()
