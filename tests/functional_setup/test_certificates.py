"""Indexes behind a proxy with its own certificate: the setting of any tool's is enough, and without one it is named."""

from __future__ import annotations

import shutil
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from place import Done, Place
from small_wheels import Indexes

VARIABLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "PIP_CERT", "SSL_CERT_FILE")
NAMES = "SSL_CERT_FILE, PIP_CERT or REQUESTS_CA_BUNDLE names a file"

pytestmark = pytest.mark.skipif(shutil.which("openssl") is None, reason="certificates are made with openssl")


def openssl(folder: Path, *words: str) -> None:
    subprocess.run(["openssl", *words], cwd=folder, check=True, capture_output=True)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with ca.pem, and with host.pem and host.key that it signed: uv takes no certificate for its own CA."""
    folder = tmp_path_factory.mktemp("authority")
    (folder / "host.ext").write_text("subjectAltName=IP:127.0.0.1\nbasicConstraints=CA:FALSE\n")
    key = ("-newkey", "rsa:2048", "-nodes")
    usage = ("-addext", "keyUsage=critical,keyCertSign")
    openssl(folder, "req", "-x509", *key, "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=authority", *usage)
    openssl(folder, "req", *key, "-keyout", "host.key", "-out", "host.csr", "-subj", "/CN=host")
    signed = ("-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-extfile", "host.ext")
    openssl(folder, "x509", "-req", "-in", "host.csr", *signed, "-out", "host.pem")
    return folder


@pytest.fixture
def secure(tmp_path: Path, authority: Path) -> Iterator[Indexes]:
    found = Indexes(tmp_path / "secure")
    found.fill()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(authority / "host.pem", authority / "host.key")
    found.server.socket = context.wrap_socket(found.server.socket, server_side=True)
    yield found
    found.stop()


@pytest.fixture
def place(tmp_path: Path, surroundings: dict[str, str], secure: Indexes) -> Place:
    for name in (*VARIABLES, "SSL_CERT_DIR"):
        surroundings.pop(name, None)
    urls = (("ENVTOOL_TORCH_INDEX", secure.torch_index), ("UV_DEFAULT_INDEX", secure.default_index))
    surroundings |= {name: url.replace("http:", "https:") for name, url in urls}
    return Place(tmp_path / "project", {**surroundings, "ENVTOOL_TARGETS": "linux-x86_64"})


@pytest.mark.parametrize("variable", VARIABLES)
def test_one_setting_is_enough(place: Place, authority: Path, variable: str) -> None:
    place.done("--cpu", "torch", "leaf", **{variable: str(authority / "ca.pem")})
    assert place.installed() == {"leaf": "2.0", "torch": "2.13.0+cpu"}


@pytest.mark.parametrize("variable", ["SSL_CERT_DIR", "REQUESTS_CA_BUNDLE"])
def test_a_folder_of_certificates(place: Place, authority: Path, tmp_path: Path, variable: str) -> None:
    folder = tmp_path / "certificates"
    folder.mkdir()
    shutil.copy(authority / "ca.pem", folder)
    openssl(folder, "rehash", ".")
    place.done("--cpu", "torch", "leaf", **{variable: str(folder)})
    assert place.installed() == {"leaf": "2.0", "torch": "2.13.0+cpu"}


def lock(place: Place, secure: Indexes, resolver: str, **environment: str) -> Done:
    """With torch from a folder: pip-tools wants metadata, which these indexes do not serve."""
    folder = secure.folder / "whl" / "cpu" / "torch"
    words = ("--resolver", resolver, "--backend", "cpu", "--find-links", str(folder), "torch", "leaf")
    return place.call("lock", *words, ENVTOOL_TORCH_INDEX="http://127.0.0.1:1/whl", **environment)


@pytest.mark.parametrize("variable", ["PIP_CERT", "SSL_CERT_FILE"])
def test_pip_tools_follows_it(place: Place, secure: Indexes, authority: Path, variable: str) -> None:
    done = lock(place, secure, "pip-tools", **{variable: str(authority / "ca.pem")})
    assert done.code == 0, done.err


@pytest.mark.parametrize("resolver", ["uv", "pip-tools"])
def test_a_default_index_that_nobody_trusts(place: Place, secure: Indexes, resolver: str) -> None:
    found = lock(place, secure, resolver)
    assert found.code == 6, found.err
    assert "error[network.unreachable]" in found.err
    assert NAMES in found.err


def test_a_torch_index_that_nobody_trusts(place: Place) -> None:
    found = place.call("versions")
    assert found.code == 6
    assert "error[torch-index.unreachable]" in found.err
    assert "CERTIFICATE_VERIFY_FAILED" in found.err
    assert NAMES in found.err


def test_wheels_of_a_folder_do_without(place: Place, secure: Indexes) -> None:
    folder = secure.folder / "whl" / "cpu" / "torch"
    found = place.call("versions", "--find-links", str(folder))
    assert found.code == 0
    assert "cannot be reached: this is what the find-links folders hold" in found.err


def test_a_file_that_is_not_there(place: Place, tmp_path: Path) -> None:
    found = place.call("versions", PIP_CERT=str(tmp_path / "none.pem"))
    assert found.code == 2
    assert f"error[settings.certificates]: PIP_CERT names {tmp_path / 'none.pem'}, which is not there" in found.err
