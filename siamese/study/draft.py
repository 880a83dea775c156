"""A design as TOML, for people: every setting with its meaning beside it. Read again with all problems at once."""

from __future__ import annotations

import difflib
import json
import tomllib
from pathlib import Path

from pydantic import BaseModel, ValidationError

from siamese.errors import StudyError
from siamese.study.design import Arm, Design, Exclusions, Primary
from siamese.study.texts import Scale, Texts

NAMES = [name for table in (Design, Arm, Primary, Exclusions, Texts, Scale) for name in table.model_fields]


def draft_text(design: Design) -> str:
    """TOML of a design; `read_draft` gives the same design back."""
    return "# A draft: edit it until `study lock`; afterwards nothing here changes anything.\n\n" + _table(
        design, ""
    )


def read_draft(path: Path) -> Design:
    """The design of a `design.toml`.

    Raises:
        StudyError: it cannot be read, or has problems: all of them, each with its place.
    """
    try:
        return Design.model_validate(tomllib.loads(path.read_text("utf-8")))
    except ValidationError as error:
        problems = [_problem(found["loc"], found["type"], found["msg"]) for found in error.errors()]
        raise StudyError("\n  - ".join([f"{path} cannot be used:", *problems])) from error
    except (OSError, ValueError) as error:
        raise StudyError(
            f"{path} cannot be read ({error}); mend it, or begin anew with `study new`."
        ) from error


def _table(model: BaseModel, path: str) -> str:
    """Plain settings first: in TOML what follows a header belongs to it."""
    lines, below = [], []
    for name, field in type(model).model_fields.items():
        value, inner = getattr(model, name), f"{path}.{name}".lstrip(".")
        meaning = f"# {field.description}\n" if field.description else ""
        if isinstance(value, BaseModel):
            below.append(f"\n{meaning}[{inner}]\n{_table(value, inner)}")
        elif isinstance(value, tuple) and value and isinstance(value[0], BaseModel):
            below.extend(f"\n{meaning}[[{inner}]]\n{_table(one, inner)}" for one in value)
        else:
            lines.append(f"{meaning}{name} = {_value(value)}")
    return "\n".join(lines) + "\n" + "".join(below)


def _value(value: object) -> str:
    if isinstance(value, tuple | list):
        return f"[{', '.join(_value(one) for one in value)}]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_value(key)} = {_value(one)}" for key, one in value.items()) + "}"
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")  # TOML forbids a bare DEL
    return repr(value) if isinstance(value, float) else json.dumps(value)


def _problem(where: tuple[int | str, ...], kind: str, message: str) -> str:
    names = ".".join(str(part) for part in where)
    if kind == "extra_forbidden":
        near = difflib.get_close_matches(str(where[-1]), NAMES, n=1)
        return f"{names} is unknown; " + (f"did you mean {near[0]}?" if near else "remove it.")
    return f"{names}: {message.removeprefix('Value error, ')}".removeprefix(": ")
