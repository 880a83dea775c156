"""The one model in memory: loaded in the background, exchanged for another while the page is open, remembered."""

from __future__ import annotations

import json
import logging
import re
import threading
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from siamese import shipped
from siamese.errors import CheckpointError, SiameseError
from siamese.events import Notice
from siamese.workspace import Workspace, write_atomically

if TYPE_CHECKING:
    from siamese.diffusion.checkpoint import Loaded

log = logging.getLogger(__name__)
LOADING = "The model is loading…"
PATIENCE = 15.0  # seconds the loading waits for the first page, which importing torch would slow down
CHOICE = "model.json"  # in the workspace


def sentence(error: BaseException) -> str:
    """The words the page shows for an error; anything we did not foresee goes to the log as well."""
    if isinstance(error, SiameseError):
        return str(error)
    log.error("unforeseen error", exc_info=error)
    return (
        f"Something went wrong that should not ({type(error).__name__}). Your drawing is saved; try again, "
        "and if it happens again send the server's log to whoever looks after this studio."
    )


@dataclass(frozen=True)
class Choice:
    """A model of a run: `point` is `<stage>-<step>` in the run folder `run`, which people know as `name`."""

    run: str
    point: str
    name: str = ""

    @property
    def title(self) -> str:
        """What the page calls it."""
        step = self.point.rpartition("-")[2]
        name = self.name or self.run
        return f"{name}, step {int(step):,}" if step.isdecimal() else f"{name}, {self.point}"


class ResidentModel:
    """The model that everybody's pictures are made with.

    Args:
        checkpoint: name under checkpoints/ or a folder: the one to go back to.
        workspace: where a run's model that was chosen instead is remembered; none: it is not.
    """

    def __init__(self, checkpoint: str, workspace: Workspace | None = None):
        self.home = checkpoint
        self._workspace = workspace
        self.choice: Choice | None = self._remembered()
        self.notice = ""  # why the remembered choice is not in use
        self._model: Loaded | None = None
        self._error: BaseException | None = None
        self._wanted = threading.Event()
        self._settled = threading.Event()
        self._loading = threading.Lock()

    def start(self) -> None:
        """Begin the background thread; it loads when the first page is open, at the latest after 15 s."""
        threading.Thread(target=self._load, name="load-model", daemon=True).start()

    def want(self) -> None:
        """Load now."""
        self._wanted.set()

    @property
    def checkpoint(self) -> str:
        """Name under checkpoints/ or folder of the model in use."""
        return self.home if self.choice is None else str(self._folder(self.choice))

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
        return self.choice.title if self.choice else Path(self.home).name

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

    def switch(self, choice: Choice | None) -> None:
        """Use another model from now on, None: the one to go back to; pictures being made end with the old one.

        Raises:
            CheckpointError: it cannot be loaded; the model in use stays.
        """
        self.want()
        with self._loading:
            model = self._read(choice)
            self._remember(choice)
            self._model, self.choice, self._error, self.notice = model, choice, None, ""
            self._settled.set()

    def _load(self) -> None:
        self._wanted.wait(PATIENCE)
        with self._loading:
            if self._settled.is_set():
                return  # a switch was faster
            try:
                self._model = self._read_or_home()
            except Exception as error:  # noqa: BLE001 - told on the page when somebody wants the model
                self._error = error
            finally:
                self._settled.set()

    def _read_or_home(self) -> Loaded:
        try:
            return self._read(self.choice)
        except SiameseError as error:
            if self.choice is None:
                raise
            self.notice = f"The studio went back to {Path(self.home).name}: {error}"
            self.choice = None
            return self._read(None)

    def _read(self, choice: Choice | None) -> Loaded:
        folder = self.home if choice is None else self._folder(choice)
        if choice is not None and not (folder / shipped.FILE).is_file():
            raise CheckpointError(
                f"The model {choice.title} is no longer there; choose another one on the Train screen."
            )
        found = shipped.find(folder)  # one that is not there is said at once, without torch
        from siamese.tasks.sample import load  # brings torch: never before the page is open

        return load(found)

    def _folder(self, choice: Choice) -> Path:
        """Its folder; the newest of its stage where the run went on and no longer keeps that step."""
        assert self._workspace is not None
        points = self._workspace.runs / choice.run / "checkpoints"
        folder = points / choice.point
        if not (folder / shipped.FILE).is_file():
            stage = choice.point.rpartition("-")[0]
            newer = sorted(p for p in points.glob(f"{stage}-[0-9]*") if (p / shipped.FILE).is_file())
            return newer[-1] if newer else folder
        return folder

    def _remembered(self) -> Choice | None:
        """The choice of an earlier day, unless the app was started with another model to go back to."""
        try:
            told = json.loads((self._workspace.root / CHOICE).read_text(encoding="utf-8"))
            run, point = told["run"], told["point"]
            safe = re.fullmatch(r"[\w.-]{1,200}", run) and re.fullmatch(r"[a-z]+-[\w-]{1,40}", point)
            ours = safe and run.strip(".") and told["instead_of"] == self.home
            return Choice(run, point, str(told.get("name") or "")[:80]) if ours else None
        except (AttributeError, OSError, ValueError, TypeError, KeyError):
            return None

    def _remember(self, choice: Choice | None) -> None:
        if self._workspace is None:
            return
        path = self._workspace.root / CHOICE
        if choice is None:
            path.unlink(missing_ok=True)
        else:
            told = {**vars(choice), "instead_of": self.home}
            write_atomically(path, json.dumps(told, ensure_ascii=False).encode())
