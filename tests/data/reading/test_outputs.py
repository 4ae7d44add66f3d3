"""No command overwrites what it reads, or a file of somebody else; and nothing half-written is left."""

from __future__ import annotations

import csv
import os
import stat
from pathlib import Path

import polars as pl
import pytest
import typer

from penchant import Popular, fit, read_interactions
from penchant.cli.main import main, make_app
from penchant.core.outputs import refuse_inputs, replacing_file
from penchant.core.spreadsheets import harmless
from penchant.data.reading import rejects
from penchant.data.reading.rejects import HEADER
from penchant.errors import DataError, ParameterError

TEXT = "user,item\n" + "".join(f"u{n % 9},i{(n // 9 * 2 + n % 9) % 13}\n" for n in range(54)) + ",lost\n"
OURS = ",".join(HEADER) + "\n"


@pytest.fixture
def log(tmp_path):
    path = tmp_path / "log.csv"
    path.write_text(TEXT)
    return path


def spellings(log, tmp_path):
    link, hard = tmp_path / f"link{log.suffix}", tmp_path / f"hard{log.suffix}"
    link.symlink_to(log)
    os.link(log, hard)
    (tmp_path / "folder").mkdir()
    return [log, tmp_path / "folder" / ".." / log.name, link, hard, os.path.relpath(log)]


def commands(log, model, target):
    """Every output of every command, as ``target``: by the command and the option."""
    fit, tune = ["fit", log, "-m", "popular"], ["tune", log, "-m", "item-knn", "--trials", "1"]
    return {
        ("inspect", "--rejected"): ["inspect", log, "--rejected", target],
        ("evaluate", "--rejected"): ["evaluate", log, "-m", "popular", "--rejected", target],
        ("fit", "--rejected"): [*fit, "-o", f"{model}-2", "--rejected", target],
        ("fit", "--output"): [*fit, "-o", target],
        ("fit", "--training-log"): [*fit, "-o", f"{model}-2", "--training-log", target],
        ("fit", "--curve"): [*fit, "-o", f"{model}-2", "--curve", target],
        ("fit", "--checkpoints"): [*fit, "-o", f"{model}-2", "--checkpoints", target],
        ("fit", "--lists"): [*fit, "-o", f"{model}-2", "--lists", target],
        ("fit", "--ledger"): [*fit, "--private", "epsilon=2,delta=1e-6", "-o", f"{model}-2", "--ledger", target],
        ("prepare", "--output"): ["prepare", log, "-o", target],
        ("prepare", "--rejected"): ["prepare", log, "-o", f"{model}-2", "--rejected", target],
        ("tune", "--output"): [*tune, "-o", target],
        ("tune", "--rejected"): [*tune, "-o", f"{model}.json", "--rejected", target],
        ("plan", "--rejected"): ["plan", log, "-m", "popular", "--rejected", target],
        ("import-gorse", "--rejected"): [
            "import-gorse",
            log,
            "--store",
            f"sqlite:///{Path(model).absolute()}.db",
            "--rejected",
            target,
        ],
        ("segment", "--output"): ["segment", model, "--log", log, "--item", "a", "-o", target],
        ("segment", "--rejected"): ["segment", model, "--log", log, "--item", "a", "--rejected", target],
        ("recommend", "--output"): ["recommend", model, "--all", "--log", log, "-o", target],
        ("recommend", "--rejected"): ["recommend", model, "--user", "u1", "--log", log, "--rejected", target],
    }


READ = {  # options that name a file or folder to read
    "--items", "--sql-url-file", "--store-url-file", "--config", "--candidates", "--receipts", "--log",
    "--pseudonyms", "--ledger-key",
    "--folder",  # of models: new ones are added under names of their own
}  # fmt: skip


def test_the_outputs_of_all_commands_are_known():
    """An option that takes a file is an input by its name, or an output that the tests below try."""
    found = set()
    for name, command in typer.main.get_command(make_app()).commands.items():
        for one in command.params:
            named = str(one.metavar).startswith(("FILE", "FOLDER"))
            if (named or "Path" in repr(one.type_descriptor.annotation)) and one.opts[0] not in READ:
                found |= {(name, one.opts[0])} if one.opts[0].startswith("--") else set()
    assert found == set(commands("log", "model", "target"))


@pytest.mark.parametrize("ending", [".csv", ".svg"])
def test_no_output_of_any_command_is_one_of_its_inputs(tmp_path, capsys, ending):
    log, model = tmp_path / f"log{ending}", tmp_path / "model"
    log.write_text(TEXT)
    assert main(["fit", str(log), "-m", "popular", "-o", str(model)]) == 0
    for path in spellings(log, tmp_path):
        for name, command in commands(str(log), str(model), str(path)).items():
            if (name[1] == "--curve") != (ending == ".svg"):
                continue  # refused for its ending
            capsys.readouterr()
            assert main([*command, "--force"]) == 2, name
            assert ("is an input" in (err := capsys.readouterr().err)) or "is not a folder" in err, name
            assert log.read_text() == TEXT, name


def test_the_checkpoint_is_no_input_and_no_output_is_inside_another(log, tmp_path, capsys):
    taken = tmp_path / "ckpt" / "checkpoint.safetensors"
    taken.parent.mkdir()
    taken.write_text(TEXT)
    model, fit = str(tmp_path / "model"), ["-m", "popular", "-o", str(tmp_path / "model"), "--force"]
    for command, said in (
        (["fit", str(taken), *fit, "--checkpoints", str(taken.parent)], "is an input"),
        (["fit", str(log), *fit, "--checkpoints", model], "is inside"),
        (["fit", str(log), *fit, "--checkpoints", f"{model}/deep"], "is inside"),
        (["fit", str(log), *fit, "--training-log", f"{model}/log.jsonl"], "is inside"),
        (["fit", str(log), *fit, "--rejected", f"{model}/rejected.csv"], "is inside"),
    ):
        assert main(command) == 2
        assert said in capsys.readouterr().err
    assert taken.read_text() == TEXT
    assert not (tmp_path / "model").exists()


def test_the_item_table_the_query_and_the_model_are_inputs_too(log, tmp_path, capsys):
    items, model, url = tmp_path / "items.csv", tmp_path / "model", tmp_path / "url"
    items.write_text("item,title\ni1,One\n")
    url.write_text("sqlite:///nowhere.db")
    assert main(["fit", str(log), "-m", "popular", "-o", str(model)]) == 0
    (model / "log.csv").write_text(TEXT)
    for command, said in (
        (["inspect", str(log), "--items", str(items), "--rejected", str(items)], "is an input"),
        (["inspect", "--sql", "select 1", "--sql-url-file", str(url), "--rejected", str(url)], "is an input"),
        (["recommend", str(model), "--all", "--log", str(log), "-o", f"{model}/items.parquet"], "is inside an input"),
        (["fit", f"{model}/log.csv", "-m", "popular", "-o", str(model)], "has an input inside"),
        (
            ["recommend", str(model), "--all", "--log", str(log), "-o", "x.csv", "--rejected", "x.csv"],
            "for two outputs",
        ),
    ):
        capsys.readouterr()
        assert main([*command, "--force"]) == 2
        assert said in capsys.readouterr().err
    assert items.read_text() == "item,title\ni1,One\n"


def test_an_existing_file_needs_force_except_rejected_rows_of_ours(log, tmp_path, capsys):
    target = tmp_path / "kept.csv"
    for content, ours in (("precious\n", False), (OURS + "old,1,user,x,y,z\n", True), ("", True)):
        target.write_text(content)
        assert main(["inspect", str(log), "--rejected", str(target)]) == (0 if ours else 2)
        assert (target.read_text() == content) is not ours
    target.write_text("precious\n")
    capsys.readouterr()
    assert main(["inspect", str(log), "--rejected", str(target)]) == 2
    assert "exists: name another file, or force its replacement (--force" in capsys.readouterr().err
    assert main(["inspect", str(log), "--rejected", str(target), "--force"]) == 0
    assert target.read_text().startswith(OURS)


def test_lists_curve_and_training_log_need_force_too(log, tmp_path):
    model = tmp_path / "model"
    assert main(["fit", str(log), "-m", "popular", "-o", str(model)]) == 0
    lists = ["recommend", str(model), "--all", "--log", str(log), "-o", str(tmp_path / "lists.jsonl")]
    assert [main(lists), main(lists), main([*lists, "--force"])] == [0, 2, 0]
    for option, name, accepted in (("--curve", "c.svg", ""), ("--training-log", "t.jsonl", '{"epoch": 1}\n')):
        file = tmp_path / name
        fit = ["fit", str(log), "-m", "popular", "-o", str(tmp_path / name / ".."), option, str(file)]
        fit[5] = str(tmp_path / f"model-{name}")
        file.write_text("precious\n")
        assert main(fit) == 2
        assert file.read_text() == "precious\n"
        file.write_text(accepted)
        assert main(fit) == 0


def test_lists_of_the_library_need_force_and_never_replace_the_log(log, tmp_path):
    rows = read_interactions(log)
    asked, lists = fit(rows, Popular()), tmp_path / "lists.jsonl"
    lists.write_text("precious")
    with pytest.raises(ParameterError, match="exists"):
        asked.write_all(rows, lists)
    assert lists.read_text() == "precious"
    asked.write_all(rows, lists, force=True)
    assert len(lists.read_text().splitlines()) == 9
    for path in (log, tmp_path / "folder" / ".." / "log.csv"):
        (tmp_path / "folder").mkdir(exist_ok=True)
        with pytest.raises(ParameterError, match="is an input"):
            asked.write_all(rows.where(rows.items >= 0), path, force=True)
    assert log.read_text() == TEXT


def test_the_library_refuses_as_well(log, tmp_path):
    with pytest.raises(ParameterError, match="is an input"):
        read_interactions(log, rejected=log, force=True)
    (tmp_path / "kept").write_text("precious")
    with pytest.raises(ParameterError, match="exists"):
        read_interactions(log, rejected=tmp_path / "kept")
    read_interactions(log, rejected=tmp_path / "kept", force=True)
    assert (tmp_path / "kept").read_text().startswith(OURS)


def test_rejected_rows_beside_a_log_never_replace_a_file_of_somebody_else(log, tmp_path, monkeypatch):
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    beside = tmp_path / "log.csv.rejected.csv"
    beside.write_text("precious\n")
    report = read_interactions(log).report
    assert beside.read_text() == "precious\n"
    assert report.rejected_files == [str(tmp_path / "work" / "log.csv.rejected.csv")]
    assert f"{beside} exists and is no file of rejected rows: rejected rows are in" in report.notes[0]


def test_rejected_rows_that_are_read_again_are_not_overwritten(log, tmp_path, monkeypatch):
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    beside = tmp_path / "log.csv.rejected.csv"
    content = OURS + "x,1,user,1,2,3\n"
    beside.write_text(content)
    report = read_interactions(log, beside, columns={"user": "1", "item": "2"}).report
    assert report.n_rejected
    assert beside.read_text() == content


def test_an_interruption_leaves_the_file_of_before(log, tmp_path):
    target = tmp_path / "rejected.csv"
    target.write_text(OURS + "before\n")

    def interrupt(_what, _share):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        read_interactions(log, rejected=target, progress=interrupt)
    assert target.read_text() == OURS + "before\n"
    assert {path.name for path in tmp_path.iterdir()} == {"log.csv", "rejected.csv"}


def test_rejected_rows_are_kept_where_no_row_can_be_used(tmp_path):
    (tmp_path / "log.csv").write_text("user,item\n,a\n,b\n")
    with pytest.raises(DataError, match="no row of 2 can be used"):
        read_interactions(tmp_path / "log.csv")
    assert (tmp_path / "log.csv.rejected.csv").read_text().count("\n") == 3


def test_a_link_stays_a_link_and_permissions_stay(tmp_path):
    (tmp_path / "real").write_text("old")
    (tmp_path / "real").chmod(0o640)
    (tmp_path / "link").symlink_to("real")
    with replacing_file(tmp_path / "link") as fresh:
        fresh.write_text("new")
        assert (tmp_path / "real").read_text() == "old"
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real").read_text() == "new"
    assert stat.S_IMODE((tmp_path / "real").stat().st_mode) == 0o640

    def fail():
        with replacing_file(tmp_path / "real") as fresh:
            fresh.write_text("half")
            raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="cannot be written") as caught:
        fail()
    assert caught.value.filename == str(tmp_path / "real")
    assert {path.name for path in tmp_path.iterdir()} == {"real", "link"}
    with replacing_file(tmp_path / "new" / "deep") as fresh:
        fresh.write_text("made")
    assert (tmp_path / "new" / "deep").read_text() == "made"


def test_a_device_is_written_as_it_is(log):
    read_interactions(log, rejected=os.devnull)
    assert not os.path.isfile(os.devnull)  # noqa: PTH113  # it is still a device


def test_a_folder_that_is_read_is_not_written_into(tmp_path):
    (tmp_path / "in").mkdir()
    with pytest.raises(ParameterError, match="is inside an input"):
        refuse_inputs(tmp_path / "in" / "new.parquet", [tmp_path / "in"])
    refuse_inputs(tmp_path / "inside", [tmp_path / "in"])


def test_texts_that_a_spreadsheet_would_run_are_neutralised_and_numbers_are_not(tmp_path):
    for text in ("=1+1", "+cmd", "-cmd|' /C calc'!A0", "@SUM(A1)", "\tx", "\rx"):
        assert harmless(text) == f"'{text}"
    for text in ("-5", "+3.5", "-1e-7", "-.5", "a=b", "", "'=x", "1-1"):
        assert harmless(text) == text
    (tmp_path / "log.csv").write_text('user,item,rating\nu,i,5\nu,j,"=HYPERLINK(""x"")"\nu,k,-\n' * 9)
    read_interactions(tmp_path / "log.csv", rejected=tmp_path / "rejected.csv")
    with (tmp_path / "rejected.csv").open(newline="") as file:
        cells = [cell for row in csv.reader(file) for cell in row]
    assert '\'=HYPERLINK("x")' in cells
    assert not [cell for cell in cells if cell.startswith(("=", "+", "-", "@"))]


def test_lists_in_csv_neutralise_titles_and_ids_only_for_a_spreadsheet(tmp_path):
    rows = "".join(f"u{n % 4},{'=evil' if n % 3 else 'i'}{n % 3}\n" for n in range(24)) + "+u9,i0\n"
    (tmp_path / "log.csv").write_text("user,item\n" + rows)
    (tmp_path / "items.csv").write_text("item,title\ni0,-1\n=evil1,@SUM(1)\n=evil2,Fine\n")
    model, lists = str(tmp_path / "model"), tmp_path / "lists.csv"
    fit = ["fit", str(tmp_path / "log.csv"), "--items", str(tmp_path / "items.csv"), "-m", "popular", "-o", model]
    assert main(fit) == 0
    command = ["recommend", model, "--all", "--log", str(tmp_path / "log.csv"), "-o", str(lists), "--repeat"]
    for more, mark in ([], ""), (["--spreadsheet", "--force"], "'"):
        assert main([*command, *more]) == 0
        with lists.open(newline="") as file:
            found = list(csv.DictReader(file))
        assert {row["title"] for row in found} == {"-1", "'@SUM(1)", "Fine"}
        assert {row["item"] for row in found} == {"i0", f"{mark}=evil1", f"{mark}=evil2"}
        assert f"{mark}+u9" in {row["user"] for row in found}
    assert main([*command[:-3], "-o", str(tmp_path / "lists.jsonl"), "--spreadsheet"]) == 2


@pytest.mark.parametrize("target", [None, "all.csv"])
def test_of_rejected_rows_far_larger_than_the_log_a_part_is_written_and_the_rest_counted(tmp_path, monkeypatch, target):
    rows = 3_000
    items = pl.Series(["i", *[None] * rows], dtype=pl.String)
    table = pl.DataFrame({"user": ["0"] * (rows + 1), "item": items}).with_columns(text=pl.lit("x" * 100))
    table.write_parquet(tmp_path / "log.parquet", compression="zstd")
    size = (tmp_path / "log.parquet").stat().st_size
    assert size < 3_000
    monkeypatch.setattr(rejects, "LEAST", 10_000)
    monkeypatch.setattr(rejects, "TIMES", 2)
    written = tmp_path / (target or "log.parquet.rejected.csv")
    report = read_interactions(tmp_path / "log.parquet", rejected=target and written).report
    assert (report.kept, report.n_rejected, report.reasons.total()) == (1, rows, rows)
    assert 10_000 <= written.stat().st_size < 10_000 + 2 * size + 500
    there = len(written.read_text().splitlines()) - 1
    (note,) = [note for note in report.notes if "counted, and not written" in note]
    assert f"log.parquet: {rows - there:,} further rejected rows counted" in note
    monkeypatch.setattr(rejects, "LEAST", 10_000_000)
    report = read_interactions(tmp_path / "log.parquet", rejected=target and written).report
    assert len(written.read_text().splitlines()) - 1 == rows
    assert not [note for note in report.notes if "counted" in note]
