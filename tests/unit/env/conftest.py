"""Generated site-packages folders: small, but with real METADATA, WHEEL and RECORD files."""

from __future__ import annotations

import base64
import hashlib
import sys
import venv
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from envtool.adapters import platform
from envtool.env.generations import layout_for, write_record
from envtool.models import Generation, Layout


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    return layout_for(tmp_path)


@pytest.fixture
def make_record() -> Callable[..., Generation]:
    def make(number: int, backend: str = "cpu", kind: str = "built", **changes: object) -> Generation:
        facts = {
            "torch": "2.13.0",
            "python": "3.11.7",
            "created": "2026-11-23T08:00:00Z",
            "healthy": True,
            **changes,
        }
        return Generation(id=number, backend=backend, kind=kind, **facts)  # type: ignore[arg-type]

    return make


@pytest.fixture
def make_environment() -> Callable[[Path, str], Path]:
    """Builds a tiny environment: an interpreter that is there, and a file that says which environment it is."""

    def make(folder: Path, name: str) -> Path:
        platform.scripts_folder(folder).mkdir(parents=True)
        if platform.is_windows():
            platform.interpreter(folder).write_bytes(b"")
        else:
            platform.interpreter(folder).symlink_to(sys.executable)
        (folder / "pyvenv.cfg").write_text("home = here\n", encoding="utf-8")
        (folder / "name.txt").write_text(name, encoding="utf-8")
        return folder

    return make


@pytest.fixture
def add(
    layout: Layout, make_record: Callable[..., Generation], make_environment: Callable[[Path, str], Path]
) -> Callable[..., Generation]:
    """Adds a finished generation to the chain."""

    def make(number: int, backend: str = "cpu", kind: str = "built", **changes: object) -> Generation:
        one = make_record(number, backend, kind, **changes)
        make_environment(layout.generation(number), f"generation {number}")
        write_record(layout, one)
        return one

    return make


VERSION_FILE = """from typing import Optional

__all__ = ['__version__', 'debug', 'cuda', 'git_version', 'hip']
__version__ = {version!r}
debug = False
cuda: Optional[str] = {cuda!r}
git_version = '0123456789abcdef0123456789abcdef01234567'
hip: Optional[str] = {hip!r}
"""


def row(path: str, content: bytes) -> str:
    digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
    return f"{path},sha256={digest},{len(content)}"


@dataclass(frozen=True)
class Site:
    """One site-packages folder under construction."""

    path: Path

    def add(
        self,
        name: str,
        version: str,
        files: Mapping[str, bytes | str] | None = None,
        *,
        requires: tuple[str, ...] = (),
        installer: str | None = "uv",
        tag: str = "py3-none-any",
        record: bool = True,
    ) -> Path:
        """Install a distribution; gives its dist-info folder."""
        info = f"{name.replace('-', '_')}-{version}.dist-info"
        metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
        metadata += "".join(f"Requires-Dist: {value}\n" for value in requires) + "\nThe body: of: anything\n"
        everything: dict[str, bytes | str] = {
            **(files or {}),
            f"{info}/METADATA": metadata,
            f"{info}/WHEEL": f"Wheel-Version: 1.0\nTag: {tag}\n",
        }
        if installer is not None:
            everything[f"{info}/INSTALLER"] = installer
        rows = []
        for path, content in everything.items():
            data = content.encode() if isinstance(content, str) else content
            target = self.path / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(data)
            rows.append(row(path, data))
        if record:
            (self.path / info / "RECORD").write_text("\n".join([*rows, f"{info}/RECORD,,", ""]), newline="\n")
        return self.path / info

    def torch(
        self,
        version: str = "2.13.0+cpu",
        *,
        inside: str | None = None,
        cuda: str | None = None,
        hip: str | None = None,
        libraries: tuple[str, ...] = ("libtorch_cpu.so", "libc10.so"),
        requires: tuple[str, ...] = ("filelock", 'pyyaml; extra == "pyyaml"'),
        tag: str = "cp311-cp311-manylinux_2_28_x86_64",
        init: str = "",
    ) -> Path:
        """Install a torch; ``inside`` is the version in torch/version.py, the same by default."""
        files: dict[str, bytes | str] = {
            "torch/__init__.py": init,
            "torch/version.py": VERSION_FILE.format(version=inside or version, cuda=cuda, hip=hip),
            **{f"torch/lib/{name}": b"\x7fELF" + name.encode() for name in libraries},
        }
        return self.add("torch", version, files, requires=requires, tag=tag)

    def companion(self, name: str, version: str, *, inside: str | None = None, requires: tuple[str, ...] = ()) -> Path:
        """Install a torchvision or torchaudio that tells its build in version.py."""
        files = {f"{name}/__init__.py": "", f"{name}/version.py": f"__version__ = {inside or version!r}\n"}
        return self.add(name, version, files, requires=requires)


@pytest.fixture
def site(tmp_path: Path) -> Site:
    folder = tmp_path / "env" / "lib" / "python3.11" / "site-packages"
    folder.mkdir(parents=True)
    return Site(folder)


@pytest.fixture(scope="session")
def bare_venv(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A virtual environment of this interpreter, without pip; tests copy nothing into it."""
    folder = tmp_path_factory.mktemp("bare") / "env"
    venv.create(folder, with_pip=False, symlinks=sys.platform != "win32")
    return folder


@pytest.fixture
def venv_site(tmp_path: Path) -> Site:
    """The site-packages of a fresh virtual environment of this interpreter."""
    folder = tmp_path / "venv"
    venv.create(folder, with_pip=False, symlinks=sys.platform != "win32")
    return Site(next(path for path in folder.rglob("site-packages") if path.parent.name.lower() != "lib64"))
