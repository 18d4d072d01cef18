"""Small wheels in the shape of torch and its company, and a folder that serves them like two indexes."""

from __future__ import annotations

import base64
import hashlib
import io
import threading
import zipfile
from collections.abc import Iterable, Mapping
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import quote

PYTHONS = ("310", "311", "312", "313", "314")
LINUX = "manylinux_2_28_x86_64"
TWO_TARGETS = '[tool.envtool]\ntargets = ["linux-x86_64", "linux-aarch64"]\n'

VERSION = """__all__ = ['__version__', 'debug', 'cuda', 'git_version', 'hip']
__version__ = {version!r}
debug = False
cuda = {cuda!r}
git_version = '0123456789abcdef0123456789abcdef01234567'
hip = None
"""

# Imported by the probe and by nothing else here; a file in the project's folder makes the import last.
SLOW = """import os, pathlib, time
if os.path.exists("import-slowly"):
    pathlib.Path("importing").touch()
    time.sleep(120)
from torch.version import __version__
"""


def wheel(
    name: str,
    version: str,
    files: Mapping[str, str | bytes] | None = None,
    *,
    tag: str = "py3-none-any",
    requires: Iterable[str] = (),
    scripts: Mapping[str, str] | None = None,
) -> tuple[str, bytes]:
    """File name and bytes of a wheel; without ``files`` it holds one module of its name."""
    stem = name.replace("-", "_")
    info = f"{stem}-{version}.dist-info"
    content = dict(files or {f"{stem}/__init__.py": f"__version__ = {version!r}\n"})
    lines = ["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}"]
    content[f"{info}/METADATA"] = "\n".join([*lines, *(f"Requires-Dist: {item}" for item in requires)]) + "\n"
    content[f"{info}/WHEEL"] = f"Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: {tag}\n"
    if scripts:
        entries = "\n".join(f"{script} = {target}" for script, target in scripts.items())
        content[f"{info}/entry_points.txt"] = f"[console_scripts]\n{entries}\n"
    record = ""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for path, text in content.items():
            data = text.encode() if isinstance(text, str) else text
            digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
            record += f"{path},sha256={digest},{len(data)}\n"
            archive.writestr(zipfile.ZipInfo(path, (2026, 1, 1, 0, 0, 0)), data)
        archive.writestr(zipfile.ZipInfo(f"{info}/RECORD", (2026, 1, 1, 0, 0, 0)), record + f"{info}/RECORD,,\n")
    return f"{stem}-{version}-{tag}.whl", buffer.getvalue()


def torch(version: str, python: str, cuda: str | None = None, *, honest: bool = True) -> tuple[str, bytes]:
    """A torch whose files say which build it is; the CUDA build has CUDA's libraries, and if ``honest`` says so."""
    libraries = ["libtorch_cpu.so", "libc10.so", *(["libtorch_cuda.so", "libc10_cuda.so"] if cuda else [])]
    files: dict[str, str | bytes] = {
        "torch/__init__.py": SLOW,
        "torch/version.py": VERSION.format(version=version, cuda=cuda),
        "torchgen/__init__.py": "",
        **{f"torch/lib/{name}": b"\x7fELF" + name.encode() for name in libraries},
    }
    requires = ["leaf"]
    if cuda and honest:
        requires += ['nvidia-cublas ; sys_platform == "linux"', 'triton ; sys_platform == "linux"']
    return wheel("torch", version, files, tag=f"cp{python}-cp{python}-{LINUX}", requires=requires)


def nvidia_cublas() -> tuple[str, bytes]:
    files = {"nvidia/cublas/__init__.py": "", "nvidia/cublas/lib/libcublas.so.13": b"\x7fELF cublas"}
    return wheel("nvidia-cublas", "13.0", files)


class Indexes:
    """``whl/cpu/`` with the family and ``simple/`` with the rest, as files below ``folder``, served on loopback."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        handler = partial(_Quiet, directory=str(folder))
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.server.daemon_threads = True
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        self.thread.start()
        port = self.server.server_address[1]
        self.torch_index = f"http://127.0.0.1:{port}/whl"
        self.default_index = f"http://127.0.0.1:{port}/simple"

    def add(self, base: str, filename: str, data: bytes) -> Path:
        """Put a file on one of the two (``whl/cpu``, ``simple``) and bring its page up to date."""
        name = filename.split("-", maxsplit=1)[0].replace("_", "-")
        folder = self.folder / base / name
        folder.mkdir(parents=True, exist_ok=True)
        (folder / filename).write_bytes(data)
        rows = []
        for path in sorted((*folder.glob("*.whl"), *folder.glob("*.tar.gz"))):
            digest = hashlib.sha256(path.read_bytes()).hexdigest()
            rows.append(f'<a href="{quote(path.name)}#sha256={digest}">{path.name}</a><br/>')
        page = "<!DOCTYPE html>\n<html>\n<body>\n" + "\n".join(rows) + "\n</body>\n</html>\n"
        (folder / "index.html").write_text(page, encoding="utf-8")
        return folder / filename

    def fill(self) -> None:
        """torch 2.13.0 for the CPU and with CUDA, and what else the tests ask for."""
        for python in PYTHONS:
            self.add("whl/cpu", *torch("2.13.0+cpu", python))
            self.add("simple", *torch("2.13.0", python, cuda="13.0"))
        self.add("simple", *nvidia_cublas())
        self.add("simple", *wheel("triton", "3.7"))
        self.add("simple", *wheel("leaf", "1.0", scripts={"leaf-tool": "leaf:main"}))
        self.add("simple", *wheel("leaf", "2.0", scripts={"leaf-tool": "leaf:main"}))
        self.add("simple", *wheel("other", "1.0"))

    def add_aarch64(self, *, full: bool) -> None:
        """A second target, with torch for the CPU; ``full``: full torch moves there, and is not there for this one."""
        for python in PYTHONS:
            name, data = torch("2.13.0+cpu", python)
            self.add("whl/cpu", name.replace("x86_64", "aarch64"), data)
            if full:
                name, data = torch("2.13.0", python, cuda="13.0")
                (self.folder / "simple/torch" / name).unlink()
                self.add("simple", name.replace("x86_64", "aarch64"), data)

    def stop(self) -> None:
        self.server.shutdown()
        self.server.server_close()


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass
