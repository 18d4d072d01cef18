"""Which case of a match statement is taken on a CPU-only build."""

from __future__ import annotations

import ast
from typing import Literal

from envtool.audit import values
from envtool.audit.flow import Flow


def case_state(flow: Flow, node: ast.Match, case: ast.match_case) -> Literal["always", "maybe", "never"]:
    """Whether a case is taken: always, maybe or never."""
    found = values.evaluate(flow, node.subject)
    left = {value.const for value in found} if found else None
    sure = True  # whether no earlier case may be taken instead
    for other in node.cases:
        answer = _matches(other.pattern, left)
        guard = True if other.guard is None or answer is False else values.truth(flow, other.guard)
        taken = False if answer is False or guard is False else True if answer and guard else None
        if other is case:
            return "never" if taken is False else "always" if taken and sure else "maybe"
        if taken:
            return "never"
        sure = sure and taken is False
    return "maybe"


def _matches(pattern: ast.pattern, left: set[object] | None) -> bool | None:
    """Whether a pattern fits all of the values (True), none (False), or that is not known."""
    if isinstance(pattern, ast.MatchAs):
        return True if pattern.pattern is None else _matches(pattern.pattern, left)
    if isinstance(pattern, ast.MatchOr):
        answers = [_matches(part, left) for part in pattern.patterns]
        return True if True in answers else False if set(answers) == {False} else None
    if left is None or any(isinstance(const, str) and "?" in const for const in left):
        return None
    if isinstance(pattern, ast.MatchSingleton):
        fits = {const is pattern.value for const in left}
    elif isinstance(pattern, ast.MatchValue) and isinstance(pattern.value, ast.Constant):
        fits = {const == pattern.value.value for const in left}
    else:
        return None
    return fits.pop() if len(fits) == 1 else None
