"""The doors of the screen "Dataset": what may be named, who decides, what is told of impossible wishes."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from siamese.augment import plan as plans
from siamese.augment.folder import Checkpoint, Head, SetFolder
from siamese.augment.item import Item, Made, Scores, Source
from siamese.errors import SiameseError
from siamese.gate import rules
from siamese.jobs.jobs import Jobs
from siamese.masks.mask import Mask
from siamese.tasks import png
from siamese.workspace import Workspace
from tests.conftest import write_dataset
from tests.ui.conftest import HOUSE
from tests.ui.training import end_all
from ui.dataset_export import Exports
from ui.dataset_plan import Plans
from ui.dataset_review import Reviews
from ui.dataset_sets import Sets
from ui.parcels import Outbox
from ui.rate_desk import Desk
from ui.services import Services
from ui.training_tasks import Tasks


@pytest.fixture
def services(tmp_path) -> Services:
    return Services(Workspace(tmp_path / "ws"), "polyp-compact", login=True)


@pytest.fixture
def a_set(services) -> str:
    """The id of a job whose set holds four scored pictures."""
    folder = services.workspace.runs / "20260101-000000_synthesize_four"
    folder.mkdir()
    (folder / "request.json").write_text(
        '{"verb": "synthesize", "arguments": ["synthesize"], "name": "four"}'
    )
    plan = plans.parse({"masks": {"source": "examples"}})
    labels = np.zeros((40, 50), np.uint8)
    labels[10:20, 10:30] = 1
    mask, made = SetFolder(folder / "set"), []
    dealt = [
        (
            Item(f"s{k:06d}", 0, 0, k, Mask(labels).digest, 40, 50, Source("examples", "", "a", "")),
            Mask(labels),
        )
        for k in range(1, 5)
    ]
    mask.begin(Head(plan, (Checkpoint("x", "x", "0" * 64, 64),), 4, 1, 1), dealt)
    pictures = [png.encode(np.full((64, 64, 3), 40 * k, np.uint8), {}) for k in range(1, 5)]
    made = [Made(one.id, "", "", 0.1) for one, _ in dealt]
    mask.write_unit(0, made, pictures)
    mask.write_scores(
        Scores(one.id, 0.1 * k, 1.5 if k == 3 else 0.2, "", "", 1.0, "", 0.1, 1, 0, 0.4, 0, 90.0)
        for k, (one, _) in enumerate(dealt)
    )
    return folder.name


def token(services: Services, owner: str = "anna") -> str:
    return services.identity.mint(owner)


def test_only_the_workspace_can_be_named(services, tmp_path):
    plans_of = Plans(services, Tasks(services.identity))
    write_dataset(tmp_path / "elsewhere", 2, 64)
    offers = plans_of.offers({"token": token(services)})
    assert offers["datasets"] == [] and not offers["here_only"] and len(offers["models"]) == 1
    plan = offers["plan"]
    for masks in (
        {"source": "dataset", "where": [str(tmp_path / "elsewhere")]},
        {"source": "dataset", "where": ["../../elsewhere"]},
        {"source": "folder", "where": [str(tmp_path / "elsewhere" / "masks")]},
    ):
        with pytest.raises(SiameseError, match="no dataset|cannot be named|only where nobody else"):
            plans_of.begin({"token": token(services), "plan": plan | {"masks": masks}})
    with pytest.raises(SiameseError, match="no longer there"):
        plans_of.begin(
            {"token": token(services), "plan": plan | {"pictures": {"checkpoints": [str(tmp_path)]}}}
        )
    with pytest.raises(SiameseError, match="fold: .*less than or equal to 10"):
        plans_of.begin({"token": token(services), "plan": plan | {"fold": 99}})
    with pytest.raises(SiameseError, match="did not arrive whole"):
        plans_of.begin({"token": token(services), "plan": "x"})
    assert Jobs(services.workspace).list() == []
    services.workspace.library("anna").add(Mask(np.ones((8, 8), np.uint8)), "anna's")
    assert plans_of.offers({"token": token(services)})["collections"] == [{"name": "", "count": 1}]
    assert plans_of.offers({"token": token(services, "berta")})["collections"] == []
    other = plans_of._plan("berta", {"plan": plan | {"masks": {"source": "library", "owner": "anna"}}})
    assert other.masks.owner == "berta"


def test_a_plan_comes_back_to_the_form_as_it_was(services):
    door, root = Plans(services, Tasks(services.identity)), services.workspace.root
    write_dataset(services.workspace.datasets / "ward", 3, 64)
    asked = {"token": token(services)}
    plan = door.offers(asked)["plan"]
    plan |= {"name": "Übung", "masks": plan["masks"] | {"source": "dataset", "where": ["ward"], "owner": "anna"}}
    run = door.begin(asked | {"plan": plan})["run"]
    end_all(root)
    assert door.again(asked | {"set": run})["plan"] == plan
    stored = plans.read(services.workspace.runs / run / "plan.toml")
    assert stored.masks.where == (str(services.workspace.datasets / "ward"),)


def test_a_decision_carries_the_name_of_who_is_signed_in(services, a_set):
    sets = Sets(services)
    reviews = Reviews(services, sets)
    asked = {"token": token(services), "set": a_set}
    found = reviews.review(asked | {"show": "waiting", "most": 24, "at": 0})
    flagged = [cell["id"] for cell in found["cells"]]
    assert "s000004" in flagged and found["blocked"] == 1
    reviews.decide(asked | {"id": "s000004", "word": "reject", "reason": "copy", "by": "somebody else"})
    folder = SetFolder(services.workspace.runs / a_set / "set")
    assert folder.decisions()["s000004"].by == "anna"
    assert reviews.review(asked | {"show": "all", "most": 2, "at": 99})["at"] == 2
    for bad in ({"id": "s9"}, {"id": "s000001", "word": "burn"}, {"id": "s000001", "reason": "mood"}):
        with pytest.raises(SiameseError, match="not there any more"):
            reviews.decide(asked | {"word": "accept", "reason": ""} | bad)
    with pytest.raises(SiameseError, match="no such rule"):
        reviews.set_rule(asked | {"key": "luck", "threshold": 1})
    with pytest.raises(SiameseError, match="may be 1 or stricter"):
        reviews.set_rule(asked | {"key": "copies", "threshold": 5})
    with pytest.raises(SiameseError, match="page is not known|reload"):
        reviews.decide({"token": "x", "set": a_set, "id": "s000001", "word": "accept", "reason": ""})


def test_rules_changed_at_the_same_time_are_all_kept(services, a_set):
    reviews = Reviews(services, Sets(services))
    asked = {"token": token(services), "set": a_set}
    changes = [{"key": "mask_fit", "threshold": 0.5}, {"key": "mask_fit", "action": "reject"}]
    changes += [{"key": key, "threshold": 0.4} for key in ("too_dark", "too_bright", "clipped", "near_duplicate")]
    with ThreadPoolExecutor(len(changes)) as pool:
        list(pool.map(lambda change: reviews.set_rule(asked | change), changes))
    kept = rules.read(SetFolder(services.workspace.runs / a_set / "set"))
    assert kept.mask_fit == rules.Limits(reject=0.5)
    assert [kept.of(change["key"]).flag for change in changes[2:]] == [0.4] * 4


def test_an_export_waits_for_copies_and_hands_out_only_exports(services, a_set):
    outbox = Outbox(services.workspace, services.identity)
    exports = Exports(services, Tasks(services.identity), Sets(services), outbox)
    asked = {"token": token(services), "set": a_set}
    found = exports.export_offers(asked)
    assert found["problem"].startswith("1 possible copy of training pictures must be decided")
    assert found["usual"] in {one["key"] for one in found["layouts"]} and not found["real"]
    (services.workspace.root / "secret.zip").write_bytes(b"x")
    for name in ("../../secret", "..", "nothing", ""):
        with pytest.raises(SiameseError, match="not there any more"):
            exports.export_zip(asked | {"name": name})


def test_a_set_can_be_an_arm_of_a_rating_study(services, a_set):
    offered = dict(Desk(services).sources("anna"))
    assert offered == {f"set {a_set}": str(services.workspace.runs / a_set / "set")}


def test_pictures_of_a_set_are_small_and_its_own(services, a_set):
    sets = Sets(services)
    asked = {"token": token(services), "set": a_set, "ids": ["s000001", "../set", "s999999"]}
    found = sets.picture(asked)["pictures"]
    assert list(found) == ["s000001"] and found["s000001"]
    with pytest.raises(SiameseError):
        sets.picture(asked | {"set": "../../etc"})


def test_what_the_screen_does_itself_imports_no_torch():
    """Another thread may be importing it for the resident model at that moment, and one of the two would fail."""
    doors = "ui.dataset, siamese.augment.deal, siamese.gate.twin, siamese.tasks.export, siamese.export.verify"
    code = f"import sys, {doors}; print([name for name in ('torch', 'siamese.diffusion') if name in sys.modules])"
    run = subprocess.run([sys.executable, "-c", code], cwd=HOUSE, capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"
