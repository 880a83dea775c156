"""The settings of a training as the page gives them: where they begin, changes on that, the recipe they make."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from pydantic.fields import FieldInfo

from siamese import presets, recipe
from siamese.errors import RecipeError, SiameseError
from siamese.jobs.jobs import Jobs
from siamese.recipe import Recipe, toml_value
from siamese.sections import Settings
from siamese.shipped import SHIPPED
from ui.training_machine import Where
from ui.training_runs import points, read_recipe, words

RECIPES = SHIPPED.parent / "assets" / "recipes"
RUN = "run:"  # before the id of a run, where its model or its recipe is meant
MOST_CHANGES = 200
LONGEST = 500  # characters of a value
LABELS = {  # of the settings that matter, and what to know of them
    "steps": ("Steps", ""),
    "batch": ("Pictures a step", "More: steadier, slower, more memory."),
    "lr": ("Learning rate", "How large each step may be."),
    "preview_every": ("Steps between previews", ""),
    "w_c": ("Consistency w_c", "Weight of the noise-consistency loss; 0 leaves it out."),
}


@dataclass(frozen=True)
class Form:
    """What the page asks for.

    Args:
        data: names of datasets. start: "" from nothing, "polyp-compact", or `run:<id>`.
        size: a number of pictures of `presets.SIZES`; 0: the nearest to what there is.
        file: "" by size, a file of assets/recipes, or `run:<id>`. changes: key -> value as typed.
        minutes: when to stop; None: when it is done. name: what the run is called. where: device and the like.
    """

    data: tuple[str, ...]
    start: str
    size: int
    file: str
    changes: dict[str, str]
    minutes: float | None
    name: str
    where: Where = Where()

    @classmethod
    def of(cls, payload: dict) -> Form:
        """The form {form} of a page.

        Raises:
            SiameseError: something that no form of ours sends.
        """
        given = payload.get("form")
        given = given if isinstance(given, dict) else {}
        data, changes = given.get("data"), given.get("changes")
        if not isinstance(data, list) or not isinstance(changes, dict) or len(changes) > MOST_CHANGES:
            raise SiameseError("The form did not arrive whole; reload the page.")
        kept = {str(k): str(v).strip() for k, v in changes.items() if str(v).strip()}
        if any(len(v) > LONGEST or "\n" in v for v in kept.values()):
            raise SiameseError(f"A setting has more than {LONGEST} characters or a line break.")
        size, minutes = given.get("size"), given.get("minutes")
        number = (
            isinstance(minutes, int | float) and not isinstance(minutes, bool) and 0 < minutes < 1_000_000
        )
        return cls(
            tuple(dict.fromkeys(str(name) for name in data)),
            str(given.get("start") or ""),
            size if isinstance(size, int) else 0,
            str(given.get("file") or ""),
            kept,
            float(minutes) if number else None,
            " ".join(str(given.get("name") or "").split())[:80],
            Where.of(given.get("where")),
        )

    def told(self) -> dict[str, Any]:
        """JSON-able, as `of` reads it."""
        return {**vars(self), "data": list(self.data), "where": vars(self.where)}


def base(form: Form, jobs: Jobs, pictures: int) -> tuple[dict[str, Any], tuple[str, ...], str]:
    """Where the settings begin: nested values, the preset's changes on them, and a sentence.

    Raises:
        SiameseError: no such recipe or run.
    """
    if form.file.startswith(RUN):
        job = jobs.find(form.file.removeprefix(RUN))
        return _of_run(job.folder), (), f"The settings of {job.name}."
    if form.file:
        if form.file not in files():
            raise RecipeError(f"There is no recipe {form.file[:60]}; choose another one.")
        return _toml(RECIPES / form.file), (), f"The settings of {form.file}, as they are."
    size = next((s for s in presets.SIZES if s.pictures == form.size), presets.size_for(pictures))
    if form.start.startswith(RUN):
        job = jobs.find(form.start.removeprefix(RUN))
        values = _of_run(job.folder)
        guide = bool(values.get("denoiser", {}).get("guide"))
        return values, presets.going_on(size, guide), size.sentence
    changes = size.finetune if form.start else size.scratch
    return _toml(RECIPES / presets.COMPACT), changes, size.sentence


def files() -> list[str]:
    """Names of the shipped recipes."""
    return sorted(path.name for path in RECIPES.glob("*.toml"))


def start_of(form: Form, jobs: Jobs) -> str | None:
    """What `--start` is given; None: from nothing.

    Raises:
        SiameseError: no such run, or it has no model yet.
    """
    if not form.start.startswith(RUN):
        return presets.START if form.start else None
    job = jobs.find(form.start.removeprefix(RUN))
    usable = [point["id"] for point in points(job.folder) if point["usable"]]
    if not usable:
        raise SiameseError(f"{job.name} has no model yet that another training could start from.")
    return str(job.folder / "checkpoints" / usable[-1])


def resolve(values: dict[str, Any], preset: tuple[str, ...], changes: dict[str, str]) -> Recipe:
    """The recipe that the form makes.

    Raises:
        RecipeError: every impossible setting.
    """
    return recipe.derived(values, (*preset, *(f"{key}={value}" for key, value in changes.items())), "")


def problems(values: dict[str, Any], preset: tuple[str, ...], changes: dict[str, str]) -> dict[str, str]:
    """Key -> what is wrong with its value; the key "" for what no single value is to blame for."""
    try:
        resolve(values, preset, changes)
        return {}
    except RecipeError as whole:
        found = {}
        for key, value in changes.items():
            try:
                resolve(values, preset, {key: value})
            except RecipeError as error:
                found[key] = str(error).removeprefix(": ").removeprefix(f"{key}: ")
        return found or {"": str(whole).removeprefix(": ")}


def knobs(settings: Recipe) -> list[dict[str, Any]]:
    """The few settings that matter, as rows of the table."""
    main = "siamese" if "siamese" in settings.stages else settings.stages[-1]
    wanted = [f"train_{stage}.steps" for stage in settings.stages]
    wanted += [f"train_{main}.batch", f"train_{main}.lr", "loss.w_c", f"train_{main}.preview_every"]
    rows = {row["key"]: row for row in table(settings)}
    found = []
    for key in wanted:
        group, _, name = key.partition(".")
        label, text = LABELS[name]
        if name == "steps" and len(settings.stages) > 1:
            label = f"Steps, {words(group.removeprefix('train_')).partition(' (')[0]}"
        found.append(rows[key] | {"label": label, "help": text})
    return found


def table(settings: Recipe) -> list[dict[str, Any]]:
    """Every setting: [{key, group, value (as TOML), help, bounds}]."""
    return [
        {
            "key": key,
            "group": key.rpartition(".")[0],
            "value": "" if value is None else toml_value(value),
            "help": field.description or "",
            "bounds": bounds(field),
        }
        for key, field, value in _leaves(settings)
    ]


def bounds(field: FieldInfo) -> str:
    """What a setting may be, in a few characters."""
    signs = {"ge": "≥", "gt": ">", "le": "≤", "lt": "<"}
    said = [
        f"{sign} {getattr(rule, name):g}"
        for rule in field.metadata
        for name, sign in signs.items()
        if getattr(rule, name, None) is not None
    ]
    kind = field.annotation
    if get_origin(kind) is Literal:
        return " | ".join(str(choice) for choice in get_args(kind))
    if kind is bool:
        return "true | false"
    return ", ".join(said)


def _leaves(settings: Settings, prefix: str = "") -> Iterator[tuple[str, FieldInfo, object]]:
    for name, field in type(settings).model_fields.items():
        value = getattr(settings, name)
        if isinstance(value, Settings):
            yield from _leaves(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", field, value


def _of_run(folder: Path) -> dict[str, Any]:
    """A run's resolved settings, its styles left open: they follow the data."""
    found = read_recipe(folder)
    if not found:
        raise SiameseError("This run has no settings yet; wait until it has begun.")
    found.pop("styles", None)
    found.pop("prompts", None)
    if isinstance(found.get("sampling"), dict):
        found["sampling"].pop("style", None)
    return found


def _toml(path: Path) -> dict[str, Any]:
    return tomllib.loads(path.read_text(encoding="utf-8"))
