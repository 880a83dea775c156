"""The gate in front of the rating pages: what may pass, and the same headers on everything that leaves.

Gradio brings some eighty routes (run history, files, api, uploads); a page without events needs a few of them. All
others are 404 here, whatever Gradio makes of them.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

LARGEST = 64 * 1024  # bytes of a request
FILES = ("/assets/", "/static/")  # Gradio's own, the same for everybody
PAGE = ("/", "/theme.css")
ASKED = ("state", "consent", "screen", "vote", "undo", "finish", "withdraw")
PICTURE = "/rate/picture/"
FORWARDED = (b"x-forwarded-", b"forwarded", b"x-real-ip")
POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self' 'unsafe-inline' 'unsafe-eval'",  # Gradio's own start, and how gr.HTML runs its script
        "style-src 'self' 'unsafe-inline'",
        "img-src 'self' data: blob:",
        "font-src 'self'",
        "connect-src 'self'",
        "base-uri 'self'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
)
HEADERS = (
    (b"cache-control", b"no-store"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"x-robots-tag", b"noindex"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"content-security-policy", POLICY.encode()),
)
PASSED = (b"content-type", b"content-length", b"content-encoding", b"vary", b"location")


@dataclass(frozen=True)
class Gate:
    """ASGI middleware.

    Args:
        app: what lies behind it.
        prefix: path under which a reverse proxy shows the pages, e.g. "/study", whether or not it cuts it off.
        behind_proxy: believe its X-Forwarded-Host and X-Forwarded-Proto; otherwise such headers are dropped.
    """

    app: App
    prefix: str = ""
    behind_proxy: bool = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request pass, or answer it here."""
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
        elif scope["type"] == "http":
            await self._http(dict(scope), receive, _clean(send))
        else:
            await send({"type": "websocket.close", "code": 1008})

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope["path"]
        if self.prefix and path == self.prefix:
            await _answer(send, 307, (b"location", self.prefix.encode() + b"/"))
            return
        if self.prefix and path.startswith(self.prefix + "/"):
            path = path[len(self.prefix) :]
        scope.update(
            path=path, raw_path=path.encode(), query_string=b""
        )  # no query of Gradio's means anything here
        if not self.behind_proxy:
            scope["headers"] = [pair for pair in scope["headers"] if not pair[0].startswith(FORWARDED)]
        headers = dict(scope["headers"])
        if scope["method"] == "POST" and path.removeprefix("/rate/") in ASKED and path.startswith("/rate/"):
            if refused := self._refused(headers):
                await _answer(send, refused)
            else:
                await self.app(scope, _capped(receive), send)
        elif scope["method"] in ("GET", "HEAD") and (path in PAGE or path.startswith((*FILES, PICTURE))):
            await self.app(scope, receive, send)
        elif scope["method"] in ("GET", "HEAD") and path == "/favicon.ico":
            await _answer(send, 204)
        else:
            await _answer(send, 404)

    def _refused(self, headers: dict[bytes, bytes]) -> int:
        """The status that refuses a POST; 0: it may pass."""
        length = headers.get(b"content-length", b"0")
        if not length.isdigit() or int(length) > LARGEST:
            return 413
        if headers.get(b"content-type", b"").split(b";")[0].strip().lower() != b"application/json":
            return 415  # a form of another site can send no JSON without asking first
        if headers.get(b"sec-fetch-site", b"same-origin") not in (b"same-origin", b"none"):
            return 403
        origin, hosts = headers.get(b"origin"), {headers.get(b"host", b"")}
        if self.behind_proxy:
            hosts.add(headers.get(b"x-forwarded-host", b"").split(b",")[0].strip())
        if origin is None or urlsplit(origin).netloc in hosts - {b""}:
            return 0
        logging.warning(
            "a page at %r was refused: this server is %r; a reverse proxy must pass Host on, or X-Forwarded-Host with "
            "--behind-proxy",
            origin,
            sorted(hosts),
        )
        return 403


def _capped(receive: Receive) -> Receive:
    """Ends a body that says no length after LARGEST bytes: JSON that was cut is refused by whoever reads it."""
    left = LARGEST

    async def limited() -> Message:
        nonlocal left
        message = await receive()
        if message["type"] == "http.request":
            body = message.get("body", b"")[:left]
            left -= len(body)
            more = message.get("more_body", False) and left > 0
            return {"type": "http.request", "body": body, "more_body": more}
        return message

    return limited


def _clean(send: Send) -> Send:
    """Every answer has our headers and few of those that were meant for it: no ETag, no date of a file."""

    async def cleaned(message: Message) -> None:
        if message["type"] == "http.response.start":
            kept = [pair for pair in message.get("headers", ()) if pair[0].lower() in PASSED]
            message = {**message, "headers": [*kept, *HEADERS]}
        await send(message)

    return cleaned


async def _answer(send: Send, status: int, *headers: tuple[bytes, bytes]) -> None:
    await send(
        {"type": "http.response.start", "status": status, "headers": [(b"content-length", b"0"), *headers]}
    )
    await send({"type": "http.response.body", "body": b""})
