"""The rating pages over HTTP: what they know, answer and refuse, and how one picture looks like another."""

from __future__ import annotations

import importlib.util
import itertools
import re
import secrets
import struct
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import cv2
import httpx
import numpy as np
import pytest

from siamese.errors import MachineError, StudyError
from siamese.study.rating import Rating
from tests.study.rooms import SIZE, locked_study
from tests.ui.conftest import HOUSE
from tests.ui.rating import Pages, recorded, whole
from ui.rating.deliveries import OPEN, Deliveries
from ui.rating.gate import HEADERS, PASSED
from ui.rating.serving import Address, teller_of

REAL = {"real": True, "confidence": 10}
SCREEN = {"dark": 4, "light": 5, "red": 3, "px_per_cm": 38.5, "dpr": 1.0, "zoom": 1.0}
SCREEN |= {"screen": [1920, 1080], "window": [1800, 900], "touch": False}
EMPTY = {"cues": "", "seen_before": "no", "comment": ""}


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    """Served from a folder without its truth, its design and its links: nothing of them is needed."""
    study = locked_study(tmp_path_factory.mktemp("server"), raters=12, per_arm=4)
    for name in ("truth.sqlite", "truth.sqlite-wal", "truth.sqlite-shm", "design.toml"):
        (study.folder / name).unlink(missing_ok=True)
    pages = Pages(study).start()
    yield pages
    pages.stop()
    assert pages.log.read_text() == ""  # no access log, no warnings


@pytest.fixture(scope="module")
def numbers():
    return itertools.count(1)


@pytest.fixture
def ask(pages, numbers):
    """POST as somebody new: ask(name, **body)."""
    key = pages.study.keys[next(numbers)]
    with httpx.Client(base_url=pages.url, timeout=30) as client:

        def post(name: str, **body: object) -> httpx.Response:
            act = {} if name == "state" else {"client_id": secrets.token_hex(16)}
            return client.post(f"rate/{name}", json={**act, "key": key, **body})

        post.client, post.rater = client, [k for k, v in pages.study.keys.items() if v == key][0]
        yield post


def begun(ask) -> dict:
    """Consent and screen check; the state of the first presentation."""
    ask("consent", role="Nurse", years="5 to 9")
    return ask("screen", **SCREEN).json()["state"]


def test_the_process_loads_neither_torch_nor_the_studio():
    code = (
        "import sys\nimport ui.rating.__main__, ui.rating.serving, ui.rating.page, ui.rating.app\n"
        "heavy = {'torch', 'diffusers', 'transformers', 'siamese.tasks', 'siamese.diffusion', 'siamese.jobs', "
        "'ui.shell', 'ui.studio', 'ui.train', 'siamese.study.truth', 'siamese.study.analysis'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    run = subprocess.run([sys.executable, "-c", code], cwd=HOUSE, capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


def test_of_gradios_routes_only_the_page_and_its_files_are_open(pages):
    folder = Path(importlib.util.find_spec("gradio").origin).parent
    decorated = r'@(app|router)\.(get|post|head|put|delete)\(\s*f?"([^"]*)"'
    routes = re.findall(decorated, (folder / "routes.py").read_text("utf-8"))
    known = {
        (method.upper(), ("/gradio_api" if on == "router" else "") + path) for on, method, path in routes
    }
    assert len(known) > 70
    opened = set()
    with httpx.Client(base_url=pages.url, timeout=30) as client:
        for method, path in sorted(known):
            filled = path.replace("{path:path}", "theme.css").replace("{path_or_url:path}", "votes.sqlite")
            filled = re.sub(r"\{[^}]*\}", "x", filled)
            if client.request(method, filled.lstrip("/")).status_code != 404:
                opened.add((method, path))
        assert client.get("?deep_link=x&view=api").status_code == 200
        page = client.get("").text
        for path in ("info", "runs", "file=/etc/passwd"):
            assert client.get(f"gradio_api/{path}").status_code == 404
        for path in ("config", "docs", "openapi.json"):
            assert client.get(path).status_code == 404
        assert client.request("PUT", "rate/vote").status_code == 404
    assert opened <= {("GET", "/"), ("HEAD", "/"), ("GET", "/theme.css"), ("GET", "/favicon.ico")}
    assert not any(
        str(word) in page for word in (pages.study.folder, pages.study.id, "believable", *pages.study.arms)
    )


def test_headers_are_ours_and_the_same_for_every_picture(pages, ask):
    pictures, answers = set(), defaultdict(set)
    state = begun(ask)
    for _ in range(3):
        for token in (*state["pictures"], *state["ahead"]):
            answer = ask.client.get(f"rate/picture/{token}")
            pictures.add(tuple(answer.headers.raw))
        answer = ask("vote", place=state["place"], answer=REAL, facts={"ms": 900})
        answers["vote"].add(tuple(answer.headers.raw))
        state = answer.json()["state"]
    assert len(pictures) == 1 and len(answers["vote"]) == 1
    ours = {name.decode(): value.decode() for name, value in HEADERS}
    allowed = set(ours) | {name.decode() for name in PASSED} | {"transfer-encoding"}
    asset = next(part for part in ask.client.get("").text.split('"') if part.startswith("./assets/"))
    for path in ("", "theme.css", asset, "no-such", f"rate/picture/{'x' * 32}"):
        found = ask.client.get(path).headers
        assert ours.items() <= dict(found).items() and set(found) <= allowed, path
    assert ours["cache-control"] == "no-store" and ours["referrer-policy"] == "no-referrer"


def test_a_picture_leaves_once_encoded_anew_at_constant_length(pages, ask):
    state, seen = begun(ask), []
    while state["stage"] in ("practice", "item", "pause"):
        if state["stage"] == "pause":
            state = ask("state", resume=True).json()["state"]
            continue
        (token,) = state["pictures"]
        seen.append((token, ask.client.get(f"rate/picture/{token}")))
        assert ask.client.get(f"rate/picture/{token}").status_code == 404  # used
        state = ask("vote", place=state["place"], answer=REAL, facts={}).json()["state"]
    assert len(seen) == 12 and len({token for token, _ in seen}) == 12
    bodies = [answer.content for _, answer in seen]
    assert {len(body) for body in bodies} == {len(bodies[0])} and len(bodies[0]) > 3 * SIZE * SIZE
    for body in bodies:
        names, at = [], 8
        while at < len(body):
            (length,) = struct.unpack(">I", body[at : at + 4])
            names.append(body[at + 4 : at + 8])
            at += 12 + length
        assert set(names) == {b"IHDR", b"IDAT", b"IEND"} and at == len(body)
    stored = {cv2.imread(str(path)).tobytes() for path in pages.study.pictures.glob("*.png")}
    shown = [cv2.imdecode(np.frombuffer(body, np.uint8), cv2.IMREAD_COLOR).tobytes() for body in bodies]
    assert set(shown) <= stored and len(set(shown)) == 10  # two hidden repeats, each under a token of its own
    assert ask.client.get("rate/picture/" + secrets.token_urlsafe(24)).status_code == 404


def test_answers_of_a_kind_have_one_length_and_known_fields(ask):
    lengths, fields = defaultdict(set), set()

    def count(name: str, answer: httpx.Response) -> dict:
        assert answer.status_code == 200, answer.text
        lengths[name].add(len(answer.content))
        fields.update(answer.json()["state"])
        return answer.json()["state"]

    for full in (True, True):
        count("full", ask("state", full=full))
    count("act", ask("consent", role="", years=""))
    state = count("act", ask("screen", **SCREEN))
    answers = itertools.cycle([REAL, {"real": False, "confidence": 1}])
    while state["stage"] != "finish":
        if state["stage"] == "pause":
            state = count("act", ask("state", resume=True))
        place = state["place"]
        state = count("vote", ask("vote", place=place, answer=next(answers), facts={"ms": 10**6}))
        if place == 4 and not lengths["undo"]:
            state = count("undo", ask("undo", place=place))
    count("act", ask("finish", **EMPTY))
    assert all(len(found) == 1 for found in lengths.values()), lengths
    assert lengths["undo"] == lengths["act"]
    assert fields == {
        *("stage", "place", "question", "pictures", "outlines", "ahead", "done", "total", "minutes"),
        *("undo_ms", "now", "result"),
    }


def test_refused_requests_change_nothing(pages, ask):
    begun(ask)
    vote = {"place": 0, "answer": REAL, "facts": {}}
    key, client_id = pages.study.keys[ask.rater], secrets.token_hex(16)
    body = {**vote, "key": key, "client_id": client_id}
    send = lambda **more: ask.client.post("rate/vote", **more).status_code  # noqa: E731
    assert send(data=body) == 415
    assert send(content=b"{", headers={"content-type": "application/json"}) == 400
    assert send(json={**body, "facts": {"x": "y" * 70_000}}) == 413
    chunks = (b" " * 1000 for _ in range(100))
    assert send(content=chunks, headers={"content-type": "application/json"}) == 400  # cut at the cap
    for origin in ("http://elsewhere.example", "null", "http://127.0.0.1:1"):
        assert send(json=body, headers={"origin": origin}) == 403
    assert send(json=body, headers={"sec-fetch-site": "cross-site"}) == 403
    forwarded = {"origin": "http://elsewhere.example", "x-forwarded-host": "elsewhere.example"}
    assert send(json=body, headers=forwarded) == 403  # nobody said --behind-proxy
    for wrong in ({"client_id": "short"}, {"more": 1}, {"place": "first"}, {"key": "k" * 300}):
        assert send(json={**body, **wrong}) == 400
    for wrong, said in (
        ({"place": 5}, "reload"),
        ({"answer": {"real": 1}}, "expected"),
        ({"key": "k"}, "not known"),
    ):
        answer = ask.client.post("rate/vote", json={**body, **wrong})
        assert (
            answer.status_code in (403, 409)
            and said in answer.json()["error"]
            and len(answer.content) == 1024
        )
    assert ask("consent", role="King", years="").status_code == 409
    assert recorded(pages.study, ask.rater) == []
    assert send(json=body, headers={"origin": pages.url.rstrip("/"), "sec-fetch-site": "same-origin"}) == 200
    assert len(recorded(pages.study, ask.rater)) == 1
    pages.log.write_text("")  # the warnings about origins, which name no rater


def test_no_picture_is_offered_before_consent_and_none_after_the_end(ask):
    for answer in (ask("state"), ask("state", full=True), ask("state", resume=True)):
        state = answer.json()["state"]
        assert state["stage"] == "information" and state["pictures"] == state["ahead"] == []
    assert ask("vote", place=0, answer=REAL, facts={}).status_code == 409
    state = ask("consent", role="", years="").json()["state"]
    assert state["stage"] == "screen" and state["pictures"] == []
    state = ask("withdraw").json()["state"]
    assert state["stage"] == "withdrawn" and state["pictures"] == []


def test_the_same_act_twice_is_stored_once(pages, ask):
    begun(ask)
    same = {"client_id": secrets.token_hex(16)}
    first, again = (ask("vote", place=0, answer=REAL, facts={}, **same) for _ in range(2))
    assert first.json()["saved"] == again.json()["saved"] and again.json()["state"]["place"] == 1
    other = ask("vote", place=0, answer={"real": False, "confidence": 1}, facts={})
    assert other.json()["saved"] == {"place": 0, "answer": REAL, "stored": True}
    assert len(recorded(pages.study, ask.rater)) == 1
    whole(pages.study)


def test_tokens_nobody_uses_do_not_fill_the_memory(tmp_path):
    study = locked_study(tmp_path)
    item = next(iter(study.arms))
    deliveries = Deliveries(study.pictures, study.masks, SIZE)
    tokens = [deliveries.mint(1, item) for _ in range(OPEN + 3)]
    assert [deliveries.deliver(token) is None for token in tokens[:4]] == [True] * 3 + [False]
    assert deliveries.deliver(deliveries.mint(2, item)) and deliveries.deliver("x") is None
    (study.pictures / f"{item}.png").write_bytes(b"no picture")
    with pytest.raises(StudyError, match="missing or damaged"):
        deliveries.deliver(tokens[-1])


def test_pages_are_not_opened_for_pictures_that_changed_after_the_lock(tmp_path):
    study = locked_study(tmp_path, "P3")
    assert isinstance(teller_of(study).rating, Rating)
    item = next(iter(study.arms))
    mask = study.masks / f"{item}.png"
    mask.rename(mask.with_suffix(".gone"))
    with pytest.raises(StudyError, match="of 16 pictures 1 has no mask"):
        teller_of(study)
    mask.with_suffix(".gone").rename(mask)
    with (study.pictures / f"{item}.png").open("ab") as file:
        file.write(b"x")
    with pytest.raises(StudyError, match="of 16 pictures 1 is missing or changed since the lock"):
        teller_of(study)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"host": "0.0.0.0"}, "needs TLS"),
        ({"key": HOUSE / "app.py"}, "--certificate"),
        ({"certificate": HOUSE / "app.py"}, "two PEM files"),
        ({"certificate": HOUSE / "no-such.pem"}, "two PEM files"),
        ({"prefix": "study"}, "one like /study"),
        ({"base": "ratings.example.org"}, "one like https"),
        ({"port": 70_000}, "not a port"),
    ],
)
def test_an_address_that_cannot_be_is_refused_in_a_sentence(arguments, said):
    with pytest.raises(MachineError, match=said):
        Address(**arguments).check()


def test_the_address_is_what_stands_before_the_secret():
    assert Address().url == "http://127.0.0.1:7870/"
    assert (
        Address(prefix="/study", base="https://ratings.example.org/study").url
        == "https://ratings.example.org/study/"
    )
    assert Address(host="0.0.0.0", behind_proxy=True, prefix="/a").url == "http://127.0.0.1:7870/a/"
