"""How raters reach the pages: TLS, a reverse proxy with a prefix, `study serve`; and studies that cannot be served."""

from __future__ import annotations

import http.client
import os
import signal
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from siamese.study.design import Arm, Design
from siamese.study.studies import Studies
from siamese.workspace import Workspace
from tests.study.rooms import locked_study
from tests.ui.conftest import HOUSE, answers, free_port
from tests.ui.rating import Pages, Rater, wide


@pytest.fixture
def study(tmp_path):
    return locked_study(tmp_path, raters=3, per_arm=2)


class Proxy:
    """A reverse proxy that shows a server under /study; `cuts`: it takes the prefix off, and says Host in a header."""

    def __init__(self, port: int, cuts: bool):
        self.sent: list[str] = []
        self.strays: list[str] = []
        proxy = self

        class Passing(BaseHTTPRequestHandler):
            def log_message(self, *_: object) -> None:
                pass

            def do_GET(self) -> None:
                if not self.path.startswith("/study/"):  # another site of the hospital
                    proxy.strays.append(self.path)
                    self.send_error(404)
                    return
                proxy.sent.append(self.path)
                headers = {
                    name: value for name, value in self.headers.items() if name.lower() != "connection"
                }
                path = self.path
                if cuts:
                    path = path.removeprefix("/study")
                    headers["X-Forwarded-Host"], headers["Host"] = self.headers["Host"], f"127.0.0.1:{port}"
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                behind = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
                behind.request(self.command, path, body, headers)
                answer = behind.getresponse()
                content = answer.read()
                self.send_response(answer.status)
                for name, value in answer.getheaders():
                    if name.lower() not in ("transfer-encoding", "content-length", "connection"):
                        self.send_header(name, value)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)
                behind.close()

            do_POST = do_GET

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Passing)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/study/"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


def test_behind_a_reverse_proxy_with_a_prefix(study, chromium):
    pages = Pages(
        study, "--prefix", "/study", "--behind-proxy", "--base", "https://ratings.example.org/study"
    ).start()
    proxies = [Proxy(pages.port, cuts) for cuts in (True, False)]
    try:
        for number, proxy in enumerate(proxies, 1):
            pages.url = proxy.url
            rater = Rater(pages, number, wide(chromium)).begin()
            rater.answer("r", "5").answer("s", "0")
            assert [vote.place for vote in rater.sent()] == [0, 1] and rater.errors == []
            assert "/study/rate/vote" in proxy.sent and set(proxy.strays) <= {"/favicon.ico"}
            assert not any(rater.key in path for path in proxy.sent)  # the secret is in no address
            rater.context.close()
    finally:
        for proxy in proxies:
            proxy.close()
        pages.stop()


def test_with_tls_of_its_own(study, tmp_path, chromium):
    certificate, key = tmp_path / "certificate.pem", tmp_path / "key.pem"
    made = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-days",
        "1",
        "-subj",
        "/CN=127.0.0.1",
    ]
    subprocess.run([*made, "-keyout", str(key), "-out", str(certificate)], check=True, capture_output=True)
    pages = Pages(
        study, "--host", "0.0.0.0", "--certificate", str(certificate), "--key", str(key), scheme="https"
    )
    pages.start()
    try:
        rater = Rater(pages, 1, wide(chromium, ignore_https_errors=True)).begin()
        rater.answer("r", "5")
        assert len(rater.sent()) == 1 and rater.errors == []
        rater.context.close()
    finally:
        pages.stop()


def test_study_serve_starts_the_pages_and_ends_with_them(study, tmp_path):
    port = free_port()
    command = [sys.executable, "-m", "siamese", "study", "serve", study.name, "--workspace", str(tmp_path)]
    command += ["--port", str(port), "--base", "https://ratings.example.org"]
    serving = subprocess.Popen(command, cwd=HOUSE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        assert (
            serving.stdout.readline()
            == "The rating pages of believable are at https://ratings.example.org/\n"
        )
        assert answers(f"http://127.0.0.1:{port}/")
        serving.send_signal(signal.SIGTERM)
        said = serving.communicate(timeout=30)
        assert serving.returncode == 0 and said == ("", "")
        assert not answers(f"http://127.0.0.1:{port}/")
    finally:
        serving.kill()
        serving.communicate()


def test_what_cannot_be_served_is_a_sentence_and_exit_2(study, tmp_path):
    design = Design(arms=(Arm(name="a", kind="real", source="x"),))
    draft = Studies(Workspace(tmp_path)).new("draft", design)
    told = []
    for folder, *more in ((draft.folder,), (tmp_path,), (study.folder, "--host", "0.0.0.0")):
        run = subprocess.run(
            [sys.executable, "-m", "ui.rating", "--study", str(folder), "--port", str(free_port()), *more],
            cwd=HOUSE,
            env={**os.environ, "PYTHONWARNINGS": "ignore"},
            capture_output=True,
            text=True,
        )
        assert run.returncode == 2 and run.stdout == "" and "Traceback" not in run.stderr
        told.append(run.stderr)
    assert "prepares the pictures" in told[0] and "is no study" in told[1] and "needs TLS" in told[2]
