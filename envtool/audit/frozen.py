"""What a frozen app consists of: entry scripts, runtime hooks, and the project's modules that they import."""

from __future__ import annotations

import ast
import posixpath
from collections.abc import Iterator
from dataclasses import dataclass

from envtool.audit.dotted import dotted, imported_names, parents_of, text_of
from envtool.audit.models import Project, Source
from envtool.audit.pyinstaller import Spec, specs_of
from envtool.audit.syntax import tree_of

_LEAVES = (ast.Return, ast.Raise, ast.Continue)
_TORCH_USERS = frozenset(
    {"torch", "torchvision", "torchaudio", "torchtext", "transformers", "whisper", "faster_whisper", "silero_vad"}
    | {
        "easyocr",
        "ultralytics",
        "sentence_transformers",
        "demucs",
        "diffusers",
        "timm",
        "pytorch_lightning",
        "lightning",
    }
)


@dataclass(frozen=True, kw_only=True)
class App:
    """One frozen app: paths of sources in the project. ``modules`` maps a path to its dotted name in the bundle."""

    spec: Spec
    scripts: tuple[str, ...]
    hooks: tuple[str, ...]
    modules: dict[str, str]

    @property
    def started(self) -> tuple[str, ...]:
        """Scripts and runtime hooks: run from bytecode, never collected as source."""
        return (*self.scripts, *self.hooks)


def apps_of(project: Project) -> list[App]:
    """The apps of all specs, once per audit."""
    key = ("apps", "")
    found = project.cache.get(key)
    if not isinstance(found, list):
        found = [_app(spec, project) for spec in specs_of(project)]
        project.cache[key] = found
    return found


def _app(spec: Spec, project: Project) -> App:
    scripts = tuple(_sources(spec, "scripts", project))
    hooks = tuple(_sources(spec, "runtime_hooks", project))
    roots = list(dict.fromkeys(posixpath.dirname(path) for path in scripts))
    roots += [root for root in _path_entries(spec) if root not in roots]
    modules: dict[str, str] = {}
    waiting = [*scripts, *hooks]
    seen = set(waiting)
    while waiting:
        path = waiting.pop()
        for name, target in _imports(project.sources[path], project, roots, modules.get(path, "")):
            if target not in seen:
                seen.add(target)
                modules[target] = name
                waiting.append(target)
    return App(spec=spec, scripts=scripts, hooks=hooks, modules=modules)


def _sources(spec: Spec, name: str, project: Project) -> Iterator[str]:
    folder = posixpath.dirname(spec.source.path)
    for item in spec.items(name):
        text = item.text if item.text is not None else _joined(item.node)
        if text is not None:
            path = posixpath.normpath(posixpath.join(folder, text.replace("\\", "/")))
            if path in project.sources and project.sources[path].kind == "python":
                yield path


def _path_entries(spec: Spec) -> list[str]:
    folder = posixpath.dirname(spec.source.path)
    found = [folder]
    for call in spec.analyses:
        for keyword in call.keywords:
            if keyword.arg == "pathex" and isinstance(keyword.value, ast.List):
                texts = [text_of(element) for element in keyword.value.elts]
                found += [posixpath.normpath(posixpath.join(folder, text)) for text in texts if text]
    return ["" if path == "." else path for path in found]


def _joined(node: ast.expr) -> str | None:
    """``os.path.join(SPECPATH, "hooks", "rt.py")`` and ``SPECPATH + "/rt.py"``, seen from the spec's folder."""
    if isinstance(node, ast.Call) and dotted(node.func, {}).endswith("path.join") and node.args:
        first, parts = node.args[0], [text_of(part) for part in node.args[1:]]
        if isinstance(first, ast.Name) and all(part is not None for part in parts):
            return "/".join(part for part in parts if part is not None)
    if isinstance(node, ast.BinOp) and isinstance(node.left, ast.Name):
        text = text_of(node.right)
        return text.lstrip("/\\") if text is not None else None
    if isinstance(node, ast.Call) and dotted(node.func, {}) == "str" and node.args:
        return _joined(node.args[0])
    return None


def _imports(source: Source, project: Project, roots: list[str], module: str) -> Iterator[tuple[str, str]]:
    tree = tree_of(source, project)
    package = module if source.path.endswith("__init__.py") else module.rpartition(".")[0]
    for node in ast.walk(tree) if tree is not None else ():
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parts = package.split(".") if package else []
                parts = parts[: len(parts) - node.level + 1]
                base = ".".join([*parts, base] if base else parts)
            names = [base, *(f"{base}.{alias.name}".lstrip(".") for alias in node.names)]
        else:
            continue
        for name in filter(None, names):
            yield from _found(name, project, roots)


def _found(name: str, project: Project, roots: list[str]) -> Iterator[tuple[str, str]]:
    parts = name.split(".")
    for length in range(1, len(parts) + 1):
        relative = "/".join(parts[:length])
        for root in roots:
            base = f"{root}/{relative}" if root else relative
            hit = next((path for path in (f"{base}.py", f"{base}/__init__.py") if path in project.sources), None)
            if hit is not None:
                yield ".".join(parts[:length]), hit
                break


def uses_torch(app: App, project: Project) -> bool:
    """Whether the app has torch in it: imported by its modules, or asked for by the spec, and not excluded."""
    if any(item.text == "torch" for item in app.spec.items("excludes")):
        return False
    wanted = [item.text or "" for item in app.spec.items("hiddenimports")]
    wanted += [text for _, call in app.spec.calls() for text in map(text_of, call.args[:1]) if text]
    for path in (*app.started, *app.modules):
        wanted += imported_names(project.sources[path], project).values()
    return any(name.partition(".")[0] in _TORCH_USERS for name in wanted)


def only_unfrozen(node: ast.AST, tree: ast.Module) -> bool:
    """Whether a node runs only when the app is not frozen: ``if not getattr(sys, "frozen", False)`` and its like."""
    parents = parents_of(tree)
    child: ast.AST = node
    while child in parents:
        parent = parents[child]
        if isinstance(parent, ast.If | ast.IfExp):
            sign = _frozen_test(parent.test)
            branch = parent.body if isinstance(parent.body, list) else [parent.body]
            if sign is not None and (child in branch) != sign and child is not parent.test:
                return True
        if isinstance(child, ast.stmt) and _left_before(child, parent):
            return True
        child = parent
    return False


def _left_before(statement: ast.stmt, parent: ast.AST) -> bool:
    """Whether a frozen app leaves the block before a statement: ``if sys.frozen: return``."""
    for block in (getattr(parent, "body", None), getattr(parent, "orelse", None)):
        if not isinstance(block, list) or statement not in block:
            continue
        for earlier in block[: block.index(statement)]:
            leaves = isinstance(earlier, ast.If) and isinstance(earlier.body[-1], _LEAVES)
            if leaves and isinstance(earlier, ast.If) and _frozen_test(earlier.test):
                return True
    return False


def ships_source(app: App, path: str) -> bool:
    """Whether the spec's ``datas`` put the source of a module or script beside the app."""
    folder = posixpath.dirname(app.spec.source.path)
    return any(posixpath.normpath(posixpath.join(folder, name)) == path for name in shipped_paths(app.spec))


def shipped_paths(spec: Spec) -> Iterator[str]:
    """What the spec's ``datas`` name, seen from the spec's folder: files, folders, patterns. Computed ones are not."""
    for item in spec.items("datas"):
        if isinstance(item.node, ast.Tuple | ast.List) and item.node.elts:
            first = item.node.elts[0]
            text = text_of(first) or _joined(first)
            if text:
                yield text.replace("\\", "/")


def _frozen_test(test: ast.expr) -> bool | None:
    """True: the test holds when frozen; False: when not; None: it asks something else."""
    if isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
        inner = _frozen_test(test.operand)
        return None if inner is None else not inner
    if isinstance(test, ast.Attribute) and test.attr == "frozen":
        return True
    if isinstance(test, ast.Call) and dotted(test.func, {}) in ("getattr", "hasattr") and len(test.args) > 1:
        return True if text_of(test.args[1]) in ("frozen", "_MEIPASS") else None
    return None
