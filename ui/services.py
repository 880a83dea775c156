"""What every screen shares: the workspace, the resident model, the lane, the pictures made so far."""

from __future__ import annotations

import logging
import secrets
import threading
from collections import OrderedDict
from collections.abc import Generator, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from siamese.errors import SiameseError
from siamese.events import Notice
from siamese.workspace import Workspace
from ui.identity import Identity
from ui.lane import Lane

if TYPE_CHECKING:
    from siamese.diffusion.checkpoint import Loaded

log = logging.getLogger(__name__)
LOADING = "The model is loading…"
PATIENCE = 15.0  # seconds the loading waits for the first page, which importing torch would slow down
SHELF = 40  # pictures remembered for each person until the server ends


def sentence(error: BaseException) -> str:
    """The words the page shows for an error; anything we did not foresee goes to the log as well."""
    if isinstance(error, SiameseError):
        return str(error)
    log.error("unforeseen error", exc_info=error)
    return (
        f"Something went wrong that should not ({type(error).__name__}). Your drawing is saved; try again, "
        "and if it happens again send the server's log to whoever looks after this studio."
    )


class ResidentModel:
    """The one model in memory, loaded by a background thread.

    Args:
        checkpoint: name under checkpoints/ or a folder.
    """

    def __init__(self, checkpoint: str):
        self.checkpoint = checkpoint
        self._model: Loaded | None = None
        self._error: BaseException | None = None
        self._wanted = threading.Event()
        self._settled = threading.Event()

    def start(self) -> None:
        """Begin the background thread; it loads when the first page is open, at the latest after 15 s."""
        threading.Thread(target=self._load, name="load-model", daemon=True).start()

    def want(self) -> None:
        """Load now."""
        self._wanted.set()

    @property
    def state(self) -> str:
        """loading, ready or failed."""
        if not self._settled.is_set():
            return "loading"
        return "failed" if self._error else "ready"

    @property
    def problem(self) -> str:
        """One sentence when loading failed, else empty."""
        return sentence(self._error) if self._error else ""

    @property
    def name(self) -> str:
        """What the page calls the model."""
        return Path(self.checkpoint).name

    @property
    def batch(self) -> int:
        """Pictures computed together: one on a processor, so that each step, and a stop, answers soon."""
        return 1 if self._model is None or self._model.model.device.type == "cpu" else 4

    def watch(self) -> Iterator[None]:
        """Yield about once a second until loading has settled, and ask for it."""
        self.want()
        while not self._settled.wait(1.0):
            yield

    def wait(self) -> Generator[Notice, None, Loaded]:
        """Yield a notice again and again until the model is there; returns the model.

        Raises:
            CheckpointError: missing or damaged.
        """
        self.want()
        while not self._settled.wait(0.25):
            yield Notice(LOADING)
        if self._error is not None:
            error, self._error = self._error, None
            self._settled.clear()  # the next Generate tries again: the user may have cured it meanwhile
            threading.Thread(target=self._load, name="load-model", daemon=True).start()
            raise error
        return self._model

    def _load(self) -> None:
        self._wanted.wait(PATIENCE)
        try:
            from siamese.tasks.sample import load  # brings torch: never before the page is open

            self._model = load(self.checkpoint)
        except Exception as error:  # noqa: BLE001 - told on the page when somebody wants the model
            self._error = error
        finally:
            self._settled.set()


@dataclass
class Made:
    """A finished picture: PNG files of picture and mask, and how it was made."""

    picture: bytes = field(repr=False)
    mask: bytes = field(repr=False)
    facts: dict[str, str | int | float]
    caption: str
    kept: Path | None = None


class Shelf:
    """The last pictures of each person, in memory; safe from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._made: dict[str, OrderedDict[str, Made]] = {}

    def add(self, owner: str, made: Made) -> str:
        """Remember a picture; returns its id, which nobody can guess."""
        name = secrets.token_urlsafe(9)
        with self._lock:
            mine = self._made.setdefault(owner, OrderedDict())
            mine[name] = made
            while len(mine) > SHELF:
                mine.popitem(last=False)
        return name

    def get(self, owner: str, name: str) -> Made:
        """The picture `name` of `owner`.

        Raises:
            SiameseError: no longer there, or somebody else's.
        """
        with self._lock:
            made = self._made.get(owner, {}).get(name)
        if made is None:
            raise SiameseError("This picture has left the server's memory; make it again from its seed.")
        return made

    def listing(self, owner: str) -> list[dict[str, str]]:
        """Ids and captions, newest first."""
        with self._lock:
            mine = reversed(self._made.get(owner, {}).items())
            return [{"id": name, "caption": made.caption} for name, made in mine]


class Services:
    """One of each, for the whole server."""

    def __init__(self, workspace: Workspace, checkpoint: str):
        self.workspace = workspace
        self.identity = Identity(workspace.root)
        self.model = ResidentModel(checkpoint)
        self.lane = Lane()
        self.shelf = Shelf()
