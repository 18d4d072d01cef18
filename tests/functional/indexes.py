"""Two package indexes on loopback: one in the shape of the PyTorch index, one like an ordinary default index.

The wheels are made here: small, valid, and the same bytes every time. The PyTorch one answers 403 for what it does not
have, says no sizes, links to files on a second host (another port), writes ``+`` as ``%2B``, serves core metadata
(PEP 658), lists plain old builds that lie at the root of the channel, and third-party copies that are stale or bad.
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
import tarfile
import threading
import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import quote, unquote, urlsplit

PYTHONS = ("310", "311", "312", "313", "314")
LINUX = "manylinux_2_28_x86_64"
ARM = "manylinux_2_28_aarch64"
WINDOWS = "win_amd64"
MACOS = "macosx_14_0_arm64"
PLATFORMS = (LINUX, ARM, WINDOWS, MACOS)


def metadata(name: str, version: str, requires: Iterable[str] = (), python: str | None = None) -> str:
    lines = ["Metadata-Version: 2.2", f"Name: {name}", f"Version: {version}"]
    if python is not None:
        lines.append(f"Requires-Python: {python}")
    lines += [f"Requires-Dist: {item}" for item in requires]
    return "\n".join(lines) + "\n"


def make_wheel(
    name: str,
    version: str,
    tag: str = "py3-none-any",
    requires: Iterable[str] = (),
    python: str | None = None,
    build: str | None = None,
) -> tuple[str, bytes]:
    """File name and bytes of a wheel with a module, METADATA, WHEEL and a RECORD that holds."""
    stem = name.replace("-", "_")
    info = f"{stem}-{version}.dist-info"
    files = {
        f"{stem}/__init__.py": f"__version__ = {version!r}\n",
        f"{info}/METADATA": metadata(name, version, requires, python),
        f"{info}/WHEEL": f"Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: {tag}\n",
    }
    record = ""
    for path, text in files.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()
        record += f"{path},sha256={digest},{len(text.encode())}\n"
    files[f"{info}/RECORD"] = record + f"{info}/RECORD,,\n"
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as wheel:
        for path, text in files.items():
            wheel.writestr(zipfile.ZipInfo(path, (2026, 1, 1, 0, 0, 0)), text)
    filename = "-".join([stem, version, *([build] if build else []), tag]) + ".whl"
    return filename, buffer.getvalue()


def backend_project(name: str, version: str, requires: Iterable[str] = (), failure: str = "") -> dict[str, str]:
    """The files of a project that only its build backend, which lies beside it, knows the requirements of.

    A ``failure`` for want of pkg_resources is one with setuptools 82 and newer only.
    """
    old = "pkg_resources" in failure
    fails = f"int(version('setuptools').split('.')[0]) >= 82 and {failure!r}" if old else repr(failure)
    info = f"{name.replace('-', '_')}-{version}.dist-info"
    prepare = [
        "import pathlib",
        "from importlib.metadata import version",
        "def prepare_metadata_for_build_wheel(folder, settings=None):",
        f"    if {fails}: raise OSError({failure!r})",
        f"    info = pathlib.Path(folder, {info!r})",
        "    info.mkdir()",
        f"    info.joinpath('METADATA').write_text({metadata(name, version, requires)!r})",
        f"    return {info!r}",
        "def build_wheel(folder, settings=None, metadata=None):",
        "    raise NotImplementedError",
    ]
    needed = ["setuptools"] if old else []
    system = f'[build-system]\nrequires = {needed}\nbuild-backend = "backend"\nbackend-path = ["."]\n'
    return {"pyproject.toml": system, "backend.py": "\n".join(prepare) + "\n"}


def make_sdist(
    name: str, version: str, requires: Iterable[str] = (), *, built: bool = False, failure: str = ""
) -> tuple[str, bytes]:
    """File name and bytes of a source distribution.

    Its static metadata says all that a resolver needs, unless it has to be ``built`` for that.
    """
    stem = f"{name.replace('-', '_')}-{version}"
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        if built:
            about = f"Metadata-Version: 1.0\nName: {name}\nVersion: {version}\n"
            texts = {"PKG-INFO": about, **backend_project(name, version, requires, failure)}
        else:
            about = f"[project]\nname = {name!r}\nversion = {version!r}\ndependencies = {list(requires)!r}\n"
            texts = {"PKG-INFO": metadata(name, version, requires), "pyproject.toml": about}
        for path, text in texts.items():
            entry = tarfile.TarInfo(f"{stem}/{path}")
            entry.size = len(text.encode())
            archive.addfile(entry, io.BytesIO(text.encode()))
    return f"{stem}.tar.gz", buffer.getvalue()


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@dataclass
class File:
    """A file that an index lists: ``hashed`` says whether with its digest, ``there`` whether its bytes can be had."""

    filename: str
    data: bytes
    requires: tuple[str, ...] = ()
    name: str = ""
    version: str = ""
    hashed: bool = True
    there: bool = True
    at_root: bool = False
    metadata: bool = True
    yanked: bool = False

    @property
    def digest(self) -> str:
        return sha256(self.data)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    site: Site


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def do_GET(self) -> None:
        site = self.server.site
        path = unquote(urlsplit(self.path).path)
        site.asked.append(path)
        if site.secret is not None:
            expected = "Basic " + base64.b64encode(":".join(site.secret).encode()).decode()
            if self.headers.get("Authorization") != expected:
                self._send(401, "text/plain", b"who is it?", {"WWW-Authenticate": 'Basic realm="index"'})
                return
        if site.broken is not None and (site.times is None or site.times > 0):
            site.times = None if site.times is None else site.times - 1
            self._send(site.broken, "text/plain", b"broken")
            return
        found = site.answer(path, self.headers.get("Accept", ""))
        if found is None:
            self._send(site.missing, "application/xml", b"<Error><Code>AccessDenied</Code></Error>")
        else:
            self._send(200, *found)

    do_HEAD = do_GET  # noqa: N815

    def _send(self, status: int, kind: str, data: bytes, headers: Mapping[str, str] | None = None) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        self.send_header("Cache-Control", "no-store")
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass


@dataclass
class Site:
    """What both indexes have in common: a server in a thread, what was asked of it, and how it fails.

    ``broken`` is the status that it answers with, always or the first ``times``.
    """

    missing: int = 404
    secret: tuple[str, str] | None = None
    broken: int | None = None
    times: int | None = None
    asked: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.servers: list[_Server] = []

    def serve(self) -> int:
        server = _Server(("127.0.0.1", 0), _Handler)
        server.site = self
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        self.servers.append(server)
        return server.server_address[1]

    def stop(self) -> None:
        for server in self.servers:
            server.shutdown()
            server.server_close()
        self.servers.clear()

    def answer(self, path: str, accept: str) -> tuple[str, bytes] | None:
        raise NotImplementedError


@dataclass
class TorchIndex(Site):
    """``/whl/<channel>/<project>/`` pages; files on a second port, except those at the root of the channel."""

    missing: int = 403
    channels: dict[str, dict[str, list[File]]] = field(default_factory=dict)
    relative: bool = False
    attributes: str = ""
    injected: str = ""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.port = self.serve()
        self.files_port = self.serve()

    @property
    def base(self) -> str:
        secret = "{}:{}@".format(*(quote(part, safe="") for part in self.secret)) if self.secret else ""
        return f"http://{secret}127.0.0.1:{self.port}/whl"

    def add(self, channel: str, file: File) -> File:
        self.channels.setdefault(channel, {}).setdefault(file.name, []).append(file)
        return file

    def release(
        self,
        name: str,
        public: str,
        requires: Iterable[str] = (),
        *,
        channel: str = "cpu",
        platforms: Iterable[str] = PLATFORMS,
        pythons: Iterable[str] = PYTHONS,
        **how: object,
    ) -> list[File]:
        """Wheels of one release: with the channel as local version, without one for macOS."""
        made = []
        for platform in platforms:
            version = public if platform == MACOS else f"{public}+{channel}"
            for python in pythons:
                made.append(self.wheel(name, version, f"cp{python}-cp{python}-{platform}", requires, channel, **how))
        return made

    def wheel(
        self, name: str, version: str, tag: str, requires: Iterable[str] = (), channel: str = "cpu", **how: object
    ) -> File:
        build = how.pop("build", None)
        filename, data = make_wheel(name, version, tag, requires, build=build)  # type: ignore[arg-type]
        file = File(filename, data, tuple(requires), name, version, **how)  # type: ignore[arg-type]
        return self.add(channel, file)

    def files(self, name: str, version: str, channel: str = "cpu") -> list[File]:
        return [file for file in self.channels[channel][name] if file.version == version]

    def answer(self, path: str, accept: str) -> tuple[str, bytes] | None:
        parts = [part for part in path.split("/") if part]
        if not parts or parts[0] != "whl":
            return None
        if path.endswith("/") and len(parts) == 3 and parts[2] in self.channels.get(parts[1], {}):
            return "text/html", self._page(parts[1], parts[2]).encode()
        return self._file(parts[-1])

    def _file(self, wanted: str) -> tuple[str, bytes] | None:
        for projects in self.channels.values():
            for file in (file for files in projects.values() for file in files):
                if file.filename == wanted and file.there:
                    return "application/octet-stream", file.data
                if file.filename + ".metadata" == wanted and file.metadata:
                    text = metadata(file.name, file.version, file.requires)
                    return "application/octet-stream", text.encode()
        return None

    def _page(self, channel: str, name: str) -> str:
        lines = ["<!DOCTYPE html>", "<html>", "  <body>", f"    <h1>Links for {name}</h1>", self.injected]
        for file in sorted(self.channels[channel][name], key=lambda file: quote(file.filename)):
            place = f"/whl/{quote(file.filename)}" if file.at_root else f"/whl/{channel}/{quote(file.filename)}"
            host = "" if self.relative or file.at_root else f"http://127.0.0.1:{self.files_port}"
            fragment = f"#sha256={file.digest}" if file.hashed else ""
            side = ' data-dist-info-metadata="true" data-core-metadata="true"' if file.metadata else ""
            lines.append(f'    <a href="{host}{place}{fragment}"{side}{self.attributes}>{file.filename}</a><br/>')
        return "\n".join([*lines, "  </body>", "</html>", "<!--TIMESTAMP 1763884800-->"])


@dataclass
class DefaultIndex(Site):
    """``/simple/<project>/`` as HTML (PEP 503) or, when asked for and ``json`` is on, as JSON (PEP 691)."""

    json: bool = True
    projects: dict[str, list[File]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        super().__post_init__()
        self.port = self.serve()

    @property
    def url(self) -> str:
        secret = "{}:{}@".format(*(quote(part, safe="") for part in self.secret)) if self.secret else ""
        return f"http://{secret}127.0.0.1:{self.port}/simple"

    def add(
        self,
        name: str,
        version: str,
        requires: Iterable[str] = (),
        tag: str = "py3-none-any",
        python: str | None = None,
        **how: object,
    ) -> File:
        filename, data = make_wheel(name, version, tag, requires, python)
        file = File(filename, data, tuple(requires), name, version, **how)  # type: ignore[arg-type]
        self.projects.setdefault(name, []).append(file)
        return file

    def add_sdist(
        self, name: str, version: str, requires: Iterable[str] = (), *, built: bool = False, failure: str = ""
    ) -> File:
        filename, data = make_sdist(name, version, requires, built=built, failure=failure)
        file = File(filename, data, tuple(requires), name, version, metadata=False)
        self.projects.setdefault(name, []).append(file)
        return file

    def add_torch(self, name: str, version: str, requires: Iterable[str] = ()) -> None:
        for platform in PLATFORMS:
            for python in PYTHONS:
                self.add(name, version, requires, tag=f"cp{python}-cp{python}-{platform}", metadata=False)

    def asked_for(self, name: str) -> bool:
        return any(path.startswith(f"/simple/{name}") for path in self.asked)

    def answer(self, path: str, accept: str) -> tuple[str, bytes] | None:
        parts = [part for part in path.split("/") if part]
        if len(parts) == 2 and parts[0] == "simple" and parts[1] in self.projects:
            if self.json and "json" in accept:
                return "application/vnd.pypi.simple.v1+json", json.dumps(self._table(parts[1])).encode()
            return "text/html", self._page(parts[1]).encode()
        for file in (file for files in self.projects.values() for file in files):
            if parts[:1] == ["files"] and parts[-1] == file.filename and file.there:
                return "application/octet-stream", file.data
        return None

    def _table(self, name: str) -> dict[str, object]:
        rows = [
            {
                "filename": file.filename,
                "url": f"../../files/{file.filename}",
                "hashes": {"sha256": file.digest} if file.hashed else {},
                "size": len(file.data),
                "yanked": file.yanked,
            }
            for file in self.projects[name]
        ]
        return {"meta": {"api-version": "1.1"}, "name": name, "files": rows, "versions": []}

    def _page(self, name: str) -> str:
        rows = []
        for file in self.projects[name]:
            fragment = f"#sha256={file.digest}" if file.hashed else ""
            yanked = ' data-yanked="bad"' if file.yanked else ""
            rows.append(f'<a href="../../files/{file.filename}{fragment}"{yanked}>{file.filename}</a>')
        return "<!DOCTYPE html><html><body>\n" + "<br>\n".join(rows) + "\n</body></html>\n"
