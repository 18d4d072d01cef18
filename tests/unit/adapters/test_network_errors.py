"""A host that answers with an error, or breaks off in the middle; a program that is not there, or does not end."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from envtool.adapters.http import UnreachableError, content_length, fetch_page, sha256_of_url
from envtool.adapters.process import run
from envtool.errors import EnvtoolError, ExitCode


class _Broken(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        if self.path.startswith("/half"):
            self.send_response(200)
            self.send_header("Content-Length", "1000")
            self.end_headers()
            self.wfile.write(b"x" * 10)
            return
        self.send_error(503 if self.path.startswith("/down") else 404)

    do_HEAD = do_GET  # noqa: N815 - the name that http.server calls

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Broken)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://user:t0ken@127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_a_server_error_is_another_source_s_turn(host: str) -> None:
    with pytest.raises(UnreachableError) as caught:
        fetch_page(f"{host}/down/torch/", "text/html")
    assert caught.value.code == "network.server-error"
    assert caught.value.message.endswith("/down/torch/ answered 503")
    assert "t0ken" not in caught.value.message


def test_a_download_that_breaks_off_gives_no_digest(host: str) -> None:
    with pytest.raises(UnreachableError) as caught:
        sha256_of_url(f"{host}/half/a.whl")
    assert (caught.value.code, caught.value.exit_code) == ("network.interrupted", ExitCode.INSTALL)
    assert "t0ken" not in caught.value.message


def test_what_is_not_there_is_no_error(host: str) -> None:
    assert fetch_page(f"{host}/torch/", "text/html") is None
    assert sha256_of_url(f"{host}/a.whl") is None
    assert content_length(f"{host}/down/a.whl") is None


def test_a_program_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(EnvtoolError) as caught:
        run([tmp_path / "nothing"])
    assert caught.value.code == "process.missing"
    assert str(tmp_path / "nothing") in caught.value.message


def test_a_program_that_does_not_end() -> None:
    with pytest.raises(EnvtoolError) as caught:
        run([sys.executable, "-c", "import time; time.sleep(60)"], timeout=1)
    assert caught.value.code == "process.timeout"
    assert caught.value.message.endswith("did not end within 1 s")
