"""Evidence about an environment, gathered with the standard library alone.

This one file is everything that runs inside the environment under test: ``python -I -B probe.py`` prints one JSON
object on stdout. It imports nothing of envtool, keeps to the syntax of Python 3.8, and never writes into the
environment. It judges nothing: :mod:`envtool.env.checks` does.

The static half, :func:`static_evidence`, imports no package and needs no interpreter of the environment: envtool
calls it in its own process for ``--static``.

``--stream`` prints one JSON object per line instead, each as soon as it is known (the evidence is their union), so that
a library that crashes the interpreter cannot take the evidence with it.
"""

from __future__ import annotations

import ast
import base64
import csv
import hashlib
import io
import json
import os
import re
import stat
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from email.parser import HeaderParser
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

SCHEMA = 1
LISTED = 50
"""How many paths of one kind are listed per distribution; all are counted."""

BUILDS = ("torch", "torchvision", "torchaudio", "torchcodec")
"""Packages whose ``version.py`` tells which build they are."""

_VERSION_NAMES = frozenset({"__version__", "cuda", "hip", "xpu", "git_version", "debug"})
_ENVIRONMENT = ("PYTORCH_JIT", "CUDA_VISIBLE_DEVICES")
_GPU_STEMS = (
    "amdhip64",
    "c10_cuda",
    "c10_hip",
    "c10_xpu",
    "caffe2_nvrtc",
    "cublas",
    "cudart",
    "cudnn",
    "cufft",
    "cupti",
    "curand",
    "cusolver",
    "cusparse",
    "hipblas",
    "hipfft",
    "hiprand",
    "hipsolver",
    "hipsparse",
    "hsa-runtime64",
    "miopen",
    "nccl",
    "nvjitlink",
    "nvrtc",
    "nvshmem",
    "nvtoolsext",
    "rccl",
    "rocblas",
    "rocsolver",
    "rocsparse",
    "torch_cuda",
    "torch_hip",
    "torch_xpu",
)
_GPU_LIBRARY = re.compile(
    r"(?:lib(?:{stems})[^/\\]*\.(?:so(?:\.[\d.]+)?|dylib)|(?:{stems})[^/\\]*\.dll)".format(stems="|".join(_GPU_STEMS)),
    re.IGNORECASE,
)
_CERTIFICATES = re.compile(r"(?:^|/)certifi/cacert\.pem$")
_BLOCK = 1 << 20
_SOURCE_LIMIT = 1 << 16


def is_gpu_library(filename: str) -> bool:
    """Whether a shared library by this file name is part of CUDA, ROCm or XPU, or of torch's code for them."""
    return _GPU_LIBRARY.fullmatch(filename) is not None


# --- the static half --------------------------------------------------------------------------------------------------


def static_evidence(*site_packages: Path, deep: bool = False) -> dict[str, Any]:
    """What the files of one or more site-packages folders say, in order of ``sys.path``; nothing of them is executed.

    With ``deep`` every byte that a RECORD has a hash for is read. Never raises for what it finds in the folders.
    """
    distributions: list[dict[str, Any]] = []
    unreadable: list[dict[str, str]] = []
    for folder in site_packages:
        for found in metadata.distributions(path=[str(folder)]):
            place = str(getattr(found, "_path", folder))
            # pip renames what it is about to remove to "~orch-2.13.0.dist-info"; such a rest is not installed.
            if os.path.basename(place).startswith("~"):  # noqa: PTH119 - a Path per distribution costs more
                continue
            try:
                distributions.append(_distribution(found, str(folder), place, deep))
            except (OSError, ValueError, LookupError, csv.Error) as error:
                unreadable.append({"path": place, "error": f"{type(error).__name__}: {error}"})
    builds = {name: build for name in BUILDS for build in [_find_build(name, site_packages)] if build is not None}
    return {
        "schema": SCHEMA,
        "paths": [str(folder) for folder in site_packages],
        "python": next(filter(None, map(_python_of, site_packages)), None),
        "distributions": distributions,
        "unreadable": unreadable,
        "builds": builds,
    }


def _python_of(site_packages: Path) -> str | None:
    """The version of the Python that a virtual environment was made with, from its ``pyvenv.cfg`` (PEP 405)."""
    for folder in list(site_packages.parents)[1:3]:  # Lib/site-packages on Windows, lib/python3.11/site-packages
        try:
            lines = (folder / "pyvenv.cfg").read_text(encoding="utf-8").splitlines()
        except (OSError, ValueError):
            continue
        found = [re.match(r"version(?:_info)?\s*=\s*(3\.\d+\.\d+)", line) for line in lines]
        return next((match[1] for match in found if match), None)
    return None


def _distribution(found: metadata.Distribution, folder: str, place: str, deep: bool) -> dict[str, Any]:
    text = found.read_text("METADATA") or found.read_text("PKG-INFO")
    if text is None:
        raise LookupError("no METADATA")
    # The body is a README of any length: cut it off before the parser sees it.
    headers = HeaderParser().parsestr(re.split(r"\r?\n\r?\n", text, maxsplit=1)[0])
    name, version = headers["Name"], headers["Version"]
    if not name or not version:
        raise LookupError("METADATA has no Name or no Version")
    installer = (found.read_text("INSTALLER") or "").strip()
    record = found.read_text("RECORD")
    family = str(name).lower() in BUILDS
    evidence: dict[str, Any] = {
        "name": str(name),
        "version": str(version),
        "folder": folder,
        "place": os.path.basename(place),  # noqa: PTH119
        "editable": _is_editable(found.read_text("direct_url.json")),
        "installer": installer,
        "requires": [str(value) for value in headers.get_all("Requires-Dist", [])] if family else [],
        "tags": _tags(found.read_text("WHEEL")) if family else [],
        "gpu_libraries": [],
        "record": None,
    }
    if record is not None:
        # conda rewrites paths inside files when it installs them, and leaves RECORD as it was built.
        reader = RecordReader(str(found.locate_file("")), contents=installer != "conda", deep=deep)
        compared = reader.read(record)
        # Debian (no INSTALLER) and Fedora strip libraries and move scripts after RECORD was written.
        repackaged = installer == "rpm" or (not installer and folder.endswith("dist-packages"))
        evidence["record"] = None if repackaged else compared
        evidence["gpu_libraries"] = reader.gpu_libraries
    return evidence


def _is_editable(text: str | None) -> bool:
    try:
        data = json.loads(text or "{}")
        return bool(data["dir_info"]["editable"])
    except (ValueError, LookupError, TypeError):
        return False


def _tags(text: str | None) -> list[str]:
    return [str(tag) for tag in HeaderParser().parsestr(text or "").get_all("Tag", [])]


def environment_root(site_packages: str) -> str:
    """The folder that a RECORD of these site-packages may point into: the environment that they belong to."""
    base = Path(site_packages)
    if base.parent.name.startswith(("python", "pypy")) and base.parent.parent.name in ("lib", "lib64"):
        return str(base.parent.parent.parent)
    if base.parent.name.lower() == "lib":
        return str(base.parent.parent)
    return str(base)


_CACHE = "__pycache__/"


class RecordReader:
    """Compares the files of one distribution with its RECORD (PEP 376, PEP 627).

    Always: every file is there. With ``contents``: it has the recorded size, and with ``deep`` the recorded hash. Not
    looked at: bytecode that Python makes anew (PEP 3147; wheels of numpy 1.26 to 2.4.0 list some with a hash, and it
    names its source's path), and what lies outside of the environment, where a forged RECORD could send us. Launchers
    in ``bin`` name the environment's path: their bytes count for ``deep`` only.
    """

    def __init__(self, base: str, *, contents: bool, deep: bool) -> None:
        self.base = base.rstrip("/\\") or base
        self.root = environment_root(self.base).rstrip("/\\") + os.sep
        self.contents = contents
        self.deep = deep and contents
        self.gpu_libraries: list[str] = []
        self.missing: list[str] = []
        self.changed: list[dict[str, str]] = []
        self.certificates: list[str] = []
        self.outside = 0
        self._to_hash: list[tuple[str, str, str]] = []

    def read(self, text: str) -> dict[str, Any]:
        """Compare; ``text`` is the RECORD. Raises csv.Error when it is no table."""
        files = 0
        for row in csv.reader(io.StringIO(text, newline="")):
            if not row or not row[0]:
                continue
            path, digest, size = [*row, "", ""][:3]
            if path.endswith(".pyc") and (not digest or _CACHE in path.replace("\\", "/")):
                continue
            files += 1
            self._compare(path, digest, size)
        if self._to_hash:
            self._hash_all()
        return {
            "files": files,
            "missing": self.missing[:LISTED],
            "missing_count": len(self.missing),
            "changed": self.changed[:LISTED],
            "changed_count": len(self.changed),
            "certificates": self.certificates[:LISTED],
            "outside": self.outside,
            "hashed": len(self._to_hash),
        }

    def _compare(self, path: str, digest: str, size: str) -> None:
        inside = ".." not in path and path[0] not in "/\\" and path[1:2] != ":"
        full = self.base + os.sep + path
        if not inside:
            full = os.path.normpath(os.path.join(self.base, path))  # noqa: PTH118 - lexical on purpose
            if not full.startswith(self.root):
                self.outside += 1
                return
        if (".so" in path or ".dll" in path or ".dylib" in path) and is_gpu_library(re.split(r"[/\\]", path)[-1]):
            self.gpu_libraries.append(path)
        try:
            status = os.stat(full)  # noqa: PTH116 - sixteen thousand times: a Path for each doubles the time
        except (FileNotFoundError, NotADirectoryError):
            self.missing.append(path)
            return
        except (OSError, ValueError) as error:
            self.changed.append({"path": path, "what": f"cannot be read: {error}"})
            return
        if digest and self.contents and (inside or self.deep):
            self._compare_content(path, full, status, (digest, size[:19]))

    def _compare_content(self, path: str, full: str, status: os.stat_result, recorded: tuple[str, str]) -> None:
        digest, size = recorded
        resized = size.isdecimal() and status.st_size != int(size)
        if not stat.S_ISREG(status.st_mode):
            self.changed.append({"path": path, "what": "is not a regular file"})
        elif _CERTIFICATES.search(path) is not None:
            # Companies add their own authority to the bundle; that does not touch torch, and is told, not refused.
            if resized:
                self.certificates.append(path)
        elif resized:
            self.changed.append({"path": path, "what": f"has {status.st_size} bytes, RECORD says {size}"})
        elif self.deep:
            self._to_hash.append((path, full, digest))

    def _hash_all(self) -> None:
        # hashlib gives up the interpreter lock while it works.
        with ThreadPoolExecutor(max_workers=min(4, os.cpu_count() or 1)) as pool:
            for (path, _, _), what in zip(self._to_hash, pool.map(_differs, self._to_hash)):  # noqa: B905 - 3.8
                if what:
                    self.changed.append({"path": path, "what": what})


def _differs(item: tuple[str, str, str]) -> str:
    _, full, recorded = item
    algorithm, _, expected = recorded.partition("=")
    if algorithm not in ("sha256", "sha384", "sha512"):
        return f"has no usable hash in RECORD ({algorithm[:20]})"
    digest = hashlib.new(algorithm)
    try:
        with open(full, "rb") as stream:  # noqa: PTH123
            for block in iter(lambda: stream.read(_BLOCK), b""):
                digest.update(block)
    except OSError as error:
        return f"cannot be read: {error}"
    actual = base64.urlsafe_b64encode(digest.digest()).rstrip(b"=").decode("ascii")
    return "" if actual == expected.rstrip("=") else f"has another {algorithm} than RECORD"


def _find_build(name: str, folders: Iterable[Path]) -> dict[str, Any] | None:
    for folder in folders:
        package = Path(folder) / name
        if package.is_dir():
            return build_evidence(package)
    return None


def build_evidence(package: Path) -> dict[str, Any]:
    """What a package's ``version.py`` says about its build, and the GPU libraries in its ``lib`` and top folder."""
    evidence: dict[str, Any] = {"path": str(package), "init": (package / "__init__.py").is_file(), "error": ""}
    evidence["gpu_libraries"] = sorted(name for name in _library_names(package) if is_gpu_library(name.split("/")[-1]))
    try:
        with (package / "version.py").open("rb") as stream:
            evidence["values"] = _constants(stream.read(_SOURCE_LIMIT))
    except (OSError, SyntaxError, ValueError, RecursionError, MemoryError) as error:
        evidence["values"] = {}
        evidence["error"] = f"{type(error).__name__}: {error}"
    return evidence


def _library_names(package: Path) -> Iterator[str]:
    for folder, prefix in ((package, ""), (package / "lib", "lib/")):
        try:
            with os.scandir(folder) as entries:
                for entry in entries:
                    yield prefix + entry.name
        except OSError:
            continue


def _constants(source: bytes) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for node in ast.parse(source).body:
        if isinstance(node, ast.AnnAssign):
            targets: list[ast.expr] = [node.target]
        elif isinstance(node, ast.Assign):
            targets = node.targets
        else:
            continue
        if isinstance(node.value, ast.Constant) and isinstance(node.value.value, (str, bool, type(None))):
            for target in targets:
                if isinstance(target, ast.Name) and target.id in _VERSION_NAMES:
                    values[target.id] = node.value.value
    return values


# --- the dynamic half -------------------------------------------------------------------------------------------------


def interpreter_evidence() -> dict[str, Any]:
    """The running interpreter: where it is, and its marker environment (PEP 508)."""
    import platform

    return {
        "executable": sys.executable,
        "prefix": sys.prefix,
        "environment": {name: os.environ[name] for name in _ENVIRONMENT if name in os.environ},
        "markers": {
            "implementation_name": sys.implementation.name,
            "implementation_version": platform.python_version(),
            "os_name": os.name,
            "platform_machine": platform.machine(),
            "platform_python_implementation": platform.python_implementation(),
            "platform_release": platform.release(),
            "platform_system": platform.system(),
            "platform_version": platform.version(),
            "python_full_version": platform.python_version(),
            "python_version": ".".join(map(str, sys.version_info[:2])),
            "sys_platform": sys.platform,
        },
    }


def _import_torch() -> dict[str, Any]:
    started = time.perf_counter()
    import torch

    seconds = time.perf_counter() - started
    return {"seconds": round(seconds, 3), "version": str(torch.__version__), "file": str(torch.__file__)}


def _cuda() -> dict[str, Any]:
    import torch

    return {
        "cuda": torch.version.cuda,
        "hip": getattr(torch.version, "hip", None),
        "built": bool(torch.backends.cuda.is_built()),
        "available": bool(torch.cuda.is_available()),
    }


def _tensor_op() -> dict[str, Any]:
    import torch

    rows = torch.arange(6, dtype=torch.float32).reshape(2, 3)
    ones = torch.ones(1, 1, 3, 3)
    solved = torch.linalg.solve(torch.tensor([[2.0, 1.0], [1.0, 3.0]]), torch.tensor([3.0, 5.0]))
    return {
        "matmul": (rows @ rows.T).tolist(),
        "conv2d": torch.nn.functional.conv2d(ones, ones[:, :, :2, :2]).flatten().tolist(),
        "solve": [round(value, 4) for value in solved.tolist()],
    }


def _numpy() -> dict[str, Any]:
    import numpy
    import torch

    tensor = torch.from_numpy(numpy.array([1.5, 2.5])) + 1
    return {"version": str(numpy.__version__), "sum": float(tensor.numpy().sum())}


def _torchscript_construct() -> dict[str, Any]:
    import torch

    module = getattr(getattr(torch.jit, "_script", None), "RecursiveScriptModule", None)
    return {"construct": callable(getattr(module, "_construct", None))}


def _torchscript() -> dict[str, Any]:
    import torch

    class Affine(torch.nn.Module):  # type: ignore[misc,unused-ignore]
        # No annotations: TorchScript takes an argument without one for a tensor, on every Python.
        def __init__(self):  # type: ignore[no-untyped-def]
            super().__init__()
            self.linear = torch.nn.Linear(2, 1)

        def forward(self, x):  # type: ignore[no-untyped-def]
            return self.linear(x) * 2.0

    module = Affine().eval()  # type: ignore[no-untyped-call,unused-ignore]
    with torch.no_grad():
        module.linear.weight.copy_(torch.tensor([[1.0, 2.0]]))
        module.linear.bias.fill_(0.5)
        given = torch.tensor([[3.0, 4.0]])
        eager = module(given)
        buffer = io.BytesIO()
        torch.jit.save(torch.jit.script(module), buffer)
        buffer.seek(0)
        loaded = torch.jit.load(buffer, map_location="cpu")
        again = loaded(given)
    return {"eager": eager.flatten().tolist(), "loaded": again.flatten().tolist(), "device": str(again.device)}


def _torchvision() -> dict[str, Any]:
    import torch
    import torchvision

    boxes = torch.tensor([[0.0, 0.0, 10.0, 10.0], [1.0, 1.0, 11.0, 11.0], [20.0, 20.0, 30.0, 30.0]])
    kept = torchvision.ops.nms(boxes, torch.tensor([0.9, 0.8, 0.7]), 0.5)
    return {"version": str(torchvision.__version__), "kept": kept.tolist()}


def _torchaudio() -> dict[str, Any]:
    import torch
    import torchaudio

    impulse = torch.tensor([[1.0, 0.0, 0.0, 0.0]])
    filtered = torchaudio.functional.lfilter(impulse, torch.tensor([1.0, -0.5]), torch.tensor([1.0, 0.0]))
    return {"version": str(torchaudio.__version__), "filtered": filtered.flatten().tolist()}


STEPS: tuple[tuple[str, str, Callable[[], dict[str, Any]]], ...] = (
    ("import-torch", "torch", _import_torch),
    ("cuda", "torch", _cuda),
    ("tensor-op", "torch", _tensor_op),
    ("numpy", "numpy", _numpy),
    ("torchscript-construct", "torch", _torchscript_construct),
    ("torchscript", "torch", _torchscript),
    ("torchvision", "torchvision", _torchvision),
    ("torchaudio", "torchaudio", _torchaudio),
)
"""Name, the package that it needs, and what to do; in this order, each on its own."""


def _attempt(action: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    try:
        return {"ok": True, "values": action()}
    except (Exception, SystemExit) as error:
        try:
            message = str(error)
        except Exception as second:
            message = f"no message: {type(second).__name__}"
        return {"ok": False, "error": {"type": type(error).__name__, "message": message[:2000]}}


def _locate(name: str) -> str | None:
    """The file of a package, without importing it."""
    from importlib.util import find_spec

    try:
        spec = find_spec(name)
    except (ImportError, ValueError, AttributeError):
        return None
    return spec.origin if spec is not None else None


def main(arguments: Sequence[str]) -> int:
    """Gather evidence and print it. Options: ``--deep``, ``--stream``, ``--timeout SECONDS``."""
    # Libraries print to stdout while they are imported, some from C: keep the real one for the evidence alone.
    sys.stdout.flush()
    result = os.fdopen(os.dup(1), "w", encoding="ascii")
    os.dup2(2, 1)
    stream = "--stream" in arguments
    evidence: dict[str, Any] = {}

    def tell(part: dict[str, Any]) -> None:
        evidence.update(part)
        if stream:
            result.write(json.dumps(part) + "\n")
            result.flush()

    if "--timeout" in arguments:
        import faulthandler

        faulthandler.dump_traceback_later(float(arguments[arguments.index("--timeout") + 1]), exit=True)
    import warnings

    warnings.simplefilter("ignore")
    tell({"interpreter": interpreter_evidence()})
    folders = [Path(entry) for entry in dict.fromkeys(sys.path) if Path(entry).is_dir()]
    static = static_evidence(*folders, deep="--deep" in arguments)
    origins = {name: _locate(name) for name in (*BUILDS, "numpy")}
    for name in BUILDS:
        # An editable install is on no path that a folder search sees.
        origin = origins[name]
        if name not in static["builds"] and origin is not None:
            static["builds"][name] = build_evidence(Path(origin).parent)
    tell(static)
    steps: dict[str, Any] = {}
    for name, package, action in STEPS:
        if origins[package] is None:
            continue
        if name != "import-torch" and not steps.get("import-torch", {}).get("ok"):
            continue
        tell({"running": name})
        steps[name] = _attempt(action)
        tell({"steps": steps})
    tell({"running": None, "complete": True})
    if not stream:
        result.write(json.dumps(evidence) + "\n")
    result.close()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
