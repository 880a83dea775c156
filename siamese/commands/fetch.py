"""`python -m siamese fetch`: the one word that downloads."""

from __future__ import annotations

from typing import Annotated

import typer

from siamese import hub


def fetch(
    name: Annotated[str | None, typer.Argument(help="hub name; default: Stable Diffusion 1.5")] = None,
    half: Annotated[bool, typer.Option(help="the fp16 files: 2.1 GB instead of 4.3")] = False,
) -> None:
    """Download the base of the family sd15 from the Hugging Face hub, once; nothing else here uses the network."""
    print(hub.NOTICE)
    print(hub.fetch(name or hub.DEFAULT, half))
