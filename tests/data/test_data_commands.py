"""`python -m siamese data check|import`."""

from __future__ import annotations

import json

from typer.testing import CliRunner

from siamese.__main__ import app
from tests.data import sources

run = CliRunner().invoke


def test_check_prints_everything_and_import_writes(tmp_path):
    root = sources.kvasir(tmp_path / "in", 10)
    said = run(app, ["data", "check", str(root)])
    assert said.exit_code == 0 and "Kvasir-SEG, 10 of 10" in said.output and "JPEG" in said.output
    found = json.loads(run(app, ["data", "check", str(root), "--json", "--split", "60/20/20"]).stdout)
    assert found["plan"]["counts"] == {"train": 6, "val": 2, "test": 2} and found["can_import"]
    words = ["data", "import", str(root), "--name", "mine", "--workspace", str(tmp_path / "ws")]
    assert run(app, words).exit_code == 0
    assert len((tmp_path / "ws/datasets/mine/train.txt").read_text().split()) == 8
    again = run(app, words)
    assert again.exit_code != 0 and "already" in str(again.exception)


def test_problems_refuse_unless_the_rest_is_wanted(tmp_path):
    root = sources.kvasir(tmp_path / "in", 4)
    (root / "masks/anna001.jpg").unlink()
    assert run(app, ["data", "check", str(root)]).exit_code == 2
    words = ["data", "import", str(root), "--name", "mine", "--workspace", str(tmp_path / "ws")]
    assert run(app, words).exit_code != 0 and not (tmp_path / "ws/datasets/mine").exists()
    assert run(app, [*words, "--leave-out-problems"]).exit_code == 0
    assert run(app, [*words, "--split", "a"]).exit_code == 2
