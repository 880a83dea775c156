"""The canvas's morphs and the library's agree: 100 masks, every operation, random parameters; no server."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator

import numpy as np
import pytest
from playwright.sync_api import Browser, Page

from siamese.masks import generate, pieces, shape, warp
from tests.ui.conftest import HOUSE

STATIC = HOUSE / "ui" / "static"
# Masks travel as base64 of their bytes; `morphed` runs one function by name.
BRIDGE = """() => {
window.unpack = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
window.pack = (raster) => {
  if (!(raster instanceof Uint8Array)) throw new TypeError("no raster came out");
  let text = "";
  for (const value of raster) text += String.fromCharCode(value);
  return btoa(text);
};
window.morphed = ([name, mask, height, width, parameters]) => {
  const raster = unpack(mask);
  const made = SiameseMask.morph[name](raster, width, height, ...parameters);
  if (made === raster || pack(raster) !== mask) throw new Error(name + " changed what it was given");
  return pack(made);
};
}"""


@pytest.fixture(scope="module")
def page(chromium: Browser) -> Iterator[Page]:
    page = chromium.new_context().new_page()
    page.set_content("<p>bare</p>")
    for part in ("morph", "pieces", "warp"):
        page.evaluate((STATIC / f"{part}.js").read_text("utf-8"))
    page.evaluate(BRIDGE)
    yield page
    page.context.close()


def sent(labels: np.ndarray) -> str:
    return base64.b64encode(np.ascontiguousarray(labels).tobytes()).decode()


def received(text: str, shape: tuple[int, int]) -> np.ndarray:
    return np.frombuffer(base64.b64decode(text), np.uint8).reshape(shape)


def in_browser(page: Page, name: str, labels: np.ndarray, *parameters: object) -> np.ndarray:
    made = page.evaluate("morphed", [name, sent(labels), *labels.shape, list(parameters)])
    return received(made, labels.shape)


def drawn(seed: int) -> np.ndarray:
    """(H,W): plausible and far masks, square and not, some with specks and holes."""
    size = 384 if seed % 12 == 0 else (96, 128)[seed % 2]
    mask = generate.far(seed, size)[1] if seed % 3 == 0 else generate.plausible(seed, size)
    labels = mask.labels.copy()
    if size == 128:
        labels = labels[:, 16:112] if seed % 4 == 1 else labels[16:112]
    if seed % 5 == 0:
        labels = labels ^ (np.random.default_rng(seed).random(labels.shape) < 0.03)
    return np.ascontiguousarray(labels, np.uint8)


def overlap(a: np.ndarray, b: np.ndarray) -> float:
    """Intersection over union; 1 for two empty masks."""
    union = np.count_nonzero(a | b)
    return np.count_nonzero(a & b) / union if union else 1.0


Trial = tuple[str, list[object], Callable[[], np.ndarray]]


def trials(a: np.ndarray, b: np.ndarray, rng: np.random.Generator) -> Iterator[Trial]:
    """For every operation that takes one mask: its name and parameters in the browser, and the same in Python."""
    height, width = a.shape
    pixels = float(rng.choice([rng.uniform(-15, 15), rng.integers(-40, 40), 200, -200]))
    yield "grow", [pixels], lambda: shape.grow(a, pixels)
    radius = int(rng.integers(0, 41))
    yield "smooth", [radius], lambda: shape.smooth(a, radius)
    box = dict(zip(("dx", "dy", "degrees"), rng.uniform(-60, 60, 3).tolist(), strict=True))
    box["degrees"] = float(rng.choice([box["degrees"], 90, 180, 270]))
    across, down = rng.uniform(0.4, 2.5, 2).tolist()
    yield (
        "transform", [box | {"scaleX": across, "scaleY": down}],
        lambda: shape.transform(a, **box, scale_x=across, scale_y=down),
    )  # fmt: skip
    yield "keepLargest", [], lambda: pieces.keep_largest(a)
    islands = int(rng.integers(0, 400))
    yield "removeIslands", [islands], lambda: pieces.remove_islands(a, islands)
    yield "fillHoles", [], lambda: pieces.fill_holes(a)
    yield "invert", [], lambda: shape.invert(a)
    for way in ("horizontal", "vertical"):
        yield "flip", [way], lambda way=way: shape.flip(a, way)
    yield "rotate90", [], lambda: shape.rotate90(a)
    seed, strength, scale = int(rng.integers(2**32)), float(rng.uniform(0, 30)), float(rng.uniform(6, 90))
    yield (
        "elastic", [{"seed": seed, "strength": strength, "scale": scale}],
        lambda: warp.elastic(a, seed, strength, scale),
    )  # fmt: skip
    (x, y, dx, dy), reach = (
        rng.uniform((-9, -9, -40, -40), (width, height, 40, 40)).tolist(),
        float(rng.uniform(4, 60)),
    )
    yield (
        "pushStep", [{"x": x, "y": y, "dx": dx, "dy": dy, "radius": reach}],
        lambda: warp.push(a, [(x, y, dx, dy)], reach),
    )  # fmt: skip
    places = warp.handles(a)
    moves = (rng.normal(0, 12, (len(places), 2)) * (rng.random((len(places), 1)) < 0.4)).tolist()
    yield "deform", [places, moves], lambda: warp.deform(a, places, moves)


@pytest.mark.parametrize("part", range(4))
def test_every_operation_agrees_with_the_library(page, part):
    seen, worst = 0, {}
    for seed in range(part, 100, 4):
        a, rng = drawn(seed), np.random.default_rng(seed)
        for name, parameters, library in trials(a, a, rng):
            canvas, python = in_browser(page, name, a, *parameters), library()
            assert canvas.shape == python.shape and python.dtype == np.uint8
            assert max(canvas.max(), python.max()) <= 1
            worst[name] = min(worst.get(name, 1.0), overlap(canvas, python))
        seen += 1
    assert seen == 25 and len(worst) == 12
    assert {name: share for name, share in worst.items() if share < 0.99} == {}


def test_blending_agrees_with_the_library(page):
    for seed in range(100):
        a = drawn(seed)
        size = max(a.shape)
        b = generate.plausible(seed + 500, size) if seed % 7 else generate.far(6 * seed + 5, size)[1]
        b = np.ascontiguousarray(b.labels[: a.shape[0], : a.shape[1]])
        parts = [0, 1, *np.random.default_rng(seed).random(2).tolist()]
        made = page.evaluate(
            "([a, b, height, width, parts]) => {"
            "const at = SiameseMask.morph.prepareBlend(unpack(a), unpack(b), width, height);"
            "return parts.map((t) => pack(at(t))); }",
            [sent(a), sent(b), *a.shape, parts],
        )
        for t, text in zip(parts, made, strict=True):
            assert overlap(received(text, a.shape), shape.blend(a, b, t)) >= 0.99, (seed, t)


def test_a_drag_of_the_push_brush_agrees_with_the_library(page):
    for seed in range(1, 100, 9):
        a, rng = drawn(seed), np.random.default_rng(seed)
        place, steps = np.array(a.shape[::-1]) / 2, []
        for _ in range(12):
            move = rng.normal(0, 7, 2)
            steps.append((*place.tolist(), *move.tolist()))
            place = place + move
        made = page.evaluate(
            "([a, height, width, steps, radius]) => {"
            "const push = new SiameseMask.morph.Push(unpack(a), width, height, radius);"
            "for (const step of steps) push.move(...step);"
            "return pack(push.raster()); }",
            [sent(a), *a.shape, steps, 20],
        )
        assert overlap(received(made, a.shape), warp.push(a, steps, 20)) >= 0.99, seed


@pytest.mark.soak
def test_measures_agree_with_the_library(page):
    for seed in range(0, 100, 3):
        a = drawn(seed)
        height, width = a.shape
        lesions, places, distance = page.evaluate(
            "([a, height, width]) => { const raster = unpack(a), m = SiameseMask.morph; return ["
            "m.components(raster, width, height), m.handles(raster, width, height),"
            "Array.from(m.signedDistance(raster, width, height))]; }",
            [sent(a), height, width],
        )
        found = pieces.components(a)
        assert [tuple(lesion[k] for k in ("label", "area")) for lesion in lesions] == [f[:2] for f in found]
        assert [tuple(lesion["box"]) for lesion in lesions] == [f.box for f in found]
        np.testing.assert_allclose([p["centroid"] for p in lesions], [f.centroid for f in found], atol=1e-9)
        np.testing.assert_allclose(places, warp.handles(a), atol=1e-6)
        assert np.array_equal(np.float32(distance).reshape(a.shape), shape.signed_distance(a))


def test_the_plain_functions_are_the_prepared_ones(page):
    a = drawn(1)
    b = np.ascontiguousarray(np.roll(a, 9, axis=0))
    assert page.evaluate(
        "([a, b, height, width]) => { const m = SiameseMask.morph; a = unpack(a); b = unpack(b);"
        "return pack(m.blend(a, b, width, height, 0.3)) === pack(m.prepareBlend(a, b, width, height)(0.3))"
        " && pack(m.grow(a, width, height, 3)) === pack(m.prepareGrow(a, width, height)(3)); }",
        [sent(a), sent(b), *a.shape],
    )
