"""CPU203: ``PYTORCH_JIT=0``."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator, Sequence

from envtool.audit.classify import is_test
from envtool.audit.dotted import dotted, imported_names, text_of
from envtool.audit.made import Report
from envtool.audit.models import Finding, Location, Project, Safe, Source, SourceKind
from envtool.audit.syntax import lines_of, tree_of

_NAME = "PYTORCH_JIT"
_TEXT = re.compile(r"""^[^#]*?\b(PYTORCH_JIT["']?\s*[=:]\s*["']?0)\b""")
_MESSAGE = (
    "PYTORCH_JIT=0 breaks torch.jit.load: AttributeError: type object 'RecursiveScriptModule' has no attribute "
    "'_construct'; remove it"
)


class PytorchJitOff:
    """With PYTORCH_JIT=0, torch.jit has no RecursiveScriptModule._construct, and loading a TorchScript file dies."""

    code = "CPU203"
    name = "pytorch-jit-off"
    summary = "PYTORCH_JIT=0 breaks torch.jit.load"
    kinds: Sequence[SourceKind] = (
        *("python", "notebook", "spec", "setup-py"),
        *("shell", "dockerfile", "compose", "ci", "makefile"),
    )

    def check(self, source: Source, project: Project) -> Iterable[Finding | Safe]:
        """Where the variable is set to 0, in Python and in what starts Python."""
        if _NAME not in source.text:
            return
        report = Report(self.code, source, project)
        if source.kind in ("python", "notebook", "spec", "setup-py"):
            for node in _settings(source, project):
                # A test that switches TorchScript off does so for itself.
                yield report.warning(node, _MESSAGE) if is_test(source.path) else report.error(node, _MESSAGE)
            return
        for number, line in enumerate(lines_of(source, project), 1):
            match = _TEXT.match(line)
            if match:
                place = Location(line=number, column=match.start(1) + 1, end_line=number, end_column=match.end(1) + 1)
                yield Finding(
                    code=self.code,
                    severity="error",
                    confidence="high",
                    path=source.path,
                    location=place,
                    message=_MESSAGE,
                )


def _settings(source: Source, project: Project) -> Iterator[ast.expr]:
    tree, names = tree_of(source, project), imported_names(source, project)
    for node in ast.walk(tree) if tree is not None else ():
        if isinstance(node, ast.Assign) and text_of(node.value) == "0":
            subscripts = [target for target in node.targets if isinstance(target, ast.Subscript)]
            yield from (target for target in subscripts if text_of(target.slice) == _NAME)
        elif isinstance(node, ast.Call) and _sets(node, names):
            yield node
        elif isinstance(node, ast.Call):
            yield from (word.value for word in node.keywords if word.arg == _NAME and text_of(word.value) == "0")
        elif isinstance(node, ast.Dict):
            pairs = zip(node.keys, node.values, strict=True)
            yield from (key for key, value in pairs if key and text_of(key) == _NAME and text_of(value) == "0")


def _sets(call: ast.Call, names: dict[str, str]) -> bool:
    values = [text_of(argument) for argument in call.args]
    return values == [_NAME, "0"] and dotted(call.func, names).rpartition(".")[2] in ("setdefault", "putenv", "setenv")


RULE = PytorchJitOff()
