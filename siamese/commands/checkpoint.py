"""`python -m siamese checkpoint info|publish`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from siamese import recipe
from siamese.atomic import write_atomically
from siamese.shipped import FILE, find

app = typer.Typer(no_args_is_help=True, help="Look at checkpoints and publish them.")

INDEX_SIZE = 384  # side at which training pictures are read for a segmenter's index, pixels


@app.command()
def info(name: Annotated[str, typer.Argument(help="a shipped name or a folder")]) -> None:
    """Print a checkpoint's recipe, size and digest."""
    from siamese.diffusion import checkpoint as files

    folder = find(name)
    settings, metadata = files.read_recipe(folder)
    path = folder / FILE
    facts = {key: value for key, value in metadata.items() if key != "recipe"}
    facts |= {
        "file": str(path),
        "megabytes": f"{path.stat().st_size / 1e6:.2f}",
        "sha256": files.sha256(path),
    }
    print(json.dumps({**facts, "recipe": settings.model_dump()}, indent=2, ensure_ascii=False))


@app.command()
def publish(
    source: Annotated[Path, typer.Argument(help="a checkpoint folder of a run")],
    target: Annotated[Path, typer.Argument(help="where to put it, e.g. checkpoints/polyp-compact")],
    data: Annotated[
        list[Path], typer.Option("--data", help="for a segmenter: the training sets, for its train index")
    ] = [],  # noqa: B006
    changes: Annotated[
        list[str], typer.Option("--set", help="defaults chosen on val, e.g. sampling.guidance=2")
    ] = [],  # noqa: B006
) -> None:
    """Write a run's checkpoint in half precision with its digest, ready to ship."""
    import torch

    from siamese.diffusion import checkpoint as files

    if files.is_segmenter(find(source)):
        from siamese.data import batches, dataset
        from siamese.segmentation import judge

        read = [dataset.read(folder, "train") for folder in data]
        path = judge.publish(source, target)
        if read:
            shipped = judge.load(target)
            written = shipped.write_index(batches.prepare(read, INDEX_SIZE, shipped.recipe.data), target)
            print(f"{written}: {written.stat().st_size / 1e6:.2f} MB")
    else:
        loaded = files.load(source)
        chosen = recipe.changed(loaded.model.recipe, changes, only="sampling")
        unnamed = chosen.data.model_copy(
            update={"feature_net": None}
        )  # a path of this machine says nothing elsewhere
        loaded.model.recipe = chosen.model_copy(update={"data": unnamed})
        facts = {key: value for key, value in loaded.metadata.items() if key not in ("recipe", "format")}
        path = files.save(loaded.model, target, loaded.digests, torch.float16, **facts)
    write_atomically(target / "model.sha256", f"{files.sha256(path)}  {FILE}\n".encode())
    print(f"{path}: {path.stat().st_size / 1e6:.2f} MB")
