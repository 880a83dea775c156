"""The pairs of an export in one neutral form that every layout is written from; pixels are read one pair at a time."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import cv2
import numpy as np

from siamese.augment.folder import SetFolder
from siamese.augment.item import Item
from siamese.data import dataset as datasets
from siamese.data.dataset import Case, Dataset, Split
from siamese.data.pixels import read_image
from siamese.errors import AugmentError, MaskError
from siamese.export import naming
from siamese.masks.mask import Mask, read_labels

SPLITS: tuple[Split, ...] = ("train", "val", "test")


@dataclass(frozen=True)
class Entry:
    """A pair before its pixels are read.

    Args:
        id: neutral and unique: r000001 for a real one, s000001 for a synthetic one.
        name: of its files, without an ending: the id, or the source's stem made unique and safe.
        split: train, val or test; synthetic ones are train.
        dataset, stem, group: where picture or mask come from. `stem` is private: it leaves in `name` alone.
        load: () → picture (H,W,3) uint8 RGB and labels (H,W) uint8.
    """

    id: str
    name: str
    split: Split
    synthetic: bool
    dataset: str
    stem: str
    load: Callable[[], tuple[np.ndarray, np.ndarray]] = field(repr=False)
    group: str = ""


@dataclass(frozen=True, eq=False)
class Pair:
    """A pair as a layout writes it.

    Args:
        picture: PNG of three channels of 8 bit that carries pixels alone.
        labels: (H,W) uint8 of the picture's size; 0 background, 1..K the classes.
        Others: see Entry.
    """

    id: str
    name: str
    split: Split
    synthetic: bool
    dataset: str
    stem: str
    picture: bytes = field(repr=False)
    labels: np.ndarray = field(repr=False)
    group: str = ""


def unmarked(data: bytes, pair: Pair) -> bytes:
    """The file as it is."""
    return data


@dataclass(frozen=True)
class Options:
    """What layouts ask for beside the pairs.

    Args:
        title: what the set is called. classes: names of the labels 1..K.
        number: of the dataset in nnU-Net, 1..999. prompt: text of every line of prompt.json.
        mark: (bytes of a PNG or JPEG file, its pair) → the bytes that are written; every layout passes each synthetic
            picture's file through it once, those inside Parquet too.
    """

    title: str = "set"
    classes: tuple[str, ...] = ("lesion",)
    number: int = 501
    prompt: str = "an image of a polyp"
    mark: Callable[[bytes, Pair], bytes] = unmarked


@dataclass(frozen=True)
class Written:
    """What a layout wrote.

    Args:
        files: id → picture and mask, below the layout's folder, with "/"; the mask is "" where it has no file of its
            own. names: id → how the layout calls the pair. notes: sentences for the report: what is lost, what to know.
    """

    files: Mapping[str, tuple[str, str]]
    names: Mapping[str, str]
    notes: tuple[str, ...] = ()


class Pairs:
    """Entries that can be walked again and again, each time reading the pixels anew; see `of`."""

    def __init__(self, entries: Sequence[Entry]):
        self.entries = tuple(entries)

    def __len__(self) -> int:
        return len(self.entries)

    def __iter__(self) -> Iterator[Pair]:
        for one in self.entries:
            picture, labels = one.load()
            values = {name: getattr(one, name) for name in Entry.__dataclass_fields__ if name != "load"}
            yield Pair(**values, picture=png(picture[:, :, ::-1]), labels=labels)


def of(
    set: SetFolder | None,
    ids: Iterable[str] | None = None,
    real: Mapping[str, Path] | None = None,
    splits: Sequence[Split] = SPLITS,
    keep_stems: bool = False,
    square: int | None = None,
    binary: bool = True,
) -> Pairs:
    """The pairs of an export: real ones first, each split by itself, then those of the set, all train.

    Args:
        set: the synthesized ones; None for real ones alone. ids: which of them, by default every finished one.
        real: dataset name → its folder. splits: which of their splits.
        keep_stems: name files by their source.
        square: side that every picture and mask is squeezed to; None keeps real ones as they are, and gives
            synthetic ones the height that they were made at and their source's aspect.
        binary: labels above 1 become 1, as in the masks of a set; False keeps the classes of real masks.

    Raises:
        AugmentError: an id that the set has not made. DatasetError: a folder that is no dataset.
    """
    entries = [*_real(real or {}, splits, square, binary), *_synthetic(set, ids, square)]
    names = naming.names([(e.id, e.stem, e.dataset, e.synthetic) for e in entries], keep_stems)
    return Pairs([replace(entry, name=names[entry.id]) for entry in entries])


def _real(
    folders: Mapping[str, Path], splits: Sequence[Split], square: int | None, binary: bool
) -> Iterator[Entry]:
    number = 0
    for split in SPLITS:
        if split not in splits:
            continue
        found = [
            (name, case, read)
            for name, root in sorted(folders.items())
            for read in [datasets.read(root, split)]
            for case in read.cases
        ]
        # Not by stem: an order of names would tell something of the names.
        found.sort(key=lambda one: hashlib.sha256(f"{one[0]}/{one[1].stem}".encode()).digest())
        for name, case, read in found:
            number += 1

            def load(case: Case = case, read: Dataset = read) -> tuple[np.ndarray, np.ndarray]:
                return _read_case(case, read, square, binary)

            yield Entry(f"r{number:06d}", "", split, False, name, case.stem, load)


def _read_case(case: Case, read: Dataset, square: int | None, binary: bool) -> tuple[np.ndarray, np.ndarray]:
    try:
        classes = len(read.classes)
        picture = read_image(case.image)
        mask = Mask(read_labels(case.mask, classes)) if classes > 1 else Mask.read(case.mask)
    except MaskError as error:
        raise AugmentError(f"Case {case.stem} of {read.root}: {error}") from None
    if mask.labels.shape != picture.shape[:2]:
        sizes = "{}×{}, its picture {}×{}".format(*mask.labels.shape, *picture.shape[:2])
        raise AugmentError(f"Case {case.stem} of {read.root}: the mask has {sizes}; export both at one size.")
    if binary:
        mask = Mask((mask.labels > 0).astype(np.uint8))
    return _sized(picture, mask, *((square, square) if square else picture.shape[:2]))


def _synthetic(set: SetFolder | None, ids: Iterable[str] | None, square: int | None) -> Iterator[Entry]:
    if set is None:
        return
    dealt, made = {one.id: one for one in set.items()}, set.made()
    wanted = sorted(made if ids is None else ids)
    strange = [id for id in wanted if id not in dealt or id not in made]
    if strange:
        raise AugmentError(
            f"{set.root} has no finished picture {', '.join(strange[:5])}; finish the set with "
            "`python -m siamese synthesize`, or leave these out."
        )
    for id in wanted:
        one = dealt[id]

        def load(one: Item = one) -> tuple[np.ndarray, np.ndarray]:
            return _read_made(set, one, square)

        source = one.source
        yield Entry(id, "", "train", True, source.dataset, source.stem, load, source.group)


def _read_made(set: SetFolder, one: Item, square: int | None) -> tuple[np.ndarray, np.ndarray]:
    mask = set.mask(one)
    try:
        picture = read_image(set.image_path(one.id))
    except MaskError as error:
        raise AugmentError(
            f"Picture {one.id} of {set.root} cannot be read ({error}); make the set again."
        ) from None
    height = square or picture.shape[0]
    return _sized(picture, mask, height, square or max(1, round(height * one.width / one.height)))


def _sized(picture: np.ndarray, mask: Mask, height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    if picture.shape[:2] != (height, width):
        smaller = height <= picture.shape[0] and width <= picture.shape[1]
        how = cv2.INTER_AREA if smaller else cv2.INTER_CUBIC
        picture = cv2.resize(picture, (width, height), interpolation=how)
    return picture, mask.resized((height, width)).labels


def png(pixels: np.ndarray) -> bytes:
    """(H,W) or (H,W,3) uint8, blue first as OpenCV has it → a PNG that carries pixels alone."""
    done, data = cv2.imencode(".png", pixels)
    assert done
    return data.tobytes()


def checked(pairs: Iterable[Pair]) -> Iterator[Pair]:
    """The pairs as they come, each looked at before a layout writes it.

    Raises:
        AugmentError: a synthetic one that is not train, a name that occurs twice (in whatever case) or is no file's, a
            mask of another size than its picture.
    """
    seen: set[str] = set()
    for pair in pairs:
        if pair.synthetic and pair.split != "train":
            raise AugmentError(
                f"{pair.id} is synthetic and in the split {pair.split}; synthetic pictures are for training only. "
                "Put it in train or leave it out."
            )
        if pair.name.casefold() in seen or naming.safe(pair.name) != pair.name:
            raise AugmentError(
                f"{pair.id} is named {pair.name!r}, which is taken or no file's name; rename it."
            )
        seen.add(pair.name.casefold())
        header = pair.picture[16:24]
        size = int.from_bytes(header[4:], "big"), int.from_bytes(header[:4], "big")
        if pair.labels.shape[::-1] != size[::-1]:
            raise AugmentError(
                f"{pair.id}: the mask has {pair.labels.shape[0]}×{pair.labels.shape[1]}, its picture "
                f"{size[0]}×{size[1]}; both need one size."
            )
        yield pair
