"""Every test begins without the ambient settings of the machine it runs on, and without the network unless marked."""

from __future__ import annotations

import itertools
import os
import signal
import tempfile

import pytest

_AMBIENT = ("PIP_", "UV_", "ENVTOOL_", "GITHUB_", "PYTHON", "FORCE_COLOR", "NO_COLOR")
# What says how to reach an index is no setting of a resolution: the marked tests need it.
_NETWORK = {"PIP_CERT", "SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "UV_CACHE_DIR"}

FIND_LINKS = os.environ.get("PIP_FIND_LINKS", "")
"""The machine's own find-links, kept before it is dropped: where the official wheel may lie."""

# A shell's background job ignores Ctrl-C, and so would every envtool that a test starts and interrupts.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


_numbers = itertools.count()


@pytest.fixture(autouse=True)
def _clean_environment(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith(_AMBIENT) and name not in _NETWORK:
            monkeypatch.delenv(name)
    for name in ("VIRTUAL_ENV", "CONDA_PREFIX"):
        monkeypatch.delenv(name, raising=False)
    # pip's, uv's and envtool's own configuration and caches: none of the user's is read or written.
    # Not below tmp_path: pytest looks through all folders of before to make one, and most tests need none.
    home = tmp_path_factory.getbasetemp() / "homes" / str(next(_numbers))
    for name, folder in (("XDG_CONFIG_HOME", "config"), ("XDG_CACHE_HOME", "cache"), ("XDG_STATE_HOME", "state")):
        monkeypatch.setenv(name, str(home / folder))
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    # What a killed envtool or uv leaves in the temporary folder goes with the rest of the tests' files.
    temporary = tmp_path_factory.getbasetemp() / "tmp"
    temporary.mkdir(exist_ok=True)
    for name in ("TMPDIR", "TEMP", "TMP"):
        monkeypatch.setenv(name, str(temporary))
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What needs gigabytes or the network runs when it is asked for, and says so when it is not."""
    for mark, variable in (("cuda", "ENVTOOL_TEST_CUDA"), ("network", "ENVTOOL_TEST_NETWORK")):
        if os.environ.get(variable) != "1":
            for item in items:
                if item.get_closest_marker(mark):
                    item.add_marker(pytest.mark.skip(reason=f"{variable}=1 is not set"))
