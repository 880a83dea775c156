"""One preparation for all arms: what is seen, what is written, and that nothing of it tells the arms apart."""

from __future__ import annotations

import hashlib
import json
import struct
from contextlib import closing
from pathlib import Path

import cv2
import numpy as np
import pytest
from safetensors.numpy import save_file

from siamese.errors import StudyError
from siamese.events import Notice
from siamese.picture import decode
from siamese.study import frame
from siamese.study.prepare import WHEN, constant_png, prepare
from siamese.study.studies import Studies
from siamese.study.truth import Prepared, prepared
from siamese.workspace import Workspace
from tests.conftest import draw_case
from tests.study.arms_of import design_of, names, prepared_study, two_arms

TEXT = ("12/09/2013", "08:18:08", "Age: 44", "D.O.B.: 1")


def field(size: int = 480, seed: int = 0) -> np.ndarray:
    """A drawn picture whose field of view fills it."""
    picture, _ = draw_case(seed, size)
    y, x = np.mgrid[:size, :size] / size - 0.5
    picture[x**2 + y**2 > 0.24] = (150, 80, 70)
    return picture


def with_text(picture: np.ndarray) -> np.ndarray:
    written = picture.copy()
    for k, line in enumerate(TEXT):
        cv2.putText(
            written, line, (14, 90 + 26 * k), cv2.FONT_HERSHEY_SIMPLEX, 0.5, (255,) * 3, 1, cv2.LINE_AA
        )
    cv2.putText(written, "N", (14, 220), cv2.FONT_HERSHEY_SIMPLEX, 0.5, (255,) * 3, 1, cv2.LINE_AA)
    return written


def with_box(picture: np.ndarray, share: float) -> np.ndarray:
    boxed = picture.copy()
    side = round(share * len(picture))
    boxed[-side:, :side] = 4
    return boxed


def test_a_file_has_one_length_whatever_is_in_it():
    rng = np.random.default_rng(0)
    kinds = (np.zeros((96, 96, 3)), rng.integers(0, 256, (96, 96, 3)), np.full((96, 96, 3), 255), field(96))
    files = [constant_png(kind.astype(np.uint8)) for kind in kinds]
    assert len({len(data) for data in files}) == 1
    for data, kind in zip(files, kinds, strict=True):
        assert chunks(data) == {b"IHDR", b"IDAT", b"IEND"}
        assert (decode(data) == kind).all()
    assert (
        len({len(constant_png(m)) for m in (np.zeros((64, 64), np.uint8), np.full((64, 64), 255, np.uint8))})
        == 1
    )


def chunks(data: bytes) -> set[bytes]:
    found, at = set(), 8
    while at < len(data):
        (length,) = struct.unpack_from(">I", data, at)
        found.add(data[at + 4 : at + 8])
        at += 12 + length
    return found


@pytest.mark.parametrize("outline", ["octagon", "circle", "square"])
def test_every_picture_fills_the_outline(outline):
    """A round field of view, a full picture and one with a black border all show tissue up to the same edge."""
    round_one, _ = draw_case(3, 480)
    bordered = np.zeros((400, 640, 3), np.uint8)
    bordered[30:370, 120:520] = cv2.resize(field(), (400, 340))
    seen = frame.seen_map(outline, 96, (0, 0))
    for picture in (round_one, field(), bordered):
        found = frame.look(picture, outline, "cover")
        assert isinstance(found, frame.Look)
        shown = frame.render(picture, found, seen, 0)
        assert shown.shape == (96, 96, 3) and (shown[~seen] == 0).all()
        assert (shown[seen].max(axis=1) > 26).mean() > 0.99
    assert frame.outline_map("square", 96).all()
    assert abs(frame.outline_map("circle", 400).mean() - np.pi / 4) < 0.01
    assert abs(frame.outline_map("octagon", 400).mean() - 2 * (2**0.5 - 1)) < 0.01


def test_a_picture_that_is_mostly_black_is_not_shown():
    thin = np.zeros((480, 480, 3), np.uint8)
    thin[np.abs(np.subtract.outer(np.arange(480), np.arange(480))) < 60] = (200, 110, 90)  # a diagonal band
    assert "does not fill" in frame.look(thin, "octagon", "cover")


def test_one_long_side_is_cut_before_it_is_pressed_together():
    wide = np.hstack([field()] * 3)
    found = frame.look(wide, "square", "cover")
    top, left, bottom, right = found.window
    assert (right - left) / (bottom - top) <= 1.26
    assert abs((left + right) / 2 - 720) < 12  # the middle is kept


def test_burnt_in_text_goes_single_letters_too():
    picture = field()
    written = with_text(picture)
    area = np.abs(written.astype(int) - picture).max(axis=2) > 60
    assert area[200:225, 10:30].any()
    found = frame.look(written, "square", "cover")
    clean = frame.render(written, found, np.ones((480, 480), bool), 0)
    plain = frame.render(picture, frame.look(picture, "square", "cover"), np.ones((480, 480), bool), 0)
    left = np.abs(clean.astype(int) - plain).max(axis=2) > 60
    assert found.text.size and left.sum() < 0.04 * area.sum()
    assert not frame.look(picture, "square", "cover").text.size


def test_a_corner_box_is_measured_left_out_or_too_large():
    found = frame.look(with_box(field(), 0.3), "octagon", "cover")
    assert all(0.297 <= share < 0.36 for share in found.box)
    assert frame.look(field(), "octagon", "cover").box == (0, 0)
    assert "box in the corner" in frame.look(with_box(field(), 0.3), "octagon", "leave out")
    assert "too large" in frame.look(with_box(field(), 0.5), "octagon", "cover")
    hidden_by_the_outline = frame.look(with_box(field(), 0.13), "octagon", "cover")
    assert hidden_by_the_outline.box == (0, 0)


def test_a_mask_is_cut_as_its_picture():
    picture, mask = draw_case(5, 480)
    picture[mask > 0] = (20, 230, 240)  # a colour nothing else has
    found = frame.look(picture, "octagon", "cover")
    seen = frame.seen_map("octagon", 192, (0.3, 0.3))
    shown = frame.render(picture, found, seen, 0).astype(int)
    blue = (shown[..., 2] > shown[..., 0] + 60) & seen
    for labels in (mask // 255, cv2.resize(mask // 255, (96, 96), interpolation=cv2.INTER_NEAREST)):
        cut = frame.render_mask(labels, found, seen)
        assert set(np.unique(cut)) <= {0, 255}
        overlap = ((cut > 0) & blue).sum() / ((cut > 0) | blue).sum()
        assert overlap > (0.95 if len(labels) == 480 else 0.8)
    corner = np.zeros((480, 480), np.uint8)
    corner[400:, :80] = 1
    assert frame.hidden_share(corner, found, seen) == 1
    assert frame.hidden_share(np.ones((480, 480), np.uint8), found, seen) < 0.6
    assert frame.hidden_share(np.zeros((480, 480), np.uint8), found, seen) == 0


@pytest.fixture(scope="module")
def done(tmp_path_factory) -> tuple:
    """A prepared P3 study: one real picture has text, one a box, one was trained on, one is damaged."""
    root = tmp_path_factory.mktemp("prepared")
    arms = two_arms(root, 9, 7)
    images = root / "patients" / "images"
    write(images / "case000.png", with_text(field(480, 1)))
    write(images / "case001.png", with_box(field(480, 2), 0.3))
    (images / "case003.png").write_bytes(b"\x89PNG\r\n\x1a\n damaged")
    trained = decode((images / "case002.png").read_bytes())
    model = root / "model"
    model.mkdir()
    sha = np.frombuffer(hashlib.sha256(trained).digest(), np.uint8)[None]
    save_file(
        {"training.sha256": sha, "training.dhash": np.full((1, 8), 170, np.uint8)},
        model / "model.safetensors",
    )
    named = arms[0].model_copy(update={"without": {"case004": "a face is seen"}})
    made = arms[1].model_copy(update={"checkpoint": str(model)})
    design = design_of((named, made), protocol="P3", per_arm=6, practice=0, primary={"kind": "difference"})
    study = Studies(Workspace(root / "ws")).new("p3", design)
    events = list(prepare(study))
    return study, events[-1], [event.text for event in events if isinstance(event, Notice)], images


def write(path: Path, picture: np.ndarray) -> None:
    cv2.imwrite(str(path), picture[..., ::-1])


def test_what_was_drawn_can_be_shown_and_the_rest_is_said(done):
    study, found, notices, images = done
    assert isinstance(found, Prepared)
    real = [item for item in found.items if item.arm == "patients"]
    assert sorted(Path(item.source).stem for item in real) == ["case000", "case001", *names(4, 5)]
    said = " ".join(found.design.arms[0].left_out)
    assert "trained on it: case002" in said and "case003" in said and "a face is seen" in said
    assert found.design.arms[0].pool_size == 9 and found.design.arms[1].pool_size == 7
    assert any("trained on it" in line for line in notices)
    assert study.design.arms[0].pool_size == 0  # the draft is the organiser's
    for item in real:
        assert item.source_sha256 == hashlib.sha256(Path(item.source).read_bytes()).hexdigest()


def test_nothing_about_the_files_tells_the_arms_apart(done):
    study, found, _, _ = done
    paths = sorted(study.pictures.iterdir())
    assert {path.stem for path in paths} == {item.id for item in found.items} and len(paths) == 12
    stats = [path.stat() for path in paths]
    assert len({stat.st_size for stat in stats}) == 1
    assert {stat.st_mtime for stat in stats} == {WHEN} and {stat.st_mode & 0o777 for stat in stats} == {0o600}
    for path in paths:
        assert chunks(path.read_bytes()) == {b"IHDR", b"IDAT", b"IEND"}
    assert len({path.stat().st_size for path in study.masks.iterdir()}) == 1
    assert {path.stem for path in study.masks.iterdir()} == {item.id for item in found.items}
    arms = [item.arm for item in sorted(found.items, key=lambda item: item.id)]
    assert arms != sorted(arms) and arms != sorted(arms, reverse=True)


def test_all_show_the_same_part_and_the_same_corner_is_covered(done):
    study, found, _, _ = done
    pictures = np.stack([decode(path.read_bytes()) for path in study.pictures.iterdir()])
    dark = (pictures == 0).all(axis=3)
    seen = ~dark.all(axis=0)
    corner = seen[-18:, :18]  # the box of one picture, 0.3 of the side
    assert not corner.any() and dark[:, ~seen].all()
    assert seen.mean() > 0.65 and pictures[:, seen].max(axis=2).min() > 40  # no rim of a box is left


def test_what_was_done_is_written_down(done):
    _, found, _, _ = done
    facts = {Path(item.source).stem: item.facts for item in found.items if item.arm == "patients"}
    assert facts["case000"]["text"] > 0 and facts["case000"]["source_size"] == [480, 480]
    assert facts["case001"]["box"][0] > 0.29 and facts["case005"]["box"] == [0, 0]
    assert facts["case005"]["jpeg"] == 90 and 0.5 < facts["case005"]["factor"] < 1.2
    assert all(len(one["cues"]) == 15 for one in facts.values())
    assert json.dumps(facts)  # as the database holds them


def test_all_take_the_same_jpeg_round_trip(done):
    """What stands in the file is what the decoder of one JPEG gives: the same again loses next to nothing."""
    study, _, _, images = done
    picture = decode((images / "case005.png").read_bytes())
    found = frame.look(picture, "octagon", "cover")
    seen = frame.seen_map("octagon", 64, (0, 0))
    plain, once = (frame.render(picture, found, seen, quality) for quality in (0, 60))
    data = cv2.imencode(".jpg", once[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 60])[1]
    twice = cv2.imdecode(data, cv2.IMREAD_COLOR_RGB)
    assert np.abs(once.astype(int) - plain)[seen].mean() > 2 * np.abs(once.astype(int) - twice)[seen].mean()


def test_a_preparation_that_is_stopped_leaves_the_earlier_one(tmp_path):
    design = design_of(two_arms(tmp_path, 5), per_arm=2, practice=1)
    study, first = prepared_study(tmp_path / "ws", design)
    with closing(prepare(study)) as work:
        next(event for event in work if not isinstance(event, Notice) and event.stage == "preparing")
    assert {path.stem for path in study.pictures.iterdir()} == {item.id for item in first.items}
    assert prepared(study) == Prepared(first.design, tuple(sorted(first.items, key=lambda item: item.id)))
    assert [path.name for path in study.folder.iterdir() if path.name.startswith(".")] == []
    again = list(prepare(study))[-1]
    assert not {item.id for item in again.items} & {item.id for item in first.items}
    assert {path.stem for path in study.pictures.iterdir()} == {item.id for item in again.items}


def test_a_lesion_that_would_be_hidden_is_not_shown(tmp_path):
    """A box in one picture covers the corner of all; whoever has the lesion there is left out."""
    arms = two_arms(tmp_path, 3)
    write(tmp_path / "patients" / "images" / "case000.png", with_box(field(96, 1), 0.3))
    mask = np.zeros((96, 96), np.uint8)
    mask[74:94, 2:22] = 255
    cv2.imwrite(str(tmp_path / "patients" / "masks" / "case002.png"), mask)
    _, found = prepared_study(tmp_path / "ws", design_of(arms, per_arm=3, practice=0))
    assert sorted(Path(i.source).stem for i in found.items if i.arm == "patients") == ["case000", "case001"]
    assert "more than half of the lesion would be hidden: case002" in found.design.arms[0].left_out[0]


def test_arms_that_make_no_comparison_are_refused(tmp_path):
    arms = two_arms(tmp_path, 2)
    for design, words in (
        (design_of(arms[:1]), "fewer than two arms"),
        (design_of((arms[1], arms[1].model_copy(update={"name": "b"}))), "no real arm"),
        (
            design_of((arms[0], arms[0].model_copy(update={"name": "b"})), protocol="P4"),
            "exactly one arm is real",
        ),
        (design_of(arms, protocol="P2", beside=3), "3 pictures stand side by side"),
    ):
        study = Studies(Workspace(tmp_path / "ws")).new(f"s{abs(hash(words)) % 10**6}", design)
        with pytest.raises(StudyError, match=words):
            list(prepare(study))
