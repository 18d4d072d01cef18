"""The structure of one Python module: names, scopes, parents, calls; built in one walk and shared by all rules."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

from envtool.audit.models import Project, Source
from envtool.audit.syntax import tree_of

Function: TypeAlias = ast.FunctionDef | ast.AsyncFunctionDef
Scope: TypeAlias = ast.Module | ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda | ast.ClassDef

FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.GeneratorExp, ast.DictComp)
_SCOPES = (ast.Module, ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef)

_RELEVANT = re.compile(
    r"cuda|torch|triton|cupy|nccl|flash_attn|xformers|tensorrt|bitsandbytes|pin_memory|load_in_|fp16|apex|cuml|gpu"
    r"|device=|to\(0",
)


@dataclass(frozen=True, slots=True, eq=False)
class Binding:
    """One way in which a name gets a value. ``value`` is None when it is not an expression of this module."""

    statement: ast.AST
    value: ast.expr | None


@dataclass(frozen=True, slots=True)
class Imported:
    """What a name was imported as: ``from module import attr`` (attr empty for ``import module``)."""

    module: str
    level: int
    attr: str
    node: ast.Import | ast.ImportFrom

    @property
    def dotted(self) -> str:
        """The full name, as written at level 0."""
        return f"{self.module}.{self.attr}" if self.attr else self.module


class Flow:
    """One module, indexed. ``memo`` and ``busy`` belong to the evaluator (:mod:`envtool.audit.values`)."""

    def __init__(self, source: Source, tree: ast.Module, project: Project) -> None:
        self.source = source
        self.project = project
        self.tree = tree
        self.parents: dict[ast.AST, ast.AST] = {}
        self.calls: list[ast.Call] = []
        self.attributes: list[ast.Attribute] = []
        self.imports: list[ast.Import | ast.ImportFrom] = []
        self.functions: list[Function] = []
        self.classes: list[ast.ClassDef] = []
        self.imported: dict[str, Imported] = {}
        self.stars: list[Imported] = []
        self.bindings: dict[Scope, dict[str, list[Binding]]] = {}
        self.fields: dict[tuple[ast.AST | None, str], list[Binding]] = {}
        self.globals: set[tuple[Scope, str]] = set()
        self.memo: dict[ast.AST, object] = {}
        self.busy: set[object] = set()
        self.left: dict[ast.stmt, tuple[int, bool]] = {}
        """For a block (by its first statement): how many statements were looked at, and whether one leaves it."""
        self.may_raise: dict[ast.AST, list[tuple[int, ast.Call]]] = {}
        self.stopping: set[ast.AST] = set()
        self.stops: dict[ast.AST, tuple[int, ast.ExceptHandler] | None] = {}
        """For a try block: its calls that may raise, and what :mod:`envtool.audit.raising` made of them."""
        self._positions: dict[ast.AST, dict[ast.AST, tuple[list[ast.stmt], int]]] = {}
        self._dotted: dict[ast.AST, str | None] = {}
        self._index()

    def _index(self) -> None:
        # The hot loop of the audit: one dispatch by type a node, and no visit of contexts and operators.
        stack: list[tuple[ast.AST, Scope]] = [(self.tree, self.tree)]
        self.bindings[self.tree] = {}
        parents = self.parents
        while stack:
            node, scope = stack.pop()
            kind = type(node)
            record = _RECORDERS.get(kind)
            if record is not None:
                record(self, node, scope)
            inner = node if kind in _SCOPE_TYPES else scope
            children: list[ast.AST] = []
            for name in node._fields:
                value = getattr(node, name, None)
                if isinstance(value, list):
                    children.extend(child for child in value if isinstance(child, ast.AST))
                elif isinstance(value, ast.AST):
                    children.append(value)
            for child in reversed(children):
                if not isinstance(child, _LEAVES):
                    parents[child] = node
                    stack.append((child, inner))  # type: ignore[arg-type]

    def _call(self, node: ast.Call, _: Scope) -> None:
        self.calls.append(node)

    def _attribute(self, node: ast.Attribute, _: Scope) -> None:
        self.attributes.append(node)

    def _assign(self, node: ast.Assign, scope: Scope) -> None:
        for target in node.targets:
            self._target(target, node.value, node, scope)

    def _annotated(self, node: ast.AnnAssign | ast.NamedExpr, scope: Scope) -> None:
        if node.value is not None:
            self._target(node.target, node.value, node, scope)

    def _changed(self, node: ast.AugAssign | ast.For | ast.AsyncFor | ast.comprehension, scope: Scope) -> None:
        self._target(node.target, None, node, scope)

    def _with(self, node: ast.withitem, scope: Scope) -> None:
        if node.optional_vars is not None:
            self._target(node.optional_vars, node.context_expr, node, scope)

    def _captured(self, node: ast.MatchAs | ast.MatchStar, scope: Scope) -> None:
        if node.name is not None:
            outer = self.parents.get(self.parents[node])
            self._bind(node.name, Binding(node, outer.subject if isinstance(outer, ast.Match) else None), scope)

    def _outer_names(self, node: ast.Global | ast.Nonlocal, scope: Scope) -> None:
        if isinstance(node, ast.Global):
            self.globals.update((scope, name) for name in node.names)
            return
        # What an inner function does to the name is not followed: it may be anything.
        outer = next((parent for parent in self.ancestors(scope) if isinstance(parent, FUNCTIONS)), None)
        if outer is not None:
            for name in node.names:
                self._bind(name, Binding(node, None), outer)

    def _function(self, node: Function, scope: Scope) -> None:
        self.functions.append(node)
        self._bind(node.name, Binding(node, None), scope)
        self._parameters(node, scope)

    def _class(self, node: ast.ClassDef, scope: Scope) -> None:
        self.classes.append(node)
        self._bind(node.name, Binding(node, None), scope)
        self.bindings.setdefault(node, {})

    def _parameters(self, node: Function | ast.Lambda, _: Scope) -> None:
        names = self.bindings.setdefault(node, {})
        for arg in parameters(node):
            names[arg.arg] = [Binding(arg, None)]

    def _import(self, node: ast.Import | ast.ImportFrom, _: Scope) -> None:
        self.imports.append(node)
        if isinstance(node, ast.Import):
            for alias in node.names:
                name = alias.asname or alias.name.split(".")[0]
                module = alias.name if alias.asname else name
                self.imported.setdefault(name, Imported(module, 0, "", node))
            return
        for alias in node.names:
            found = Imported(node.module or "", node.level, alias.name, node)
            if alias.name == "*":
                self.stars.append(found)
            else:
                self.imported.setdefault(alias.asname or alias.name, found)

    def _target(self, target: ast.expr, value: ast.expr | None, node: ast.AST, scope: Scope) -> None:
        if isinstance(target, ast.Name):
            self._bind(target.id, Binding(node, value), scope)
        elif isinstance(target, ast.Attribute) and isinstance(target.value, ast.Name):
            owner = self._class_of(node) if target.value.id == "self" else None
            key = target.attr if owner is not None else f"{target.value.id}.{target.attr}"
            self.fields.setdefault((owner, key), []).append(Binding(node, value))
        elif isinstance(target, ast.Tuple | ast.List):
            values = value.elts if isinstance(value, ast.Tuple | ast.List) else []
            paired = values if len(values) == len(target.elts) else [None] * len(target.elts)
            for element, part in zip(target.elts, paired, strict=True):
                self._target(element, part, node, scope)
        elif isinstance(target, ast.Starred):
            self._target(target.value, None, node, scope)

    def _bind(self, name: str, binding: Binding, scope: Scope) -> None:
        home: Scope = self.tree if (scope, name) in self.globals else scope
        self.bindings.setdefault(home, {}).setdefault(name, []).append(binding)

    def _class_of(self, node: ast.AST) -> ast.ClassDef | None:
        # Parents of `node` are known already: the walk goes from the outside in.
        for parent in self.ancestors(node):
            if isinstance(parent, ast.ClassDef):
                return parent
        return None

    def class_of(self, node: ast.AST) -> ast.ClassDef | None:
        """The class around a node, if any."""
        return self._class_of(node)

    def ancestors(self, node: ast.AST) -> Iterator[ast.AST]:
        """The nodes around a node, from the inside out."""
        current = self.parents.get(node)
        while current is not None:
            yield current
            current = self.parents.get(current)

    def position(self, parent: ast.AST, child: ast.AST) -> tuple[list[ast.stmt], int] | None:
        """The block of a compound statement that holds a child, and its place there; None if it is in no block."""
        found = self._positions.get(parent)
        if found is None:
            found = {item: (block, index) for block in blocks(parent) for index, item in enumerate(block)}
            self._positions[parent] = found
        return found.get(child)

    def scope_of(self, node: ast.AST) -> Scope:
        """The scope in which a node is evaluated. Defaults, decorators and annotations belong outside."""
        child = node
        for parent in self.ancestors(node):
            if isinstance(parent, _SCOPES) and not _outside(parent, child):
                return parent
            child = parent
        return self.tree

    def lookup(self, name: str, node: ast.AST) -> tuple[Scope, list[Binding]] | None:
        """The scope that binds a name as seen from a node, and its bindings; None for imports and built-ins."""
        scope = self.scope_of(node)
        first = True
        while True:
            found = self.bindings.get(scope, {}).get(name)
            if found and (first or not isinstance(scope, ast.ClassDef)):
                return scope, found
            if isinstance(scope, ast.Module):
                return None
            first = False
            parent = self.parents.get(scope)
            scope = self.scope_of(scope) if parent is not None else self.tree

    def dotted(self, node: ast.AST) -> str | None:
        """The full dotted name of an expression after imports: ``th.cuda.init`` is ``torch.cuda.init``."""
        if node in self._dotted:
            return self._dotted[node]
        parts: list[str] = []
        inner = node
        while isinstance(inner, ast.Attribute):
            parts.append(inner.attr)
            inner = inner.value
        name = None
        if isinstance(inner, ast.Name):
            found = self.imported.get(inner.id)
            if found is not None and not found.level and not self._shadowed(inner):
                name = ".".join([found.dotted, *reversed(parts)])
            elif found is None and inner.id == "torch" and self.stars and self.lookup("torch", inner) is None:
                name = ".".join(["torch", *reversed(parts)])  # from utils import *, and utils imports torch
        self._dotted[node] = name
        return name

    def _shadowed(self, node: ast.Name) -> bool:
        bound = self.lookup(node.id, node)
        return bound is not None and any(
            binding.value is not None or isinstance(binding.statement, ast.arg) for binding in bound[1]
        )


_SCOPE_TYPES = frozenset(_SCOPES)
_LEAVES = (ast.expr_context, ast.operator, ast.unaryop, ast.boolop, ast.cmpop)
_RECORDERS: dict[type[ast.AST], Callable[[Flow, Any, Scope], None]] = {
    ast.Call: Flow._call,
    ast.Attribute: Flow._attribute,
    ast.Import: Flow._import,
    ast.ImportFrom: Flow._import,
    ast.Assign: Flow._assign,
    ast.AnnAssign: Flow._annotated,
    ast.NamedExpr: Flow._annotated,
    ast.AugAssign: Flow._changed,
    ast.For: Flow._changed,
    ast.AsyncFor: Flow._changed,
    ast.comprehension: Flow._changed,
    ast.withitem: Flow._with,
    ast.MatchAs: Flow._captured,
    ast.MatchStar: Flow._captured,
    ast.Global: Flow._outer_names,
    ast.Nonlocal: Flow._outer_names,
    ast.FunctionDef: Flow._function,
    ast.AsyncFunctionDef: Flow._function,
    ast.Lambda: Flow._parameters,
    ast.ClassDef: Flow._class,
}


def _outside(scope: ast.AST, child: ast.AST) -> bool:
    if isinstance(scope, FUNCTIONS):
        return child not in scope.body and not isinstance(child, ast.arg)
    if isinstance(scope, ast.ClassDef):
        return child not in scope.body
    return False


def blocks(node: ast.AST) -> list[list[ast.stmt]]:
    """The blocks of statements of a compound statement, but those of exception handlers."""
    found = [getattr(node, name, None) for name in ("body", "orelse", "finalbody")]
    return [block for block in found if isinstance(block, list)]


def parameters(node: Function | ast.Lambda) -> list[ast.arg]:
    """All parameters of a function, in order."""
    spec = node.args
    extra = [arg for arg in (spec.vararg, spec.kwarg) if arg is not None]
    return [*spec.posonlyargs, *spec.args, *spec.kwonlyargs, *extra]


def default_of(node: Function | ast.Lambda, name: str) -> ast.expr | None:
    """The default of a parameter, or None."""
    spec = node.args
    positional = [*spec.posonlyargs, *spec.args]
    for arg, default in zip(reversed(positional), reversed(spec.defaults), strict=False):
        if arg.arg == name:
            return default
    for arg, value in zip(spec.kwonlyargs, spec.kw_defaults, strict=True):
        if arg.arg == name:
            return value
    return None


def keyword(call: ast.Call, *names: str) -> ast.expr | None:
    """The value of the first keyword argument that has one of these names."""
    return next((word.value for word in call.keywords if word.arg in names), None)


def given_to(function: Function, call: ast.Call, name: str) -> ast.expr | None:
    """What a call gives to a parameter; the call itself where that cannot be told; None where it is left out."""
    if (word := keyword(call, name)) is not None:
        return word
    if any(word.arg is None for word in call.keywords) or any(isinstance(part, ast.Starred) for part in call.args):
        return call
    names = [arg.arg for arg in (*function.args.posonlyargs, *function.args.args)]
    if names and names[0] in ("self", "cls"):
        names = names[1:]
    index = names.index(name) if name in names else len(call.args)
    return call.args[index] if index < len(call.args) else None


def flow_of(source: Source, project: Project) -> Flow | None:
    """The flow of a source, built once; None when it cannot be parsed."""
    key = ("flow", source.path)
    if key not in project.cache:
        tree = tree_of(source, project)
        project.cache[key] = Flow(source, tree, project) if tree is not None else None
    found = project.cache[key]
    return found if isinstance(found, Flow) else None


def relevant_flow(source: Source, project: Project) -> Flow | None:
    """The flow of a source that names anything a code rule looks for; None for all others, which are not parsed."""
    key = ("relevant", source.path)
    if key not in project.cache:
        project.cache[key] = _RELEVANT.search(source.text) is not None
    return flow_of(source, project) if project.cache[key] else None
