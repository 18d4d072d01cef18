"""How help looks: an option that takes no value is not said to be of a type, and an argument is not either."""

from __future__ import annotations

from copy import copy
from typing import Any

from typer.core import TyperCommand, TyperGroup


def _plain(params: list[Any]) -> list[Any]:
    for param in params:
        if getattr(param, "is_flag", False):
            param.metavar = ""
        elif getattr(param, "param_type_name", "") == "argument":
            _name_only(param)
    return params


def _name_only(param: Any) -> None:
    # Typer writes the Python type beside the name, and has no option for it.
    if hasattr(param, "display_type_rich"):  # since 0.29
        param.display_type_rich = lambda **_: None
    elif "make_metavar" not in vars(param):
        param.type = copy(param.type)
        param.type.get_metavar = lambda **_: ""
        # Before 0.29 a name of ours took the dots of the usage line away, which say that there may be more than one.
        usage, dots = param.make_metavar, "..." if param.nargs == -1 else ""
        param.make_metavar = lambda *ctx, **named: usage(*ctx, **named) + dots


class Command(TyperCommand):
    """A command of envtool."""

    def get_params(self, ctx: Any) -> list[Any]:
        """Its parameters, as help and parser see them."""
        return _plain(super().get_params(ctx))


class Group(TyperGroup):
    """envtool itself."""

    def get_params(self, ctx: Any) -> list[Any]:
        """Its parameters, as help and parser see them."""
        return _plain(super().get_params(ctx))
