"""The screen "Rate": a blind study from its design to its report, one step under the other."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import gradio as gr

from ui import rate_pages, rate_words
from ui.rate_desk import FORM, Desk
from ui.services import Services, sentence

if TYPE_CHECKING:
    from siamese.study.design import Design
    from siamese.study.studies import Study

HELLO = "Make a study: real pictures, synthetic ones, and the question you want answered."
LOOK = 5  # seconds between looks at the counts
QUIET = {"show_progress": "hidden", "api_visibility": "private"}
KINDS = ["equivalence", "difference", "preference", "description"]


@dataclass
class _Page:
    """The components by name, and what the form is made of."""

    at: dict[str, Any] = field(default_factory=dict)

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - a component
        try:
            return self.__dict__["at"][name]
        except KeyError:
            raise AttributeError(name) from None

    @property
    def form(self) -> list[Any]:
        """Inputs of a save: the study, and what is TYPED."""
        return [self.study, *(self.at[key] for key in TYPED)]


TYPED = (*(f"f:{key}" for key in FORM), "pools", "reasons")  # what a save keeps
SHOWN = (
    "steps",
    *(f"f:{key}" for key in FORM),
    "arms",
    "pools",
    "text",
    "cost",
    "cues",
    "reasons",
    "missing",
    "links",
    "served",
    "counts",
)


class Rate:
    """The answers of the screen."""

    def __init__(self, services: Services):
        self._services, self.desk = services, Desk(services)

    def open(self, name: str, request: gr.Request) -> list[Any]:
        """A page of `name` opened: the studies, what an arm can be taken from, and leave to make one.

        Before that none can be made: this answer would come over what is typed into it. Where there is none yet, the
        form of a new one stands open.
        """
        owner = self._services.enter(request, name)
        known, sources = self.desk.names(), self.desk.sources(owner)
        chosen = known[0] if known else None
        some = gr.update(choices=sources)
        there = gr.update(choices=known, value=chosen)
        new = gr.skip() if known else gr.update(open=True)
        return [there, new, some, some, gr.update(interactive=True), *self.shown(chosen)]

    def shown(self, name: str | None) -> list[Any]:
        """Values of SHOWN for a study."""
        if not name:
            empty = dict.fromkeys(SHOWN, gr.skip()) | {"steps": rate_words.steps(0, HELLO)}
            return list(empty.values())
        from siamese.study.studies import status

        study = self.desk.studies.find(name)
        values: dict[str, Any] = dict.fromkeys(SHOWN, gr.skip())
        done, then = self._stands(study)
        values["steps"] = rate_words.steps(done, then)
        values["cues"], values["reasons"] = self.desk.pictures(study)
        if study.locked:
            values |= {
                "links": rate_words.links(study),
                "counts": rate_words.counts(status(study)),
                "missing": "",
            }
            values["served"] = rate_words.told(
                rate_pages.where(study) or "Nobody serves the rating pages now."
            )
            values |= {"cost": rate_words.told("Locked: nothing of the design can be changed."), "text": ""}
            return list(values.values())
        draft = study.design
        values |= _written(draft)
        values["arms"] = rate_words.listed(
            "Arms:", (f"{a.name} ({a.kind}): {a.source} {a.split}" for a in draft.arms), ""
        )
        values["cost"] = rate_words.cost(draft)
        values["missing"] = rate_words.listed("Before lock:", self.desk.missing(study), "Nothing is missing.")
        for one in ("links", "counts", "served"):
            values[one] = rate_words.told("Links are made by the lock.")
        return list(values.values())

    def _stands(self, study: Study) -> tuple[int, str]:
        from siamese.study.studies import status
        from siamese.study.truth import Blind, truth_of

        if not study.locked:
            if self.desk.missing(study):
                return (
                    1 if study.pictures.is_dir() else 0
                ), "Next: what is missing stands under Lock; prepare the pictures."
            return 2, "Next: rehearse it once, then lock it."
        try:
            truth_of(study)
        except Blind:
            raters = [one for one in status(study).raters if one.number and not one.withdrawn]
            finished = sum(one.finished for one in raters)
            then = (
                "unblind it under Results"
                if finished == len(raters)
                else "give raters their links and serve the pages"
            )
            return (
                4 if finished == len(raters) else 3
            ), f"{finished} of {len(raters)} raters have finished. Next: {then}."
        return 5, "Unblinded: the report stands under Results."

    def answer(self, work: Callable[..., Any], form: bool = False) -> Callable[..., list[Any]]:
        """`work(study, …)` with its sentence told and the screen shown anew; an error is told and loses nothing.

        What is being typed stays: a field is only shown anew where the work changed it.

        Args:
            form: the last of the values are those of TYPED, as the page has them, and `work` keeps them.
        """

        def run(name: str | None, *values: Any) -> list[Any]:  # noqa: ANN401
            try:
                if not name:
                    return [rate_words.told(HELLO, bad=True), *[gr.skip()] * len(SHOWN)]
                study = self.desk.studies.find(name)
                before = None if study.locked else study.design
                known = _written(before) if before else {}
                if form:
                    known |= dict(zip(TYPED, values[-len(TYPED) :], strict=True))
                said = work(study, *values)
                shown = dict(zip(SHOWN, self.shown(name), strict=True))
                same = {key: gr.skip() for key, value in known.items() if shown[key] == value}
                if before and not form and not study.locked and study.design.cue_reasons == before.cue_reasons:
                    same["reasons"] = gr.skip()
                return [rate_words.told(str(said or "")), *(shown | same).values()]
            except Exception as error:  # noqa: BLE001 - sentence() logs what nobody foresaw; the page goes on
                return [rate_words.told(sentence(error), bad=True), *[gr.skip()] * len(SHOWN)]

        return run

    def save(self, study: Study, *form: Any) -> str:  # noqa: ANN401
        """Keep what stands on the screen."""
        if study.locked:
            return ""
        self.desk.save(study, form[:-2], form[-2], form[-1])
        return "Saved."

    def make(
        self,
        owner: str,
        name: str,
        template: str,
        real: str,
        split: str,
        synthetic: list[str],
        *counts: float,
    ) -> list[Any]:
        """A new study, and its design instead of the form: [said, studies, form, design, *SHOWN]."""
        try:
            study = self.desk.new(
                str(name).strip(), template, real or "", split or "", synthetic or [], counts
            )
            made = gr.update(choices=self.desk.names(), value=study.name)
            folds = gr.update(open=False), gr.update(open=True)
            return [rate_words.told(f"Made {study.name}."), made, *folds, *self.shown(study.name)]
        except Exception as error:  # noqa: BLE001 - as above
            return [rate_words.told(sentence(error), bad=True), *[gr.skip()] * (3 + len(SHOWN))]

    def prepare(self, name: str | None, *form: Any) -> Iterator[list[Any]]:  # noqa: ANN401
        """Prepare the pictures, said step by step: [said, *SHOWN]."""
        same = [gr.skip()] * len(SHOWN)
        try:
            if not name:
                yield [rate_words.told(HELLO, bad=True), *same]
                return
            study = self.desk.studies.find(name)
            self.save(study, *form)
            notes: list[str] = []
            for line in self.desk.prepare(study):
                if " of " not in line:
                    notes.append(line)
                yield [rate_words.told("\n".join([*notes, line] if " of " in line else notes)), *same]
            yield [rate_words.told("\n".join([*notes, "Prepared."])), *self.shown(name)]
        except Exception as error:  # noqa: BLE001 - as above
            yield [rate_words.told(sentence(error), bad=True), *same]


def _written(draft: Design) -> dict[str, Any]:
    """Of SHOWN what a draft says and a user can type over."""
    from siamese.study.draft import draft_text

    values: dict[str, Any] = {}
    for key in FORM:
        table, _, one = key.rpartition(".")
        values[f"f:{key}"] = getattr(getattr(draft, table) if table else draft, one)
    values["pools"] = "\n".join(f"{arm.name}: {arm.pool}" for arm in draft.arms)
    return values | {"text": draft_text(draft)}


def build(page: gr.Blocks, services: Services) -> None:
    """Lay out the screen inside `page`, the gr.Blocks that is open, and wire it."""
    from ui.rate_layout import lay_out, wire

    rate, made = Rate(services), _Page()
    lay_out(made)
    wire(page, rate, made, services.who)
