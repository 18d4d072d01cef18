"""The page of a rule: ``envtool/audit/pages/CODE.md``, shipped in the wheel; ``docs/rules/`` is a copy of them."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from importlib.resources import files

from envtool.audit.models import Rule
from envtool.audit.options import nearest
from envtool.errors import UsageError


def page_of(code: str) -> str | None:
    """The text of a rule's page, or None if there is none."""
    page = files("envtool.audit") / "pages" / f"{code}.md"
    return page.read_text(encoding="utf-8") if page.is_file() else None


def explain(code: str, rules: Sequence[Rule]) -> str:
    """The page of the rule with this code (any case) or name.

    Raises UsageError (``audit.unknown-code``) that names the code or name that is near, if one is.
    """
    wanted = code.strip()
    for rule in rules:
        if wanted.upper() == rule.code or wanted.lower() == rule.name:
            return page_of(rule.code) or f"# {rule.code}: {rule.name}\n\n{rule.summary}\n"
    near = nearest(wanted.upper(), [rule.code for rule in rules])
    near = near or difflib.get_close_matches(wanted.lower(), [rule.name for rule in rules], n=1)
    hint = f"Did you mean {near[0]}?" if near else "envtool audit prints the code of each finding."
    raise UsageError("audit.unknown-code", f"no rule {code}", hint)
