"""Bring both halves of a study to the tables that this version knows."""

from __future__ import annotations

import os

from siamese.store import engine
from siamese.store.engine import Place
from siamese.store.tables import TRUTH, VOTES


def migrate(place: Place) -> None:
    """Create what is missing."""
    if not place.url:
        engine.refuse_network(place.folder)
        for path in (place.votes_file, place.truth_file):
            os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
    with engine.writing(engine.open_votes(place, write=True)) as connection:
        VOTES.create_all(connection)
    with engine.writing(engine.open_truth(place, write=True)) as connection:
        TRUTH.create_all(connection)
