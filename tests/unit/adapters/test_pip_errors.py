"""What pip-compile says when nothing fits, in the few words that count."""

from __future__ import annotations

import pytest

from envtool.adapters.pip_errors import check_compiled
from envtool.errors import UnsatisfiableError
from envtool.models import Completed

RAISED = """\
  ERROR: Cannot install clash==1.0 and leaf because these package versions have conflicting dependencies.
Traceback (most recent call last):
  File "resolver.py", line 103, in resolve
    result = self._result = resolver.resolve(
                            ^^^^^^^^^^^^^^^^^
exceptions.ResolutionImpossible: [RequirementInformation(requirement=SpecifierRequirement('leaf'), parent=None), \
RequirementInformation(requirement=SpecifierRequirement('leaf<1'), parent=LinkCandidate('{link}'))]
"""


@pytest.mark.parametrize(
    ("link", "who"),
    [
        ("https://mirror.example/clash-1.0-py3-none-any.whl (from https://mirror.example/clash/)", "clash==1.0"),
        ("https://mirror.example/clash-1.0-py3-none-any.whl#sha256=00ff (from index)", "clash==1.0"),
        ("https://mirror.example/Clash_er-1.0.tar.gz#sha256=00ff", "clash-er==1.0"),
        ("file:///clash", "clash"),
    ],
)
def test_who_asks_for_what(link: str, who: str) -> None:
    with pytest.raises(UnsatisfiableError) as caught:
        check_compiled(Completed(args=(), returncode=1, stdout="", stderr=RAISED.format(link=link)), "/folder", ())
    causes = f"your project depends on leaf; {who} depends on leaf<1"
    assert caught.value.message == f"pip finds no versions that fit together: {causes}"
    assert caught.value.hint == "Loosen one of these requirements."
