"""Read a project page of a wheel index (PEP 503 HTML, PEP 691 JSON) into candidates. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from html.parser import HTMLParser
from urllib.parse import unquote, urldefrag, urljoin, urlsplit

from packaging.tags import Tag
from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename
from packaging.version import InvalidVersion, Version

ACCEPT = "application/vnd.pypi.simple.v1+json, text/html;q=0.5"


@dataclass(frozen=True, kw_only=True, slots=True)
class Candidate:
    """One wheel that an index or a folder offers. ``sha256`` is None where the index advertises none."""

    name: str
    version: Version
    filename: str
    url: str
    sha256: str | None
    tags: frozenset[Tag]
    has_metadata: bool = False
    size: int | None = None
    yanked: bool = False


class _Anchors(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.base: str | None = None
        self.anchors: list[dict[str, str]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        if tag == "base" and self.base is None and "href" in values:
            self.base = values["href"]
        elif tag == "a" and values.get("href"):
            self.anchors.append(values)


def make_candidate(filename: str, url: str, sha256: str | None) -> Candidate | None:
    """A candidate from a wheel's file name, or None if it is no valid wheel name (old sdists, eggs)."""
    try:
        name, version, _build, tags = parse_wheel_filename(filename)
    except (InvalidWheelFilename, InvalidVersion):
        return None
    return Candidate(name=name, version=version, filename=filename, url=url, sha256=sha256, tags=frozenset(tags))


def _digest(value: object) -> str | None:
    """A sha256 as it goes into a lock: what is none counts as not advertised."""
    return value.lower() if isinstance(value, str) and re.fullmatch(r"[0-9a-fA-F]{64}", value) else None


def _join(base: str, link: object) -> str | None:
    """The absolute URL of a link; None for what is no URL (an index page may hold anything)."""
    try:
        joined = urljoin(base, link) if isinstance(link, str) else None
        if joined is not None:
            urlsplit(joined)
    except ValueError:
        return None
    return joined


def _from_html(text: str, url: str) -> Iterable[Candidate]:
    parser = _Anchors()
    parser.feed(text)
    base = _join(url, parser.base or "") or url
    for anchor in parser.anchors:
        joined = _join(base, anchor["href"])
        if joined is None:
            continue
        target, fragment = urldefrag(joined)
        filename = unquote(urlsplit(target).path.rsplit("/", 1)[-1])
        sha256 = fragment.removeprefix("sha256=") if fragment.startswith("sha256=") else None
        candidate = make_candidate(filename, target, _digest(sha256))
        if candidate is not None:
            metadata = "data-core-metadata" in anchor or "data-dist-info-metadata" in anchor
            yield replace(candidate, has_metadata=metadata, size=None, yanked="data-yanked" in anchor)


def _from_json(text: str, url: str) -> Iterable[Candidate]:
    try:
        table = json.loads(text)
    except (ValueError, RecursionError):
        return
    files = table.get("files") if isinstance(table, dict) else None
    for file in files if isinstance(files, list) else []:
        if not isinstance(file, dict):
            continue
        filename, joined, hashes = file.get("filename"), _join(url, file.get("url")), file.get("hashes")
        if not isinstance(filename, str) or joined is None:
            continue
        sha256 = _digest(hashes.get("sha256") if isinstance(hashes, dict) else None)
        candidate = make_candidate(filename, urldefrag(joined)[0], sha256)
        if candidate is not None:
            metadata = bool(file.get("core-metadata") or file.get("dist-info-metadata"))
            size = file.get("size") if isinstance(file.get("size"), int) else None
            yield replace(candidate, has_metadata=metadata, size=size, yanked=bool(file.get("yanked")))


def parse_project_page(text: str, url: str, content_type: str, name: str) -> tuple[Candidate, ...]:
    """The wheels of one project page, in page order; files of other projects and yanked ones are left out.

    ``url`` is the page's own, for relative links; links may point at another host (the PyTorch index does so).
    Names are parsed by packaging: build-tagged ones have six fields.
    """
    rows = _from_json(text, url) if "json" in content_type.lower() else _from_html(text, url)
    wanted = canonicalize_name(name)
    return tuple(candidate for candidate in rows if candidate.name == wanted and not candidate.yanked)
