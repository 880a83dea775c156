"""`python -m siamese checkpoint info|seen|import|export|publish`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from siamese import recipe
from siamese.atomic import write_atomically
from siamese.shipped import FILE, find

app = typer.Typer(
    no_args_is_help=True, help="Look at checkpoints, bring published ones in and out, publish them."
)

SD15 = Path(__file__).resolve().parents[2] / "assets" / "recipes" / "sd15.toml"
STYLE = "polyp"  # of an imported checkpoint that is given none
INDEX_SIZE = 384  # side at which training pictures are read for a segmenter's index, pixels


@app.command()
def info(
    name: Annotated[str, typer.Argument(help="a shipped name, a folder, or a file of weights")],
) -> None:
    """Print a checkpoint's recipe, size and digest; of a stranger's file what it is and holds."""
    from siamese.diffusion import checkpoint as files

    if Path(name).is_file():
        from siamese.diffusion import published

        print(json.dumps(published.describe(Path(name)), indent=2, ensure_ascii=False))
        return
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


@app.command("seen")
def which_seen(
    name: Annotated[str, typer.Argument(help="a shipped name or a folder")],
    data: Annotated[list[Path], typer.Option("--data", help="dataset folders")],
) -> None:
    """Say which pictures of a dataset a checkpoint, or one it came from, was trained on; from digests inside it."""
    from siamese.augment import leaks
    from siamese.data import seen

    known = seen.read(name)
    if known.unknown:
        print(f"What {', '.join(known.unknown)} was trained on is not known, so a picture may be missing below.")
    for folder in data:
        for split, found, count in leaks.seen_in(known, folder):
            listed = f": {', '.join(found)}" if 0 < len(found) < count else ""
            print(f"{folder.name}, {split}: {len(found)} of {count} seen{listed}")


@app.command("import")
def bring_in(
    file: Annotated[Path, typer.Argument(help="a published .safetensors, .ckpt, .pth or .bin file")],
    out: Annotated[Path, typer.Option(help="the checkpoint folder to write")],
    base: Annotated[
        str | None,
        typer.Option(help="Stable Diffusion 1.5 (folder, file or fetched name) for what the file lacks"),
    ] = None,
    settings: Annotated[Path, typer.Option("--recipe", help="its sizes")] = SD15,
    changes: Annotated[
        list[str], typer.Option("--set", help='e.g. styles=["polyp"] or prompts=["A photo of a polyp."]')
    ] = [],  # noqa: B006
) -> None:
    """Turn a published Siamese-Diffusion file into a checkpoint folder that the studio loads."""
    from siamese.diffusion import published

    chosen = recipe.read(settings, changes)
    chosen = chosen.model_copy(update={"base": base, "styles": chosen.styles or (STYLE,)})
    done = published.import_file(file, chosen, out)
    print(f"{done.path}: {done.trained} trained tensors, {done.from_base} frozen ones from the base.")
    if done.left_out:
        print(f"Left out, unknown here: {len(done.left_out)} tensors, e.g. {done.left_out[0]}.")


@app.command("export")
def bring_out(
    name: Annotated[str, typer.Argument(help="a checkpoint folder of the family sd15")],
    file: Annotated[Path, typer.Argument(help="where to; .safetensors, .ckpt, .pth, .bin or .pt")],
    base: Annotated[
        str | None, typer.Option(help="where the text encoder comes from; else the recipe's base")
    ] = None,
    trained_only: Annotated[bool, typer.Option(help="leave out what was frozen")] = False,
    old_text_keys: Annotated[
        bool,
        typer.Option(help="text encoder's names for transformers before 5.6, as the release's code wants"),
    ] = False,
) -> None:
    """Write a checkpoint as one file with the names of the published release."""
    from siamese.diffusion import published

    count = published.export_file(name, file, base, trained_only, old_text_keys)
    print(f"{file}: {count} tensors, {file.stat().st_size / 1e6:.2f} MB")


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
        elsewhere = chosen.base if chosen.base and not Path(chosen.base).expanduser().exists() else None
        loaded.model.recipe = chosen.model_copy(update={"data": unnamed, "base": elsewhere})
        facts = {key: value for key, value in loaded.metadata.items() if key not in ("recipe", "format")}
        path = files.save(loaded.model, target, loaded.digests, torch.float16, **facts)
    write_atomically(target / "model.sha256", f"{files.sha256(path)}  {FILE}\n".encode())
    print(f"{path}: {path.stat().st_size / 1e6:.2f} MB")
