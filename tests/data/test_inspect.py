"""Every problem at once; hostile zips; near-duplicates."""

from __future__ import annotations

import stat
import zipfile

import cv2
import numpy as np
import pytest

from siamese.data.inspect import inspect
from siamese.data.neardup import near_duplicates, small_grey
from siamese.data.thumbs import OUTLINE, thumb
from siamese.errors import DatasetError
from tests.data import sources
from tests.data.sources import kinds, look, put, scene


def written(picture: np.ndarray) -> np.ndarray:
    """The picture with burnt-in text."""
    picture = cv2.resize(cv2.GaussianBlur(picture, (0, 0), 3), (400, 400))
    for row in range(5):
        cv2.putText(picture, "12:34:56", (20, 150 + 18 * row), cv2.FONT_HERSHEY_PLAIN, 0.9, (255,) * 3, 1)
    return picture


def test_every_problem_is_found_at_once(tmp_path):
    root = tmp_path / "in"
    for k in range(10):
        sources.pair(root / f"images/{k}.png", root / f"masks/{k}.png", k)
    (root / "masks/0.png").unlink()
    (root / "images/1.png").unlink()
    data = (root / "images/2.png").read_bytes()
    (root / "images/2.png").write_bytes(data[: len(data) // 2])
    (root / "masks/3.png").write_text("no picture")
    put(root / "masks/4.png", np.zeros((50, 50), np.uint8))
    put(root / "masks/5.png", np.tile(np.arange(96, dtype=np.uint8) * 2, (96, 1)))  # a ramp
    put(root / "masks/6.png", np.zeros((96, 96), np.uint8))
    put(root / "images/7.jpg", scene(7)[0])
    put(root / "images/8.png", scene(8)[0].astype(np.uint16) * 257)
    put(root / "masks/9.png", cv2.GaussianBlur(scene(9)[1], (3, 3), 0))
    report = look(root, tmp_path / "cache")
    found = kinds(report)
    assert found["no mask"] == ("0",) and found["no picture"] == ("1",)
    assert found["unreadable picture"] == ("2",) and found["unreadable mask"] == ("3",)
    assert found["size"] == ("4",) and found["grey mask"] == ("5",) and found["empty masks"] == ("6",)
    assert found["same name twice"] == ("images/7.jpg", "images/7.png") and found["16-bit pictures"] == ("8",)
    assert "9" in found["grey edges"]
    assert [c.stem for c in report.usable] == ["6", "8", "9"]
    assert len(report.refusals(leave_out=False)) == 7 and report.refusals(leave_out=True) == []
    summary = report.summary()
    assert not summary["can_import"] and summary["can_import_rest"] and summary["empty"] == 1
    said = {problem.kind: problem.text for problem in report.problems}
    assert said["no mask"] == "1 picture has no mask; add it under the same name."
    assert said["no picture"] == "1 mask has no picture; add it under the same name."
    assert said["size"] == "1 mask has another size than its picture; export both at one size."
    assert said["same name twice"].startswith("1 picture exists under one name")
    assert said["unreadable picture"].startswith("1 picture cannot be read")
    assert said["empty masks"] == "1 mask is empty."


def test_sentences_of_one_and_of_many_agree_with_their_number(tmp_path):
    root = tmp_path / "in"
    for k in range(6):
        sources.pair(root / f"images/{k}.png", root / f"masks/{k}.png", k)
    (root / "train.txt").write_text("0\n1\n2\n8\n")
    (root / "val.txt").write_text("2\n3\n4\n")
    (root / "images/linked.png").symlink_to(root / "images/0.png")
    one = {problem.kind: problem.text for problem in look(root, tmp_path / "cache").problems}
    assert one["in two splits"] == "1 picture is on the lists of two splits; keep each on one."
    assert one["listed, not there"].startswith("the lists name 1 picture that is not there;")
    assert one["unlisted"].startswith("1 picture is on none of the lists")
    assert one["links"].startswith("1 link is not followed")
    (root / "val.txt").write_text("1\n2\n3\n9\n")
    (root / "masks/linked.png").symlink_to(root / "masks/0.png")
    many = {problem.kind: problem.text for problem in look(root, tmp_path / "cache").problems}
    assert many["in two splits"].startswith("2 pictures are on")
    assert many["listed, not there"].startswith("the lists name 2 pictures that are not there;")
    assert many["unlisted"].startswith("2 pictures are on") and many["links"].startswith("2 links are")


def test_an_inspection_alters_nothing(tmp_path):
    root = sources.kvasir(tmp_path / "in", 3)
    before = {p: (p.read_bytes() if p.is_file() else None, p.stat().st_mtime_ns) for p in root.rglob("*")}
    look(root, tmp_path / "cache")
    assert before == {
        p: (p.read_bytes() if p.is_file() else None, p.stat().st_mtime_ns) for p in root.rglob("*")
    }


def test_near_duplicates_are_found_turned_and_scaled(tmp_path):
    root = tmp_path / "in"
    for k in range(6):
        sources.pair(root / f"images/{k}.png", root / f"masks/{k}.png", k)
    picture, mask = (np.rot90(a)[:, ::-1] for a in scene(2))
    put(root / "images/again.jpg", cv2.resize(np.ascontiguousarray(picture), (150, 150)))
    put(root / "masks/again.png", cv2.resize(np.ascontiguousarray(mask), (150, 150), interpolation=0))
    put(root / "images/same.png", scene(4)[0])
    put(root / "masks/same.png", np.zeros((96, 96), np.uint8))
    report = look(root, tmp_path / "cache")
    assert {(p.one, p.other) for p in report.duplicates} == {("2", "again"), ("4", "same")}
    found = kinds(report)
    assert found["identical"] == ("4", "same") == found["identical, masks differ"]
    assert set(found["near-duplicates"]) == {"2", "again"}
    said = {problem.kind: problem.text for problem in report.problems}
    assert said["identical"].startswith("2 pictures are pixel for pixel the same as another")
    assert said["empty masks"] == "1 mask is empty."


def test_plain_pictures_are_no_near_duplicates():
    grey = np.stack([small_grey(np.full((90, 90, 3), v, np.uint8)) for v in (10, 200)])
    assert near_duplicates(grey) == [] and near_duplicates(grey[:0]) == []


def test_text_is_found_and_shown(tmp_path):
    root = tmp_path / "in"
    put(root / "images/a.png", written(scene(0)[0]))
    put(root / "masks/a.png", cv2.resize(scene(0)[1], (400, 400), interpolation=0))
    case = look(root, tmp_path / "cache").case("a")
    x0, y0, x1, y1 = case.text_box
    assert 0 <= x0 < 30 and 120 < y0 < 150 and x1 > 80 and 220 < y1 < 260
    tile = cv2.imdecode(np.frombuffer(thumb(case, 160), np.uint8), cv2.IMREAD_COLOR_RGB)
    assert tile.shape == (160, 160, 3) and (tile == OUTLINE).all(axis=2).sum() > 20
    (root / "images/a.png").write_bytes(b"gone")
    assert thumb(case).startswith(b"\x89PNG")


def test_a_zip_is_looked_at_and_gone_when_closed(tmp_path):
    archive = sources.packed(sources.pranet(tmp_path / "in"), tmp_path / "in.zip")
    report = look(archive, tmp_path / "cache")
    assert report.layout.startswith("PraNet") and len(report.usable) == 10
    assert report.temporary is not None and report.temporary.is_dir()
    report.close()
    assert list((tmp_path / "cache").iterdir()) == []


def test_stopping_early_leaves_nothing_unpacked(tmp_path):
    archive = sources.packed(sources.pranet(tmp_path / "in"), tmp_path / "in.zip")
    (tmp_path / "cache").mkdir()
    work = inspect(archive, tmp_path / "cache")
    next(work)
    work.close()
    assert list((tmp_path / "cache").iterdir()) == []


def hostile(path, name: str, mode: int = 0, data: bytes = b"x", **more) -> None:
    """A zip with one odd member beside a good one."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("images/a.png", b"x")
        member = zipfile.ZipInfo(name)
        member.compress_type = zipfile.ZIP_DEFLATED
        member.external_attr = mode << 16
        file.writestr(member, data)


@pytest.mark.parametrize(
    ("name", "mode", "expected"),
    [
        ("../escape.png", 0, "lead out"),
        ("/etc/escape.png", 0, "lead out"),
        ("..\\escape.png", 0, "lead out"),
        ("C:\\escape.png", 0, "lead out"),
        ("images/link.png", stat.S_IFLNK | 0o777, "links"),
        ("images/A.png", 0, "same name"),
        ("images/" + "d/" * 30 + "a.png", 0, "not every system"),
        ("images/CON.png", 0, "not every system"),
    ],
)
def test_hostile_zips_are_refused_whole(tmp_path, name, mode, expected):
    hostile(tmp_path / "in.zip", name, mode)
    with pytest.raises(DatasetError, match=expected):
        look(tmp_path / "in.zip", tmp_path / "cache")
    assert list((tmp_path / "cache").iterdir()) == [] and not (tmp_path / "escape.png").exists()


def test_bombs_and_damaged_zips_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("siamese.data.archive.RATIO_FROM", 1 << 20)
    hostile(tmp_path / "bomb.zip", "images/b.png", data=bytes(4 << 20))
    (tmp_path / "cut.zip").write_bytes((tmp_path / "bomb.zip").read_bytes()[:-30])
    (tmp_path / "text.zip").write_text("no zip")
    (tmp_path / "other.rar").write_text("no zip")
    for name, expected in (
        ("bomb", "traps"),
        ("cut", "damaged"),
        ("text", "damaged"),
        ("other", "folder or a .zip"),
    ):
        source = next(tmp_path.glob(f"{name}.*"))
        with pytest.raises(DatasetError, match=expected):
            look(source, tmp_path / "cache")
    assert list((tmp_path / "cache").iterdir()) == []


def test_links_in_a_folder_are_not_followed(tmp_path):
    root = sources.kvasir(tmp_path / "in", 2)
    (tmp_path / "secret.png").write_bytes(b"x")
    (root / "images" / "secret.png").symlink_to(tmp_path / "secret.png")
    report = look(root, tmp_path / "cache")
    assert len(report.cases) == 2 and "links" in kinds(report)
