"""How help looks: an option that takes no value is not said to be of a type, and an argument is not either."""

from __future__ import annotations

from typing import Any

from typer.core import TyperCommand, TyperGroup


def _plain(params: list[Any]) -> list[Any]:
    for param in params:
        if getattr(param, "is_flag", False):
            param.metavar = ""
        elif getattr(param, "param_type_name", "") == "argument":
            # Since 0.29 typer writes the Python type beside the name; there is no option for it.
            param.display_type_rich = lambda **_: None
    return params


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
