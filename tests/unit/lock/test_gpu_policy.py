"""What is said about GPU packages that a project names itself."""

from __future__ import annotations

from typing import Any

import pytest
from packaging.requirements import Requirement

from envtool.errors import ResolutionError
from envtool.lock.gpu_policy import split_direct
from envtool.models import Requested


@pytest.mark.parametrize(
    ("where", "ways"),
    [
        ({"origin": "requirements.txt:2"}, "take the line out, or move it to an extra."),
        ({"origin": "pyproject.toml[gpu]", "extra": "gpu"}, "or leave out --extra gpu."),
        ({"origin": "pyproject.toml group gpu", "group": "gpu"}, "or leave out --group gpu."),
        ({"origin": "command line"}, "or leave it out of the command line."),
    ],
)
def test_the_hint_says_where_it_can_be_taken_out(where: dict[str, Any], ways: str) -> None:
    with pytest.raises(ResolutionError) as caught:
        split_direct([Requested(requirement=Requirement("cupy-cuda12x"), **where)], "default", [])
    assert caught.value.hint == (
        'Leave it out of cpu locks with --gpu-packages drop (in [tool.envtool]: gpu-packages = "drop"), ' + ways
    )
