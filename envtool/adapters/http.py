"""The door to the network: pages, sizes and bytes over HTTP(S). ``requests`` is imported late."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING
from urllib.parse import urlsplit, urlunsplit

from envtool.adapters.certificates import HINT, distrusted, trusted
from envtool.adapters.variables import USERINFO, conceal
from envtool.errors import InstallError

if TYPE_CHECKING:
    import requests

CONNECT_TIMEOUT = 6.0
READ_TIMEOUT = 30.0
CREDENTIALS_HINT = "Put the credentials into ~/.netrc, or into the URL of the setting; envtool never writes them down."
_ABSENT = frozenset({403, 404, 410})
"""The PyTorch index answers 403 for what does not exist (S3's AccessDenied); others answer 404."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Page:
    """An index page: where it was read from (after redirects), its media type, and its text."""

    url: str
    content_type: str
    text: str


class UnreachableError(InstallError):
    """The host did not answer at all, or only with server errors: another source may be tried."""


def is_readable(url: str) -> bool:
    """Whether a URL, or a path, can be taken apart: ``http://[host`` cannot."""
    try:
        return url.isprintable() and urlsplit(url).port != 0
    except ValueError:
        return False


def redact(url: str) -> str:
    """The URL without user name and password, fit for a message or a file."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return USERINFO.sub("", url)
    if not (parts.username or parts.password):
        return url
    host = parts.netloc.rsplit("@", 1)[-1]
    return urlunsplit(parts._replace(netloc=host))


def redact_text(text: str) -> str:
    """A text without the user names and passwords of the URLs in it."""
    return conceal(USERINFO.sub("", text))


def shown(url: str) -> str:
    """The URL for a message: without user name and password, and with the variables that it was written with."""
    return conceal(redact(url))


def credentials(url: str) -> tuple[str, str] | None:
    """User name and password of a URL, if it has them."""
    parts = urlsplit(url)
    return (parts.username or "", parts.password or "") if parts.username or parts.password else None


def with_credentials(url: str, secret: tuple[str, str] | None) -> str:
    """The URL with user name and password put in."""
    if secret is None:
        return url
    parts = urlsplit(redact(url))
    return parts._replace(netloc=f"{secret[0]}:{secret[1]}@{parts.netloc}").geturl()


@lru_cache(maxsize=1)
def _session() -> requests.Session:
    import requests
    from requests.adapters import HTTPAdapter
    from urllib3.util.retry import Retry

    session = requests.Session()
    retry = Retry(total=2, connect=1, backoff_factor=0.3, status_forcelist=(500, 502, 503, 504), raise_on_status=False)
    adapter = HTTPAdapter(max_retries=retry, pool_maxsize=16)
    session.mount("https://", adapter)
    session.mount("http://", adapter)
    session.verify = trusted() or True
    return session


def _request(method: str, url: str, headers: Mapping[str, str], *, stream: bool = False) -> requests.Response:
    import requests

    try:
        response = _session().request(
            method,
            url,
            headers=dict(headers),
            timeout=(CONNECT_TIMEOUT, READ_TIMEOUT),
            stream=stream,
            allow_redirects=True,
        )
    except requests.exceptions.RequestException as error:
        reason = _reason(error)
        hint = HINT if distrusted(reason) else ""
        raise UnreachableError("network.unreachable", f"{shown(url)} cannot be reached: {reason}", hint) from error
    if response.status_code >= 500:
        raise UnreachableError("network.server-error", f"{shown(url)} answered {response.status_code}")
    if response.status_code in (401, 407):
        raise InstallError(
            "network.credentials", f"{shown(url)} asks for credentials ({response.status_code})", CREDENTIALS_HINT
        )
    return response


def _reason(error: BaseException) -> str:
    # requests nests urllib3's errors with object addresses and whole URLs (and so credentials) in their text.
    inner: BaseException | None = error
    while inner is not None:
        if isinstance(inner, OSError) and inner.strerror:
            return inner.strerror
        arguments = [arg for arg in inner.args if isinstance(arg, BaseException)]
        reason = getattr(arguments[0], "reason", None) if arguments else None
        if isinstance(reason, BaseException):  # ssl's errors have a word there
            inner = reason
        else:
            inner = arguments[0] if arguments else inner.__cause__ or inner.__context__
    return type(error).__name__


def fetch_page(url: str, accept: str) -> Page | None:
    """Read a page; None if it does not exist (403, 404, 410).

    Raises UnreachableError (``network.*``) when the host does not answer, InstallError when it wants credentials.
    """
    response = _request("GET", url, {"Accept": accept})
    if response.status_code in _ABSENT:
        return None
    if response.status_code >= 400:
        raise InstallError("network.status", f"{shown(url)} answered {response.status_code}", "Is the index URL right?")
    # An index page is UTF-8 (PEP 503 pages say nothing; requests would guess latin-1 for text/html).
    text = response.content.decode("utf-8", errors="replace")
    return Page(url=response.url, content_type=response.headers.get("Content-Type", ""), text=text)


def content_length(url: str) -> int | None:
    """The size of a file in bytes by a HEAD request; None if it cannot be learned."""
    try:
        response = _request("HEAD", url, {"Accept-Encoding": "identity"})
    except InstallError:
        return None
    length = response.headers.get("Content-Length", "")
    return int(length) if response.status_code == 200 and length.isdigit() else None


def content_lengths(urls: list[str]) -> dict[str, int]:
    """Sizes of many files at once; what cannot be learned is left out."""
    with ThreadPoolExecutor(max_workers=8) as pool:
        return {url: size for url, size in zip(urls, pool.map(content_length, urls), strict=True) if size is not None}


def sha256_of_url(url: str) -> str | None:
    """The sha256 of a remote file's bytes, streamed; None if the file does not exist."""
    import requests

    response = _request("GET", url, {"Accept-Encoding": "identity"}, stream=True)
    if response.status_code >= 400:
        return None
    digest = hashlib.sha256()
    try:
        for chunk in response.iter_content(1 << 20):
            digest.update(chunk)
    except requests.exceptions.RequestException as error:
        raise UnreachableError("network.interrupted", f"{shown(url)} broke off: {_reason(error)}") from error
    finally:
        response.close()
    return digest.hexdigest()
