"""What uv says when it fails, turned into errors: the cause in few words, without credentials, and a next step."""

from __future__ import annotations

import re
import textwrap
from urllib.parse import urlsplit

from envtool.adapters import certificates
from envtool.adapters.http import CREDENTIALS_HINT, redact
from envtool.adapters.variables import conceal
from envtool.errors import InstallError, LockError, ResolutionError, UnsatisfiableError, UsageError
from envtool.models import Completed, IndexAccess

_NAMED_INDEX = (
    "It is named by UV_DEFAULT_INDEX or PIP_INDEX_URL, in the requirement files, under [tool.uv] of pyproject.toml, or "
    "in the configuration of uv or pip: mend it there, or try again."
)
_NO_NETWORK = (
    "Is there a network? HTTPS_PROXY names a proxy, UV_DEFAULT_INDEX a mirror (torch-index for torch). Without any: "
    "UV_OFFLINE=1 and --find-links with a folder of all the wheels."
)

PLAIN = IndexAccess()
"""Nobody named an index."""

_LIMIT = 400
"""How many characters of an explanation are shown. What decides stands at its beginning, whom it hits at its end."""
_BUILD_LINES = 15


class IndexUnreachableError(InstallError):
    """An index does not answer, or does not serve a file that it lists.

    ``url`` is what was asked for, as far as it is known: who knows what that is can say who named the index.
    """

    def __init__(self, code: str, message: str, hint: str = "", *, url: str = "") -> None:
        super().__init__(code, message, hint)
        self.url = url


def unreachable(said: str, access: IndexAccess) -> IndexUnreachableError:
    """The error for an index that does not answer: its hint says who named it, or what to do without a network."""
    urls = [access.default_index or "", *(route.url for route in access.routes), *access.find_links]
    named = any(host and host in said for host in (urlsplit(url).hostname for url in urls))
    hint = certificates.HINT if certificates.distrusted(said) else _NAMED_INDEX if named else _NO_NETWORK
    url = _URL.search(said)
    message = f"an index cannot be reached: {said}"
    return IndexUnreachableError("network.unreachable", message, hint, url=url[0] if url else "")


def built(done: Completed) -> str:
    """The package whose build failed, as ``name==version`` or a name; empty where uv does not say."""
    found = re.search(r"Failed to (?:download and )?build `([^`]+)`", _clean(done.stderr))
    return found[1].partition(" @ ")[0] if found else ""


def check_resolved(done: Completed, access: IndexAccess = PLAIN) -> None:
    """Raise what a failed ``uv pip compile`` means; return when it succeeded.

    Raises UnsatisfiableError, ResolutionError (``resolve.*``), InstallError (``network.*``), UsageError
    (``find-links.missing``, ``uv.variable``).
    """
    if done.returncode == 0:
        return
    text = _clean(done.stderr)
    _check_variables(done, text)
    _check_credentials(text)
    _check_offline(text, "resolving")
    denied = re.search(r"(\S+) could not be fetched from the network \(`?(\d+[^`)]*)", text)
    if denied:
        message = f"the index lists {denied[1]} and does not serve its metadata ({denied[2]})"
        raise ResolutionError("resolve.no-metadata", message, "Is it a complete mirror? Ask for another version.")
    if done.returncode == 1 and re.search(r"No solution found|requirements are unsatisfiable", text):
        told = (_explanation(text), _advice(text))
        split = re.search(r"for split \(markers: (.+?)\) cause:", " ".join(text.split()))
        part = split[1] if split else ""
        raise UnsatisfiableError("resolve.unsatisfiable", *told, report=text, absent=_absent(text), split=part)
    # Before the network: the cause of a failed build may speak of a connection too.
    build = re.search(r"Failed to (?:download and )?build `([^`]+)`", text)
    if build or "build backend returned an error" in text:
        raise _build_failure(build[1] if build else "", text)
    _check_surroundings(text, access)
    folder = re.search(r"Failed to read\s+`--find-links`\s+directory:\s+(\S+)", text)  # uv breaks long lines
    if folder:
        message = f"the find-links folder {folder[1]} cannot be read"
        hint = "Create it, or take it out of the requirement files, the settings, or the configuration of uv or pip."
        raise UsageError("find-links.missing", message, hint)
    if re.search(r"Build backend|Git operation failed|Failed to read metadata", text):
        advice = _advice(text) or "Ask for another version of that package, or for one with wheels."
        raise ResolutionError("resolve.build", f"a package could not be read: {_explanation(text)}", advice)
    advice = _advice(text) or "Try --resolver pip-tools."
    raise ResolutionError("resolve.failed", f"uv could not resolve: {_explanation(text)}", advice)


def _check_variables(done: Completed, text: str) -> None:
    """Raise UsageError for a variable of uv's own that uv cannot read: it names the variable, or the option for it."""
    if done.returncode != 2:
        return
    variable = re.search(r"environment variable `(UV_\w+)` with invalid value `([^`]*)`:?([^;\n]*)", text)
    option = re.search(r"invalid value '([^']*)' for '--([a-z-]+)[^\n]*\s+\[possible values: ([^\]]+)\]", text)
    if variable:
        name, value, cause = variable.groups()
        hint = f"Unset {name}, or mend it."
    elif option:
        name, value = f"UV_{option[2].upper().replace('-', '_')}", option[1]
        cause, hint = "", f"Unset {name}, or set it to one of {option[3]}."
    else:
        return
    raise UsageError("uv.variable", f"uv cannot read {name}={value}{f' ({cause.strip()})' if cause else ''}", hint)


def _check_credentials(text: str) -> None:
    refused = re.search(r"(https?://\S+?)/?[`)]* could not be queried due to a lack of valid authentication", text)
    if refused:
        # uv calls the packages of such an index "not found": that would send people looking in the wrong place.
        raise InstallError("network.credentials", f"{refused[1]} asks for credentials", CREDENTIALS_HINT)


def _check_offline(text: str, what: str) -> None:
    if "the network was disabled" not in text:
        return
    hint = "Unset UV_OFFLINE, or put the wheel into a find-links folder."
    missing = re.search(r"Because (\S+) was not found in the cache", text)
    wheel = missing[1] if missing else "a package"
    raise InstallError("network.offline", f"{what}: UV_OFFLINE is set, and {wheel} is not in uv's cache", hint)


def _check_surroundings(text: str, access: IndexAccess) -> None:
    """Raise InstallError where neither the lock nor a package is the matter, but what uv works with."""
    if "Failed to initialize cache" in text:
        hint = "Set UV_CACHE_DIR to a folder that this user can write to."
        raise InstallError("uv.cache", f"uv cannot use its cache: {_explanation(text)}", hint)
    if "No space left" in text or "os error 28" in text:
        hint = "Free some space (envtool prune, uv cache prune), or set UV_CACHE_DIR or TMPDIR to another disk."
        raise InstallError("install.disk-full", f"the disk is full: {_explanation(text)}", hint)
    if re.search(r"Failed to (fetch|query)|error sending request|client error|Could not connect|timed out", text):
        raise unreachable(_last(text), access)


def _build_failure(package: str, text: str) -> ResolutionError:
    """A source distribution that had to be built to learn what it needs, and could not be."""
    if not package or "file:" in package:  # a folder on its own: uv does not know its name yet
        folder = package.rpartition("file:")[2].rstrip("/").rpartition("/")[2]
        message = f"the project {f'in {folder}/ ' if folder else ''}cannot be built to read what it needs"
        hint = "Name its requirements with -r FILE, and leave the project itself out."
        cause = _last_words(text)
        return ResolutionError("resolve.build", f"{message}{f': {cause}' if cause else ''}", hint)
    name = " ".join(package.split("==")[:2])
    message = f"{name} has no wheel that fits, and its source cannot be built to read what it needs"
    cause = _last_words(text)
    message += f": {cause}" if cause else ""
    hint = ""
    if "pkg_resources" in cause:
        hint = "Its build needs pkg_resources, which setuptools no longer has since version 82. "
    asked = re.search(r"`(\S+)` \([^)]*\) was included because (`[^`]+`)(?: \([^)]*\))? depends on (`[^`]+`)", text)
    other = ""
    if asked:
        hint += f"{asked[2]} asks for {asked[3]}. ".replace("`", "")
        other = f"for another version of {asked[2]}, ".replace("`", "") if asked[2] != "`your project`" else ""
    hint += f"Ask for a version of {package.split('==', maxsplit=1)[0]} that has wheels, {other}"
    hint += "for another Python (--python), or for fewer targets (--target)."
    return ResolutionError("resolve.build", message, hint)


def _last_words(text: str) -> str:
    """The line of a build's output in uv's report that says what went wrong."""
    return last_words(text.rpartition("[stderr]")[2] if "[stderr]" in text else "")


def last_words(output: str) -> str:
    """The line of a build's stderr that says what went wrong: an error, else the last one."""
    lines = []
    for line in output.splitlines():
        if re.match(r"\s*(hint|help):", line):
            break
        if line.strip():
            lines.append(" ".join(line.split()))
    named = [line for line in lines if re.match(r"(\w+\.)*\w*(Error|Exception|NotFound)\b|error: |fatal: ", line)]
    last = (named or lines or [""])[-1]
    last = re.sub(r"(?<![\w.])(/[^\s:'\"]+/)+", "", last)  # folders of this machine say nothing
    return last if len(last) <= 200 else last[:200].rsplit(" ", 1)[0] + " …"


_ALWAYS = re.compile(r" and platform_python_implementation == 'CPython'")
"""What the marker of every target says."""
_URL = re.compile(r"https?://[^\s`'\")]+")


def _clean(text: str) -> str:
    """uv's words without credentials, colours and the name of the temporary project."""
    text = re.sub(r"\x1b\[[0-9;]*m", "", text)
    text = conceal(_URL.sub(lambda match: redact(match[0]), text))
    return text.replace("envtool-request", "your project")


def _explanation(text: str) -> str:
    """uv's derivation as one paragraph: its own words are better than a summary of ours."""
    kept = []
    # What uv did before it failed (the Python it uses, what it resolved) is no part of the reason.
    begin = re.search(r"^\s*(error:|×)", text, re.MULTILINE)
    for line in text[begin.start() if begin else 0 :].splitlines():
        bare = re.sub(r"^[\s│├╰─▶×✗|`-]+", "", line).strip()
        if bare.startswith("hint:"):
            break
        if bare and not re.match(r"(error: |cause: )*(No solution found|Failed to resolve)", bare):
            kept.append(bare.removeprefix("error: ").removeprefix("cause: "))
    joined = _ALWAYS.sub("", " ".join(kept))
    # The headline may go on over several lines, with the markers of the fork.
    joined = joined[joined.find("Because ") :] if "Because " in joined and "No solution found" in text else joined
    return _shorten(joined)


def _shorten(explanation: str) -> str:
    """At most ``_LIMIT`` characters: the beginning, and the last step, which names what the project asks for."""
    if len(explanation) <= _LIMIT:
        return explanation
    head, step, last = explanation.rpartition(" And because ")
    if not step or len(last) > _LIMIT // 2:
        return explanation[:_LIMIT].rsplit(" ", 1)[0] + " …"
    room = _LIMIT - len(step) - len(last) - 2
    return f"{head if len(head) <= room else head[:room].rsplit(' ', 1)[0]} …{step}{last}"


def _last(text: str) -> str:
    """The URL that did not answer, with the innermost cause; else the beginning of what uv said."""
    url = re.search(r"Failed to fetch: `?(https?://[^\s`]+)", text)
    causes = [cause for cause in re.findall(r"cause: (.+)", text) if "://" not in cause]
    causes += re.findall(r"HTTP status \w+ error \((\d+ [^)]+)\)", text)
    if url:
        return f"{url[1]}{f' ({causes[-1].strip()})' if causes else ''}"
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return " ".join(lines[:3]) if lines else "no answer"


def _absent(text: str) -> str:
    """The name that no index has, if that is the reason."""
    # The second is what uv says of one that is asked for under a marker.
    words = r"([\w.-]+) was not found in the package registry|there are no versions of ([\w.-]+) and"
    absent = re.search(words, " ".join(text.split()))
    return (absent[1] or absent[2]) if absent else ""


def _advice(text: str) -> str:
    pattern = (
        r"([\w.-]+)(?:\[[^\]]*\])?(?:\{([^}]*)\})?==(\S+) has no wheels with a matching Python (?:version|ABI) tag"
    )
    old = re.search(pattern, text)
    if old:
        advice = f"Ask for another version of {old[1]}, or for a Python that {old[3]} has wheels for (--python)."
        return f"{advice} It is asked for where {old[2]}: --target leaves targets out." if old[2] else advice
    if _absent(text):
        return "Is its name right? It was looked for on the default index, and on those that the requirements name."
    hints: list[str] = re.findall(r"hint: (.+)", text)
    if not hints:
        return "Loosen one of these requirements." if "unsatisfiable" in text else ""
    if re.search(r"tool\.uv\.environments|using `requires-python`", hints[0]) and _holds_everywhere(text):
        return "Loosen one of these requirements."
    if "tool.uv.environments" in hints[0]:
        return f"This is the first target without a solution{_split(text)}; --target or targets leave targets out."
    if "using `requires-python`" in hints[0]:
        return f"It fails for another Python than the one in use{_split(text)}: narrow requires-python."
    return f"{hints[0].strip().rstrip('.')}."


def _holds_everywhere(text: str) -> bool:
    """Whether requirements exclude each other on every platform and Python: another target would not help then.

    uv's hint names the fork that it tried first, whatever the reason. A marker or a tag that decides is in the reason.
    """
    reason = text[text.find("Because ") : text.find("hint:")]
    return " depends on " in reason and not re.search(r"\{|wheels|\bPython\b|sys_platform", " ".join(reason.split()))


def _split(text: str) -> str:
    # uv names the fork in its headline, or only behind the name of a package: name{python_full_version >= '3.14'}.
    match = re.search(r"for split \(markers: (.+)\)", text)
    match = match or re.search(r"\{((?:python|sys|platform)_[^}]+)\}", " ".join(text.split()))
    return f" ({_ALWAYS.sub('', match[1])})" if match else ""


def raise_install_failure(done: Completed, what: str, access: IndexAccess = PLAIN) -> None:
    """Turn a failed uv install into an error: a hash mismatch is the lock's (5), the rest the install's (6).

    Raises LockError, UsageError (``uv.variable``) or EnvtoolError; returns when uv succeeded.
    """
    if done.returncode == 0:
        return
    text = _clean(done.stderr)
    _check_variables(done, text)
    if "Hash mismatch" in text or "hash mismatch" in text:
        hint = "A file was replaced on its index: compare with envtool lock --upgrade --diff before you trust it."
        raise LockError("install.hash-mismatch", f"{what}: {_explanation(text)}", hint)
    _check_credentials(text)
    _check_offline(text, what)
    reason, *printed = re.split(r"^\s*\[std(?:err|out)\]$", text, flags=re.MULTILINE)
    if not printed:
        _check_surroundings(text, access)
    # What a build printed, its last lines: it is the user's own project.
    output = textwrap.dedent("\n".join(printed).split("\nhint:")[0]).splitlines()
    shown = [f"  {line}" for line in output if line.strip()][-_BUILD_LINES:]
    raise InstallError("install.failed", "\n".join([f"{what}: {_explanation(reason)}", *shown]), _advice(text))
