"""Devices fixed in the source inside an archive (``code/**/*.py`` of TorchScript, modules of a torch.package)."""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Iterator

from envtool.torch.archive.facts import DeviceUse
from envtool.torch.archive.limits import MAX_BRACKETS, MAX_LISTED
from envtool.torch.archive.symbols import DEVICE, is_cpu

# Only source that can hold a device is parsed: most files of an archive are layers that name none.
_WORTH_PARSING = re.compile(r"\bcuda\b|torch\.device\(|\bDevice\b|\.(?:xpu|mps|hip)\(")
# Long runs of one operator nest without brackets and would take the parser as deep.
_DEEP = re.compile(r"(?:[-+~]\s*){200}|(?:\bnot\s+){200}|(?:\blambda\b[^\n]{0,40}){90}")
_MAX_LINE = 200_000


class CodeFacts:
    """Device constants, attribute names that are annotated as ``Device``, and all attribute names that are read."""

    def __init__(self) -> None:
        self.constants: list[DeviceUse] = []
        self.device_attributes: set[str] = set()
        self.read: set[str] = set()
        self.unparsed: list[str] = []


def scan_code(entry: str, text: str, facts: CodeFacts) -> None:
    """Add what one source says. Source that does not parse, or nests too deep, is searched by pattern and noted."""
    if not _WORTH_PARSING.search(text):
        return
    tree = _parse(text)
    if tree is None:
        facts.unparsed.append(entry)
        for match in re.finditer(r"torch\.device\(\s*[\"']((?:cuda|xpu|mps|hip)(?::\d+)?)[\"']|torch\.(cuda)\(", text):
            line = text.count("\n", 0, match.start()) + 1
            _add(facts, DeviceUse(entry=entry, line=line, device=match.group(1) or match.group(2)))
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            if "Device" in ast.dump(node.annotation)[:200]:
                facts.device_attributes.add(node.target.id)
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Load):
            facts.read.add(node.attr)
        elif isinstance(node, ast.Call):
            for device in _devices(node):
                _add(facts, DeviceUse(entry=entry, line=node.lineno, device=device))


def _add(facts: CodeFacts, use: DeviceUse) -> None:
    if len(facts.constants) < MAX_LISTED:
        facts.constants.append(use)


def _devices(call: ast.Call) -> Iterator[str]:
    """The devices other than CPU that a call fixes: ``torch.device("cuda:0")``, ``torch.cuda(x)``, ``x.cuda()``."""
    function = call.func
    if not isinstance(function, ast.Attribute):
        return
    values: list[ast.expr] = []
    if function.attr == "device" and isinstance(function.value, ast.Name) and function.value.id == "torch":
        values = call.args[:1]
    elif function.attr in ("cuda", "xpu"):
        yield function.attr
    else:
        values = [keyword.value for keyword in call.keywords if keyword.arg == "device"]
        values += call.args[:2] if function.attr == "to" else []
    for value in values:
        device = value.value if isinstance(value, ast.Constant) else None
        if isinstance(device, str) and DEVICE.fullmatch(device) and not is_cpu(device):
            yield device


def _parse(text: str) -> ast.Module | None:
    if _too_deep(text):
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def _too_deep(text: str) -> bool:
    depth = deepest = 0
    for match in re.finditer(r"[(\[{]|[)\]}]", text):
        depth = depth + 1 if match.group() in "([{" else max(0, depth - 1)
        deepest = max(deepest, depth)
    longest = max(map(len, text.splitlines()), default=0)
    return deepest > MAX_BRACKETS or longest > _MAX_LINE or _DEEP.search(text) is not None
