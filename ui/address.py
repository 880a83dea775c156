"""Where the page is served, and what must be set when Gradio is imported."""

from __future__ import annotations

import errno
import os
import socket
from pathlib import Path

from siamese.errors import MachineError
from ui.calm import import_gradio

THIS_MACHINE = "127.0.0.1,localhost,::1"


def check_port(host: str, port: int) -> None:
    """Make sure that nobody listens at `host`:`port` yet.

    Raises:
        MachineError: in use, not allowed, or no such address; the message names the cure.
    """
    try:
        if not 0 < port < 65536:
            raise MachineError(f"{port} is not a port; choose one from 1024 to 65535, like `--port 7860`.")
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as trial:
            if os.name != "nt":  # there it would allow two listeners; here it only skips ports just closed
                trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            trial.bind(address)
            trial.listen(1)
    except socket.gaierror as error:
        raise MachineError(
            f"There is no address {host}; leave out --host to serve this machine only."
        ) from error
    except OSError as error:
        if error.errno in (errno.EADDRINUSE, 10048):  # 10048: the same on Windows
            raise MachineError(
                f"Port {port} is in use, perhaps by another Siamese Studio; choose another one, for example "
                f"`--port {port + 1 if port < 65535 else 7860}`."
            ) from error
        raise MachineError(
            f"{host}:{port} cannot be served ({error.strerror}); choose another, for example `--port 7861`."
        ) from error


def prepare_environment(cache: Path) -> None:
    """Nothing leaves the machine, temporary files stay in the workspace; Gradio, which reads it once, is imported."""
    os.environ.update(
        GRADIO_ANALYTICS_ENABLED="False",
        GRADIO_RUN_HISTORY="False",
        GRADIO_TEMP_DIR=str(cache),
        HF_HUB_OFFLINE="1",
        HF_HUB_DISABLE_TELEMETRY="1",
    )
    for name in ("NO_PROXY", "no_proxy"):  # a hospital's proxy must not be asked for this machine's own page
        before = os.environ.get(name)
        os.environ[name] = f"{before},{THIS_MACHINE}" if before else THIS_MACHINE
    import_gradio()


def url(host: str, port: int) -> str:
    """The address to type into a browser on this machine."""
    here = {"0.0.0.0": "127.0.0.1", "::": "[::1]", "::1": "[::1]"}.get(host, host)
    return f"http://{here}:{port}"
