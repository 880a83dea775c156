"""Where the rating pages are served, and for how many other machines: checked before anything is opened."""

from __future__ import annotations

import logging
import ssl
import sys
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import uvicorn

from siamese.errors import MachineError, SiameseError
from siamese.store.grants import open_pages
from siamese.study.rating import Rating
from siamese.study.studies import Study
from ui.address import check_port
from ui.rating.app import build
from ui.rating.deliveries import Deliveries, check_pictures
from ui.rating.gate import App, Gate
from ui.rating.wire import Teller

HERE_ONLY = ("127.0.0.1", "localhost", "::1")
LAST_WORDS = 5  # seconds for answers under way when the server is told to stop


@dataclass(frozen=True)
class Address:
    """Where the pages are.

    Args:
        host: address to listen at.
        port: port to listen at.
        certificate: PEM file for TLS, the chain included; None: plain HTTP.
        key: its private key; None: it lies in the certificate's file.
        prefix: path under which a reverse proxy shows the pages, e.g. "/study".
        behind_proxy: only a reverse proxy with TLS of its own reaches this port.
        base: the address that raters type, for printing alone; empty: made of the above.
    """

    host: str = "127.0.0.1"
    port: int = 7870
    certificate: Path | None = None
    key: Path | None = None
    prefix: str = ""
    behind_proxy: bool = False
    base: str = ""

    def check(self) -> None:
        """Refuse what would send secrets of links over a network in the clear, or cannot be served.

        Raises:
            MachineError: with the cure.
        """
        if self.host not in HERE_ONLY and not self.certificate and not self.behind_proxy:
            raise MachineError(
                f"Serving at {self.host} lets other machines in and needs TLS: add --certificate FILE and --key FILE, "
                "or say --behind-proxy when only a reverse proxy with TLS reaches this port."
            )
        if self.key and not self.certificate:
            raise MachineError("--key needs --certificate FILE beside it.")
        if self.certificate:
            try:
                ssl.create_default_context(ssl.Purpose.CLIENT_AUTH).load_cert_chain(
                    self.certificate, self.key
                )
            except (OSError, ValueError) as error:
                raise MachineError(
                    f"{self.certificate} and {self.key or 'the key in it'} cannot be used for TLS ({error}); two PEM "
                    "files that belong together were expected, the key without a password."
                ) from error
        if self.prefix and (
            not self.prefix.startswith("/") or self.prefix.endswith("/") or "//" in self.prefix
        ):
            raise MachineError(f"The prefix {self.prefix!r} cannot be used; one like /study was expected.")
        if self.base and urlsplit(self.base).scheme not in ("http", "https"):
            raise MachineError(
                f"{self.base!r} is no address; one like https://host.example/study was expected."
            )
        check_port(self.host, self.port)

    @property
    def url(self) -> str:
        """What stands before # in a personal link."""
        if self.base:
            return self.base.rstrip("/") + "/"
        host = {"0.0.0.0": "127.0.0.1", "::": "[::1]", "::1": "[::1]"}.get(self.host, self.host)
        return f"{'https' if self.certificate else 'http'}://{host}:{self.port}{self.prefix}/"


class Announced(uvicorn.Server):
    """Says where it is once it listens."""

    said = ""

    async def startup(self, sockets: list | None = None) -> None:
        """Listen, then say so."""
        await super().startup(sockets)
        if self.started:
            sys.stdout.write(self.said + "\n")
            sys.stdout.flush()


def teller_of(study: Study) -> Teller:
    """What the pages need of a study, and nothing else: its votes half, its pictures and masks.

    Raises:
        StudyError: not locked, its pictures were changed, or the database cannot be reached.
    """
    engine = open_pages(study.place)
    rating = Rating(engine, study.id)
    outlined = {scale.key for scale in rating.design.texts.scales if scale.with_mask}
    check_pictures(engine, study.id, study.pictures, study.masks, outlined)
    deliveries = Deliveries(study.pictures, study.masks, rating.design.size)
    return Teller(rating, deliveries, study.folder / "results")


def serve(study: Study, address: Address) -> None:
    """Serve the pages of a study until interrupted. No access log: who came from where is written nowhere.

    Raises:
        SiameseError: the address or the study cannot be used.
    """
    address.check()
    teller = teller_of(study)
    run(page_of(teller, address), address, f"The rating pages of {study.name} are at {address.url}")


def page_of(teller: Teller, address: Address) -> App:
    """Routes and page, behind the gate."""
    import gradio as gr

    from ui.rating import page

    app = build(teller.rating, teller)
    gr.mount_gradio_app(
        app,
        page.build(teller.rating.design),
        path="/",
        root_path=address.prefix or None,
        run_history=False,
        footer_links=[],
        show_error=False,
        ssr_mode=False,
        pwa=False,
        enable_monitoring=False,
        mcp_server=False,
        allowed_paths=[],
        max_file_size=1,
        theme=page.theme(),
        head=page.head(),
    )
    return Gate(app, address.prefix, address.behind_proxy)


def run(app: App, address: Address, said: str) -> None:
    """Serve an app until interrupted."""
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(message)s")
    server = Announced(
        uvicorn.Config(
            app,
            host=address.host,
            port=address.port,
            ssl_certfile=address.certificate,
            ssl_keyfile=address.key,
            access_log=False,
            log_config=None,
            log_level="warning",
            server_header=False,
            date_header=False,
            proxy_headers=False,
            timeout_graceful_shutdown=LAST_WORDS,
        )
    )
    server.said = said
    try:
        server.run()
    except KeyboardInterrupt:
        return
    except SystemExit as error:
        raise SiameseError(
            f"{address.host}:{address.port} could not be served; see the lines above."
        ) from error
