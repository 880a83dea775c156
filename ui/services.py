"""What every screen shares: the workspace, the resident model, the lane."""

from __future__ import annotations

from typing import TYPE_CHECKING

from siamese.workspace import Workspace
from ui.identity import Identity, IdentityError, person
from ui.lane import Lane
from ui.resident import LOADING, ResidentModel, sentence

if TYPE_CHECKING:
    import gradio as gr

__all__ = ["LOADING", "WHO", "ResidentModel", "Services", "sentence"]
WHO = (  # the name chosen at first start, as the input of what happens when a page opens
    "async () => { while (!(window.SiameseMask && window.SiameseMask.who)) await new Promise((r) => setTimeout(r, 20));"
    " return [await window.SiameseMask.who()]; }"
)


class Services:
    """One of each, for the whole server; and who is behind each open page.

    Args:
        workspace: where everything lies.
        checkpoint: name under checkpoints/ or a folder.
        login: people sign in; otherwise a page says the name chosen at its first start.
        here_only: nobody but who sits at this machine can open the page, who may read its folders anyway.
    """

    def __init__(self, workspace: Workspace, checkpoint: str, login: bool = False, here_only: bool = False):
        self.workspace = workspace
        self.identity = Identity(workspace.root)
        self.here_only = here_only and not login
        self.model = ResidentModel(checkpoint, workspace)
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
