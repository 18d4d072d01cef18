"""What the code rules share: how severe a line is, where devices go, and how a finding is made."""

from __future__ import annotations

import ast
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from envtool.audit.classify import is_benchmark, is_example, is_test, may_be_test
from envtool.audit.flow import FUNCTIONS, Flow, Function, keyword, parameters, relevant_flow
from envtool.audit.leaning import leaning, speaks_of_devices
from envtool.audit.models import Confidence, Finding, Location, Project, Safe, Severity, Source, SourceKind
from envtool.audit.modules import importers_of, resolve_definition
from envtool.audit.reach import why_unreached
from envtool.audit.syntax import locate
from envtool.audit.values import Value, Values, always_cuda, evaluate, is_ordinal, truth

NOT_COMPILED = "AssertionError: Torch not compiled with CUDA enabled"
"""What most of CUDA says on a CPU-only build."""

Row = Finding | Safe
_COMMAND_LINES = frozenset(
    {"argparse", "click", "fire", "hydra", "optparse", "typer", "tyro", "absl", "simple_parsing"}
)


class CodeRule(ABC):
    """A rule over Python code: a subclass looks at one module's flow. Modules without torch are passed."""

    code: str
    name: str
    summary: str
    kinds: Sequence[SourceKind] = ("python", "notebook", "setup-py")

    def check(self, source: Source, project: Project) -> Iterable[Row]:
        """Findings and safe lines of one source."""
        flow = relevant_flow(source, project)
        return self.look(flow) if flow is not None else ()

    @abstractmethod
    def look(self, flow: Flow) -> Iterable[Row]:
        """Findings and safe lines of one module."""

    def report(
        self,
        flow: Flow,
        node: ast.expr | ast.stmt,
        message: str,
        *,
        raised: str = "AssertionError",
        severity: Severity = "error",
        confidence: Confidence = "high",
    ) -> Iterator[Row]:
        """A finding at a node with the severity that fits its place; a Safe row when it is guarded."""
        reason = why_unreached(flow, node, (raised,))
        if reason:
            yield Safe(path=flow.source.path, line=node.lineno, reason=f"{self.name}: {reason}")
            return
        if severity == "error":
            severity, confidence = weigh(flow, node, confidence)
        yield self.finding(flow, node, message, severity, confidence)

    def place(self, flow: Flow, node: ast.expr | ast.stmt) -> Location:
        """Where a finding at a node points; a rule may choose a part of the node."""
        return locate(node, flow.source, flow.project)

    def finding(
        self, flow: Flow, node: ast.expr | ast.stmt, message: str, severity: Severity, confidence: Confidence
    ) -> Finding:
        """A finding as it is, without a look at its place."""
        return Finding(
            code=self.code,
            severity=severity,
            confidence=confidence,
            path=flow.source.path,
            location=self.place(flow, node),
            message=message,
        )


def weigh(flow: Flow, node: ast.AST, confidence: Confidence) -> tuple[Severity, Confidence]:
    """How an error weighs where it stands: tests and the demo at the end of a library module are run by choice."""
    path = flow.source.path
    if is_test(path) or (may_be_test(path) and _has_tests(flow)):
        return "warning", "medium"
    if (in_main_block(flow, node) or _in_self_test(flow, node)) and not is_script(flow) and importers_of(flow):
        return "warning", "medium"
    if (is_example(path) or is_benchmark(path)) and confidence == "high":
        return "error", "medium"
    return "error", confidence


def _has_tests(flow: Flow) -> bool:
    modules = {found.module.split(".")[0] for found in flow.imported.values()}
    return bool(modules & {"pytest", "unittest"}) or any(
        function.name.startswith("test_") for function in flow.functions
    )


def _in_self_test(flow: Flow, node: ast.AST) -> bool:
    """Whether a node stands in a function that only tries the module out: ``def test():``."""
    return any(
        isinstance(parent, FUNCTIONS)
        and (parent.name == "test" or parent.name.startswith("test_"))
        and not parameters(parent)
        for parent in flow.ancestors(node)
    )


def is_script(flow: Flow) -> bool:
    """Whether a module reads a command line: its main block is a program, not a demo."""
    return bool({found.module.split(".")[0] for found in flow.imported.values()} & _COMMAND_LINES)


def in_main_block(flow: Flow, node: ast.AST) -> bool:
    """Whether a node stands under ``if __name__ == "__main__":``."""
    return any(
        isinstance(parent, ast.If)
        and isinstance(parent.test, ast.Compare)
        and isinstance(parent.test.left, ast.Name)
        and parent.test.left.id == "__name__"
        for parent in flow.ancestors(node)
    )


def written_as(node: ast.expr, limit: int = 40) -> str:
    """The source of an expression for a message, on one line and not too long."""
    text = " ".join(ast.unparse(node).split())
    return text if len(text) <= limit else text[: limit - 1] + "…"


# --- devices ---------------------------------------------------------------------------------------------------------

_NO_SINK_PREFIXES = (
    "torch.cuda.",
    "torch.amp.",
    "torch.backends.",
    "torch.autocast",
    "torch.device",
    "torch.hub.",
    "torch.profiler",
    "argparse.",
    "dataclasses.",
    "pydantic.",
    "typer.",
    "click.",
    "logging.",
    "numba.",
    "cupy.",
    "jax.",
    "paddle.",
    "types.SimpleNamespace",
)
_NO_SINK_NAMES = frozenset(
    {
        "add_argument",
        "autocast",
        "GradScaler",
        "Field",
        "field",
        "Option",
        "option",
        "Argument",
        "print",
        "info",
        "debug",
        "warning",
        "error",
        "log",
        "dict",
        "Namespace",
        "SimpleNamespace",
        "replace",
        "update",
        "format",
        "setattr",
        "getattr",
        "append",
        "parametrize",
        "device",
        "namedtuple",
        "add_option",
        "raises",
        "DeviceInfo",
        "empty_cache",
        "manual_seed",
        "manual_seed_all",
        "memory_allocated",
        "max_memory_allocated",
        "is_available",
    }
)
_DEVICE_KEYWORDS = ("device", "torch_device", "device_map", "map_location", "execution_device", "onload_device")
_MODEL_SETTINGS = ("model_kwargs", "encode_kwargs", "pipeline_kwargs")


@dataclass(frozen=True, slots=True, eq=False)
class Sink:
    """A place that puts something on a device: the call, how, and the expression of the device."""

    flow: Flow
    call: ast.Call
    kind: str  # "to", "keyword", "load", "default", "generator"
    device: ast.expr
    values: Values

    @property
    def inline(self) -> bool:
        """Whether the device is written in the call itself."""
        return any(origin.flow is self.flow and self._holds(origin.node) for origin in self.origins)

    @property
    def origins(self) -> list[Value]:
        """Where the device was written, in the order of places."""
        values = {
            (value.flow.source.path, value.node.lineno, value.node.col_offset): value for value in self.values or ()
        }
        return [values[key] for key in sorted(values)]

    @property
    def falls_back(self) -> bool:
        """Whether a number is given to a pipeline of transformers: releases since 4.47 take the CPU instead."""
        torch = (self.flow.dotted(self.call.func) or "").startswith("torch.")
        return self.kind == "keyword" and is_ordinal(self.values) and not torch

    def _holds(self, node: ast.AST) -> bool:
        return node is self.call or any(parent is self.call for parent in self.flow.ancestors(node))


def device_sinks(flow: Flow) -> list[Sink]:
    """Every call of a module that uses a device which can only be CUDA."""
    key = ("sinks", flow.source.path)
    found = flow.project.cache.get(key)
    if not isinstance(found, list):
        found = [
            sink
            for call in flow.calls
            for sink in _sinks_of(flow, call)
            if _hits(sink) and not (sink.kind == "keyword" and _is_corrected(sink))
        ]
        flow.project.cache[key] = found
    return found


def _hits(sink: Sink) -> bool:
    if always_cuda(sink.values):
        return True
    # An ordinal is a CUDA device to torch: .to(0), pipeline(device=0).
    if sink.kind == "keyword":
        dotted = sink.flow.dotted(sink.call.func) or ""
        return dotted.startswith(("torch.", "transformers.pipeline")) and is_ordinal(sink.values)
    named = sink.device is keyword(sink.call, "device")
    alone = sink.kind == "to" and (named or (len(sink.call.args) == 1 and not sink.call.keywords))
    written = isinstance(sink.device, ast.Constant) or speaks_of_devices(written_as(sink.device))
    return alone and written and _knows_torch(sink.flow) and is_ordinal(sink.values)


def _is_corrected(sink: Sink) -> bool:
    """Whether the function that is given the device looks at the hardware itself."""
    called = _called(sink.flow, sink.call)
    return called is not None and checks_hardware(*called)


def _knows_torch(flow: Flow) -> bool:
    modules = {found.module.split(".")[0] for found in flow.imported.values()}
    return bool(modules & {"torch", "transformers", "diffusers", "accelerate", "peft"})


def _sinks_of(flow: Flow, call: ast.Call) -> Iterator[Sink]:
    func = call.func
    name = func.attr if isinstance(func, ast.Attribute) else func.id if isinstance(func, ast.Name) else ""
    if name == "device" and flow.dotted(func) == "torch.device":
        values = evaluate(flow, call.args[0]) if len(call.args) == 1 and not call.keywords else None
        if is_ordinal(values):
            yield Sink(flow, call, "keyword", call.args[0], values)
        elif isinstance(flow.parents.get(call), ast.withitem) and call.args:
            yield Sink(flow, call, "default", call.args[0], evaluate(flow, call.args[0]))
    elif name == "to" and isinstance(func, ast.Attribute):
        for device in (*call.args[:1], keyword(call, "device")):
            if device is not None:
                yield Sink(flow, call, "to", device, evaluate(flow, device))
    elif name in ("Generator", "set_default_device"):
        device = call.args[0] if call.args else keyword(call, "device")
        if device is not None and flow.dotted(func) in ("torch.set_default_device", "torch.Generator"):
            values = evaluate(flow, device)
            kind = "keyword" if is_ordinal(values) else "generator" if name == "Generator" else "default"
            yield Sink(flow, call, kind, device, values)
    elif name not in _NO_SINK_NAMES and not (flow.dotted(func) or "").startswith(_NO_SINK_PREFIXES):
        yield from _arguments(flow, call)


def _arguments(flow: Flow, call: ast.Call) -> Iterator[Sink]:
    if len(call.args) > 1 and flow.dotted(call.func) in ("torch.load", "torch.jit.load"):
        yield Sink(flow, call, "load", call.args[1], evaluate(flow, call.args[1]))
    for word in call.keywords:
        if word.arg == "pin_memory_device":
            continue  # of a DataLoader, which pins nothing where there is no accelerator, and says so
        if word.arg in _DEVICE_KEYWORDS or (word.arg or "").endswith("_device"):
            kind = "load" if word.arg == "map_location" else "keyword"
            yield Sink(flow, call, kind, word.value, evaluate(flow, word.value))
            if isinstance(word.value, ast.Dict) and word.arg == "device_map":
                yield from _settings(flow, call, word.value, None)
        elif word.arg in _MODEL_SETTINGS:
            yield from _settings(flow, call, word.value, "device")
    yield from _positional(flow, call)


def _settings(flow: Flow, call: ast.Call, node: ast.expr, key: str | None) -> Iterator[Sink]:
    """``model_kwargs={"device": "cuda"}`` and ``device_map={"": "cuda:0"}``."""
    if isinstance(node, ast.Name):
        bound = flow.lookup(node.id, node)
        if bound is not None and len(bound[1]) == 1 and bound[1][0].value is not None:
            node = bound[1][0].value
    if isinstance(node, ast.Dict):
        for name, value in zip(node.keys, node.values, strict=True):
            if key is None or (isinstance(name, ast.Constant) and name.value == key):
                yield Sink(flow, call, "keyword", value, evaluate(flow, value))


def _positional(flow: Flow, call: ast.Call) -> Iterator[Sink]:
    """A device given by position to a function of the project whose parameter is named so."""
    if not call.args or any(isinstance(argument, ast.Starred) for argument in call.args):
        return
    candidates = [(index, argument) for index, argument in enumerate(call.args) if _may_be_device(argument)]
    called = _called(flow, call) if candidates else None
    if called is None:
        return
    names = [arg.arg for arg in parameters(called[1])]
    if names and names[0] in ("self", "cls"):
        names = names[1:]
    for index, argument in candidates:
        if index < len(names) and names[index] in ("device", "torch_device", "dev", "map_location"):
            yield Sink(flow, call, "keyword", argument, evaluate(flow, argument))


def _called(flow: Flow, call: ast.Call) -> tuple[Flow, Function] | None:
    """The function of the project that a call runs; the constructor of a class."""
    found = resolve_definition(flow, call.func)
    if found is None:
        return None
    home, definition = found
    if isinstance(definition, ast.ClassDef):
        inits = [item for item in definition.body if isinstance(item, FUNCTIONS) and item.name == "__init__"]
        return (home, inits[0]) if inits else None
    return home, definition


def checks_hardware(flow: Flow, function: Function) -> bool:
    """Whether a function tests what hardware there is, and so may change the device that it was given."""
    for node in ast.walk(function):
        if isinstance(node, ast.If | ast.IfExp):
            answer = truth(flow, node.test)
            if (answer is False and leaning(node.test)) or (answer is True and "cuda" in ast.unparse(node.test)):
                return True
    return False


def _may_be_device(node: ast.expr) -> bool:
    return isinstance(node, ast.Name | ast.Attribute | ast.Constant | ast.Call | ast.IfExp | ast.JoinedStr)
