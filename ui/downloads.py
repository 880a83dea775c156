"""Downloads: a pair or a slide at once; many pictures as a zip that the page fetches in pieces."""

from __future__ import annotations

import base64
from collections.abc import Iterator

from siamese.errors import SiameseError
from siamese.gallery import Gallery
from siamese.tasks import package
from ui.parcels import Outbox
from ui.pictures import Answers, file_name
from ui.services import Services


class Downloads(Answers):
    """The server functions; a zip belongs to whoever asked for it."""

    def __init__(self, services: Services):
        super().__init__(services)
        self._outbox = Outbox(services.workspace, services.identity)
        self.piece = self._outbox.piece

    def slide(self, payload: dict) -> dict:
        """The picture {id} with a caption bar: {ok, file, data (base64)}."""
        gallery, name = self.gallery(payload), str(payload.get("id"))
        picture = gallery.get(name)
        data = package.slide(gallery.picture_png(name), picture.facts)
        file = file_name(picture).removesuffix(".png") + "_slide.png"
        return {"ok": True, "file": file, "data": base64.b64encode(data).decode()}

    def pack(self, payload: dict) -> dict:
        """A zip of the pictures {ids} with their outlines, waiting in the cache: {ok, id, file, size, count}."""
        gallery, wanted = self.gallery(payload), payload.get("ids")
        names = [str(name) for name in wanted] if isinstance(wanted, list) else []
        if len(names) > package.MOST:
            raise SiameseError(
                f"{len(names)} pictures are chosen; a zip holds at most {package.MOST}. Narrow the filter."
            )
        name, path = self._outbox.room()
        count = package.pack(path, _items(gallery, names))
        file = f"synthetic_{count}-pictures.zip"
        if count == 1:
            file = file_name(gallery.get(names[0])).removesuffix(".png") + "_pair.zip"
        owner = self._services.identity.owner(payload.get("token"))
        return self._outbox.offer(owner, name, path, file) | {"count": count}


def _items(gallery: Gallery, names: list[str]) -> Iterator[package.Item]:
    for name in names:
        picture = gallery.get(name)
        yield package.Item(
            gallery.picture_png(name),
            gallery.mask_png(name),
            picture.facts,
            picture.state,
            picture.reason,
            picture.favourite,
        )
