"""A simulated study of each protocol, end to end to page, PDF and figures: what must stand there, always the same."""

from __future__ import annotations

import io
import re
import secrets
from dataclasses import dataclass, replace
from html import escape
from html.parser import HTMLParser

import numpy as np
import pytest

from siamese.study.report.cells import not_all
from siamese.study.report.compose import compose, gathered_of, report_files
from siamese.study.report.document import document
from siamese.study.report.gather import Gathered
from siamese.study.report.page import page
from siamese.study.report.sections import Report, Section, Table
from siamese.study.texts import SCALES, Texts
from tests.shell import siamese
from tests.study.report.simulated import ARMS, open_study, opened, rate, rated
from tests.study.rooms import Room, rating_of

PROTOCOLS = ("P1", "P2", "P3", "P4")
FEWER = {
    "P1": {"arms": ARMS["P4"]},
    "P3": {"texts": Texts(scales=(SCALES[0], SCALES[2]))},
}  # figures take time


@dataclass(frozen=True)
class Made:
    """A finished study with its report."""

    study: Room
    gathered: Gathered
    report: Report
    files: dict[str, bytes]


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> dict[str, Made]:
    found = {}
    for protocol in PROTOCOLS:
        fewer = FEWER.get(protocol, {}) | {"told": "About half are <real> & $5$"}
        study, gathered = rated(tmp_path_factory.mktemp(protocol), protocol, **fewer)
        report = compose(gathered)
        found[protocol] = Made(study, gathered, report, dict(report_files(report)))
    return found


def everything(report: Report) -> str:
    """All words of a report, those in its figures too, in small letters."""
    words = [report.methods, *report.warnings]
    for section in (report.primary, *report.exploratory, *report.appendix):
        words += [section.title, *section.lines, section.n, section.limit]
        words += [cell for row in section.table.rows for cell in row] if section.table else []
        words += [section.drawing.svg.decode()] if section.drawing else []
    return "\n".join(words).lower()


class Page(HTMLParser):
    """Words outside of folds, titles of folds, tags and attributes of a page."""

    def __init__(self, html: bytes):
        super().__init__()
        self.open, self.depth, self.first, self.folds, self.tags, self.links = 0, 0, [], [], [], []
        self.feed(html.decode())

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.links += [value for name, value in attrs if name in ("src", "href", "xlink:href", "action")]
        self.depth += tag == "details"

    def handle_endtag(self, tag):
        self.depth -= tag == "details"

    def handle_data(self, data):
        if not self.depth:
            self.first.append(data)
        elif self.lasttag == "summary":
            self.folds.append(data)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_the_first_page_is_one_sentence_one_figure_one_limit_and_all_else_is_folded(made, protocol):
    one = made[protocol]
    primary, seen = one.report.primary, Page(one.files["report.html"])
    words = " ".join(" ".join(seen.first).split())
    assert len(primary.lines) == 1 and primary.drawing and primary.limit.startswith("These three readers")
    assert primary.lines[0] in words and primary.limit in words and "exploratory" in words.lower()
    assert seen.tags.count("details") == len(one.report.exploratory) + len(one.report.appendix) > 8
    assert "script" not in seen.tags and "link" not in seen.tags and "img" not in seen.tags
    assert all(link.startswith("#") for link in seen.links)
    for mark in (one.gathered.head, one.study.design_sha256):
        assert mark in words
        assert mark in one.files["methods.txt"].decode()
    assert one.files["report.pdf"].startswith(b"%PDF") and one.files["report.pdf"].rstrip().endswith(b"%%EOF")


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_every_figure_says_n_and_what_it_does_not_show(made, protocol):
    report = made[protocol].report
    for section in (report.primary, *report.exploratory, *report.appendix):
        assert section.limit, section.title
        assert section.limit.endswith(".") and "nan" not in section.limit.lower()
        if section.drawing:
            assert re.search(r"\d", section.n), section.title
            assert section.drawing.says.endswith(".")
        cells = [cell for row in section.table.rows for cell in row] if section.table else []
        for line in (*section.lines, section.n, *cells):
            assert "nan" not in re.split(r"\W+", line.lower()), (section.title, line)


def test_each_protocol_has_what_was_asked_for(made):
    titles = {
        name: " | ".join(section.title for section in (*one.report.exploratory, *one.report.appendix))
        for name, one in made.items()
    }
    for said in titles.values():
        for part in (
            "MOS of every arm",
            "told apart",
            "agree with each other",
            "Hidden repeats",
            "change on the way",
        ):
            assert part in said
        for part in (
            "How long a vote took",
            "When the votes came",
            "exclusions, missing votes",
            "Fleiss' kappa",
        ):
            assert part in said
    assert "ROC, AUC, d′ and bias" in titles["P1"] and "Friedman, Kendall's W, Plackett-Luce" in titles["P2"]
    assert titles["P3"].count("How often each level was given") == 2 and "place on the screen" in titles["P4"]
    drawn = {name: {drawing.name for drawing in m.report.drawings} for name, m in made.items()}
    assert {"primary", "mos_p1", "roc_0", "learning", "timeline", "times"} <= drawn[
        "P1"
    ] and "ranks" in drawn["P2"]
    first = {section.key: section for section in made["P1"].report.exploratory}
    assert "the share of votes that called a picture real" in first["mos-all"].lines[0]
    assert first["agreement"].table.head[2] == "Gwet's AC1"


def test_figures_are_text_and_told_apart_without_colour(made):
    for one in made.values():
        for name, content in one.files.items():
            if name.endswith(".svg"):
                assert b"<text" in content and b"<dc:date" not in content and content.startswith(b"<svg")
            if name.endswith(".png"):
                assert b"pHYs" in content[:200] and b"tEXt" not in content[:400]
                dots = int.from_bytes(content[content.index(b"pHYs") + 4 :][:4], "big")
                assert round(dots * 0.0254) == 300
    roc = made["P1"].files["figures/roc_0.svg"].decode()
    assert "rater 1" in roc and len(set(re.findall(r"stroke-dasharray: ([\d., ]+)", roc))) >= 3
    ranks = made["P2"].files["figures/ranks.svg"].decode()
    assert len(set(re.findall(r"fill: url\(#(\w+)\)", ranks))) == 2  # one of three ranks is plain
    ids = re.findall(r'\bid="([^"]+)"', made["P1"].files["report.html"].decode())
    assert len(ids) == len(set(ids))


def test_the_same_log_gives_the_same_bytes(made):
    one = made["P4"]
    again = dict(report_files(compose(gathered_of(one.study))))
    assert again.keys() == one.files.keys()
    assert [name for name in again if again[name] != one.files[name]] == []


def test_the_methods_say_what_was_done_and_nothing_that_was_not(made, tmp_path):
    text = made["P1"].files["methods.txt"].decode()
    for said in (
        "called real or synthetic, with a confidence of 1 to 10",
        "Raters were told: “About half are <real> & $5$”",
        "Three raters are analysed",
        "Arm “ours”: 6 synthetic pictures, drawn by seed",
        "12.0 cm wide on the screen, by a bank card that three raters held against it",
        "by a factor of 1.20 in CSS pixels",
        "by A. Analyst (“everybody has finished”)",
        "6 votes on hidden repeats",
        "3 raters were invited: 0 never began, 0 withdrew (in no figure), 0 left out",
        "Of 36 votes asked of them 0 are missing",
        "equivalence of ours and patients within a margin of 0.1",
        "Siamese Studio 0.",
    ):
        assert said in text, said
    assert "preparation" not in text  # these pictures were never prepared
    study = open_study(tmp_path, "P1", raters=2)
    rate(study, 2, most=5)
    text = compose(opened(study)).methods
    for said in ("One rater is analysed", "1 never began", "Of 18 votes asked of them 15 are missing"):
        assert said in text


def test_a_rater_who_withdraws_leaves_every_figure(tmp_path):
    study, before = rated(tmp_path, "P4")
    rating_of(study).withdraw(3, secrets.token_hex(16))
    report, full = compose(gathered_of(study)), compose(before)
    assert "These two readers" in report.primary.limit and "1 withdrew" in report.methods
    assert "rater 3" in everything(full) and "rater 3" not in everything(report)
    assert "3 raters, 18 votes" in full.primary.n and "2 raters, 12 votes" in report.primary.n


def test_a_study_without_votes_is_reported_as_such(tmp_path):
    for protocol in PROTOCOLS:
        report = compose(opened(open_study(tmp_path, protocol, raters=1, name=protocol.lower())))
        assert report.primary.lines[0].startswith("No answer yet") and report.primary.drawing is None
        assert "1 had not begun" in report.warnings[0] and not report.exploratory
        assert page(report) and document(report)


def test_one_rater_with_one_vote_breaks_nothing(tmp_path):
    for protocol in PROTOCOLS:
        study = open_study(tmp_path, protocol, raters=1, name=protocol.lower())
        rate(study, 1, most=3)
        report = compose(opened(study))
        assert (
            page(replace(report, exploratory=report.exploratory[:2], appendix=())) and report.primary.lines[0]
        )
        assert "1 had begun without finishing" in report.warnings[0]


def test_a_log_that_was_changed_is_said_before_any_figure(made):
    broken = replace(made["P4"].gathered, broken="Record 7 was changed after it was written (time).")
    report = compose(broken)
    assert report.warnings[0].startswith("The log was changed after it was written: Record 7")
    html = page(replace(report, exploratory=(), appendix=())).decode()
    assert html.index("Record 7 was changed") < html.index(escape(report.primary.lines[0][:30]))


def test_texts_of_people_are_text_everywhere(tmp_path):
    nasty = "<script>alert(1)</script> & \x07 💥 " + "w" * 2900
    study = open_study(tmp_path, "P4", raters=1, title="<b>Real</b> & $x$?")
    rate(study, 1, cues=nasty)
    report = compose(opened(study))
    report = replace(report, exploratory=(), appendix=tuple(s for s in report.appendix if s.key == "remarks"))
    html = page(report).decode()
    assert "<script>" not in html and "&lt;script&gt;alert(1)" in html and "<b>Real" not in html
    assert document(report).startswith(b"%PDF")  # a remark longer than a page is divided


def test_many_raters_fit_on_the_page():
    rows = tuple((f"rater {n}", "x") for n in range(200))
    table = Section("a", "A", ("One.",), limit="None.", table=Table(("rater", "what"), rows))
    report = Report(
        "T", "P", (), Section("p", "P", ("S.",), limit="L."), (table,), (), "M", (("Head", "0" * 64),)
    )
    assert document(report) == document(report) and page(report).count(b"<tr>") == 201
    assert not_all(20, 20) == "" and not_all(50, 20) == " The figure shows the first 20 of 50 raters."


def test_the_command_line_opens_reports_and_refuses_while_blind(tmp_path):
    study = open_study(tmp_path, "P4", raters=2)
    rate(study, 1)
    where = ("--workspace", tmp_path)
    refused = siamese("study", "report", study.name, *where)
    assert refused.returncode == 2 and "is blind" in refused.stderr and "Traceback" not in refused.stderr
    assert not any(word in refused.stdout + refused.stderr for word in ("patients", "ours"))
    refused = siamese("study", "export", study.name, "--out", tmp_path / "out.zip", *where)
    assert refused.returncode == 2 and "is blind" in refused.stderr and not (tmp_path / "out.zip").exists()
    done = siamese("study", "unblind", study.name, "--by", "A", "--reason", "B", "--yes", *where)
    assert done.returncode == 0, done.stderr
    assert "Of 2 raters 0 have begun and not finished, 1 have not begun" in done.stdout
    assert "1 rater sees the own result" in done.stdout and (study.folder / "results" / "1.json").is_file()
    done = siamese("study", "report", study.name, *where)
    assert done.returncode == 0, done.stderr
    head = gathered_of(study).head
    folder = study.folder / "reports" / head[:12]
    assert (
        head in done.stdout
        and (folder / "report.html").is_file()
        and (folder / "figures" / "primary.png").is_file()
    )
    assert "was taken for the patient's picture in" in done.stdout
    done = siamese("study", "export", study.name, "--out", tmp_path / "out.zip", *where)
    assert done.returncode == 0 and (tmp_path / "out.zip").is_file()


def test_unblinding_asks_for_the_name_and_only_after_lock(tmp_path, monkeypatch):
    study = open_study(tmp_path, "P1", raters=1)
    words = ("study", "unblind", study.name, "--by", "A", "--reason", "B", "--workspace", tmp_path)
    for typed, code in (("other", 2), (study.name, 0)):
        monkeypatch.setattr("sys.stdin", io.StringIO(f"{typed}\n"))
        assert siamese(*words).returncode == code
        report = siamese("study", "report", study.name, "--workspace", tmp_path)
        assert report.returncode == code, report.stderr
    draft = siamese(
        "study", "unblind", "nothing", "--by", "A", "--reason", "B", "--yes", "--workspace", tmp_path
    )
    assert draft.returncode == 2 and "There is no study" in draft.stderr


def test_the_papers_counts_are_answered_on_the_command_line(tmp_path):
    counts = {"CycleGAN": 35, "ControlNet": 73, "Ours": 88, "Real": 135}
    words = [word for name, n in counts.items() for word in ("--counts", f"{name}={n}/150")]
    given = siamese("study", "paper", *words)
    file = tmp_path / "counts.csv"
    file.write_text("method,voted_real,votes\n" + "".join(f"{name},{n},150\n" for name, n in counts.items()))
    read = siamese("study", "paper", file)
    for said in (given, read):
        assert said.returncode == 0, said.stderr
        assert "Ours: MOS 0.587" in said.stdout and "not separable at this size" in said.stdout
    for words in ((), ("--counts", "Ours=151/150"), ("--counts", "Ours"), (file, "--counts", "a=1/2")):
        assert siamese("study", "paper", *words).returncode == 2


def test_shares_of_levels_sum_to_one(made):
    levels = next(s for s in made["P3"].report.exploratory if s.key == "levels-realism")
    table = made["P3"].gathered.table.main().asked("realism")
    for arm, *counts in levels.table.rows:
        assert sum(map(int, counts)) == len(table.of(arm))
        assert int(counts[0]) == int((table.of(arm).value == 5).sum())
    assert np.isclose(len(table), 2 * 6 * 3)
