"""The house rules that a machine can hold: who imports whom, what is pinned, what is never written down."""

from __future__ import annotations

import ast
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from packaging.requirements import Requirement

HOUSE = Path(__file__).parents[1]
CODE = [HOUSE / "app.py", *sorted(HOUSE.glob("siamese/**/*.py")), *sorted(HOUSE.glob("ui/**/*.py"))]
TESTS = sorted(HOUSE.glob("tests/**/*.py"))

# Each line may import those above it, never its own strangers nor what stands below.
ORDER = (
    (
        "siamese.errors",
        "siamese.events",
        "siamese.presets",
        "siamese.recipe",
        "siamese.sections",
        "siamese.atomic",
        "siamese.counted",
        "siamese.gallery",
        "siamese.hub",
        "siamese.lockfile",
        "siamese.shipped",
        "siamese.store",
    ),
    ("siamese.masks",),
    ("siamese.picture",),
    ("siamese.library", "siamese.provenance"),
    ("siamese.workspace",),
    ("siamese.disk",),
    ("siamese.data",),
    ("siamese.diffusion", "siamese.metrics", "siamese.study", "siamese.augment"),
    ("siamese.segmentation", "siamese.export"),
    ("siamese.gate",),
    ("siamese.tasks",),
    ("siamese.jobs",),
    ("siamese.doctor", "siamese.terminal"),
    ("siamese.commands",),
    ("siamese",),  # __init__ and __main__: the library's top
    ("ui",),
    ("app",),
)
LINE = {part: line for line, parts in enumerate(ORDER) for part in parts}


def imports(path: Path, *, lazy: bool = True) -> Iterator[str]:
    """Dotted names that a file imports; `lazy` False leaves out those inside functions."""
    todo: list[ast.AST] = [ast.parse(path.read_text("utf-8"), str(path))]
    while todo:
        node = todo.pop()
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: relative import; write the whole name"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        if lazy or not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            todo.extend(ast.iter_child_nodes(node))


def part(dotted: str) -> str:
    """The part of the house that a dotted name belongs to."""
    first = dotted.split(".")[0]
    if first != "siamese":
        return first
    two = ".".join(dotted.split(".")[:2])
    return two if two in LINE else first


def part_of(path: Path) -> str:
    """The part of the house that a file belongs to; a new one must take its place in ORDER first."""
    names = [
        name for name in path.relative_to(HOUSE).with_suffix("").parts if name not in ("__init__", "__main__")
    ]
    found = part(".".join(names))
    assert names == ["siamese"] or found != "siamese", f"{path.relative_to(HOUSE)}: give it a line in ORDER"
    return found


@pytest.mark.parametrize("path", CODE, ids=lambda p: str(p.relative_to(HOUSE)))
def test_imports_run_one_way(path):
    own = part_of(path)
    for target in {part(name) for name in imports(path)}:
        if target == own or target not in LINE:
            continue
        neighbours = LINE[target] == LINE[own] == 0
        assert neighbours or LINE[target] < LINE[own], f"{path.relative_to(HOUSE)} imports {target}"
        assert not (own == "app" and target != "ui" and LINE[target] >= LINE["siamese.tasks"])
    if own.startswith("siamese"):
        assert "gradio" not in {part(name) for name in imports(path)}


@pytest.mark.parametrize("path", CODE, ids=lambda p: str(p.relative_to(HOUSE)))
def test_heavy_packages_stay_where_they_belong(path):
    own, heavy = part_of(path), {"torch", "diffusers"}
    if LINE[own] <= LINE["siamese.disk"] or own == "siamese.study":
        assert not heavy & {part(name) for name in imports(path)}
    if own in (
        "app",
        "ui",
        "siamese",
        "siamese.doctor",
        "siamese.commands",
        "siamese.jobs",
    ):  # inside functions only, so that the page opens fast
        assert not heavy & {part(name) for name in imports(path, lazy=False)}
    assert "torchvision" not in {part(name) for name in imports(path)}


def test_the_light_parts_load_no_torch():
    light = [
        ".".join(p.relative_to(HOUSE).with_suffix("").parts)
        for p in CODE
        if LINE[part_of(p)] < LINE["siamese.data"]
    ]
    light = [name.removesuffix(".__init__") for name in light] + [
        "siamese",
        "siamese.doctor",
        "siamese.__main__",
    ]
    heavy = {"torch", "diffusers", "gradio"}
    code = f"import sys, {', '.join(light)}\nprint(sorted({heavy} & set(sys.modules)))"
    run = subprocess.run([sys.executable, "-c", code], cwd=HOUSE, capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


def test_every_file_can_be_read_at_one_sitting():
    scripts = [path for part in ("siamese", "ui", "assets", "tests") for path in HOUSE.glob(f"{part}/**/*.js")]
    lengths = {
        str(p.relative_to(HOUSE)): len(p.read_text("utf-8").splitlines()) for p in [*CODE, *TESTS, *scripts]
    }
    assert {name: lines for name, lines in lengths.items() if lines >= 400} == {}


def test_nothing_opens_pickles():
    for path in CODE:
        names = {part(name) for name in imports(path)}
        assert not names & {"pickle", "cPickle", "dill", "joblib", "shelve", "marshal"}, path
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if not isinstance(node, ast.Call):
                continue
            settings = {k.arg: getattr(k.value, "value", None) for k in node.keywords}
            assert settings.get("allow_pickle") in (None, False), f"{path}:{node.lineno}"
            if ast.unparse(node.func) == "torch.load":
                assert settings.get("weights_only") is True, (
                    f"{path}:{node.lineno}: torch.load(weights_only=True)"
                )


def test_no_path_of_somebodys_machine():
    endings = {".py", ".js", ".css", ".html", ".toml", ".md", ".txt", ".sh", ".bat", ".json"}
    folders = [HOUSE / name for name in ("siamese", "ui", "tests", "assets", "checkpoints", ".ci")]
    files = [p for folder in folders for p in folder.rglob("*") if p.is_file()]
    files = [p for p in files if p.suffix in endings or p.parent.name == ".ci"]
    files += [p for p in HOUSE.iterdir() if p.is_file() and (p.suffix in endings or p.name == "Makefile")]
    somebody = re.compile(r"(?<![\w.~])/(home|Users|work|root)/\w|[A-Z]:\\+Users\\+\w")
    found = [
        f"{p}:{i}"
        for p in files
        for i, line in enumerate(p.read_text("utf-8").splitlines(), 1)
        if somebody.search(line)
    ]
    assert found == []


def requirements(name: str) -> dict[str, tuple[Requirement, str]]:
    """Package -> (requirement, reason) of a requirements file."""
    found = {}
    for line in (HOUSE / name).read_text("utf-8").splitlines():
        wanted, _, reason = line.partition("#")
        if wanted.strip():
            found[Requirement(wanted).name] = Requirement(wanted), reason.strip()
    return found


def test_requirements_are_ranges_with_reasons():
    app = requirements("requirements.txt")
    assert str(app["torch"][0]) == "torch==2.13.0"
    assert "torchvision" not in app and "opencv-python" not in app and "opencv-python-headless" in app
    more = {**requirements("requirements-test.txt"), **requirements("requirements-soak.txt")}
    for name, (wanted, reason) in {**app, **more}.items():
        assert len(reason) > 10, f"{name}: say why"
        operators = {s.operator for s in wanted.specifier}
        assert operators == {"=="} if name == "torch" else ">=" in operators, name
        assert "<" in operators or name in ("torch", "ruff"), f"{name}: needs an upper bound"
    assert app["gradio"][0].specifier.contains("6.31.0") and not app["gradio"][0].specifier.contains("7.0")


def test_what_is_imported_is_required():
    known_as = {"cv2": "opencv-python-headless", "skimage": "scikit-image"}
    installed = set(requirements("requirements.txt"))
    extras = {
        "siamese/export/layouts/huggingface.py": "pyarrow",
        "siamese/export/parquet.py": "pyarrow",
        "siamese/jobs/ray.py": "ray",
        "siamese/tasks/optimizer.py": "bitsandbytes",
        "ui/rating/audit_session.py": "playwright",
    }  # inside functions, with a cure
    for path in CODE:
        names = (
            {part(name) for name in imports(path)}
            - {extras.get(path.relative_to(HOUSE).as_posix())}
            - set(LINE)
            - set(sys.stdlib_module_names)
        )
        assert {known_as.get(name, name) for name in names} <= installed, path.relative_to(HOUSE)


def test_the_settings_say_the_same():
    settings = tomllib.loads((HOUSE / "pyproject.toml").read_text("utf-8"))
    assert (
        settings["project"]["requires-python"] == ">=3.11"
        and settings["tool"]["ruff"]["target-version"] == "py311"
    )
    assert sys.version_info >= (3, 11)


def test_make_installs_once_and_again_when_the_requirements_change(tmp_path):
    """The real Makefile with a python that only writes down what it was asked."""
    for name in ("Makefile", "requirements.txt", "requirements-test.txt", "requirements-soak.txt"):
        shutil.copy(HOUSE / name, tmp_path)
    recorder = '#!/bin/sh\necho "$@" >> log.txt\n'
    stub = "#!/bin/sh\n"
    for name, text in ((".venv/bin/python", recorder), (".ci/browser", stub), (".ci/postgres", stub)):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)
    outer = ("MAKE", "MFLAGS", "PIP_ARGS", "APP_ARGS", "PYTEST_ARGS", "VENV")  # of a `make test` that runs us
    env = {k: v for k, v in os.environ.items() if not k.startswith(outer)}

    def make(*words: str) -> list[str]:
        (tmp_path / "log.txt").unlink(missing_ok=True)
        subprocess.run(["make", *words], cwd=tmp_path, env=env, check=True, capture_output=True)
        return (tmp_path / "log.txt").read_text().splitlines()

    app, test = (
        "-m pip install -r requirements.txt",
        "-m pip install -r requirements.txt -r requirements-test.txt",
    )
    assert make("app", "APP_ARGS=--port 8000") == [app, "app.py --port 8000"]
    assert make("app") == ["app.py"]
    three = "-n 3 --dist loadfile --no-loadscope-reorder"
    assert make("test") == [test, f"-m pytest {three}"]
    soak = "-m pytest -m soak -n 2 --dist loadfile --no-loadscope-reorder -o faulthandler_timeout=1200"
    assert make("soak") == ["-m pip install -r requirements-soak.txt", soak]
    assert make("soak") == [soak] and make("check") == ["-m ruff check ."]
    (tmp_path / "requirements.txt").write_text("numpy>=2\n")
    assert make("app") == [app, "app.py"] and make("test") == [test, f"-m pytest {three}"]
    assert make("test") == [f"-m pytest {three}"] and make("app") == ["app.py"]
    (tmp_path / "wheels").mkdir()
    (tmp_path / "wheels" / "numpy-2-py3-none-any.whl").touch()
    (tmp_path / "requirements.txt").write_text("numpy>=2.1\n")
    assert make("app")[0] == "-m pip install --no-index --find-links wheels -r requirements.txt"


def test_make_alone_names_every_target(tmp_path):
    shutil.copy(HOUSE / "Makefile", tmp_path)
    for name in ("requirements.txt", "requirements-test.txt", "requirements-soak.txt"):
        shutil.copy(HOUSE / name, tmp_path)
    said = subprocess.run(["make"], cwd=tmp_path, check=True, capture_output=True, text=True).stdout
    assert all(f"make {target} " in said for target in ("app", "test", "soak", "check", "bench", "bundle"))
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        "Makefile",
        "requirements-soak.txt",
        "requirements-test.txt",
        "requirements.txt",
    ]
