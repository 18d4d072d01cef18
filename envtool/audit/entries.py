"""Functions that a command line calls: click, typer, fire and their like give a parameter its default."""

from __future__ import annotations

import ast

from envtool.audit.flow import FUNCTIONS, Flow, Function, default_of, keyword
from envtool.audit.leaning import speaks_of_devices
from envtool.audit.script_options import option_name

_RUNNERS = frozenset(
    {
        "defopt.run",
        "fire.Fire",
        "jsonargparse.CLI",
        "jsonargparse.auto_cli",
        "plac.call",
        "typer.run",
        "tyro.cli",
    }
)
_COMMANDS = ("command", "callback")


def is_entry(flow: Flow, function: Function) -> bool:
    """Whether a function is run by a command line, which fills its parameters."""
    key = ("entries", flow.source.path)
    found = flow.project.cache.get(key)
    if not isinstance(found, set):
        found = _entries(flow)
        flow.project.cache[key] = found
    return function in found


def _entries(flow: Flow) -> set[Function]:
    names = {
        argument.id
        for call in flow.calls
        if flow.dotted(call.func) in _RUNNERS
        for argument in call.args[:1]
        if isinstance(argument, ast.Name)
    }
    return {
        function
        for function in flow.functions
        if (function.name in names and flow.parents.get(function) is flow.tree)
        or any(_is_command(decorator) for decorator in function.decorator_list)
    }


def _is_command(decorator: ast.expr) -> bool:
    """``@click.command()``, ``@app.command``, ``@main.command("stats")``."""
    target = decorator.func if isinstance(decorator, ast.Call) else decorator
    return isinstance(target, ast.Attribute) and target.attr in _COMMANDS


def entry_default(flow: Flow, parameter: ast.arg) -> ast.expr | None:
    """What a parameter about devices is when nobody gives the option; None where no command line fills it."""
    function = flow.parents.get(flow.parents.get(parameter, parameter))
    if not isinstance(function, FUNCTIONS) or not speaks_of_devices(parameter.arg) or not is_entry(flow, function):
        return None
    for decorator in function.decorator_list:
        is_option = isinstance(decorator, ast.Call) and getattr(decorator.func, "attr", "") == "option"
        if isinstance(decorator, ast.Call) and is_option and option_name(decorator) == parameter.arg:
            return keyword(decorator, "default") or _flag(decorator)
    default = default_of(function, parameter.arg)
    if isinstance(default, ast.Call) and flow.dotted(default.func) in ("typer.Option", "typer.Argument"):
        return default.args[0] if default.args else keyword(default, "default")
    return default


def _flag(option: ast.Call) -> ast.expr | None:
    """A flag of click that has no default is off: ``is_flag=True``, ``"--gpu/--no-gpu"``."""
    said = keyword(option, "is_flag")
    named = any(isinstance(name, ast.Constant) and "/" in str(name.value) for name in option.args)
    if not named and not (isinstance(said, ast.Constant) and said.value is True):
        return None
    return ast.copy_location(ast.Constant(value=False), option)
