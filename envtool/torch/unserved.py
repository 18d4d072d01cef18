"""A torch wheel that cannot be fetched: who named the place that it comes from."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from urllib.parse import unquote, urlsplit

from envtool.adapters.http import redact
from envtool.adapters.uv_errors import IndexUnreachableError
from envtool.torch.family import is_family

_HINT = (
    "The wheels of torch come from torch-index (ENVTOOL_TORCH_INDEX, --torch-index), and a mirror has to serve them, "
    "not only their pages. Mend it there, or put the wheel into a folder that find-links names; or try again."
)


@contextlib.contextmanager
def naming_torch_index(base: str) -> Iterator[None]:
    """Give an error for a file of the torch index ``base`` the hint that names this setting.

    The host does not decide: a mirror may serve both indexes, and the public torch index keeps its wheels on another
    host than its pages. A local version does: the default index has none of the family.
    """
    try:
        yield
    except IndexUnreachableError as error:
        name = unquote(urlsplit(error.url).path).rstrip("/").rpartition("/")[2]
        below = error.url.startswith(f"{redact(base)}/")
        if is_family(name.partition("-")[0]) and (below or "+" in name):
            error.hint = _HINT
        raise
