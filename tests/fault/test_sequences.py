"""Any sequence of commands with kills anywhere: what was kept stays whole, and ``.venv`` is always one of the chain."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from killing import DONE, KILLED, assert_tidy, in_child, make_environment, name_of, record

from envtool.env.generations import (
    activate,
    activate_plain,
    current,
    exclusive,
    layout_for,
    list_generations,
    next_id,
    previous,
    recover,
    staging,
    way_back,
    write_record,
)
from envtool.env.occupant import occupant
from envtool.env.pruning import prune
from envtool.models import Layout

OWN = "the user's own"

OPERATIONS = ("setup", "full", "plain", "rollback", "previous", "prune", "replace")
steps = st.lists(
    st.tuples(st.sampled_from(OPERATIONS), st.none() | st.integers(0, 30), st.booleans()), min_size=1, max_size=6
)


def _run(layout: Layout, operation: str) -> None:
    with exclusive(layout):
        recover(layout)
        number = next_id(layout)
        adopt = record(number + 1, "full", "adopted") if occupant(layout).needs_adoption else None
        if operation in ("setup", "full"):
            one = record(number, "cpu" if operation == "setup" else "full")
            make_environment(layout.generation(number), f"{operation} {number}")
            write_record(layout, one)
            activate(layout, one, adopt=adopt)
        elif operation == "plain":
            make_environment(staging(layout, number), f"plain {number}")
            activate_plain(layout, staging(layout, number), record(number), adopt=adopt)
        elif operation == "prune":
            prune(layout, keep=1)
        else:
            target = way_back(layout) if operation == "rollback" else previous(layout)
            if target is not None:
                activate(layout, target, adopt=adopt)


def _replace(layout: Layout, count: int) -> str:
    """The user removes ``.venv`` and makes one of their own."""
    if layout.venv.is_symlink():
        layout.venv.unlink()
    elif layout.venv.exists():
        shutil.rmtree(layout.venv)
    make_environment(layout.venv, f"{OWN} {count}")
    return f"{OWN} {count}"


def _names(layout: Layout) -> list[str | None]:
    return [name_of(layout.generation(one.id)) for one in list_generations(layout)]


@settings(max_examples=150, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(steps=steps)
def test_sequences_with_kills_keep_the_invariants(steps: list[tuple[str, int | None, bool]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        layout = layout_for(Path(folder))
        mine = {_replace(layout, 0)}
        for count, (operation, at, exchange) in enumerate(steps, start=1):
            if operation == "replace":
                own_at_venv = not layout.venv.is_symlink()
                mine -= {name_of(layout.venv)} if own_at_venv else set()  # deleted by the user, not by us
                mine.add(_replace(layout, count))
            else:
                before = name_of(layout.venv)
                ended = in_child(lambda: _run(layout, operation), layout.root, at=at, exchange=exchange)  # noqa: B023
                assert ended in (KILLED, DONE)
                if exchange:
                    assert name_of(layout.venv) is not None
                if operation == "prune":
                    assert name_of(layout.venv) == before
            with exclusive(layout):
                recover(layout)
                assert recover(layout) == ()
            assert_tidy(layout)
            assert name_of(layout.venv) is not None
            found = [name_of(layout.venv)] if not layout.venv.is_symlink() else []
            found += _names(layout)
            assert None not in found, "a generation that is not whole"
            assert all(found.count(name) == 1 for name in mine), (mine, found)
            live = current(layout)
            assert live is None or live.kind == "plain" or live in list_generations(layout)
            assert next_id(layout) > max([0, *(one.id for one in list_generations(layout))])
