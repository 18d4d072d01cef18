"""Between modules: which file an import means, what a name means there, and who calls or imports whom."""

from __future__ import annotations

import ast
import posixpath
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from envtool.audit.flow import FUNCTIONS, Flow, Function, Imported, flow_of
from envtool.audit.models import Project, Source, SourceKind

_PYTHON: tuple[SourceKind, ...] = ("python", "notebook", "setup-py")


def _index(project: Project) -> dict[str, list[str]]:
    """Dotted suffixes of every module (``c``, ``b.c``, ``a.b.c``) to paths: roots such as ``src/`` are not known."""
    key = ("modules", "")
    cached = project.cache.get(key)
    if isinstance(cached, dict):
        return cached
    found: dict[str, list[str]] = {}
    for path, source in sorted(project.sources.items()):
        if source.kind in _PYTHON:
            parts = path.removesuffix(".py").split("/")
            if parts[-1] == "__init__":
                parts.pop()
            for start in range(len(parts)):
                found.setdefault(".".join(parts[start:]), []).append(path)
    project.cache[key] = found
    return found


def module_path(project: Project, origin: str, module: str, level: int) -> str | None:
    """The path of an imported module inside the project, seen from the file ``origin``."""
    folder = posixpath.dirname(origin)
    if level:
        for _ in range(level - 1):
            folder = posixpath.dirname(folder)
        base = posixpath.join(folder, *module.split(".")) if module else folder
        return next((path for path in (f"{base}.py", f"{base}/__init__.py") if path in project.sources), None)
    candidates = _index(project).get(module, [])
    if not candidates:
        return None
    return max(candidates, key=lambda path: (len(posixpath.commonprefix([posixpath.dirname(path), folder])), path))


def flow_at(project: Project, path: str | None) -> Flow | None:
    """The flow of a path in the project."""
    source = project.sources.get(path) if path else None
    return flow_of(source, project) if source is not None and source.kind in _PYTHON else None


def imported_symbol(flow: Flow, found: Imported) -> tuple[Flow, str] | None:
    """Where an imported name lives inside the project: the other module's flow and the name there ("" for a module)."""
    if found.attr:
        submodule = f"{found.module}.{found.attr}" if found.module else found.attr
        path = module_path(flow.project, flow.source.path, submodule, found.level)
        other = flow_at(flow.project, path)
        if other is not None and found.level:
            return other, ""
        home = flow_at(flow.project, module_path(flow.project, flow.source.path, found.module, found.level))
        if home is not None and home is not flow:
            return home, found.attr
        return (other, "") if other is not None and other is not flow else None
    home = flow_at(flow.project, module_path(flow.project, flow.source.path, found.module, found.level))
    return (home, "") if home is not None and home is not flow else None


def resolve_definition(flow: Flow, node: ast.expr, depth: int = 0) -> tuple[Flow, Function | ast.ClassDef] | None:
    """The function or class of the project that an expression names (``helper``, ``utils.helper``, ``self.helper``)."""
    if depth > 4:
        return None
    if isinstance(node, ast.Name):
        return _by_name(flow, node.id, node, depth)
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
        if node.value.id in ("self", "cls"):
            return _method(flow, flow.class_of(node), node.attr)
        owner = _by_name(flow, node.value.id, node, depth + 1)
        if owner is not None and isinstance(owner[1], ast.ClassDef):
            return _method(owner[0], owner[1], node.attr)
        found = flow.imported.get(node.value.id)
        home = imported_symbol(flow, found) if found is not None else None
        if home is not None and home[1] == "":
            return _by_name(home[0], node.attr, home[0].tree, depth + 1)
    return None


def _method(flow: Flow, owner: ast.ClassDef | None, name: str) -> tuple[Flow, Function] | None:
    for statement in owner.body if owner is not None else ():
        if isinstance(statement, FUNCTIONS) and statement.name == name:
            return flow, statement
    return None


def _by_name(flow: Flow, name: str, node: ast.AST, depth: int) -> tuple[Flow, Function | ast.ClassDef] | None:
    bound = flow.lookup(name, node)
    if bound is not None:
        statement = bound[1][-1].statement
        return (flow, statement) if isinstance(statement, (*FUNCTIONS, ast.ClassDef)) else None
    found = flow.imported.get(name)
    home = imported_symbol(flow, found) if found is not None else None
    if home is not None and home[1] and depth < 4:
        return _by_name(home[0], home[1], home[0].tree, depth + 1)
    return None


def _words(source: Source, project: Project) -> frozenset[str]:
    key = ("words", source.path)
    found = project.cache.get(key)
    if not isinstance(found, frozenset):
        found = frozenset(re.findall(r"\w+", source.text))
        project.cache[key] = found
    return found


def flows_naming(project: Project, word: str) -> Iterator[Flow]:
    """The flows of all Python sources whose text holds a word."""
    for source in project.of_kind(*_PYTHON):
        if word in _words(source, project):
            flow = flow_of(source, project)
            if flow is not None:
                yield flow


def callers_of(flow: Flow, function: Function | ast.ClassDef) -> list[tuple[Flow, ast.Call]] | None:
    """Every call in the project that may mean a function, by its name; None when the name is not its own."""
    key = ("callers", f"{flow.source.path}:{function.name}:{function.lineno}")
    if key not in flow.project.cache:
        flow.project.cache[key] = _callers(flow, function)
    found = flow.project.cache[key]
    return found if isinstance(found, list) else None


def _callers(flow: Flow, function: Function | ast.ClassDef) -> list[tuple[Flow, ast.Call]] | None:
    name = function.name
    owner = flow.parents.get(function)
    if name == "__init__" and isinstance(owner, ast.ClassDef):
        name = owner.name
    elif name.startswith("__"):
        return None
    calls: list[tuple[Flow, ast.Call]] = []
    for other in flows_naming(flow.project, name):
        names = _names_in(other)
        if owner is flow.tree and other is not flow and _means_another(other, name, flow):
            continue
        if names.definitions[name] > (other is flow):
            return None
        called = names.calls.get(name, [])
        if names.uses[name] > len(called):  # it is also passed around: who calls it cannot be known
            return None
        calls.extend((other, call) for call in called)
    return calls


def _means_another(other: Flow, name: str, flow: Flow) -> bool:
    """Whether a module has a function or class of its own under a name, or imports another module's."""
    bound = other.bindings[other.tree].get(name)
    if bound and all(isinstance(binding.statement, (*FUNCTIONS, ast.ClassDef)) for binding in bound):
        return True
    found = other.imported.get(name)
    home = imported_symbol(other, found) if found is not None else None
    return home is not None and home[0] is not flow and name in home[0].bindings[home[0].tree]


@dataclass(frozen=True, slots=True)
class _Names:
    """How often a module defines and uses each name, and its calls by the name that they call."""

    definitions: Counter[str]
    uses: Counter[str]
    calls: dict[str, list[ast.Call]]


def _names_in(flow: Flow) -> _Names:
    """Counted once a module: each of its functions asks."""
    found = flow.memo.get(flow.tree)
    if not isinstance(found, _Names):
        loads = (node for node in flow.parents if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load))
        uses = Counter(node.id for node in loads)
        uses.update(attribute.attr for attribute in flow.attributes)
        calls: dict[str, list[ast.Call]] = {}
        for call in flow.calls:
            calls.setdefault(_called_name(call), []).append(call)
        found = _Names(Counter(item.name for item in (*flow.functions, *flow.classes)), uses, calls)
        flow.memo[flow.tree] = found
    return found


def _called_name(call: ast.Call) -> str:
    if isinstance(call.func, ast.Name):
        return call.func.id
    return call.func.attr if isinstance(call.func, ast.Attribute) else ""


def importers_of(flow: Flow) -> list[tuple[Flow, ast.Import | ast.ImportFrom]]:
    """Every import statement in the project that loads this module."""
    key = ("importers", flow.source.path)
    if key not in flow.project.cache:
        stem = posixpath.basename(flow.source.path).removesuffix(".py")
        if stem == "__init__":
            stem = posixpath.basename(posixpath.dirname(flow.source.path))
        flow.project.cache[key] = [
            (other, node)
            for other in flows_naming(flow.project, stem)
            if other is not flow
            for node in other.imports
            if flow.source.path in _loaded(other, node)
        ]
    found = flow.project.cache[key]
    return found if isinstance(found, list) else []


def loaded_paths(flow: Flow) -> set[str | None]:
    """The modules of the project that a module imports."""
    return {path for node in flow.imports for path in _loaded(flow, node)}


def _loaded(flow: Flow, node: ast.Import | ast.ImportFrom) -> set[str | None]:
    project, origin = flow.project, flow.source.path
    if isinstance(node, ast.Import):
        return {module_path(project, origin, alias.name, 0) for alias in node.names}
    module = node.module or ""
    paths = {module_path(project, origin, module, node.level)}
    for alias in node.names:
        paths.add(module_path(project, origin, f"{module}.{alias.name}" if module else alias.name, node.level))
    return paths
