"""`python -m siamese jobs pack|wrap|bring-back|check-data` and `jobs ray submit|status|log|stop`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from siamese import recipe
from siamese.workspace import Workspace

ray = typer.Typer(no_args_is_help=True, help="The same on a Ray cluster (pip install 'ray[default]').")

Address = Annotated[str, typer.Option(help="of the cluster's dashboard, e.g. http://head:8265")]
RayId = Annotated[str, typer.Argument(metavar="ID", help="what submit printed")]


def pack(
    recipe_file: Annotated[
        Path, typer.Argument(metavar="RECIPE", help="a .toml of assets/recipes or your own")
    ],
    data: Annotated[
        list[Path], typer.Option("--data", help="folder with images/ and masks/; may be repeated")
    ],
    out: Annotated[Path, typer.Option(help="the zip to write")],
    changes: Annotated[list[str], typer.Option("--set", help="key=value, e.g. train_base.steps=500")] = [],  # noqa: B006
    start: Annotated[str | None, typer.Option(help="checkpoint to start the weights from")] = None,
    without_data: Annotated[
        bool, typer.Option("--without-data", help="only its digests; it lies on the cluster already")
    ] = False,
) -> None:
    """Take it to my cluster: a zip that trains there, without Internet."""
    from siamese.jobs import cluster

    chosen = recipe.read(recipe_file, changes)
    written = cluster.pack(cluster.Pack(chosen, tuple(data), start, not without_data), out)
    print(f"{written}: {written.stat().st_size / 1e6:.1f} MB; unpack it there and read README.md.")


def wrap(
    run: Annotated[Path, typer.Argument(help="a run folder")],
    out: Annotated[Path, typer.Option(help="the zip to write")] = Path("run.zip"),
) -> None:
    """Put what is worth taking home of a run folder into a zip."""
    from siamese.jobs import back

    written = back.wrap(run, out)
    print(
        f"{written}: {written.stat().st_size / 1e6:.1f} MB; take it home: jobs bring-back, or the Train page."
    )


def bring_back(
    source: Annotated[Path, typer.Argument(help="run.zip, or a run folder")],
    name: Annotated[str, typer.Option(help="what to call it")] = "",
    workspace: Annotated[
        Path | None, typer.Option(help="workspace folder; else SIAMESE_WORKSPACE or the home")
    ] = None,
) -> None:
    """Check a run that was trained elsewhere and list it here."""
    from siamese.jobs import back

    home = Workspace.default() if workspace is None else Workspace(workspace)
    print(back.bring_back(source, home, name).id)


def check_data(
    listing: Annotated[Path, typer.Argument(help="data-digests.json of a packed training")],
    where: Annotated[Path, typer.Argument(help="the folder that holds the data folders")],
) -> None:
    """Is the data here what was packed?"""
    from siamese.jobs import cluster

    print(f"{cluster.check_data(listing, where)} files are as they were.")


@ray.command("submit")
def submit(
    packed: Annotated[Path, typer.Argument(help="what `jobs pack` wrote, or the folder it was unpacked to")],
    run: Annotated[Path, typer.Option(help="the run folder, on a disk that every computer there sees")],
    address: Address,
    gpus: Annotated[int, typer.Option(min=0, help="GPUs of one computer")] = 1,
    python: Annotated[str, typer.Option(help="the Python there that has requirements-train.txt")] = "python3",
) -> None:
    """Train there; the same again goes on from the last save."""
    from siamese.jobs.ray import RayCluster

    print(RayCluster(address).submit(packed, run, gpus, python))


@ray.command("status")
def status(job: RayId, address: Address) -> None:
    """How it stands."""
    from siamese.jobs.ray import RayCluster

    found = RayCluster(address).status(job)
    print(f"{found.state}: {found.reason}" if found.reason else found.state)


@ray.command("log")
def log(job: RayId, address: Address) -> None:
    """What it printed."""
    from siamese.jobs.ray import RayCluster

    print(RayCluster(address).log(job)[0], end="")


@ray.command("stop")
def stop(job: RayId, address: Address) -> None:
    """Save and stop it."""
    from siamese.jobs.ray import RayCluster

    RayCluster(address).stop(job)
