"""What pip-compile says when it fails, as errors of envtool."""

from __future__ import annotations

import re
from itertools import accumulate

from packaging.utils import InvalidSdistFilename, InvalidWheelFilename, parse_sdist_filename, parse_wheel_filename

from envtool.adapters.http import redact_text
from envtool.adapters.uv_errors import PLAIN, last_words, unreachable
from envtool.errors import ResolutionError, UnsatisfiableError
from envtool.models import Completed, IndexAccess

_LIMIT = 350
"""How many characters of causes are shown."""

_IMPOSSIBLE = r"ResolutionImpossible|Could not find a version|No matching distribution|conflicting dependencies"
_UNREACHABLE = r"Connection|Max retries|NewConnectionError|timed out"
# pip-compile drops pip's list of causes; only the exception has them, as the representation of its objects.
_CAUSE = re.compile(r"Requirement\('(?P<wanted>[^']+)'\), parent=(?:None|\w+\('(?P<parent>[^']*)'\))")


def check_compiled(done: Completed, folder: str, stand_ins: tuple[str, ...], access: IndexAccess = PLAIN) -> None:
    """Raise UnsatisfiableError, InstallError (network) or ResolutionError if pip-compile failed.

    ``folder``: the temporary folder, which no message may name. ``stand_ins``: the packages that it was to leave out.
    """
    if done.returncode == 0:
        return
    text = f"{done.stdout}\n{done.stderr}".replace(folder, "").strip()
    text = redact_text(text)
    said = _said(text)
    if re.search(_IMPOSSIBLE, text):
        causes = _causes(text)
        lost = _lost_connection(text)
        if lost and "from versions: none" in text:
            raise unreachable(lost, access)
        if not causes:
            missing = "from versions: none" in text
            hint = "Is its name right?" if missing else "Ask for a version that there is for this Python."
            raise UnsatisfiableError("resolve.unsatisfiable", " ".join(said), hint, report="\n".join(said))
        message = f"pip finds no versions that fit together: {_listed(causes)}"
        raise UnsatisfiableError("resolve.unsatisfiable", message, _advice(causes, stand_ins), report="\n".join(causes))
    last = " ".join(said[-3:])
    if re.search(_UNREACHABLE, text):
        raise unreachable(last, access)
    if re.search(r"^pip\S+\.(FailedToPrepareCandidate|MetadataGenerationFailed): ", text, re.MULTILINE):
        raise _build_failure(text)
    raise ResolutionError("resolve.failed", f"pip-compile could not resolve: {last}", "Try --resolver uv.")


def _lost_connection(text: str) -> str:
    """The page that pip gave up on, and why; pip goes on without it, and then says that there is no such package."""
    found = re.search(r"Retry\(total=0,.*? after connection broken by ['\"](.+)['\"]: (\S+)$", text, re.MULTILINE)
    if not found:
        return ""
    host = re.search(r"host='([^']+)'", found[1])
    cause = re.search(r"\[(?:Errno -?\d+|SSL: \w+)\] ([^\"'()]*[^\"'() ])", found[1]) or re.search(r"(\w+)", found[1])
    return f"{host[1] if host else ''}{found[2]}{f' ({cause[1]})' if cause else ''}"


def _said(text: str) -> list[str]:
    """What pip reported, without the Python traceback that pip-compile adds and without what it merely ignored."""
    errors = [line.strip().removeprefix("ERROR: ") for line in text.splitlines() if line.strip().startswith("ERROR: ")]
    errors = [re.sub(r" \(from versions: .{200,}\)$", "", line) for line in errors if not line.startswith("Ignored ")]
    if errors:
        return errors
    lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("WARNING")]
    if any(line.startswith("Traceback") for line in lines):
        lines = [re.sub(r"^(?:\w+\.)+(\w+: )", r"\1", lines[-1])]  # the exception, without its module
    return [line.strip() for line in lines]


def _build_failure(text: str) -> ResolutionError:
    """A source distribution that had to be built to learn what it needs, and could not be."""
    package = _built(text) or "a package"
    message = f"{package} has no wheel that fits, and its source cannot be built to read what it needs"
    cause = last_words(text.rpartition("lines of output]\n")[2].partition("[end of output]")[0])
    message += f": {cause}" if cause else ""
    return ResolutionError("resolve.build", message, f"Ask for a version of {package} that has wheels.")


def built(done: Completed) -> str:
    """The package whose build failed; empty where pip does not say."""
    return _built(f"{done.stdout}\n{done.stderr}")


def _built(text: str) -> str:
    # pip does not always name it; the folder that it builds in does.
    named = re.search(r"Failed to build '([^']+)'", text) or re.search(r"[/\\]([\w.-]+)_[0-9a-f]{32}[/\\]", text)
    return named[1] if named else ""


def _causes(text: str) -> list[str]:
    """``who depends on what``, in the words that uv uses for it."""
    found: dict[str, None] = {}
    line = next((line for line in text.splitlines() if "ResolutionImpossible: [" in line), "")
    for match in _CAUSE.finditer(line):
        who = _package(match["parent"]) if match["parent"] else "your project"
        found[f"{who} depends on {match['wanted']}"] = None
    # One that stands alone was not found at all: pip says that better.
    return list(found) if len(found) > 1 or "conflicting dependencies" in text else []


def _package(candidate: str) -> str:
    """``name==version`` of a wheel or source archive; its text when it is neither."""
    name = candidate.partition(" (from ")[0].partition("#")[0].rsplit("/", 1)[-1]
    try:
        package, release = parse_wheel_filename(name)[:2] if name.endswith(".whl") else parse_sdist_filename(name)
    except (InvalidWheelFilename, InvalidSdistFilename):
        return name
    return f"{package}=={release}"


def _listed(causes: list[str]) -> str:
    lengths = accumulate(len(cause) for cause in causes)
    shown = [cause for cause, length in zip(causes, lengths, strict=True) if length <= _LIMIT] or causes[:1]
    more = f"; and {len(causes) - len(shown)} more" if len(causes) > len(shown) else ""
    return "; ".join(shown) + more


def _advice(causes: list[str], stand_ins: tuple[str, ...]) -> str:
    wanted = {re.split(r"[^\w.-]", cause.partition(" depends on ")[2], maxsplit=1)[0] for cause in causes}
    bound = sorted(name for name in stand_ins if name in wanted)
    if bound:
        verb = "have" if len(bound) > 1 else "has"
        return f"pip-compile cannot leave out {', '.join(bound)}, which {verb} an upper bound here: use --resolver uv."
    return "Loosen one of these requirements."
