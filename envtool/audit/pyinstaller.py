"""A static reading of PyInstaller specs and hooks: what Analysis gets, through variables, ``+=`` and ``extend``."""

from __future__ import annotations

import ast
import posixpath
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from envtool.audit.dotted import dotted, imported_names, text_of
from envtool.audit.models import Project, Source
from envtool.audit.syntax import tree_of

_ARGUMENTS = ("scripts", "pathex", "binaries", "datas", "hiddenimports", "hookspath", "hooksconfig", "excludes")
_COPIES = frozenset({"list", "sorted", "set", "tuple"})
_MAX_DEPTH = 20


@dataclass(frozen=True, slots=True)
class Item:
    """One element of a list in a spec: the node, and its text if it is a plain string."""

    node: ast.expr
    text: str | None


@dataclass(kw_only=True)
class Spec:
    """What a spec (or a hook) says. Lists hold the items of every Analysis in it."""

    source: Source
    tree: ast.Module
    is_hook: bool
    names: dict[str, str]
    analyses: list[ast.Call] = field(default_factory=list)
    lists: dict[str, list[Item]] = field(default_factory=dict)
    modes: dict[str, tuple[str, ast.expr]] = field(default_factory=dict)
    mode_dict: ast.Dict | None = None
    computed_modes: bool = False

    def items(self, name: str) -> list[Item]:
        """The items of ``hiddenimports``, ``excludes``, ``datas``, ``binaries``, ``scripts``, ``runtime_hooks``."""
        return self.lists.get(name, [])

    def calls(self) -> Iterator[tuple[str, ast.Call]]:
        """Every call with its dotted name (only the last part is certain: ``collect_submodules``)."""
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Call):
                yield dotted(node.func, self.names), node


def spec_of(source: Source, project: Project) -> Spec | None:
    """The reading of a spec or of a ``hook-*.py``, once per audit; None when it is neither, or does not parse."""
    name = posixpath.basename(source.path)
    is_hook = source.kind == "python" and name.startswith("hook-")
    if source.kind != "spec" and not is_hook:
        return None
    key = ("pyinstaller", source.path)
    if key not in project.cache:
        tree = tree_of(source, project)
        project.cache[key] = None if tree is None else _read(source, project, tree, is_hook)
    found = project.cache[key]
    return found if isinstance(found, Spec) else None


def specs_of(project: Project) -> list[Spec]:
    """All specs of the project (without hooks)."""
    found = (spec_of(source, project) for source in project.of_kind("spec"))
    return [spec for spec in found if spec is not None and spec.analyses]


def _read(source: Source, project: Project, tree: ast.Module, is_hook: bool) -> Spec:
    spec = Spec(source=source, tree=tree, is_hook=is_hook, names=imported_names(source, project))
    variables = _variables(tree)
    if is_hook:
        for argument, variable in (("excludes", "excludedimports"), ("hiddenimports", "hiddenimports")):
            spec.lists[argument] = _items(variables.get(variable, []), variables)
        for argument in ("datas", "binaries"):
            spec.lists[argument] = _items(variables.get(argument, []), variables)
        for mode in variables.get("module_collection_mode", [])[-1:]:
            module = posixpath.basename(source.path)[len("hook-") : -len(".py")]
            _modes(spec, mode, module)
        return spec
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and dotted(node.func, spec.names).rpartition(".")[2] == "Analysis":
            spec.analyses.append(node)
            _analysis(spec, node, variables)
    return spec


def _analysis(spec: Spec, call: ast.Call, variables: dict[str, list[ast.expr]]) -> None:
    arguments = dict(zip(_ARGUMENTS, call.args, strict=False))
    arguments.update({keyword.arg: keyword.value for keyword in call.keywords if keyword.arg})
    for name in ("scripts", "binaries", "datas", "hiddenimports", "excludes", "runtime_hooks"):
        if name in arguments:
            spec.lists.setdefault(name, []).extend(_items([arguments[name]], variables))
    mode = arguments.get("module_collection_mode")
    if isinstance(mode, ast.Name):
        assigned = variables.get(mode.id, [])
        mode = assigned[-1] if assigned else mode
    if mode is not None:
        _modes(spec, mode, "")


def _modes(spec: Spec, mode: ast.expr, module: str) -> None:
    value = text_of(mode)
    if value is not None and module:
        spec.modes[module] = (value, mode)
    elif isinstance(mode, ast.Dict):
        spec.mode_dict = mode
        for key, item in zip(mode.keys, mode.values, strict=True):
            name, value = text_of(key), text_of(item)
            if name is not None and value is not None:
                spec.modes[name] = (value, item)
            else:
                spec.computed_modes = True
    else:
        spec.computed_modes = True


def _variables(tree: ast.Module) -> dict[str, list[ast.expr]]:
    """Every expression that may become part of a variable, wherever it is written."""
    found: dict[str, list[ast.expr]] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign):
            for target in node.targets:
                if isinstance(target, ast.Name):
                    found.setdefault(target.id, []).append(node.value)
        elif isinstance(node, ast.AnnAssign | ast.AugAssign):
            if isinstance(node.target, ast.Name) and node.value is not None:
                found.setdefault(node.target.id, []).append(node.value)
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            owner = node.func.value
            if isinstance(owner, ast.Name) and node.args and node.func.attr in ("append", "insert", "extend"):
                value = node.args[-1]
                if node.func.attr != "extend":
                    value = ast.copy_location(ast.List(elts=[value], ctx=ast.Load()), value)
                found.setdefault(owner.id, []).append(value)
    return found


def _items(
    values: Iterable[ast.expr], variables: dict[str, list[ast.expr]], seen: frozenset[str] = frozenset(), depth: int = 0
) -> list[Item]:
    items: list[Item] = []
    for value in values if depth < _MAX_DEPTH else ():
        inner: list[ast.expr] | None = None
        names = seen
        if isinstance(value, ast.List | ast.Tuple | ast.Set):
            for element in value.elts:
                if isinstance(element, ast.Starred):
                    items += _items([element.value], variables, seen, depth + 1)
                else:
                    items.append(Item(element, text_of(element)))
            continue
        if isinstance(value, ast.Name) and value.id in variables and value.id not in seen:
            inner, names = variables[value.id], seen | {value.id}
        elif isinstance(value, ast.BinOp) and isinstance(value.op, ast.Add):
            inner = [value.left, value.right]
        elif isinstance(value, ast.IfExp):
            inner = [value.body, value.orelse]
        elif isinstance(value, ast.Call) and isinstance(value.func, ast.Name) and value.func.id in _COPIES:
            inner = value.args[:1]
        if inner is None:
            items.append(Item(value, text_of(value)))
        else:
            items += _items(inner, variables, names, depth + 1)
    return items
