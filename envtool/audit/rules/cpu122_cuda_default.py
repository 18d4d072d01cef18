"""CPU122: a variable, option or parameter that is a CUDA device unless someone changes it."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator, Sequence

from envtool.audit.code import NOT_COMPILED, CodeRule, Row, checks_hardware, device_sinks, weigh
from envtool.audit.entries import is_entry
from envtool.audit.flow import Flow, Function, default_of, given_to, keyword, parameters, relevant_flow
from envtool.audit.models import Project, Safe, Source
from envtool.audit.modules import callers_of, flows_naming, loaded_paths
from envtool.audit.reach import state_within, why_unreached
from envtool.audit.script_options import option_name
from envtool.audit.torch_calls import NO_ACCELERATOR
from envtool.audit.values import Value, always_cuda, evaluate, is_ordinal

_DEVICE_NAMES = ("device", "torch_device", "map_location")


class CudaDefault(CodeRule):
    """A device is CUDA by default, and something uses it without a guard."""

    code = "CPU122"
    name = "cuda-default"
    summary = "A variable, option or parameter is a CUDA device by default"

    def check(self, source: Source, project: Project) -> Iterable[Row]:
        """Findings point at the place where the device is written, which may be in another module than its use."""
        return super().check(source, project)

    def look(self, flow: Flow) -> Iterable[Row]:
        """Devices that reach a use elsewhere, options without a use here, and defaults of parameters."""
        yield from self._used(flow)
        yield from self._options(flow)
        for function in flow.functions:
            yield from self._parameters(flow, function)

    def _used(self, flow: Flow) -> Iterable[Row]:
        for sink in device_sinks(flow):
            if sink.inline or sink.falls_back or not sink.values:
                continue
            raised = "RuntimeError" if sink.kind == "load" or is_ordinal(sink.values) else "AssertionError"
            reason = why_unreached(flow, sink.call, (raised,))
            for origin in sink.origins:
                if reason:
                    yield Safe(path=flow.source.path, line=sink.call.lineno, reason=f"{self.name}: {reason}")
                else:
                    yield self._found(flow, sink.call, origin)

    def _found(self, flow: Flow, use: ast.AST, origin: Value) -> Row:
        said = NO_ACCELERATOR if isinstance(origin.const, int) else NOT_COMPILED
        message = f"the device is {origin.const!r} unless someone changes it, and its use raises {said}"
        severity, confidence = weigh(flow, use, "high")
        return self.finding(origin.flow, origin.node, message, severity, confidence)

    def _options(self, flow: Flow) -> Iterable[Row]:
        """``add_argument("--device", default="cuda")`` whose use is not seen: it depends."""
        for call in flow.calls:
            name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
            default = keyword(call, "default") if name in ("add_argument", "option") else None
            if default is None or not always_cuda(evaluate(flow, default)) or _is_used(flow.project, default):
                continue
            if _is_checked(flow, option_name(call)):
                yield Safe(path=flow.source.path, line=default.lineno, reason=f"{self.name}: its use is guarded")
                continue
            message = "the option is a CUDA device by default; its use is not seen here"
            yield from self.report(flow, default, message, severity="warning", confidence="medium")

    def _parameters(self, flow: Flow, function: Function) -> Iterable[Row]:
        for parameter in parameters(function):
            default = default_of(function, parameter.arg)
            if default is None or not parameter.arg.endswith(_DEVICE_NAMES) or not always_cuda(evaluate(flow, default)):
                continue
            name = parameter.arg
            if is_entry(flow, function) or name.startswith("_") or checks_hardware(flow, function):
                continue
            if why_unreached(flow, function, ("AssertionError",)):
                continue
            message = f"the parameter {name} is a CUDA device unless the caller gives another one"
            omitted = [
                (other, call)
                for other, call in callers_of(flow, function) or ()
                if given_to(function, call, name) is None and not why_unreached(other, call, ("AssertionError",))
            ]
            if config := _configured(flow, function):
                message = f"the parameter {name} is a CUDA device, and {config} makes the class without it"
                yield self.finding(flow, default, f"{message}: {NOT_COMPILED}", *weigh(flow, default, "medium"))
            elif not omitted or not _is_used_by(function, name):
                yield self.finding(flow, default, message, "warning", "medium")
            else:
                severity, confidence = min(weigh(other, call, "medium") for other, call in omitted)
                message = f"the parameter {name} is a CUDA device, and a call in the project leaves it out"
                yield self.finding(flow, default, f"{message}: {NOT_COMPILED}", severity, confidence)


def _is_used(project: Project, default: ast.expr) -> bool:
    """Whether a module of the project is seen to use this device."""
    key = ("origins", "")
    found = project.cache.get(key)
    if not isinstance(found, set):
        flows = [relevant_flow(source, project) for source in project.of_kind("python", "notebook", "setup-py")]
        sinks = [sink for flow in flows if flow is not None for sink in device_sinks(flow)]
        found = {origin.node for sink in sinks for origin in sink.origins}
        project.cache[key] = found
    return default in found


def _is_checked(flow: Flow, name: str) -> bool:
    """Whether the option is read where a CPU-only build does not come: ``args.device if is_available() else "cpu"``."""
    others = [other for other in flows_naming(flow.project, name) if flow.source.path in loaded_paths(other)]
    return any(
        attribute.attr == name and state_within(other, attribute, other.tree) == "never"
        for other in (flow, *others)
        for attribute in other.attributes
    )


def _configured(flow: Flow, function: Function) -> str:
    """The configuration file that names the class of a constructor (``target: package.Class``) and gives no device."""
    owner = flow.parents.get(function)
    if not isinstance(owner, ast.ClassDef) or function.name != "__init__":
        return ""
    named = re.compile(
        rf"^( *)(?:- )?(?:_target_|target|class_path): *[\"']?[\w.]+\.{owner.name}[\"']? *$", re.MULTILINE
    )
    for source in flow.project.of_kind("config"):
        if f".{owner.name}" not in source.text:
            continue
        for match in named.finditer(source.text):
            if not any("device" in line for line in _mapping_after(source.text, match)):
                return source.path
    return ""


def _mapping_after(text: str, match: re.Match[str]) -> Iterator[str]:
    """The lines of YAML after a key that belong to its mapping: not those further to the left."""
    for line in text[match.end() :].split("\n")[1:]:
        if line.strip() and len(line) - len(line.lstrip()) < len(match[1]):
            return
        yield line


def _is_used_by(function: Function, name: str) -> bool:
    """Whether a function gives a parameter to a call, compares it, or keeps it in its object."""
    return any(
        isinstance(part, ast.Name) and part.id == name for node in ast.walk(function) for part in _used_parts(node)
    )


def _used_parts(node: ast.AST) -> Sequence[ast.expr]:
    if isinstance(node, ast.Call):
        return [*node.args, *(word.value for word in node.keywords)]
    if isinstance(node, ast.Compare):
        return [node.left, *node.comparators]
    if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Attribute):
        target = node.targets[0].value
        return [node.value] if isinstance(target, ast.Name) and target.id == "self" else []
    return []


RULE = CudaDefault()
