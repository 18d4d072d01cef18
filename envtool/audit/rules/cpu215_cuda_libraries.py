"""CPU215: a spec collects CUDA libraries or metadata of GPU packages."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Sequence

from envtool.audit.dotted import parents_of, text_of
from envtool.audit.made import Report
from envtool.audit.models import Finding, Project, Safe, Source, SourceKind
from envtool.audit.pyinstaller import spec_of
from envtool.torch.family import is_gpu_payload

_LIBRARY = re.compile(
    r"cudart|cublas|cudnn|cufft|curand|cusolver|cusparse|nvrtc|nvjitlink|nvtoolsext|libnccl|nvinfer|torch_cuda|c10_cuda"
    r"|(^|[\\/])(cuda|nvidia)[\\/]|NVIDIA GPU Computing Toolkit",
    re.IGNORECASE,
)


_LOOKS = frozenset({"exists", "is_file", "is_dir", "isfile", "isdir", "glob", "iglob", "is_available", "find_spec"})


class CudaLibraries:
    """A file that a spec names and that is not there ends the build."""

    code = "CPU215"
    name = "collected-cuda-libraries"
    summary = "The spec collects CUDA libraries, which CPU-only torch does not have"
    kinds: Sequence[SourceKind] = ("spec", "python")

    def check(self, source: Source, project: Project) -> Iterable[Finding | Safe]:
        """Sources of datas and binaries, and copy_metadata of GPU packages."""
        spec = spec_of(source, project)
        if spec is None:
            return
        report = Report(self.code, source, project)
        parents = parents_of(spec.tree)
        for item in (*spec.items("binaries"), *spec.items("datas")):
            if isinstance(item.node, ast.Tuple | ast.List) and item.node.elts:
                first = item.node.elts[0]
                text = _path_text(first)
                if (
                    text is not None
                    and _LIBRARY.search(text)
                    and not _is_there(text, source)
                    and not _guarded(first, parents)
                ):
                    yield report.error(
                        first,
                        f"{text!r} is not there with CPU-only torch: PyInstaller ends with "
                        "Unable to find ... when adding binary and data files; take it out",
                    )
        for name, call in spec.calls():
            package = text_of(call.args[0]) if call.args else None
            if name.rpartition(".")[2] != "copy_metadata" or not package or _guarded(call, parents):
                continue
            if is_gpu_payload(package):
                yield report.error(
                    call,
                    f"copy_metadata({package!r}) raises PackageNotFoundError: {package} is not installed with CPU-only "
                    "torch; take it out",
                )


def _path_text(node: ast.expr) -> str | None:
    """A path as far as its strings go: ``os.path.join(x, "cudart64_12.dll")`` gives what is constant in it."""
    if isinstance(node, ast.Constant):
        return text_of(node)
    # A glob is empty when nothing matches, and a conditional path looks first.
    if isinstance(node, ast.Call) and "glob" in ast.dump(node.func):
        return None
    texts = [text for part in ast.walk(node) if (text := text_of(part)) is not None]
    return "/".join(texts) if texts else None


def _is_there(text: str, source: Source) -> bool:
    """A file of the project itself is collected whatever its name says."""
    try:
        return (source.absolute.parent / text).exists()
    except (OSError, ValueError):
        return False


def _guarded(node: ast.AST, parents: dict[ast.AST, ast.AST]) -> bool:
    """Whether the spec looks before it collects: a test of existence or availability, or a try around it."""
    while node in parents:
        child, node = node, parents[node]
        if isinstance(node, ast.Try) and child in node.body and node.handlers:
            return True
        tests: list[ast.expr] = []
        if isinstance(node, ast.If | ast.IfExp):
            tests = [node.test]
        elif isinstance(node, ast.ListComp | ast.GeneratorExp):
            tests = [test for part in node.generators for test in (*part.ifs, part.iter)]
        names = {part.attr for test in tests for part in ast.walk(test) if isinstance(part, ast.Attribute)}
        names |= {part.id for test in tests for part in ast.walk(test) if isinstance(part, ast.Name)}
        if names & _LOOKS:
            return True
    return False


RULE = CudaLibraries()
