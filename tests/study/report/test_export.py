"""Exports: everything of the votes, nothing of files, secrets or people; layouts that other programs read."""

from __future__ import annotations

import csv
import io
import json
import secrets
import zipfile
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from siamese.errors import StudyError
from siamese.study.analysis.roc import auc, roc
from siamese.study.report import codebook
from siamese.study.report.bands import HIDDEN, MERGED, bands
from siamese.study.report.compose import compose, gathered_of
from siamese.study.report.export import export, plain, write_export
from siamese.study.report.gather import Rater
from tests.study.report.simulated import open_study, opened, rate, rated
from tests.study.rooms import rating_of


def table(content: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(content.decode())))


def files_of(gathered) -> dict[str, bytes]:
    return export(gathered, compose(gathered))


@pytest.fixture(scope="module")
def p1(tmp_path_factory):
    study = open_study(tmp_path_factory.mktemp("p1"), "P1", raters=4)
    for rater in (1, 2, 3):
        rate(study, rater, undo=5)
    rate(study, 4, seconds=0.1, cues='=HYPERLINK("http://x","y")')
    gathered = opened(study)
    return study, gathered, files_of(gathered)


def test_every_vote_is_one_row_and_the_codebook_has_every_column(p1):
    _, gathered, files = p1
    rows = table(files["votes.csv"])
    assert len(rows) == len(gathered.votes) == 4 * 20 and len({row["vote"] for row in rows}) == len(rows)
    counted = [row for row in rows if row["counted"] == "1"]
    assert len(counted) == len(gathered.table.main()) == 3 * 18
    score = Counter((row["arm"], row["voted"]) for row in counted)
    for arm in gathered.table.arms:
        own = gathered.table.main().of(arm)
        assert score[arm, "real"] == own.score.sum() and score[arm, "synthetic"] == len(own) - own.score.sum()
    for row in counted:
        assert int(row["value"]) == int(row["confidence"]) * (1 if row["voted"] == "real" else -1)
        assert float(row["css_width"]) == 454 and float(row["factor"]) == 1.2 and row["late"] == "0"
    for name in ("votes.csv", "raters.csv", "remarks.csv"):
        assert tuple(table(files[name])[0]) == codebook.names(name)
    assert {(row["file"], row["column"]) for row in table(files["codebook.csv"])} == {
        (name, column)
        for name in ("votes.csv", "raters.csv", "remarks.csv")
        for column in codebook.names(name)
    }
    assert Counter(row["revision"] for row in rows if row["rater"] == "1")["2"] == 1
    out = next(row for row in table(files["raters.csv"]) if row["rater"] == "4")
    assert out["included"] == "0" and "faster than 0.5 s" in out["left_out"]


def test_nothing_names_a_file_a_secret_or_a_rater_who_withdrew(p1):
    study, gathered, files = p1
    everything = b"\n".join(files.values()).decode()
    for item in gathered.truth.items.values():
        assert item.source not in everything and item.source.rsplit("/", 1)[1] not in everything
    for key in study.keys.values():
        assert key not in everything
    assert gathered.head in everything and study.design_sha256 in everything
    for name in ("codebook.md", "study.json", "imrmc_real_or_synthetic.imrmc"):
        assert gathered.head.encode() in files[name], name


def test_pools_are_counted_in_exports_and_methods_and_no_file_of_them_is_named(p1):
    _, gathered, _ = p1
    secretive = gathered.design.model_copy(
        update={
            "secret": "the secret of the orders",
            "arms": tuple(
                arm.model_copy(
                    update={
                        "source": "/media/hospital/patients",
                        "split": "held_out_list",
                        "checkpoint": "/media/model",
                        "pool_size": 1234,
                        "without": {"polyp_77": "a second look at one lesion"},
                        "left_out": ("2 pictures left out because they are small: polyp_12, polyp_13",),
                    }
                )
                for arm in gathered.design.arms
            ),
        }
    )
    other = replace(gathered, truth=replace(gathered.truth, design=secretive), design=secretive)
    report = compose(other)
    said = b"\n".join(export(other, report).values()).decode()
    for word in ("hospital", "held_out_list", "/media", "polyp_", "secret of the orders"):
        assert word not in said and word not in report.methods
    assert (
        "pool of 1,234" in report.methods and "2 pictures left out because they are small" in report.methods
    )
    assert (
        "1 picture never drawn for reasons written down" in report.methods
        and "a second look at one lesion" in said
    )


@pytest.mark.parametrize(
    "text",
    [
        "=1+1", "+1", "-2", "@SUM(A1)", "\t=1", "  =1", "＝1", "a;=1", 'a,"=1"', "a\n=1", "a\r\n@x", "x|\t-1", ", =1",
    ],
)  # fmt: skip
def test_no_text_becomes_a_formula_whatever_splits_it(text):
    safe = plain(text)
    for separator in ";,|\t\n":
        for cell in safe.replace("\n", separator).split(separator):
            assert cell.strip(' "')[:1] not in "=+-@＝＋－＠" or not cell.strip(' "'), (separator, cell)
    assert plain("Vessels end - too soon; 3 = 3.") == "Vessels end - too soon; 3 = 3."


def test_formulas_of_raters_are_text_in_the_files(p1):
    remark = next(row for row in table(p1[2]["remarks.csv"]) if row["rater"] == "4")
    assert remark["cues"].startswith("'=HYPERLINK")


def test_a_picture_of_a_ranking_is_a_row_and_its_vote_is_named(tmp_path):
    for protocol, column, sums in (("P2", "rank", {6}), ("P4", "patients", {1})):
        _, gathered = rated(tmp_path, protocol, raters=1, name=protocol.lower())
        files = files_of(gathered)
        votes: dict[str, list[int]] = {}
        for row in table(files["votes.csv"]):
            votes.setdefault(row["vote"], []).append(int(row[column]))
        assert len(votes) == len(gathered.votes) and {sum(of) for of in votes.values()} == sums
        assert not any(name.startswith("imrmc") for name in files)  # a rank has no score of its own


def read_imrmc(content: bytes) -> tuple[dict[str, int], list[list[str]]]:
    """As iMRMC reads it: sizes at the beginning of a line, then four columns a line, spaces taken out."""
    head, body = content.decode().split("BEGIN DATA:\n")
    sizes = {
        line[:2]: int(line[3:]) for line in head.splitlines() if line[:3] in ("N0:", "N1:", "NR:", "NM:")
    }
    assert not any(mark in line[1:] for line in head.splitlines() for mark in ("N0:", "N1:", "NR:", "NM:"))
    rows = [[cell.replace(" ", "") for cell in line.split(",")] for line in body.splitlines()]
    assert all(len(row) == 4 and row[1].isdecimal() for row in rows)
    return sizes, rows


def test_imrmc_computes_our_auc_from_the_file(p1):
    _, gathered, files = p1
    sizes, rows = read_imrmc(files["imrmc_real_or_synthetic.imrmc"])
    truth = {row[1]: int(row[3]) for row in rows if row[0] == "-1"}
    scores = [row for row in rows if row[0] != "-1"]
    assert sizes == {"N0": 12, "N1": 6, "NR": 3, "NM": 2} and sum(truth.values()) == 6 and len(truth) == 18
    assert {row[2] for row in scores} == {"1-ours", "2-redrawn"}
    assert (
        len({tuple(row[:3]) for row in scores}) == len(scores) == 3 * 2 * 12
    )  # none twice: iMRMC refuses that
    for modality, arm in (("1-ours", "ours"), ("2-redrawn", "redrawn")):
        areas = []
        for rater in ("1", "2", "3"):
            own = [row for row in scores if row[0] == rater and row[2] == modality]
            real, other = (
                np.array([float(row[3]) for row in own if truth[row[1]] == kind]) for kind in (1, 0)
            )
            areas.append(auc(real, other))
        assert np.mean(areas) == pytest.approx(roc(gathered.table, arm, "patients").auc.value)


def test_levels_have_one_imrmc_file_a_scale(tmp_path):
    _, gathered = rated(tmp_path, "P3", raters=2)
    files = files_of(gathered)
    assert {name for name in files if name.startswith("imrmc")} == {
        "imrmc_realism.imrmc", "imrmc_anatomy.imrmc", "imrmc_mask_fit.imrmc",
    }  # fmt: skip
    sizes, _ = read_imrmc(files["imrmc_anatomy.imrmc"])
    assert sizes == {"N0": 6, "N1": 6, "NR": 2, "NM": 1}


def test_json_has_all_of_it_and_reads_everywhere(p1):
    _, gathered, files = p1
    found = json.loads(files["study.json"], parse_constant=lambda name: pytest.fail(name))
    assert len(found["tables"]["votes.csv"]) == 80 and found["chain"]["head"] == gathered.head
    assert found["results"][0]["primary"] and found["results"][0]["found"][0].startswith("Pictures of ours")
    assert [arm["name"] for arm in found["design"]["arms"]] == ["patients", "ours", "redrawn"]
    assert "secret" not in found["design"] and found["raters"] == {
        "invited": 4,
        "never began": 0,
        "withdrawn": 0,
    }


def test_whoever_withdraws_is_in_no_file(tmp_path):
    study, _ = rated(tmp_path, "P4", raters=3)
    rating_of(study).withdraw(2, secrets.token_hex(16))
    files = files_of(gathered_of(study))
    for name in ("votes.csv", "raters.csv", "remarks.csv"):
        assert {row["rater"] for row in table(files[name])} == {"1", "3"}
    assert json.loads(files["study.json"])["raters"]["withdrawn"] == 1


@pytest.mark.parametrize(
    ("people", "shown"),
    [
        ([("A", "x")] * 3, [("A", "x")] * 3),
        ([("A", "x")] * 2, [(HIDDEN, HIDDEN)] * 2),
        ([("A", "x")] * 4 + [("B", "x")], [(HIDDEN, HIDDEN)] * 5),
        ([("A", "x")] * 3 + [("B", "y")] + [("C", "y")] * 2, [("A", "x")] * 3 + [(MERGED, "y")] * 3),
        ([("A", "x")] * 3 + [("A", "y")], [("A", HIDDEN)] * 4),
        ([("A", "x")] * 3 + [("A", "y"), ("A", "z"), ("A", "")], [("A", "x")] * 3 + [("A", HIDDEN)] * 3),
        ([("", "")] * 3, [("no answer", "no answer")] * 3),
    ],
)
def test_no_band_is_shared_by_fewer_than_three(people, shown):
    raters = [Rater(number, role, years) for number, (role, years) in enumerate(people, 1)]
    found = bands(raters)
    assert [found[rater.number] for rater in raters] == shown
    assert min(Counter(shown).values()) >= 3 or set(shown) == {(HIDDEN, HIDDEN)}


def test_the_same_log_gives_the_same_zip_and_a_folder_of_others_is_left_alone(p1, tmp_path):
    _, gathered, files = p1
    one = write_export(files, tmp_path / "one.zip").read_bytes()
    assert write_export(files_of(gathered), tmp_path / "more" / "two.zip").read_bytes() == one
    with zipfile.ZipFile(io.BytesIO(one)) as archive:
        assert archive.namelist() == sorted(files) and archive.testzip() is None
    folder = write_export(files, tmp_path / "folder")
    assert {path.name for path in folder.iterdir()} == set(files)
    assert write_export(files, folder) == folder  # again
    (folder / "mine.txt").write_text("x")
    with pytest.raises(StudyError, match="something else"):
        write_export(files, folder)
