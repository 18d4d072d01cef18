"""CPU121: a configuration file that names a CUDA device."""

from __future__ import annotations

import ast
import posixpath
import re
from collections.abc import Iterable, Iterator, Sequence

from envtool.audit.classify import is_test
from envtool.audit.code import Row
from envtool.audit.flow import Flow, keyword
from envtool.audit.models import Finding, Location, Project, Source, SourceKind
from envtool.audit.modules import flows_naming
from envtool.audit.naming import says_gpu
from envtool.audit.script_options import holds_options
from envtool.audit.syntax import lines_of

_HINT = re.compile(r"(device|accelerator|map_location)\w*[\"']?\s*[:=]\s*[\"']?(cuda|gpu)", re.IGNORECASE)
_KEY = re.compile(r"^(\w*device|map_location|accelerator)$", re.IGNORECASE)
_VALUE = re.compile(r"^(cuda|gpu)(:\d+)?$", re.IGNORECASE)
_TOML = re.compile(r"^\s*[\"']?(?P<key>[\w.-]+)[\"']?\s*=\s*(?P<quote>[\"'])(?P<value>[^\"']*)(?P=quote)")
_MAKERS = ("_target_", "target", "class_path")
_ARGUMENTS = ("params", "init_args")
_CLASS = re.compile(r"^[A-Za-z_]\w*(\.[A-Za-z_]\w*)+$")
_SAMPLE = re.compile(r"[-_.]?(template|example|sample|default|dist)$", re.IGNORECASE)
_CAP = 400_000


class ConfigDevice:
    """A device in a YAML, JSON or TOML file is CUDA."""

    code = "CPU121"
    name = "config-device"
    summary = "A configuration file names a CUDA device"
    kinds: Sequence[SourceKind] = ("config", "pyproject")

    def check(self, source: Source, project: Project) -> Iterable[Row]:
        """Warnings; an error where the project's code loads the file and uses the setting without a guard."""
        if len(source.text) > _CAP or not _HINT.search(source.text):
            return
        for key, value, location, maker in _settings(source, project):
            if not _KEY.match(key) or not _VALUE.match(value):
                continue
            user = "" if says_gpu(source.path) else maker or _user_of(source, key, project)
            message = f"{key} is {value!r}: what uses it fails on a CPU-only build"
            if user:
                message = (
                    f"{key} is {value!r}, and {user} uses it: AssertionError: Torch not compiled with CUDA enabled"
                )
            yield Finding(
                code=self.code,
                severity="error" if user and not is_test(source.path) else "warning",
                confidence="medium",
                path=source.path,
                location=location,
                message=message,
            )


def _settings(source: Source, project: Project) -> Iterator[tuple[str, str, Location, str]]:
    if source.path.endswith(".toml"):
        # tomli gives no places; a line that holds a whole key and string is found as text.
        for number, line in enumerate(lines_of(source, project), start=1):
            match = _TOML.match(line)
            if match:
                place = Location(
                    line=number, column=match.start("key") + 1, end_line=number, end_column=match.end() + 1
                )
                yield match.group("key").rsplit(".", 1)[-1], match.group("value"), place, ""
        return
    yield from _yaml_settings(source.text)


def _yaml_settings(text: str) -> Iterator[tuple[str, str, Location, str]]:
    """Scalars of YAML, of which JSON is a part: key, value, place, and the class that is made from their mapping."""
    import yaml  # late: most projects have no file that comes this far

    try:
        documents = list(yaml.compose_all(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)))
    except (yaml.YAMLError, RecursionError, ValueError):
        return
    stack = [(document, "") for document in documents if document is not None]
    seen: set[int] = set()
    while stack:
        node, maker = stack.pop()
        if id(node) in seen:  # an alias may lead back
            continue
        seen.add(id(node))
        if isinstance(node, yaml.SequenceNode):
            stack.extend((item, "") for item in node.value)
            continue
        pairs = node.value if isinstance(node, yaml.MappingNode) else []
        named = {str(key.value): str(value.value) for key, value in pairs if isinstance(value, yaml.ScalarNode)}
        maker = next((named[word] for word in _MAKERS if _CLASS.match(named.get(word, ""))), maker)
        for key, value in pairs:
            stack.append((value, maker if str(key.value) in _ARGUMENTS else ""))
            if isinstance(key, yaml.ScalarNode) and isinstance(value, yaml.ScalarNode):
                start, end = key.start_mark, value.end_mark
                place = Location(
                    line=start.line + 1, column=start.column + 1, end_line=end.line + 1, end_column=end.column + 1
                )
                yield str(key.value), str(value.value), place, maker


def _user_of(source: Source, key: str, project: Project) -> str:
    """The module that names this file and gives the setting to torch, or an empty string."""
    stem, suffix = posixpath.splitext(posixpath.basename(source.path))
    stem = _SAMPLE.sub("", stem) or stem  # config_template.yaml is copied to config.yaml
    name = f"{stem}{suffix}"
    for flow in flows_naming(project, stem.split(".")[0]):
        if name not in flow.source.text or key not in flow.source.text:
            continue
        if any(_puts(flow, call, key) for call in flow.calls):
            return flow.source.path
    return ""


def _puts(flow: Flow, call: ast.Call, key: str) -> bool:
    func = call.func
    moved = call.args[:1] if isinstance(func, ast.Attribute) and func.attr == "to" else []
    return any(
        _reads(flow, argument, key) for argument in (*moved, keyword(call, "device", "map_location")) if argument
    )


def _reads(flow: Flow, node: ast.expr, key: str) -> bool:
    """``config.device`` or ``config["device"]`` of something that was loaded."""
    if isinstance(node, ast.Call) and flow.dotted(node.func) == "torch.device" and node.args:
        node = node.args[0]
    if isinstance(node, ast.Attribute):
        found = node.attr == key
    elif isinstance(node, ast.Subscript):
        found = isinstance(node.slice, ast.Constant) and node.slice.value == key
    else:
        return False
    return found and isinstance(node.value, ast.Name) and holds_options(node.value.id)


RULE = ConfigDevice()
