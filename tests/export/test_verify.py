"""Verify finds what was done to an export, by its kind; sums that were written anew hide nothing."""

from __future__ import annotations

import dataclasses
import json
import re
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pyarrow.parquet
import pytest

from siamese.export import archive, key, manifest, marks, sums
from siamese.export.findings import Verified, in_words
from siamese.export.verify import verify
from siamese.tasks.export import ExportRequest, export
from tests.export import small


@pytest.fixture(scope="module")
def sound(tmp_path_factory) -> Path:
    """An export in two layouts, never changed."""
    root = tmp_path_factory.mktemp("sound")
    ward = small.dataset(root / "ward")
    made = small.synthesized(root / "set", ward)
    list(export(ExportRequest(made.root, root / "out", ("pranet", "kvasir", "nnunet", "parquet"))))
    return root / "out"


@pytest.fixture
def out(sound, tmp_path) -> Path:
    """A copy of it, to be damaged; its key beside it."""
    shutil.copytree(sound, tmp_path / "out")
    shutil.copy(key.path_for(sound), tmp_path)
    return tmp_path / "out"


def checked(where: Path) -> Verified:
    *_, found = verify(where)
    return found


def summed(out: Path) -> None:
    """Sums written anew, as one does who wants to hide something."""
    (out / sums.FILE).unlink()
    list(sums.write(out))


def rows(out: Path) -> list[manifest.Row]:
    return manifest.read((out / manifest.FILE).read_bytes())


def write_rows(out: Path, changed: list[manifest.Row]) -> None:
    (out / manifest.FILE).write_text("".join(map(manifest.line, changed)), "utf-8")


def changed_row(out: Path, chosen: Callable[[manifest.Row], bool], **values: object) -> None:
    """Change the first such row of the manifest."""
    found = rows(out)
    k = next(k for k, row in enumerate(found) if chosen(row))
    found[k] = dataclasses.replace(found[k], **values)
    write_rows(out, found)


SYNTHETIC, REAL = "pranet/TrainDataset/images/s000003.png", "pranet/TrainDataset/images/r000002.png"
MASK = "pranet/TrainDataset/masks/s000003.png"
PARQUET = "parquet/data/train-00000-of-00001.parquet"


def pixels(path: Path) -> np.ndarray:
    return cv2.imread(str(path), cv2.IMREAD_UNCHANGED)


def one_pixel(out: Path) -> None:
    changed = pixels(out / SYNTHETIC)
    changed[3, 4] ^= 1
    (out / SYNTHETIC).write_bytes(marks.mark(cv2.imencode(".png", changed)[1].tobytes()))


def exchanged(out: Path) -> None:
    one, other = out / SYNTHETIC, out / SYNTHETIC.replace("3.png", "4.png")
    kept = one.read_bytes()
    one.write_bytes(other.read_bytes())
    other.write_bytes(kept)


def without_mark(out: Path) -> None:
    cv2.imwrite(str(out / SYNTHETIC), pixels(out / SYNTHETIC))


def jpeg_without_mark(out: Path) -> None:
    path = out / "kvasir/images/s000003.jpg"
    cv2.imwrite(str(path), pixels(path))


def real_marked(out: Path) -> None:
    (out / REAL).write_bytes(marks.mark((out / REAL).read_bytes()))


def real_with_exif(out: Path) -> None:
    from PIL import Image

    exif = Image.Exif()
    exif[0x010E] = "Erika Mustermann"
    with Image.open(out / REAL) as picture:
        picture.save(out / REAL, exif=exif)


def grey_mask(out: Path) -> None:
    mask = pixels(out / MASK)
    cv2.imwrite(str(out / MASK), cv2.GaussianBlur(mask, (5, 5), 0))


def other_mask(out: Path) -> None:
    cv2.imwrite(str(out / MASK), np.ascontiguousarray(pixels(out / MASK)[::-1]))


def small_mask(out: Path) -> None:
    cv2.imwrite(str(out / MASK), pixels(out / MASK)[:-2])


def half_a_picture(out: Path) -> None:
    data = (out / SYNTHETIC).read_bytes()
    (out / SYNTHETIC).write_bytes(data[: len(data) // 2])


def gone(out: Path) -> None:
    (out / MASK).unlink()


def stranger(out: Path) -> None:
    shutil.copy(out / REAL, out / "pranet/TrainDataset/images/extra.png")


def in_test(out: Path) -> None:
    changed_row(out, lambda row: row.synthetic, split="test")


def mask_of_test_lent(out: Path) -> None:
    held_out = next(row for row in rows(out) if row.split == "test")
    changed_row(out, lambda row: row.synthetic, mask_sha256=held_out.mask_sha256)


def trained_on_test(out: Path) -> None:
    held_out = next(row for row in rows(out) if row.split == "val")
    changed_row(out, lambda row: row.split == "train", image_sha256=held_out.image_sha256)


def twice(out: Path) -> None:
    found = rows(out)
    write_rows(out, [*found, found[-1]])


def torn_manifest(out: Path) -> None:
    text = (out / manifest.FILE).read_bytes()
    (out / manifest.FILE).write_bytes(text[:-40])


def not_nested(out: Path) -> None:
    path = out / "lists/real_plus_synthetic_2x.txt"
    path.write_text("".join(path.read_text().splitlines(True)[1:]))


def not_twice(out: Path) -> None:
    path = out / "lists/real_duplicated.txt"
    path.write_text("".join(path.read_text().splitlines(True)[1:]))


def synthetic_in_real(out: Path) -> None:
    with (out / "lists/real.txt").open("a") as file:
        file.write("s000001\n")


def named_as_original(out: Path) -> None:
    """As an export would be that forgot to rename, manifest and all."""
    origin = next(one for one in key.read(out) if one.id == "r000001")
    row = rows(out)[0]
    new = [name.replace("r000001", origin.original) for name in row.images]
    for old, name in zip(row.images, new, strict=True):
        (out / old).rename(out / name)
    changed_row(out, lambda row: row.id == "r000001", images=tuple(new))


def held_out_in_a_list(out: Path) -> None:
    held_out = next(row for row in rows(out) if row.split == "test")
    with (out / "lists/real.txt").open("a") as file:
        file.write(f"{held_out.id}\n")


def unknown_in_a_list(out: Path) -> None:
    with (out / "lists/real_plus_synthetic_3x.txt").open("a") as file:
        file.write("s999999\n")


def key_inside(out: Path) -> None:
    shutil.copy(key.path_for(out), out / "out.key.csv")


def original_name(out: Path) -> None:
    with (out / "nnunet" / "notes.md").open("w") as file:
        file.write("r000001 is Müller-002.png")


def other_use(out: Path) -> None:
    path = out / "dataset_card.md"
    path.write_text(path.read_text("utf-8").replace("never for test", "also for test"), "utf-8")


def other_croissant(out: Path) -> None:
    path = out / "croissant.json"
    values = json.loads(path.read_text("utf-8"))
    values["distribution"][0]["sha256"] = "0" * 64
    path.write_text(json.dumps(values), "utf-8")


def link(out: Path) -> None:
    (out / SYNTHETIC).unlink()
    (out / SYNTHETIC).symlink_to(out / REAL)


def no_card(out: Path) -> None:
    (out / "dataset_card.md").unlink()


def parquet_without_marks(out: Path) -> None:
    path = out / PARQUET
    table = pyarrow.parquet.read_table(path)
    rows = table.to_pylist()
    for row in rows:
        kept = cv2.imdecode(np.frombuffer(row["image"]["bytes"], np.uint8), 1)
        row["image"]["bytes"] = cv2.imencode(".png", kept)[1].tobytes()
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows, table.schema), path)


def parquet_test_in_train(out: Path) -> None:
    held_out = pyarrow.parquet.read_table(out / PARQUET.replace("train-", "test-"))
    pyarrow.parquet.write_table(held_out, out / PARQUET)


def parquet_torn(out: Path) -> None:
    (out / PARQUET).write_bytes((out / PARQUET).read_bytes()[:-100])


HIDDEN = {  # damage, the kind it is called and words of its sentence; with sums written anew
    one_pixel: ("picture", "is not the picture"),
    exchanged: ("picture", "is not the picture"),
    half_a_picture: ("picture", "damaged or incomplete"),
    without_mark: ("mark", "carries no mark"),
    jpeg_without_mark: ("mark", "carries no mark"),
    real_marked: ("mark", "is marked as synthetic"),
    real_with_exif: ("metadata", "carries EXIF"),
    grey_mask: ("mask", "grey values"),
    other_mask: ("mask", "is not the mask"),
    small_mask: ("size", "is 46×67; its picture is 48×67"),
    gone: ("missing", "is not there"),
    stranger: ("stranger", "does not name"),
    in_test: ("split", "is synthetic and stands in test"),
    mask_of_test_lent: ("leak", "made on the mask of r"),
    trained_on_test: ("leak", "same picture as r"),
    twice: ("manifest", "stands in manifest.jsonl 2 times"),
    torn_manifest: ("manifest", "Line 20 .* is damaged"),
    not_nested: ("list", "does not hold all of"),
    not_twice: ("list", "does not hold each line"),
    held_out_in_a_list: ("list", "which is of the split test"),
    unknown_in_a_list: ("list", "does not know"),
    synthetic_in_real: ("list", "which is synthetic"),
    key_inside: ("name", "is a key"),
    original_name: ("name", "holds the original name"),
    named_as_original: ("name", "is called as its original"),
    other_use: ("card", "no longer says"),
    no_card: ("card", "is missing"),
    other_croissant: ("croissant", "describes another"),
    link: ("unsafe", "is a link"),
    parquet_without_marks: ("mark", "train-00000.* carries no mark"),
    parquet_test_in_train: ("split", "is of test, as"),
    parquet_torn: ("picture", "damaged or none of ours"),
}


def test_a_sound_export_is_good_as_folder_and_as_zip(sound, tmp_path):
    found = checked(sound)
    assert found.good and found.sentences() == [] and "all is as it says" in in_words(found)
    assert found.counts["pairs"] == 20 and found.counts["synthetic pairs"] == 12
    assert found.counts["picture files"] == found.counts["mask files"] == 80
    assert found.counts["original names looked for"] == 8 and found.counts["lists"] >= 5
    list(archive.pack(sound, tmp_path / "out.zip"))
    assert checked(tmp_path / "out.zip").good


@pytest.mark.parametrize("damage", HIDDEN, ids=lambda damage: damage.__name__)
def test_damage_is_found_though_the_sums_fit_again(out, damage):
    damage(out)
    summed(out)
    found, (kind, words) = checked(out), HIDDEN[damage]
    assert any(re.search(words, text) for text in found.problems.get(kind, ())), found.sentences()
    assert "problem" in in_words(found) and not found.good


@pytest.mark.parametrize("name", [SYNTHETIC, MASK, manifest.FILE, "lists/real.txt", "kvasir/masks/r000001.jpg"])
def test_a_changed_byte_does_not_fit_the_sums(out, name):
    data = bytearray((out / name).read_bytes())
    data[-1] ^= 1
    (out / name).write_bytes(data)
    assert any(name in text for text in checked(out).problems["sum"])


def test_a_file_that_no_sum_is_written_for_is_a_stranger(out):
    (out / "pranet" / "virus.exe").write_bytes(b"MZ")
    assert checked(out).problems["stranger"] == ["pranet/virus.exe is not in SHA256SUMS."]


def test_damage_inside_a_zip_is_found(out, tmp_path):
    without_mark(out)
    list(archive.pack(out, tmp_path / "x.zip"))
    assert {"sum", "mark"} <= set(checked(tmp_path / "x.zip").problems)
    data = bytearray((tmp_path / "x.zip").read_bytes())
    at = data.find(b"IDAT") + 30
    data[at] ^= 255
    (tmp_path / "x.zip").write_bytes(data)
    assert any("cannot be read" in text for text in checked(tmp_path / "x.zip").sentences())


def test_a_zip_of_something_else_is_called_so(tmp_path):
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as packed:
        packed.writestr("thesis.txt", "years of work")
    assert {"manifest", "missing", "card", "croissant"} <= set(checked(tmp_path / "x.zip").problems)
