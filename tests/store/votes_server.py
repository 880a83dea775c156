"""A process that takes votes over a socket and answers once they are saved: what the load tests kill."""

from __future__ import annotations

import json
import os
import socketserver
import threading
from dataclasses import asdict
from multiprocessing import parent_process
from multiprocessing.connection import Connection
from pathlib import Path

from siamese.errors import StudyError
from siamese.store.engine import Place, open_votes
from siamese.study.rating import Rating


def serve(folder: Path, ready: Connection) -> None:
    """Send the port, then serve until killed or until the test is gone; every line is a request, each answer a line."""
    place = Place.of(folder)
    rating = Rating(open_votes(place.for_pages(), write=True), (folder / "id").read_text())

    class Line(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            for line in self.rfile:
                self.wfile.write(json.dumps(answer(rating, json.loads(line))).encode() + b"\n")

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Line) as server:
        threading.Thread(target=lambda: (parent_process().join(), os._exit(0)), daemon=True).start()
        ready.send(server.server_address[1])
        server.serve_forever(poll_interval=60)


def answer(rating: Rating, asked: dict) -> dict:
    """The answer to one request; a mistake of the rater's is an answer too."""
    verb, rater, place, client = (asked.get(name) for name in ("verb", "rater", "place", "client"))
    try:
        if verb == "where":
            return asdict(rating.where(rater))
        if verb == "resume":
            return asdict(rating.resume(rater))
        if verb == "save":
            return asdict(rating.save(rater, place, asked["answer"], {"ms": 900}, client))
        if verb == "undo":
            return asdict(rating.undo(rater, place, client))
        return {"seq": getattr(rating, verb)(rater, {}, client).seq}
    except StudyError as error:
        return {"refused": type(error).__name__, "said": str(error)}
