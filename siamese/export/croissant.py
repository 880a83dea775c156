"""`croissant.json`: the export as machines read it, Croissant 1.1 with the RAI terms, JSON-LD written by hand.

Source: Croissant Format Specification 1.1 (MLCommons, 2026-01-29), Croissant RAI Specification 1.0.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

FILE = "croissant.json"
CONFORMS = ("http://mlcommons.org/croissant/1.1", "http://mlcommons.org/croissant/RAI/1.0")
MIMES = {".png": "image/png", ".jpg": "image/jpeg"}
CONTEXT = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "cr": "http://mlcommons.org/croissant/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "dct": "http://purl.org/dc/terms/",
    "sc": "https://schema.org/",
    "conformsTo": "dct:conformsTo",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "description": {"@container": "@language"},
    "name": {"@container": "@language"},
} | {
    word: f"cr:{word}"
    for word in (
        "arrayShape", "citeAs", "column", "containedIn", "equivalentProperty", "extract", "field", "fileProperty",
        "fileObject", "fileSet", "format", "includes", "isArray", "isLiveDataset", "jsonPath", "key", "md5",
        "parentField", "path", "recordSet", "references", "regex", "repeated", "replace", "samplingRate",
        "separator", "source", "subField", "transform",
    )
}  # fmt: skip
COLUMNS = {
    "id": "sc:Text",
    "synthetic": "sc:Boolean",
    "split": "sc:Text",
    "dataset": "sc:Text",
    "height": "sc:Integer",
    "width": "sc:Integer",
    "image_sha256": "sc:Text",
    "mask_sha256": "sc:Text",
}


@dataclass(frozen=True)
class About:
    """What stands at the head.

    Args:
        rai: name of a term of the RAI vocabulary → its sentences, e.g. "dataLimitations".
        published: ISO 8601 date, "" where none was stated.
    """

    name: str
    description: str
    licence: str
    rai: Mapping[str, Sequence[str]]
    version: str
    contact: str = ""
    published: str = ""


def document(about: About, manifest: bytes, files: Sequence[str]) -> bytes:
    """The JSON-LD of an export.

    Args:
        manifest: content of `manifest.jsonl`.
        files: paths of all picture files; each folder of them becomes a FileSet and a RecordSet.
    """
    folders = sorted({(str(PurePosixPath(f).parent), PurePosixPath(f).suffix.lower()) for f in files})
    sets = [(f"{folder}/*{suffix}", MIMES[suffix]) for folder, suffix in folders if suffix in MIMES]
    found: dict[str, object] = {
        "@context": CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": list(CONFORMS),
        "name": about.name,
        "description": about.description,
        "license": about.licence,
        "version": "1.0.0",
        "isLiveDataset": False,
        "keywords": ["synthetic", "segmentation", "endoscopy", "trainedAlgorithmicMedia"],
        "creator": {"@type": "sc:Organization", "name": about.contact or "not stated"},
        "sdPublisher": f"Siamese Studio {about.version}",
        **({"datePublished": about.published} if about.published else {}),
        **{f"rai:{term}": list(words) for term, words in about.rai.items()},
        "distribution": [
            {
                "@type": "cr:FileObject",
                "@id": "manifest",
                "name": "manifest.jsonl",
                "description": "one line a pair: where it comes from, scores, decision, its files",
                "contentUrl": "manifest.jsonl",
                "contentSize": f"{len(manifest)} B",
                "encodingFormat": "application/jsonlines",
                "sha256": hashlib.sha256(manifest).hexdigest(),
            },
            *(_folder(pattern, mime) for pattern, mime in sets),
        ],
        "recordSet": [_pairs(), *(_pictures(pattern) for pattern, _ in sets)],
    }
    return (json.dumps(found, indent=1, ensure_ascii=False) + "\n").encode()


def _folder(pattern: str, mime: str) -> dict[str, object]:
    head = {"@type": "cr:FileSet", "@id": _id(pattern), "name": pattern}
    return {**head, "includes": pattern, "encodingFormat": mime}


def _pairs() -> dict[str, object]:
    fields = [
        {
            "@type": "cr:Field",
            "@id": f"pairs/{name}",
            "name": name,
            "dataType": kind,
            "source": {"fileObject": {"@id": "manifest"}, "extract": {"column": name}},
        }
        for name, kind in COLUMNS.items()
    ]
    return {"@type": "cr:RecordSet", "@id": "pairs", "name": "pairs", "key": {"@id": "pairs/id"}, "field": fields}


def _pictures(pattern: str) -> dict[str, object]:
    head = str(PurePosixPath(pattern).parent)
    fields = [
        {
            "@type": "cr:Field",
            "@id": f"{_id(head)}/{name}",
            "name": name,
            "dataType": kind,
            "source": {"fileSet": {"@id": _id(pattern)}, "extract": {"fileProperty": what}},
        }
        for name, kind, what in (
            ("file", "sc:Text", "filename"),
            ("content", "sc:ImageObject", "content"),
        )
    ]
    return {"@type": "cr:RecordSet", "@id": _id(head), "name": head, "field": fields}


def _id(path: str) -> str:
    """An id may be no more than this: validators refuse spaces, and what a set is called may be in any script."""
    return "".join(c if c.isascii() and (c.isalnum() or c in "/._-") else f"-{ord(c):x}-" for c in path)
