"""What names and attributes are worth: assignments in order, imports of the project, fields, options of scripts."""

from __future__ import annotations

import ast

from envtool.audit import raising, reach, values
from envtool.audit.devices import NAMES, Values, mapped, one, union
from envtool.audit.entries import entry_default, is_entry
from envtool.audit.flow import FUNCTIONS, Binding, Flow, default_of, given_to, keyword
from envtool.audit.leaning import speaks_of_devices
from envtool.audit.modules import callers_of, flow_at, imported_symbol, module_path, resolve_definition
from envtool.audit.script_options import is_holder, option_defaults


def name_values(flow: Flow, node: ast.Name) -> Values:
    """The values of a name where it stands."""
    if node.id == "__name__":
        return one("__main__", flow, node)
    dotted = flow.dotted(node)
    if dotted in NAMES:
        return one(NAMES[dotted], flow, node)
    bound = flow.lookup(node.id, node)
    if bound is None:
        return _imported_name(flow, node)
    scope, bindings = bound
    return settle(flow, bindings, scope, node if flow.scope_of(node) is scope else None)


def _imported_name(flow: Flow, node: ast.Name) -> Values:
    found = flow.imported.get(node.id)
    candidates = [(found, "")] if found is not None else [(star, node.id) for star in flow.stars]
    for imported, star_name in candidates:
        if star_name:
            home = flow_at(flow.project, module_path(flow.project, flow.source.path, imported.module, imported.level))
            target = (home, star_name) if home is not None else None
        else:
            target = imported_symbol(flow, imported)
        if target is not None and target[1]:
            return module_value(target[0], target[1])
    return None


def module_value(flow: Flow, name: str) -> Values:
    """What a module-level name is worth when the module has run."""
    bindings = flow.bindings[flow.tree].get(name)
    key = (flow.source.path, name)
    if not bindings or key in flow.busy:
        return None
    flow.busy.add(key)
    try:
        return settle(flow, bindings, flow.tree, None)
    finally:
        flow.busy.discard(key)


def settle(flow: Flow, bindings: list[Binding], scope: ast.AST, use: ast.AST | None) -> Values:
    """The values that a name can hold at ``use`` (None: at the end): later certain assignments replace earlier ones."""
    found: Values = frozenset()
    for binding in bindings:
        if use is not None and _holds(flow, binding.statement, use):
            continue
        later = use is not None and _place(binding.statement) >= _place(use)
        if later and not _comes_round(flow, binding.statement, use, scope):
            continue
        state = (
            reach.state_before(flow, binding.statement, use, scope)
            if use is not None and not later
            else reach.state_within(flow, binding.statement, scope)
        )
        if state == "never" or raising.is_interrupted(flow, binding.statement):
            continue
        new = (
            _parameter(flow, binding.statement)
            if isinstance(binding.statement, ast.arg)
            else values.evaluate(flow, binding.value)
        )
        found = new if state == "always" else union([found, new])
    return found or None


def _parameter(flow: Flow, parameter: ast.arg) -> Values:
    """What a parameter is when nobody asks for a GPU: the default of a command's option, or of a flag that all calls
    in the project leave out or give a known value."""
    default = entry_default(flow, parameter)
    if default is not None:
        return values.evaluate(flow, default)
    function = flow.parents.get(flow.parents.get(parameter, parameter))
    if not isinstance(function, FUNCTIONS) or not speaks_of_devices(parameter.arg) or is_entry(flow, function):
        return None
    flag = default_of(function, parameter.arg)
    calls = callers_of(flow, function) if isinstance(flag, ast.Constant) and isinstance(flag.value, bool) else None
    parts = []
    for other, call in calls or ():
        given = given_to(function, call, parameter.arg)
        parts.append(values.evaluate(flow, flag) if given is None else values.evaluate(other, given))
    return union(parts) or None


def _place(node: ast.AST) -> tuple[int, int]:
    return getattr(node, "lineno", 0), getattr(node, "col_offset", 0)


def _comes_round(flow: Flow, statement: ast.AST, use: ast.AST | None, scope: ast.AST) -> bool:
    """Whether an assignment further down can be seen above: in the same loop, or made by a function (``global``)."""
    if use is None or flow.scope_of(statement) is not scope:
        return True
    loops = {parent for parent in flow.ancestors(use) if isinstance(parent, ast.For | ast.AsyncFor | ast.While)}
    return any(parent in loops for parent in flow.ancestors(statement))


def _holds(flow: Flow, statement: ast.AST, use: ast.AST) -> bool:
    return any(parent is statement for parent in flow.ancestors(use))


def attribute_values(flow: Flow, node: ast.Attribute) -> Values:
    """The values of an attribute."""
    dotted = flow.dotted(node)
    if dotted is not None:
        if dotted in NAMES:
            return one(NAMES[dotted], flow, node)
        if dotted.startswith("torch.cuda.") and dotted.endswith("Tensor"):
            return one(dotted, flow, node)
    if node.attr == "is_cuda":
        return one(False, flow, node)
    if node.attr == "type":
        found = values.evaluate(flow, node.value)
        return mapped(found, lambda const: const.split(":")[0] if isinstance(const, str) else None)
    return _field(flow, node)


def _field(flow: Flow, node: ast.Attribute) -> Values:
    """``self.device``, ``args.device``, ``Config.device``, ``settings.DEVICE``."""
    if not isinstance(node.value, ast.Name):
        return _options(flow, node) if is_holder(flow, node.value) else None
    base = node.value.id
    owner = flow.class_of(node) if base in ("self", "cls") else None
    if owner is not None:
        bindings = [*flow.bindings.get(owner, {}).get(node.attr, []), *flow.fields.get((owner, node.attr), [])]
        if bindings and not _is_dataclass_field(owner, node.attr):
            return union(_reached(flow, binding) for binding in bindings)
        return None
    assigned = [
        binding
        for binding in flow.fields.get((None, f"{base}.{node.attr}"), [])
        if _same_object(flow, node.value, binding.statement)
    ]
    if assigned:
        return _assigned_field(flow, node, assigned, node.value)
    return _field_of_module(flow, node, node.value)


def _same_object(flow: Flow, base: ast.Name, statement: ast.AST) -> bool:
    """Whether ``args.device = …`` elsewhere may mean the same ``args``: not one that another function makes itself."""
    here, there = flow.lookup(base.id, base), flow.lookup(base.id, statement)
    if here is None or there is None or here[0] is there[0]:
        return True
    return isinstance(there[0], ast.Module) or any(isinstance(binding.statement, ast.arg) for binding in there[1])


def _assigned_field(flow: Flow, node: ast.Attribute, assigned: list[Binding], base: ast.Name) -> Values:
    """``args.device = …`` somewhere in the module, else the option's default."""
    default = _options(flow, node) if is_holder(flow, base) else None
    found = settle(flow, assigned, flow.scope_of(assigned[0].statement), None)
    certain = any(
        reach.state_within(flow, binding.statement, flow.scope_of(binding.statement)) == "always"
        for binding in assigned
    )
    return found if certain else union([found, default])


def _field_of_module(flow: Flow, node: ast.Attribute, base: ast.Name) -> Values:
    imported = flow.imported.get(base.id)
    if imported is not None:
        home = imported_symbol(flow, imported)
        if home is not None and home[1] == "":
            return module_value(home[0], node.attr)
    definition = resolve_definition(flow, base)
    if definition is not None and isinstance(definition[1], ast.ClassDef):
        fields = definition[0].bindings.get(definition[1], {}).get(node.attr)
        return settle(definition[0], fields, definition[1], None) if fields else None
    made = _made_from(flow, base)
    if made is not None:
        return _field_of_object(*made, node.attr)
    return _options(flow, node) if is_holder(flow, base) else None


def _made_from(flow: Flow, base: ast.Name) -> tuple[Flow, ast.Call, Flow, ast.ClassDef] | None:
    """The call and the class of the project that an object was made from: ``config = Config()``, here or elsewhere."""
    home, name = flow, base.id
    bound = flow.lookup(base.id, base)
    bindings = bound[1] if bound is not None else []
    if bound is None and (imported := flow.imported.get(base.id)) is not None:
        target = imported_symbol(flow, imported)
        if target is not None and target[1]:
            home, name = target
            bindings = home.bindings[home.tree].get(name, [])
    call = bindings[0].value if len(bindings) == 1 else None
    if not isinstance(call, ast.Call):
        return None
    definition = resolve_definition(home, call.func)
    if definition is None or not isinstance(definition[1], ast.ClassDef):
        return None
    return home, call, definition[0], definition[1]


def _field_of_object(flow: Flow, call: ast.Call, home: Flow, owner: ast.ClassDef, name: str) -> Values:
    """A field as the class makes it, unless the call says otherwise."""
    given = keyword(call, name)
    if given is not None:
        return values.evaluate(flow, given)
    bindings = [*home.bindings.get(owner, {}).get(name, []), *home.fields.get((owner, name), [])]
    if not bindings or call.args or any(word.arg is None for word in call.keywords):
        return None
    return union(_reached(home, binding) for binding in bindings)


def _reached(flow: Flow, binding: Binding) -> Values:
    scope = flow.scope_of(binding.statement)
    if reach.state_within(flow, binding.statement, scope) == "never":
        return frozenset()
    return values.evaluate(flow, binding.value)


def _is_dataclass_field(owner: ast.ClassDef, name: str) -> bool:
    """A default that a constructor may replace: annotated, in a class with decorators or bases."""
    annotated = any(
        isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name) and statement.target.id == name
        for statement in owner.body
    )
    return annotated and bool(owner.decorator_list or owner.bases)


def _options(flow: Flow, node: ast.Attribute) -> Values:
    # Only an option about devices is taken at its default: whether a GPU is asked for. Others turn features on.
    defaults = option_defaults(flow, node.attr) if speaks_of_devices(node.attr) else []
    if not defaults:
        return None
    parts = []
    for home, default in defaults:
        if isinstance(default, ast.expr):
            parts.append(values.evaluate(home, default))
        else:
            parts.append(one(default, home, node))
    return union(parts)
