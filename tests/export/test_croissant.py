"""Croissant is read by mlcroissant, the records and pictures through it too."""

from __future__ import annotations

import json
import logging

import mlcroissant
import pytest

from siamese.export import manifest
from siamese.tasks.export import ExportRequest, export
from tests.export import small

REQUEST = {
    "licence": "CC BY-NC 4.0", "consent": "general consent, 2021", "contact": "data@example.org",
    "published": "2026-11-26",
}  # fmt: skip


@pytest.fixture
def out(gated, tmp_path):
    list(export(ExportRequest(gated.root, tmp_path / "out", ("pranet", "kvasir"), **REQUEST)))
    return tmp_path / "out"


def test_mlcroissant_reads_it_without_a_complaint(out, caplog):
    with caplog.at_level(logging.WARNING):
        read = mlcroissant.Dataset(out / "croissant.json")
    assert not read.metadata.ctx.issues.errors
    assert "citeAs" in " ".join(read.metadata.ctx.issues.warnings)  # there is no paper to cite; nothing else is missing
    assert len(read.metadata.ctx.issues.warnings) == 1
    about = read.metadata
    assert str(about.ctx.conforms_to.value).endswith("1.1") and about.name == "trial"
    assert about.license == ["CC BY-NC 4.0"] and about.date_published.isoformat().startswith("2026-11-26")
    assert about.creators[0].name == "data@example.org"
    assert "never for test" in about.data_use_cases[0]
    assert any("general consent, 2021" in text for text in about.personal_sensitive_information)
    assert about.data_limitations and about.data_biases and about.data_collection


def test_records_and_pictures_come_through_it(out):
    read = mlcroissant.Dataset(out / "croissant.json")
    rows = manifest.read((out / manifest.FILE).read_bytes())
    found = list(read.records("pairs"))
    assert [one["pairs/id"].decode() for one in found] == [row.id for row in rows]
    assert [one["pairs/synthetic"] for one in found] == [row.synthetic for row in rows]
    assert [one["pairs/mask_sha256"].decode() for one in found] == [row.mask_sha256 for row in rows]
    folder = "pranet/TrainDataset/masks"
    pictures = {one[f"{folder}/file"].decode(): one[f"{folder}/content"] for one in read.records(folder)}
    assert len(pictures) == 16 and pictures["s000001.png"].size == (67, 48)
    sets = {one.name for one in read.metadata.distribution}
    assert "kvasir/images/*.jpg" in sets and "pranet/TestDataset/ward/images/*.png" in sets


def test_names_of_any_script_make_no_bad_ids(tmp_path):
    data = small.dataset(tmp_path / "Ärzte Süd")
    made = small.synthesized(tmp_path / "set", data)
    list(export(ExportRequest(made.root, tmp_path / "out", published="2026-11-26")))
    read = mlcroissant.Dataset(tmp_path / "out" / "croissant.json")
    assert "pranet/TestDataset/Ärzte_Süd/images/*.png" in {one.name for one in read.metadata.distribution}
    folder = next(one for one in read.metadata.record_sets if "Süd/masks" in one.name and "Test" in one.name)
    assert len(list(read.records(folder.id))) == 2


def test_a_changed_manifest_is_refused_by_mlcroissant(out):
    with (out / manifest.FILE).open("a") as file:
        file.write("\n")
    with pytest.raises(Exception, match=r"Download\(manifest\)"):
        list(mlcroissant.Dataset(out / "croissant.json").records("pairs"))


def test_nothing_is_claimed_that_was_not_stated(gated, tmp_path):
    list(export(ExportRequest(gated.root, tmp_path / "bare")))
    values = json.loads((tmp_path / "bare" / "croissant.json").read_text("utf-8"))
    assert values["license"] == values["creator"]["name"] == "not stated" and "datePublished" not in values
    assert "Basis of consent: not stated." in values["rai:personalSensitiveInformation"]
