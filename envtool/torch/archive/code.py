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
    """Device constants; attributes that are devices or strings; which attributes are read, or become devices."""

    def __init__(self) -> None:
        self.constants: list[DeviceUse] = []
        self.device_attributes: set[str] = set()
        self.read: set[str] = set()
        self.text_attributes: set[str] = set()
        self.made_from: set[str] = set()
        self.unparsed: list[str] = []

    @property
    def makes_devices(self) -> bool:
        """Whether code makes a device from a string attribute: ``d = self.d; torch.device(d)``."""
        return bool(self.text_attributes & self.made_from)


def scan_code(entry: str, text: str, facts: CodeFacts) -> None:
    """Add what one source says. Source that does not parse, or nests too deep, is searched by pattern and noted."""
    if not _WORTH_PARSING.search(text):
        # An attribute may be declared in one file and read in another.
        facts.read.update(re.findall(r"\.(\w+)", text))
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
            _declared(node.target.id, node.annotation, facts)
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Load):
            facts.read.add(node.attr)
        elif isinstance(node, ast.Call):
            for device in _devices(node):
                _add(facts, DeviceUse(entry=entry, line=node.lineno, device=device))
    facts.made_from |= _made_from(tree)


def _declared(name: str, annotation: ast.expr, facts: CodeFacts) -> None:
    kind = ast.dump(annotation)[:200]
    if "'Device'" in kind:
        facts.device_attributes.add(name)
    elif "'str'" in kind:
        facts.text_attributes.add(name)


def _made_from(tree: ast.Module) -> set[str]:
    """Names of attributes that go into ``torch.device(…)``, directly or through a local name."""
    made: set[str] = set()
    for function in ast.walk(tree):
        if not isinstance(function, ast.FunctionDef):
            continue
        local: dict[str, str] = {}
        for node in ast.walk(function):
            if isinstance(node, ast.Assign) and isinstance(node.value, ast.Attribute):
                local.update({target.id: node.value.attr for target in node.targets if isinstance(target, ast.Name)})
        for node in ast.walk(function):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "device":
                for argument in node.args[:1]:
                    if isinstance(argument, ast.Attribute):
                        made.add(argument.attr)
                    elif isinstance(argument, ast.Name):
                        made.add(local.get(argument.id, ""))
    return made - {""}


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
