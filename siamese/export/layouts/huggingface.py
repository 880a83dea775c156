"""Hugging Face `datasets`: an imagefolder with metadata.csv, or Parquet files that hold the pictures' bytes."""

from __future__ import annotations

import csv
import io
import json
from collections import defaultdict
from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from siamese.errors import MachineError, writing
from siamese.export.layouts import files
from siamese.export.pairs import Options, Pair, Written, checked, png

if TYPE_CHECKING:
    import pyarrow.parquet

SPLITS = {"train": "train", "val": "validation", "test": "test"}
GROUP = 16 << 20  # bytes of pictures written together
FEATURES = {
    "image": {"_type": "Image"},
    "mask": {"_type": "Image"},
    "id": {"dtype": "string", "_type": "Value"},
    "is_synthetic": {"dtype": "bool", "_type": "Value"},
}


def write_imagefolder(pairs: Iterable[Pair], out: Path, options: Options) -> Written:
    """Write `out`/<split>/{images,masks} and metadata.csv, whose two columns of files become columns of pictures."""
    found, names = {}, {}
    rows: dict[str, list[tuple[str, str, str, str]]] = defaultdict(list)
    for pair in checked(pairs):
        split = SPLITS[pair.split]
        inside = [f"{folder}/{pair.name}.png" for folder in ("images", "masks")]
        picture = files.picture_png(out, f"{split}/{inside[0]}", pair, options)
        mask = files.drawn_mask(out, f"{split}/{inside[1]}", pair, options)
        rows[split].append((*inside, pair.id, str(pair.synthetic).lower()))
        found[pair.id], names[pair.id] = (picture, mask), pair.name
    for split, listed in rows.items():
        text = io.StringIO()
        head = ("image_file_name", "mask_file_name", "id", "is_synthetic")
        csv.writer(text, lineterminator="\n").writerows([head, *listed])
        files.write(out, f"{split}/metadata.csv", text.getvalue().encode())
    return Written(found, names, _notes(options))


def write_parquet(pairs: Iterable[Pair], out: Path, options: Options) -> Written:
    """Write `out`/data/<split>-00000-of-00001.parquet, pictures and masks inside.

    Raises:
        MachineError: pyarrow is not installed.
    """
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise MachineError(
            'Parquet needs the package pyarrow; install it with `pip install "pyarrow>=20"`, or choose another layout.'
        ) from None
    inside = pyarrow.struct([("bytes", pyarrow.binary()), ("path", pyarrow.string())])
    columns = [
        ("image", inside),
        ("mask", inside),
        ("id", pyarrow.string()),
        ("is_synthetic", pyarrow.bool_()),
    ]
    about = json.dumps({"info": {"features": FEATURES}})
    schema = pyarrow.schema(columns, metadata={"huggingface": about})
    found, names = {}, {}
    waiting: dict[str, list[dict[str, object]]] = defaultdict(list)
    size: dict[str, int] = defaultdict(int)
    writers: dict[str, pyarrow.parquet.ParquetWriter] = {}
    with writing(out), ExitStack() as stack:
        (out / "data").mkdir(parents=True, exist_ok=True)

        def flush(name: str) -> None:
            if name not in writers:
                opened = pyarrow.parquet.ParquetWriter(out / name, schema, compression="none")
                writers[name] = stack.enter_context(opened)
            writers[name].write_table(pyarrow.Table.from_pylist(waiting.pop(name), schema))
            size[name] = 0

        for pair in checked(pairs):
            name = f"data/{SPLITS[pair.split]}-00000-of-00001.parquet"
            image = {"bytes": files.marked(pair.picture, pair, options), "path": f"{pair.name}.png"}
            mask = {"bytes": png(files.values(pair, options)), "path": f"{pair.name}_mask.png"}
            row = {"image": image, "mask": mask, "id": pair.id, "is_synthetic": pair.synthetic}
            waiting[name].append(row)
            size[name] += len(pair.picture)
            if size[name] >= GROUP:
                flush(name)
            found[pair.id], names[pair.id] = (name, name), pair.name
        for name in list(waiting):
            flush(name)
    return Written(found, names, _notes(options))


def _notes(options: Options) -> tuple[str, ...]:
    if len(options.classes) > 1:
        return ("Masks hold the labels 0..K.",)
    return ()
