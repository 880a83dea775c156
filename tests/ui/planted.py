"""The rating pages with leaks planted in them, for the audit to find: `python -m tests.ui.planted --study … --port …`.

Which arm a picture has is made up by its id: half of the ids begin with 0 to 7.
"""

from __future__ import annotations

import argparse
import json
import struct
import zlib
from pathlib import Path

from siamese.study.studies import Study
from ui.rating import serving
from ui.rating.deliveries import Deliveries
from ui.rating.serving import Address
from ui.rating.wire import Teller

SOURCE = "synthetic_0007"


def arm(item: str) -> bool:
    """An arm of a picture."""
    return item[0] in "01234567"


class Leaking(Deliveries):
    """A text chunk in the pictures of one arm."""

    def _encoded(self, item: str, outline: bool) -> bytes:
        png = super()._encoded(item, outline)
        text = b"tEXtsource\0" + SOURCE.encode()
        chunk = struct.pack(">I", len(text) - 4) + text + struct.pack(">I", zlib.crc32(text))
        return png[:33] + chunk + png[33:] if arm(item) else png


class Telling(Teller):
    """The number of arms and an id in a state."""

    def state(self, rater, where, full=False):  # noqa: ANN001, ANN201
        told = json.loads(super().state(rater, where, full))
        told["state"]["arms"] = 2
        if where.items:
            told["state"]["hint"] = where.items[0]
        return json.dumps(told)


class Marking:
    """A header that differs from picture to picture."""

    def __init__(self, app):  # noqa: ANN001
        self.app, self.count = app, 0

    async def __call__(self, scope, receive, send):  # noqa: ANN001, ANN204
        async def marked(message):  # noqa: ANN001, ANN202
            if message["type"] == "http.response.start" and "/rate/picture/" in scope["path"]:
                self.count += 1
                message["headers"] = [*message["headers"], (b"server-timing", b"db;dur=%d" % self.count)]
            await send(message)

        await self.app(scope, receive, marked)


def main() -> None:
    """Serve."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--study", type=Path)
    parser.add_argument("--port", type=int)
    args = parser.parse_args()
    honest = serving.teller_of(Study.open(args.study))
    study = Study.open(args.study)
    deliveries = Leaking(study.pictures, study.masks, honest.rating.design.size)
    address = Address(port=args.port)
    page = serving.page_of(Telling(honest.rating, deliveries, honest.results), address)
    serving.run(Marking(page), address, f"leaking pages are at {address.url}")


if __name__ == "__main__":
    main()
