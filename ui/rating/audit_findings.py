"""Judges what an audit received: whatever differs between two pictures, and whatever should not be there at all."""

from __future__ import annotations

import json
import re
import struct
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence

from siamese.counted import counted
from siamese.study import pages
from siamese.study.shown import Shown
from ui.rating.audit_session import Received, Seen

TOKEN = re.compile(r"[A-Za-z0-9_-]{32}")
STATE = {
    "stage": str,
    "place": int,
    "question": str,
    "pictures": list,
    "outlines": list,
    "ahead": list,
    "done": int,
}
STATE |= {"total": int, "minutes": int, "undo_ms": int, "now": int, "result": type(None)}
SAVED = {"place": int, "answer": dict, "stored": bool}
SHEET = {
    "title": str,
    "protocol": str,
    "size": int,
    "width_cm": float,
    "together": int,
    "told": str,
    "organiser": str,
}
SHEET |= {"roles": list, "texts": dict, "scales": list}
ANSWER = {"state": STATE, "saved": SAVED, "sheet": SHEET}
HEADERS = {"content-type", "content-length", "content-encoding", "vary", "cache-control", "referrer-policy"}
HEADERS |= {"x-content-type-options", "x-frame-options", "x-robots-tag", "cross-origin-opener-policy"}
HEADERS |= {"cross-origin-resource-policy", "content-security-policy", "transfer-encoding"}
LOCAL = re.compile(r"rating-screen-[0-9a-f]{8}")


def findings(seen: Seen, shown: Shown, words: Sequence[str]) -> Iterator[str]:
    """One sentence for each thing found.

    Args:
        seen: the session.
        shown: the study; words in its own texts say nothing where those texts are shown.
        words: names, paths and ids that must not be found.
    """
    if not seen.pictures or not seen.answers:
        yield "no picture or no answer was received: the session did not come about"
    yield from _pictures(seen)
    yield from _answers(seen)
    yield from _headers(seen)
    yield from _pages(seen)
    yield from _kept(seen)
    yield from _words(seen, shown, words)
    for one in [*seen.pictures, *seen.answers]:
        if dict(one.headers).get("content-length") != str(len(one.body)):
            yield f"{one.path} never came whole: {len(one.body)} bytes were seen"
    for what in dict.fromkeys(seen.elsewhere):
        yield f"something beside this server, or failed: {what}"


def _pictures(seen: Seen) -> Iterator[str]:
    """Every delivery is alike but for its pixels: status, headers, length, chunks; no token comes twice."""
    kinds: dict[int, list[Received]] = defaultdict(list)
    for picture in seen.pictures:
        if picture.status != 200 or _colour(picture.body) < 0:
            yield f"a picture was answered with {picture.status} and {len(picture.body)} bytes that are no PNG"
        kinds[_colour(picture.body)].append(picture)
    for same in kinds.values():
        what = {"headers": [one.headers for one in same], "length": [len(one.body) for one in same]}
        what["structure of the PNG"] = [_chunks(one.body) for one in same]
        for name, values in what.items():
            if len(set(values)) > 1:
                yield f"{name}: {len(set(values))} kinds among {counted(len(same), 'picture')}: {_some(values)}"
    extra = {name for picture in seen.pictures for name, _ in _chunks(picture.body)} - {
        b"IHDR",
        b"IDAT",
        b"IEND",
    }
    if extra:
        yield f"metadata in the pictures: chunks {', '.join(sorted(name.decode('latin-1') for name in extra))}"
    tokens = [picture.path.rpartition("/")[2] for picture in seen.pictures]
    if twice := [token for token, n in Counter(tokens).items() if n > 1]:
        yield f"{counted(len(twice), 'token')} used more than once"
    if odd := [token for token in tokens if not TOKEN.fullmatch(token)]:
        yield f"tokens of another form: {_some(odd)}"
    if any(one[2] for one in seen.loaded):
        yield "pictures come with timings of the server (Server-Timing)"
    if len({tuple(one[:2]) for one in seen.loaded}) > len(kinds):
        yield "the browser itself counts different lengths of pictures"


def _answers(seen: Seen) -> Iterator[str]:
    """Answers have known fields alone, and one length for each kind."""
    lengths: dict[str, set[int]] = defaultdict(set)
    for answer in seen.answers:
        content = _object(answer.body)
        if content is None:
            yield f"{answer.path} answered something that is no JSON object"
            continue
        kind = f"{answer.path} with {'+'.join(sorted(content))}"
        lengths[kind].add(len(answer.body))
        if answer.status != 200:
            yield f"{answer.path} answered {answer.status}: {answer.body[:120]!r}"
            continue
        yield from (f"{answer.path}: {problem}" for problem in _unknown(content))
    for kind, found in lengths.items():
        if len(found) > 1:
            yield f"length: answers of {kind} have {sorted(found)} bytes"


def _object(body: bytes) -> dict | None:
    try:
        content = json.loads(body)
    except ValueError:
        return None
    return content if isinstance(content, dict) else None


def _unknown(content: dict) -> Iterator[str]:
    for part, fields in content.items():
        expected = ANSWER.get(part)
        if expected is None or not isinstance(fields, dict):
            yield f"unknown part {part!r}"
            continue
        for name, value in fields.items():
            if name not in expected:
                yield f"unknown field {part}.{name} = {str(value)[:60]!r}"
            elif not isinstance(value, expected[name]) and not (
                expected[name] is float and isinstance(value, int)
            ):
                yield f"{part}.{name} is {str(value)[:60]!r}"
    tokens = [
        one for name in ("pictures", "outlines", "ahead") for one in content.get("state", {}).get(name, [])
    ]
    if odd := [token for token in tokens if not isinstance(token, str) or not TOKEN.fullmatch(token)]:
        yield f"tokens of another form: {_some(odd)}"


def _headers(seen: Seen) -> Iterator[str]:
    everything = [*seen.pictures, *seen.answers, *seen.files]
    names = Counter(name.lower() for one in everything for name, _ in one.headers)
    if more := sorted(set(names) - HEADERS):
        yield f"headers nobody needs: {', '.join(f'{name} ({names[name]}×)' for name in more)}"
    lengths = defaultdict(set)
    for one in seen.answers:
        lengths[one.path].add(tuple(pair for pair in one.headers if pair[0].lower() != "content-length"))
    for path, kinds in lengths.items():
        if len(kinds) > 1:
            yield f"headers: {len(kinds)} kinds among the answers of {path}"
    if any("event-stream" in value for one in everything for _, value in one.headers):
        yield "an event stream was opened"


def _pages(seen: Seen) -> Iterator[str]:
    """The page itself is the same around every picture, and every picture has one size."""
    kinds: dict[tuple[str, str], set[str]] = defaultdict(set)
    for stage, question, html in seen.doms:
        kinds[stage, question].add(_plain(html))
    for (stage, question), found in kinds.items():
        if len(found) > 1:
            yield f"page: {len(found)} kinds of pages around the pictures of “{question}” ({stage})"
    if len({tuple(size) for sizes in seen.sizes for size in sizes}) > 1:
        yield f"size on the screen: {_some([tuple(size) for sizes in seen.sizes for size in sizes])}"


def _plain(html: str) -> str:
    """A page without what has to change: place, progress, minutes, what was said of the last answer."""
    html = re.sub(r'<div class="rt-said">.*?</div>', "", html, flags=re.S)
    html = re.sub(r'<p class="rt-progress".*?</p>', "", html, flags=re.S)
    html = re.sub(r' data-(place|saved|half|ready)="[^"]*"', "", html)
    html = re.sub(r'<div class="rt-bar" aria-hidden="true">.*?</div>', "", html, flags=re.S)
    return re.sub(r"<[a-z][^<>]*>", _sorted, html)


def _sorted(tag: re.Match[str]) -> str:
    """A tag with its attributes by name; their order is that in which they were set."""
    name, *_ = tag[0][1:].split(maxsplit=1)
    return " ".join([name.rstrip(">"), *sorted(re.findall(r'[\w-]+="[^"]*"', tag[0]))])


def _kept(seen: Seen) -> Iterator[str]:
    """The browser keeps the size of its screen, and nothing else."""
    for kept in seen.kept:
        odd = [name for name in kept["local"] if not LOCAL.fullmatch(name)]
        if odd or any(set(json.loads(value)) != {"pxPerCm", "dpr"} for value in kept["local"].values()):
            yield f"localStorage keeps {_some(list(kept['local'].items()))}"
        for name in ("session", "cookie", "databases", "caches", "workers"):
            if kept[name]:
                yield f"the browser keeps {name}: {str(kept[name])[:200]}"


def _words(seen: Seen, shown: Shown, words: Sequence[str]) -> Iterator[str]:
    """Names, paths and ids anywhere; those that stand in the study's own texts only where no such text is."""
    looked_for = {word: re.compile(rf"(?<![a-z0-9]){re.escape(word.lower())}(?![a-z0-9])") for word in words}
    same = "\n".join([shown.model_dump_json(), *(path.read_text("utf-8") for path in pages.SCRIPTS)]).lower()
    own = {word for word, form in looked_for.items() if form.search(same)}
    for where, text, quoted in _texts(seen):
        lower = text.lower()
        for word, form in looked_for.items():
            if word.lower() in lower and form.search(lower) and not (quoted and word in own):
                yield f"{word!r} stands in {where}"


def _texts(seen: Seen) -> Iterator[tuple[str, str, bool]]:
    """(where, text, whether texts of the study stand in it); each place once, random tokens apart."""
    yield "the console", "\n".join(seen.said), False
    yield "what the browser keeps", json.dumps([{**kept, "title": ""} for kept in seen.kept]), False
    yield "addresses of files", "\n".join(one.path for one in seen.files), False
    for one in seen.files:
        if not one.path.startswith(
            ("/assets/", "/static/", "/theme.css")
        ):  # Gradio's own, the same everywhere
            yield one.path, one.body.decode("utf-8", "replace"), True
    everything = [*seen.pictures, *seen.answers, *seen.files]
    yield (
        "headers",
        "\n".join({f"{name}: {value}" for one in everything for name, value in one.headers}),
        False,
    )
    yield "the page", "\n".join({html for _, _, html in seen.doms}), True
    states, sheets, tokens = [], [], [one.path for one in seen.pictures]
    for one in seen.answers:
        content = _object(one.body) or {"no JSON": one.body.decode("utf-8", "replace")}
        sheets.append(json.dumps(content.pop("sheet", None), ensure_ascii=False))
        state = content.get("state") if isinstance(content.get("state"), dict) else {}
        tokens += [json.dumps(state.pop(name, None)) for name in ("pictures", "outlines", "ahead")]
        states.append(json.dumps(content, ensure_ascii=False))
    yield "answers of the server", "\n".join(states), False
    yield "texts from the server", "\n".join(set(sheets)), True
    yield "tokens", "\n".join(tokens), False
    beside = (
        bytes(part) for picture in seen.pictures for name, part in _parts(picture.body) if name != b"IDAT"
    )
    yield "metadata of pictures", b"\n".join(beside).decode("latin-1"), False


def _parts(png: bytes) -> Iterator[tuple[bytes, bytes]]:
    """(name, content) of each chunk; what follows the last one as a part without a name."""
    at = 8
    while at + 8 <= len(png):
        (length,), name = struct.unpack(">I", png[at : at + 4]), png[at + 4 : at + 8]
        yield name, png[at + 8 : at + 8 + length]
        at += 12 + length
        if name == b"IEND":
            break
    if png[at:]:
        yield b"", png[at:]


def _chunks(png: bytes) -> tuple[tuple[bytes, int], ...]:
    return tuple((name, len(part)) for name, part in _parts(png))


def _colour(png: bytes) -> int:
    """Channels as the header says: 2 a picture, 0 the mask of an outline, -1 no PNG."""
    return png[25] if len(png) > 25 and png[:8] == b"\x89PNG\r\n\x1a\n" else -1


def _some(values: Sequence[object]) -> str:
    return ", ".join(str(one)[:120] for one in list(dict.fromkeys(values))[:3])
