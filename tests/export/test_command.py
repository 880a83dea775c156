"""`python -m siamese export` as a person meets it: words, exit codes, as a job."""

from __future__ import annotations

from typer.testing import CliRunner

from siamese.commands.export import app
from siamese.errors import AugmentError
from siamese.export import manifest
from siamese.jobs import request
from tests.export import small


def said(*words: object):
    return CliRunner().invoke(app, [str(word) for word in words])


def test_write_verify_and_zip(gated, tmp_path):
    home = tmp_path / "home"
    done = said(
        "write", gated.root, "--out", tmp_path / "out", "--layout", "pranet", "--layout", "yolo", "--workspace", home,
        "--source-licence", "ward=internal use",
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    assert {p.name for p in (tmp_path / "out").iterdir()} >= {"pranet", "yolo", "lists", "SHA256SUMS"}
    assert "internal use" in (tmp_path / "out" / "dataset_card.md").read_text("utf-8")
    checked = said("verify", tmp_path / "out")
    assert checked.exit_code == 0 and "20 pairs: all is as it says." in checked.output
    packed = said("zip", tmp_path / "out")
    assert packed.exit_code == 0 and said("verify", tmp_path / "out.zip").exit_code == 0
    (tmp_path / "out" / "lists" / "real.txt").unlink()
    broken = said("verify", tmp_path / "out")
    assert broken.exit_code and isinstance(broken.exception, AugmentError)
    assert "lists/real.txt is in SHA256SUMS and is not there" in str(broken.exception)


def test_a_job_makes_an_export_of_a_job_that_made_a_set(tmp_path, ward):
    made = small.synthesized(tmp_path / "runs" / "one" / "set", ward)
    run = tmp_path / "runs" / "two"
    run.mkdir()
    wanted = request.make("export", ["write", str(made.root.parent), "--alone", "--zip"], "an export")
    words = wanted.argv(run)
    assert words[:2] == ["export", "write"] and words[-2:] == ["--out", str(run / "export")]
    done = said(*words[1:], "--workspace", tmp_path)
    assert done.exit_code == 0, done.output
    assert {p.name for p in run.iterdir()} == {"export", "export.key.csv", "export.zip"}
    assert len(manifest.read((run / "export" / manifest.FILE).read_bytes())) == 12


def test_what_cannot_be_understood_is_said(gated, tmp_path):
    bad = said("write", gated.root, "--out", tmp_path / "x", "--source-licence", "ward", "--workspace", tmp_path)
    assert "expected DATASET=LICENCE" in str(bad.exception)
    bad = said("write", gated.root, "--out", tmp_path / "x", "--layout", "voc", "--workspace", tmp_path)
    assert "No layout voc" in str(bad.exception)
