"""Pictures and masks inside the Parquet files of an export, read without unpacking them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import IO

from siamese.errors import AugmentError
from siamese.export.layouts.huggingface import SPLITS

ENDING = ".parquet"
AT_ONCE = 32  # rows
OF = {word: split for split, word in SPLITS.items()}


def at_hand() -> bool:
    """Is pyarrow installed?"""
    try:
        import pyarrow.parquet  # noqa: F401
    except ImportError:
        return False
    return True


def split_of(name: str) -> str:
    """train, val or test, as the file's name says it; "" for another name."""
    return OF.get(PurePosixPath(name).name.partition("-")[0], "")


def rows(file: IO[bytes]) -> Iterator[tuple[str, bool, bytes, bytes]]:
    """(id, is it synthetic, picture's file, mask's file) of each row.

    Raises:
        AugmentError: damaged, or none of ours.
    """
    import pyarrow
    import pyarrow.parquet

    try:
        for batch in pyarrow.parquet.ParquetFile(file).iter_batches(AT_ONCE):
            for row in batch.to_pylist():
                yield row["id"], row["is_synthetic"], row["image"]["bytes"], row["mask"]["bytes"]
    except (pyarrow.ArrowException, KeyError, TypeError) as error:
        raise AugmentError(f"the file is damaged or none of ours ({error}); export the set again.") from None
