"""The routes of the rating pages: secrets come in the bodies of POSTs, pictures leave under one-time tokens."""

from __future__ import annotations

import logging
from collections.abc import Callable

from fastapi import FastAPI, Request, Response
from fastapi.concurrency import run_in_threadpool
from pydantic import Field, ValidationError

from siamese.errors import LinkError, StudyError
from siamese.sections import Settings
from siamese.store.engine import Unreachable
from siamese.study.rating import Rating, TooLate
from ui.rating.wire import ERROR, Teller, padded

NOT_UNDERSTOOD = "The page sent something that was not understood; reload it."
BUG = "Something went wrong on the server; it was written to its log. Trying again."
LONGEST = 3000  # characters of a text of the last page
SQUARES = 6  # of each field of the screen check


class Ask(Settings):
    """Where am I? `full` asks for the texts too; `resume`: the pause is over."""

    key: str = Field(max_length=200)
    full: bool = False
    resume: bool = False


class Act(Settings):
    """Something to store, once for each client id."""

    key: str = Field(max_length=200)
    client_id: str = Field(pattern=r"^[0-9a-f]{32}$")


class Consent(Act):
    """Role and years as the page offered them; empty: no answer."""

    role: str = Field(max_length=200)
    years: str = Field(max_length=200)


class Screen(Act):
    """Squares counted in the three fields, and what the page measured."""

    dark: int = Field(ge=0, le=SQUARES)
    light: int = Field(ge=0, le=SQUARES)
    red: int = Field(ge=0, le=SQUARES)
    px_per_cm: float = Field(ge=5, le=500, description="CSS pixels, against a bank card of 85.60 mm")
    dpr: float = Field(ge=0.1, le=20)
    zoom: float = Field(ge=0.1, le=20, description="pinch zoom, 1: none")
    screen: tuple[int, int] = Field(description="CSS pixels")
    window: tuple[int, int] = Field(description="CSS pixels")
    touch: bool


class Vote(Act):
    """An answer; `Rating.save` checks it."""

    place: int
    answer: dict[str, object]
    facts: dict[str, object]


class Undo(Act):
    """Take the last vote back."""

    place: int


class Finish(Act):
    """The last page."""

    cues: str = Field(max_length=LONGEST)
    seen_before: str = Field(pattern=r"^(yes|no|unsure)$")
    comment: str = Field(max_length=LONGEST)


class Desk:
    """What each route does; every one returns JSON."""

    def __init__(self, teller: Teller):
        self._teller, self._rating = teller, teller.rating
        self.routes: dict[str, tuple[type[Settings], Callable[[int, Settings], str]]] = {
            "state": (Ask, self.state),
            "consent": (Consent, self.consent),
            "screen": (Screen, self.screen),
            "vote": (Vote, self.vote),
            "undo": (Undo, self.undo),
            "finish": (Finish, self.finish),
            "withdraw": (Act, self.withdraw),
        }

    def answer(self, name: str, body: bytes) -> tuple[int, str]:
        """HTTP status and JSON; what went wrong is {error, kind}: link, refused (for good) or again."""
        model, act = self.routes[name]
        try:
            asked = model.model_validate_json(body)
            return 200, act(self._rating.enter(asked.key), asked)
        except ValidationError:
            return _error(400, NOT_UNDERSTOOD, "refused")
        except LinkError as error:
            return _error(403, str(error), "link")
        except TooLate as error:
            return _error(409, str(error), "late")
        except Unreachable:
            logging.exception("the database did not answer")
            return _error(503, BUG, "again")
        except StudyError as error:
            return _error(409, str(error), "refused")
        except Exception:
            logging.exception("/rate/%s", name)
            return _error(500, BUG, "again")

    def state(self, rater: int, asked: Ask) -> str:
        """Where the rater is."""
        where = self._rating.resume(rater) if asked.resume else self._rating.where(rater)
        return self._teller.state(rater, where, asked.full)

    def consent(self, rater: int, asked: Consent) -> str:
        """Store the consent with the version of the sheet."""
        shown = self._rating.design
        known = _chosen(asked.role, shown.rater_roles), _chosen(asked.years, shown.texts.words.year_bands)
        content = {"version": shown.texts.version, "role": known[0], "years": known[1]}
        self._rating.consent(rater, content, asked.client_id)
        return self._next(rater)

    def screen(self, rater: int, asked: Screen) -> str:
        """Store a screen check."""
        content = asked.model_dump(mode="json", exclude={"key", "client_id"})
        self._rating.screen(rater, {**content, "squares": SQUARES}, asked.client_id)
        return self._next(rater)

    def vote(self, rater: int, asked: Vote) -> str:
        """Store a vote; it is on disk when the answer leaves."""
        saved = self._rating.save(rater, asked.place, asked.answer, asked.facts, asked.client_id)
        return self._teller.saved(rater, saved)

    def undo(self, rater: int, asked: Undo) -> str:
        """Take the last vote back."""
        return self._teller.state(rater, self._rating.undo(rater, asked.place, asked.client_id))

    def finish(self, rater: int, asked: Finish) -> str:
        """Store the last page."""
        content = asked.model_dump(exclude={"key", "client_id"})
        self._rating.finish(rater, content, asked.client_id)
        return self._next(rater)

    def withdraw(self, rater: int, asked: Act) -> str:
        """The rater leaves."""
        self._rating.withdraw(rater, asked.client_id)
        return self._next(rater)

    def _next(self, rater: int) -> str:
        return self._teller.state(rater, self._rating.where(rater))


def build(rating: Rating, teller: Teller) -> FastAPI:
    """The routes, without the page."""
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    desk = Desk(teller)

    @app.post("/rate/{name}")
    async def act(name: str, request: Request) -> Response:
        body = await request.body()
        status, text = await run_in_threadpool(desk.answer, name, body)
        return Response(text, status, media_type="application/json")

    @app.get("/rate/picture/{token}")
    async def picture(token: str) -> Response:
        try:
            png = await run_in_threadpool(teller.deliveries.deliver, token)
        except StudyError:
            logging.exception("a picture could not be delivered")
            return Response(status_code=500)
        return Response(status_code=404) if png is None else Response(png, media_type="image/png")

    return app


def _chosen(answer: str, choices: tuple[str, ...]) -> str:
    if answer and answer not in choices:
        raise StudyError(NOT_UNDERSTOOD)
    return answer


def _error(status: int, sentence: str, kind: str) -> tuple[int, str]:
    return status, padded({"error": sentence, "kind": kind}, ERROR)
