"""Who is drawing: a signed token, because a Gradio server function is not told the user's name."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import secrets
import time
from pathlib import Path

from siamese.errors import SiameseError
from siamese.workspace import write_atomically

LONGEST_NAME = 40  # characters
LIFETIME = 30 * 24 * 3600  # seconds


class IdentityError(SiameseError):
    """A page whose token is missing, forged or too old."""


def person(name: object) -> str:
    """The name somebody chose at first start, its blanks tidied.

    Raises:
        IdentityError: empty, too long, or not a text.
    """
    tidy = " ".join(name.split()) if isinstance(name, str) else ""
    if not 0 < len(tidy) <= LONGEST_NAME or not tidy.isprintable():
        raise IdentityError(
            f"A name of 1 to {LONGEST_NAME} characters was expected; reload the page and type one."
        )
    return tidy


class Identity:
    """Mints and verifies tokens; the key lives in the workspace: pages survive a restart of the server.

    Args:
        folder: where `page.key` lies or is made (readable by its owner only).

    Raises:
        MachineError: the key cannot be written.
    """

    def __init__(self, folder: Path):
        path = folder / "page.key"
        if not path.is_file():
            write_atomically(path, secrets.token_bytes(32))
        self._key = path.read_bytes()

    def mint(self, owner: str, now: float | None = None) -> str:
        """A token for `owner`, valid for 30 days from `now` (seconds since 1970)."""
        body = json.dumps([owner, int((time.time() if now is None else now) + LIFETIME)]).encode()
        return _text(body) + "." + _text(self._sign(body))

    def owner(self, token: object) -> str:
        """The owner a token was minted for.

        Raises:
            IdentityError: anything but a token of ours that is still valid.
        """
        try:
            body, signature = (_bytes(part) for part in str(token).split("."))
            if not hmac.compare_digest(signature, self._sign(body)):
                raise ValueError
            owner, expires = json.loads(body)
        except (ValueError, binascii.Error) as error:
            raise IdentityError("This page is not known to the server; reload it.") from error
        if expires < time.time():
            raise IdentityError("This page has been open for more than 30 days; reload it.")
        return owner

    def _sign(self, body: bytes) -> bytes:
        return hmac.digest(self._key, body, hashlib.sha256)


def _text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode()


def _bytes(text: str) -> bytes:
    return base64.b64decode(text.encode(), altchars=b"-_", validate=True)
