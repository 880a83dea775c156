"""`python -m ui.rating --study FOLDER`: serve the rating pages of one study. `study serve NAME` starts this."""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path


def arguments(argv: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m ui.rating", description="Serve the rating pages of one study."
    )
    parser.add_argument("--study", type=Path, required=True, help="the study's folder")
    parser.add_argument(
        "--host", default="127.0.0.1", help="any but this machine's needs TLS or --behind-proxy"
    )
    parser.add_argument("--port", type=int, default=7870, help="port to listen at (default 7870)")
    parser.add_argument("--certificate", type=Path, help="PEM file for TLS, the chain included")
    parser.add_argument("--key", type=Path, help="its private key, PEM")
    parser.add_argument(
        "--prefix", default="", help="path under which a reverse proxy shows the pages, e.g. /study"
    )
    parser.add_argument(
        "--behind-proxy", action="store_true", help="only a reverse proxy with TLS reaches this port"
    )
    parser.add_argument("--base", default="", help="the address that raters type, for printing alone")
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> int:
    """Serve until interrupted; 2 when the machine, the study or the arguments do not allow it."""
    args = arguments(argv)
    from siamese.errors import SiameseError
    from ui.address import prepare_environment

    with tempfile.TemporaryDirectory(prefix="siamese-rating-") as cache:
        prepare_environment(Path(cache))  # before anything that imports gradio
        from siamese.study.studies import Study
        from ui.rating.serving import Address, serve

        try:
            address = Address(
                args.host,
                args.port,
                args.certificate,
                args.key,
                args.prefix.rstrip("/"),
                args.behind_proxy,
                args.base,
            )
            serve(Study.open(args.study), address)
        except SiameseError as error:
            sys.stderr.write(f"{error}\n")
            return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
