"""`python -m siamese study serve`: the rating pages as a process of their own; the library knows no page."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from types import FrameType
from typing import Annotated

import typer

from siamese.commands.studies import Name, Where, find

HOUSE = Path(__file__).resolve().parents[2]


def serve(
    name: Name,
    host: Annotated[
        str, typer.Option(help="address to listen at; any but this machine's needs TLS or --behind-proxy")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="port to listen at")] = 7870,
    certificate: Annotated[Path | None, typer.Option(help="PEM file for TLS, the chain included")] = None,
    key: Annotated[Path | None, typer.Option(help="its private key, PEM")] = None,
    prefix: Annotated[
        str, typer.Option(help="path under which a reverse proxy shows the pages, e.g. /study")
    ] = "",
    behind_proxy: Annotated[
        bool, typer.Option("--behind-proxy", help="only a reverse proxy with TLS reaches this port")
    ] = False,
    base: Annotated[str, typer.Option(help="the address that raters type, for printing alone")] = "",
    workspace: Where = None,
) -> None:
    """Open the rating pages alone, until interrupted; nothing of the studio is in them."""
    study = find(name, workspace)
    command = [
        sys.executable,
        "-P",
        "-m",
        "ui.rating",
        "--study",
        str(study.folder),
        "--host",
        host,
        "--port",
        str(port),
    ]
    for option, file in (("--certificate", certificate), ("--key", key)):
        command += [option, str(file.absolute())] if file else []
    for option, text in (("--prefix", prefix), ("--base", base)):
        command += [option, text] if text else []
    command += ["--behind-proxy"] if behind_proxy else []
    paths = [str(HOUSE), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
    with subprocess.Popen(command, env=environment) as pages:

        def pass_on(number: int, _: FrameType | None) -> None:
            pages.send_signal(number)

        signal.signal(signal.SIGTERM, pass_on)
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl+C reaches the pages too; they end, then we do
        code = pages.wait()
    raise typer.Exit(0 if code in (0, -signal.SIGINT, -signal.SIGTERM) else code)
