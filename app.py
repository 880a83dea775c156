"""Start Siamese Studio: read the arguments, build the page, serve it. No logic."""

from __future__ import annotations

import argparse
import os
import sys

HERE_ONLY = ("127.0.0.1", "localhost", "::1")


def arguments(argv: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description="Draw the outline of a polyp and see it as tissue.")
    parser.add_argument(
        "--host", default="127.0.0.1", help="address; any but this machine's needs a password"
    )
    parser.add_argument("--port", type=int, default=7860, help="port to serve at (default 7860)")
    parser.add_argument("--workspace", help="folder for drawings and pictures (default ~/SiameseStudio)")
    parser.add_argument("--checkpoint", default="polyp-compact", help="name under checkpoints/, or a folder")
    password = os.environ.get("SIAMESE_PASSWORD")
    parser.add_argument("--password", default=password, help="or the variable SIAMESE_PASSWORD")
    parser.add_argument("--no-browser", action="store_true", help="do not open the browser")
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> int:
    """Serve until interrupted; 2 when the machine or the arguments do not allow it."""
    args = arguments(argv)
    from siamese.errors import MachineError, SiameseError
    from siamese.workspace import Workspace

    try:
        if args.host not in HERE_ONLY and not args.password:
            raise MachineError(
                f"Serving at {args.host} opens this studio to other machines and needs a password: add "
                "--password WORD or set SIAMESE_PASSWORD, or leave out --host to serve this machine only."
            )
        workspace = Workspace(args.workspace) if args.workspace else Workspace.default()
        from ui.address import check_port, prepare_environment

        check_port(args.host, args.port)
        prepare_environment(workspace.cache)  # before anything that imports gradio
        from ui.shell import serve

        serve(workspace, args.checkpoint, args.host, args.port, args.password, browser=not args.no_browser)
    except SiameseError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
