"""What every screen shares: the workspace, the resident model, the lane."""

from __future__ import annotations

import logging
import threading
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from siamese.errors import SiameseError
from siamese.events import Notice
from siamese.workspace import Workspace
from ui.identity import Identity, IdentityError, person
from ui.lane import Lane

if TYPE_CHECKING:
    import gradio as gr

    from siamese.diffusion.checkpoint import Loaded

log = logging.getLogger(__name__)
LOADING = "The model is loading…"
WHO = (  # the name chosen at first start, as the input of what happens when a page opens
    "async () => { while (!(window.SiameseMask && window.SiameseMask.who)) await new Promise((r) => setTimeout(r, 20));"
    " return [await window.SiameseMask.who()]; }"
)
PATIENCE = 15.0  # seconds the loading waits for the first page, which importing torch would slow down


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


class Services:
    """One of each, for the whole server; and who is behind each open page.

    Args:
        workspace: where everything lies.
        checkpoint: name under checkpoints/ or a folder.
        login: people sign in; otherwise a page says the name chosen at its first start.
    """

    def __init__(self, workspace: Workspace, checkpoint: str, login: bool = False):
        self.workspace = workspace
        self.identity = Identity(workspace.root)
        self.model = ResidentModel(checkpoint)
        self.lane = Lane()
        self.who = None if login else WHO
        self._people: dict[str, str] = {}  # an open page's session -> its owner

    def enter(self, request: gr.Request, name: str) -> str:
        """A page opened: its owner from now on, the one who signed in or else `name`.

        Raises:
            IdentityError: neither.
        """
        owner = request.username or person(name)
        self._people[request.session_hash or ""] = owner
        return owner

    def owner(self, request: gr.Request) -> str:
        """The owner of an open page.

        Raises:
            IdentityError: the server was started anew since the page was opened.
        """
        found = request.username or self._people.get(request.session_hash or "")
        if not found:
            raise IdentityError("This page is not known to the server; reload it.")
        return found

    def leave(self, request: gr.Request) -> None:
        """A page closed."""
        self._people.pop(request.session_hash or "", None)
