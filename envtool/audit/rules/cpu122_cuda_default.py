"""CPU122: a variable, option or parameter that is a CUDA device unless someone changes it."""

from __future__ import annotations

import ast
from collections.abc import Iterable

from envtool.audit.code import NOT_COMPILED, CodeRule, Row, device_sinks, weigh
from envtool.audit.flow import FUNCTIONS, Flow, Function, default_of, keyword, parameters, relevant_flow
from envtool.audit.leaning import leaning
from envtool.audit.models import Project, Safe, Source
from envtool.audit.modules import callers_of, flows_naming
from envtool.audit.reach import state_within, why_unreached
from envtool.audit.script_options import option_name
from envtool.audit.values import Value, always_cuda, evaluate, truth

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
            if sink.inline or not sink.values:
                continue
            raised = "RuntimeError" if sink.kind == "load" else "AssertionError"
            reason = why_unreached(flow, sink.call, (raised,))
            for origin in sink.origins:
                if reason:
                    yield Safe(path=flow.source.path, line=sink.call.lineno, reason=f"{self.name}: {reason}")
                else:
                    yield self._found(flow, sink.call, origin)

    def _found(self, flow: Flow, use: ast.AST, origin: Value) -> Row:
        message = f"the device is {origin.const!r} unless someone changes it, and its use raises {NOT_COMPILED}"
        severity, confidence = weigh(flow, use, "high")
        return self.finding(origin.flow, origin.node, message, severity, confidence)

    def _options(self, flow: Flow) -> Iterable[Row]:
        """``add_argument("--device", default="cuda")`` whose use is not seen: it depends."""
        for call in flow.calls:
            name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
            default = keyword(call, "default") if name in ("add_argument", "option") else None
            if default is None or not always_cuda(evaluate(flow, default)) or _is_used(flow.project, default):
                continue
            if _is_checked(flow.project, option_name(call)):
                yield Safe(path=flow.source.path, line=default.lineno, reason=f"{self.name}: its use is guarded")
                continue
            message = "the option is a CUDA device by default; its use is not seen here"
            yield from self.report(flow, default, message, severity="warning", confidence="medium")

    def _parameters(self, flow: Flow, function: Function) -> Iterable[Row]:
        for parameter in parameters(function):
            default = default_of(function, parameter.arg)
            if default is None or not parameter.arg.endswith(_DEVICE_NAMES) or not always_cuda(evaluate(flow, default)):
                continue
            if why_unreached(flow, function, ("AssertionError",)) or _checks(flow, function, parameter.arg):
                continue
            name = parameter.arg
            message = f"the parameter {name} is a CUDA device unless the caller gives another one"
            omitted = [
                (other, call)
                for other, call in callers_of(flow, function) or ()
                if not _gives(function, call, name) and not why_unreached(other, call, ("AssertionError",))
            ]
            if not omitted:
                yield self.finding(flow, default, message, "warning", "medium")
                continue
            severities = [weigh(other, call, "medium") for other, call in omitted]
            severity, confidence = min(severities)
            message = f"the parameter {name} is a CUDA device, and a call in the project leaves it out: {NOT_COMPILED}"
            yield self.finding(flow, default, message, severity, confidence)


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


def _is_checked(project: Project, name: str) -> bool:
    """Whether the option is read where a CPU-only build does not come: ``args.device if is_available() else "cpu"``."""
    return any(
        attribute.attr == name and state_within(other, attribute, other.tree) == "never"
        for other in flows_naming(project, name)
        for attribute in other.attributes
    )


def _gives(function: Function, call: ast.Call, name: str) -> bool:
    if any(word.arg in (name, None) for word in call.keywords):
        return True
    names = [arg.arg for arg in (*function.args.posonlyargs, *function.args.args)]
    if names and names[0] in ("self", "cls"):
        names = names[1:]
    starred = any(isinstance(argument, ast.Starred) for argument in call.args)
    return starred or (name in names and names.index(name) < len(call.args))


def _checks(flow: Flow, function: Function, name: str) -> bool:
    """Whether the body tests what hardware there is, and so may change the device."""
    for node in ast.walk(function):
        if isinstance(node, ast.If | ast.IfExp) and truth(flow, node.test) is False and leaning(node.test):
            return True
        if isinstance(node, ast.If | ast.IfExp) and truth(flow, node.test) is True and "cuda" in ast.unparse(node.test):
            return True
    return isinstance(function, FUNCTIONS) and name.startswith("_")


RULE = CudaDefault()
