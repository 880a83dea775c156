"""The server functions of the screen "Train" as the page calls them, without a page."""

from __future__ import annotations

import base64
from pathlib import Path
from types import SimpleNamespace

from siamese.workspace import Workspace
from tests.ui.conftest import until
from ui.mask_canvas import server_function
from ui.parcels import LARGEST_PIECE
from ui.services import Services
from ui.train import Train

FORM = {"data": [], "start": "", "size": 0, "file": "tiny.toml", "changes": {}, "minutes": None, "name": ""}


class Doors(SimpleNamespace):
    """The functions as the page calls them, for one person."""

    def __init__(self, services: Services, train: Train | None = None):
        self.services, self.train = services, train or Train(services)
        super().__init__(**{f.__name__: server_function(f) for f in self.train.functions})

    def token(self, owner: str = "anna") -> str:
        return self.services.identity.mint(owner)

    def done(self, begun: dict, owner: str = "anna") -> dict:
        """The outcome of a task."""
        assert begun["ok"], begun
        asked = {"token": self.token(owner), "task": begun["task"]}
        until(lambda: self.task(asked).get("done") or not self.task(asked)["ok"], "the task", 120)
        return self.task(asked)

    def send(self, path: Path, owner: str = "anna") -> str:
        """Upload a file in pieces; its id."""
        data, name, at = path.read_bytes(), None, 0
        size = min(len(data) // 3 + 1, LARGEST_PIECE)
        while at < len(data):
            piece = {"at": at, "data": base64.b64encode(data[at : at + size]).decode(), "id": name}
            answer = self.upload({"token": self.token(owner), "name": path.name, "total": len(data), **piece})
            assert answer["ok"], answer
            name, at = answer["id"], answer["at"]
        return name


def here(folder: Path) -> Doors:
    """Those of a studio with its workspace in `folder`, that this machine alone can reach."""
    return Doors(Services(Workspace(folder / "workspace"), "no-such-model", here_only=True))
