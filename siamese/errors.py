"""Every error a user can cause or cure.

    SiameseError
    ├── MaskError          a mask file or array that cannot be used
    ├── DatasetError       a dataset folder with problems (all of them, at once)
    ├── RecipeError        an unknown, missing or impossible setting
    ├── CheckpointError    a checkpoint that is missing, damaged, unsafe or of another kind
    ├── StudyError         a rating study that cannot go on like this
    │   └── LinkError      a personal link that opens nothing
    ├── AugmentError       a set or an export that cannot go on like this
    └── MachineError       disk full, port in use, folder not writable

A message is one sentence or two: what was found, where, what was expected, and what to do next.
The CLI prints it on one line and exits with 2; the page shows the same words.
Anything else that is raised is a bug: traceback to the log, exit 1.
"""

from __future__ import annotations

import errno
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from siamese.counted import counted

FULL = ("No space left on device", "os error 112")  # safetensors' own errors carry no number; 112 is Windows


class SiameseError(Exception):
    """Base of all errors whose message names the cure."""


class MaskError(SiameseError):
    """A mask that cannot be read or used."""


class DatasetError(SiameseError):
    """A dataset with problems.

    Args:
        where: the folder that was read.
        problems: one sentence each, the cure included.
    """

    def __init__(self, where: Path, problems: Sequence[str]):
        self.where = where
        self.problems = tuple(problems)
        head = f"{where}: {counted(len(self.problems), 'problem')} found."
        super().__init__("\n  - ".join([head, *self.problems]))


class RecipeError(SiameseError):
    """A setting that is unknown, missing or impossible."""


class CheckpointError(SiameseError):
    """A checkpoint that is missing, damaged, unsafe or of another kind."""


class StudyError(SiameseError):
    """A rating study, its store or an answer that cannot be used like this."""


class LinkError(StudyError):
    """A personal link that is unknown, revoked or replaced."""


class AugmentError(SiameseError):
    """A set of synthesized pairs, its plan or its export that cannot be used like this."""


class MachineError(SiameseError):
    """The machine refuses: disk full, port in use, folder not writable."""


@contextmanager
def writing(where: Path) -> Iterator[None]:
    """Turn the operating system's refusals while writing at `where` into a MachineError."""
    try:
        yield
    except Exception as error:
        number = getattr(error, "errno", None)
        if number in (errno.ENOSPC, errno.EDQUOT) or any(words in str(error) for words in FULL):
            raise MachineError(
                f"The disk of {where} is full; free some space or choose another folder, then run the same "
                "request again. Nothing that was saved before is lost."
            ) from error
        if number in (errno.EACCES, errno.EPERM, errno.EROFS):
            raise MachineError(f"{where} cannot be written; choose a folder you may write to.") from error
        raise
