"""What uv says when it fails: the cause in few words, and a next step. The texts are uv 0.13's, shortened."""

from __future__ import annotations

from typing import cast

import pytest

from envtool.adapters.pip_errors import check_compiled
from envtool.adapters.uv_errors import IndexUnreachableError, check_resolved, raise_install_failure
from envtool.errors import EnvtoolError, InstallError, LockError, ResolutionError, UnsatisfiableError, UsageError
from envtool.models import Completed, IndexAccess, NamedIndex

BUILD = """error: Failed to build `visdom==0.2.4`
  cause: The build backend returned an error
  cause: Call to `setuptools.build_meta:__legacy__.get_requires_for_build_wheel` failed (exit status: 1)

[stderr]
Traceback (most recent call last):
  File "<string>", line 14, in <module>
  File "/home/someone/.cache/uv/builds-v0/.tmp1/lib/python3.11/site-packages/setuptools/build_meta.py", line 333, in x
ModuleNotFoundError: No module named 'pkg_resources'

hint: `visdom` (v0.2.4) was included because `app` (v1.0) depends on `visdom<1`
"""


def failed(text: str, status: int = 1) -> EnvtoolError:
    with pytest.raises(EnvtoolError) as caught:
        check_resolved(Completed(args=("uv",), returncode=status, stdout="", stderr=text))
    return caught.value


def test_success_says_nothing() -> None:
    check_resolved(Completed(args=("uv",), returncode=0, stdout="", stderr="warning: something"))
    raise_install_failure(Completed(args=("uv",), returncode=0, stdout="", stderr=""), "installing")


def test_a_failed_build_in_one_line() -> None:
    error = failed(BUILD)
    assert (error.code, error.exit_code) == ("resolve.build", 4)
    assert error.message == (
        "visdom 0.2.4 has no wheel that fits, and its source cannot be built to read what it needs: "
        "ModuleNotFoundError: No module named 'pkg_resources'"
    )
    assert error.hint == (
        "Its build needs pkg_resources, which setuptools no longer has since version 82. app asks for visdom<1. "
        "Ask for a version of visdom that has wheels, for another version of app, for another Python (--python), "
        "or for fewer targets (--target)."
    )


def test_no_folder_of_this_machine_in_the_cause() -> None:
    error = failed("error: Failed to build `a==1`\n[stderr]\nerror: /home/someone/.cache/uv/x/setup.py: no compiler\n")
    assert error.message.endswith("what it needs: error: setup.py: no compiler")


def test_a_build_that_could_not_get_its_own_requirements() -> None:
    error = failed("error: Failed to download and build `a==1`\n  cause: Failed to fetch: `https://mirror.example/b`\n")
    assert (error.code, error.message) == (
        "resolve.build",
        "a 1 has no wheel that fits, and its source cannot be built to read what it needs",
    )


def test_a_project_folder_that_cannot_be_built() -> None:
    cause = "ModuleNotFoundError: No module named 'torch'"
    error = failed(f"error: Failed to build `app @ file:///home/someone/app`\n[stderr]\n{cause}\n")
    assert error.message == f"the project in app/ cannot be built to read what it needs: {cause}"
    assert error.hint == "Name its requirements with -r FILE, and leave the project itself out."


def test_no_solution() -> None:
    cause = "Because {} depends on a<1 and a>2, we can conclude that your requirements are unsatisfiable."
    text = "error: No solution found when resolving dependencies\n  cause: " + cause
    error = failed(text.format("envtool-request"))
    assert isinstance(error, UnsatisfiableError)
    assert error.message == cause.format("your project")
    assert error.report == text.format("your project")


def test_wheels_for_other_pythons_only() -> None:
    text = "error: No solution found\n  cause: Because old==1.15.2 has no wheels with a matching Python version tag "
    text += "(e.g., `cp311`), we can conclude that your requirements are unsatisfiable.\n"
    text += "hint: use `tool.uv.environments` to limit the targets\n"
    assert failed(text).hint == "Ask for another version of old, or for a Python that 1.15.2 has wheels for (--python)."


REFUSED = "the index https://u:t0ken@mirror.example could not be queried due to a lack of valid authentication"


@pytest.mark.parametrize(
    ("text", "code", "kind"),
    [
        (REFUSED, "network.credentials", InstallError),
        ("error: a==1 could not be fetched from the network (403 Forbidden)", "resolve.no-metadata", ResolutionError),
        ("error: Failed to fetch: `https://mirror.example/simple/a/`", "network.unreachable", IndexUnreachableError),
        ("error: Git operation failed", "resolve.build", ResolutionError),
        ("error: something new", "resolve.failed", ResolutionError),
    ],
)
def test_other_causes(text: str, code: str, kind: type[EnvtoolError]) -> None:
    error = failed(text, status=2)
    assert (error.code, type(error)) == (code, kind)
    assert "t0ken" not in f"{error.message} {error.hint}"
    assert error.hint


@pytest.mark.parametrize(
    ("text", "code", "kind", "start"),
    [
        ("error: Hash mismatch for `a==1`", "install.hash-mismatch", LockError, "installing a: "),
        ("error: No space left on device (os error 28)", "install.disk-full", InstallError, "the disk is full: "),
        ("error: something new", "install.failed", InstallError, "installing a: "),
    ],
)
def test_failed_installs(text: str, code: str, kind: type[EnvtoolError], start: str) -> None:
    with pytest.raises(EnvtoolError) as caught:
        raise_install_failure(Completed(args=("uv",), returncode=1, stdout="", stderr=text), "installing a")
    assert (caught.value.code, type(caught.value)) == (code, kind)
    assert caught.value.message.startswith(start)


def test_wheels_for_other_pythons_on_one_platform() -> None:
    text = "error: No solution found\n  cause: Because old{sys_platform == 'darwin'}==1.13.1 has no wheels with a "
    error = failed(
        text + "matching Python version tag (`cp311`), we can conclude that your requirements are unsatisfiable.\n"
    )
    assert error.hint.startswith(
        "Ask for another version of old, or for a Python that 1.13.1 has wheels for (--python)."
    )
    assert error.hint.endswith("It is asked for where sys_platform == 'darwin': --target leaves targets out.")


def test_an_index_that_does_not_answer() -> None:
    text = "error: Request failed\n  cause: Failed to fetch: `https://u:t0ken@mirror.example/simple/a/`\n"
    text += "  cause: error sending request for url (https://mirror.example/simple/a/)\n  cause: dns error\n"
    error = failed(text)
    assert error.message == "an index cannot be reached: https://mirror.example/simple/a/ (dns error)"
    assert error.hint.startswith("Is there a network?")


def test_what_every_target_says_is_not_repeated() -> None:
    marker = (
        "python_full_version == '3.11.*' and platform_python_implementation == 'CPython' and sys_platform == 'win32'"
    )
    text = f"error: No solution found when resolving dependencies for split (markers: {marker})\n  cause: Because all "
    text += f"versions of a have no `{marker}`-compatible wheels, we can conclude that your requirements are "
    text += "unsatisfiable.\n\nhint: The resolution failed for an environment that is not the current one, consider "
    error = failed(text + "limiting the environments with `tool.uv.environments`.\n")
    short = "python_full_version == '3.11.*' and sys_platform == 'win32'"
    assert error.message.startswith(f"Because all versions of a have no `{short}`-compatible wheels, ")
    assert f" ({short}); --target" in error.hint
    assert cast("UnsatisfiableError", error).split == marker


def test_a_headline_over_two_lines() -> None:
    text = "error: No solution found when resolving dependencies for split (markers:\n"
    text += "         python_full_version == '3.11.*')\n  cause: Because your-app depends on a<1 and a>2, "
    error = failed(text + "we can conclude that your requirements are unsatisfiable.\n")
    assert error.message.startswith("Because your-app depends on a<1 and a>2")
    assert cast("UnsatisfiableError", error).split == "python_full_version == '3.11.*'"
    assert error.hint == "Loosen one of these requirements."


def test_a_long_derivation_keeps_its_beginning_and_its_end() -> None:
    steps = " ".join(f"And because b{n} depends on c{n}, we can conclude that no d{n}." for n in range(20))
    end = "And because your project depends on z, we can conclude that your requirements are unsatisfiable."
    text = f"error: No solution found\n  cause: Because a<1 and a>2, we can conclude that no a. {steps} "
    message = failed(text + end + "\n").message
    assert 350 < len(message) <= 400
    assert message.startswith("Because a<1 and a>2, we can conclude that no a. And because b0 depends on c0, ")
    assert message.endswith(f" … {end}")


def test_a_long_single_sentence_is_cut() -> None:
    message = failed("error: No solution found\n  cause: Because " + "a==1 " * 99 + "it is unsatisfiable.\n").message
    assert message == "Because " + "a==1 " * 78 + "…"


def test_a_name_that_no_index_has() -> None:
    text = "error: No solution found\n  cause: Because a was not found in the package registry and you require a, "
    error = failed(text + "we can conclude that your requirements are unsatisfiable.\n")
    assert error.hint.startswith("Is its name right?")


FETCH = "error: Failed to fetch: `https://{}/simple/a/`\n  cause: Connection refused (os error 111)\n"


@pytest.mark.parametrize(
    ("host", "access", "start"),
    [
        ("one.example", IndexAccess(), "Is there a network? HTTPS_PROXY names a proxy, UV_DEFAULT_INDEX a mirror"),
        ("one.example", IndexAccess(default_index="https://u:t0ken@one.example/simple"), "It is named by"),
        (
            "one.example",
            IndexAccess(routes=(NamedIndex(name="r", url="https://one.example/simple"),)),
            "It is named by",
        ),
        ("two.example", IndexAccess(default_index="https://one.example/simple"), "Is there a network?"),
    ],
)
def test_who_named_an_index_that_does_not_answer(host: str, access: IndexAccess, start: str) -> None:
    done = Completed(args=("uv",), returncode=2, stdout="", stderr=FETCH.format(host))
    for check in (check_resolved, lambda done, access: raise_install_failure(done, "installing a", access)):
        with pytest.raises(InstallError) as caught:
            check(done, access)
        said = f"an index cannot be reached: https://{host}/simple/a/ (Connection refused (os error 111))"
        assert (caught.value.code, caught.value.message) == ("network.unreachable", said)
        assert caught.value.hint.startswith(start)


NUMBER = """error: Failed to parse environment variable `UV_HTTP_TIMEOUT` with invalid value `ten`: \
invalid digit found in string; value should be an integer number of seconds
"""
CHOICE = """error: invalid value 'ten' for '--link-mode <LINK_MODE>'
  [possible values: clone, copy]

For more information, try '--help'.
"""


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        (
            NUMBER,
            "uv cannot read UV_HTTP_TIMEOUT=ten (invalid digit found in string)",
            "Unset UV_HTTP_TIMEOUT, or mend it.",
        ),
        (CHOICE, "uv cannot read UV_LINK_MODE=ten", "Unset UV_LINK_MODE, or set it to one of clone, copy."),
    ],
)
def test_a_variable_that_uv_cannot_read(text: str, message: str, hint: str) -> None:
    done = Completed(args=("uv",), returncode=2, stdout="", stderr=text)
    for check in (check_resolved, lambda done: raise_install_failure(done, "creating the environment")):
        with pytest.raises(UsageError) as caught:
            check(done)
        assert (caught.value.code, caught.value.exit_code) == ("uv.variable", 2)
        assert (caught.value.message, caught.value.hint) == (message, hint)


def test_no_network_by_choice_is_no_conflict() -> None:
    text = "error: No solution found when resolving dependencies\n  cause: Because leaf was not found in the cache and "
    text += "your project depends on leaf, we can conclude that your requirements are unsatisfiable.\n"
    text += "hint: Packages were unavailable because the network was disabled."
    error = failed(text)
    assert (error.code, error.exit_code) == ("network.offline", 6)
    assert error.message == "resolving: UV_OFFLINE is set, and leaf is not in uv's cache"


PIP = """  WARNING: Retrying (Retry(total={left}, connect=None, read=None, redirect=None, status=None)) after \
connection broken by 'NewConnectionError("HTTPSConnection(host='one.example', port=443): Failed to establish a new \
connection: [Errno 111] Connection refused")': /simple/leaf/
ERROR: Could not find a version that satisfies the requirement leaf (from versions: none)
"""


@pytest.mark.parametrize(("left", "code", "status"), [(0, "network.unreachable", 6), (3, "resolve.unsatisfiable", 4)])
def test_pip_goes_on_without_a_network(left: int, code: str, status: int) -> None:
    done = Completed(args=("pip-compile",), returncode=2, stdout="", stderr=PIP.format(left=left))
    with pytest.raises(EnvtoolError) as caught:
        check_compiled(done, "/tmp/x", ())
    assert (caught.value.code, caught.value.exit_code) == (code, status)
    if not left:
        assert caught.value.message == "an index cannot be reached: one.example/simple/leaf/ (Connection refused)"
