"""Read a project page of a wheel index (PEP 503 HTML, PEP 691 JSON) into candidates. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
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


def _with(candidate: Candidate, *, metadata: bool, size: int | None, yanked: bool) -> Candidate:
    return Candidate(
        name=candidate.name,
        version=candidate.version,
        filename=candidate.filename,
        url=candidate.url,
        sha256=candidate.sha256,
        tags=candidate.tags,
        has_metadata=metadata,
        size=size,
        yanked=yanked,
    )


def _from_html(text: str, url: str) -> Iterable[Candidate]:
    parser = _Anchors()
    parser.feed(text)
    base = urljoin(url, parser.base) if parser.base else url
    for anchor in parser.anchors:
        target, fragment = urldefrag(urljoin(base, anchor["href"]))
        filename = unquote(urlsplit(target).path.rsplit("/", 1)[-1])
        sha256 = fragment.removeprefix("sha256=").lower() if fragment.startswith("sha256=") else None
        candidate = make_candidate(filename, target, sha256)
        if candidate is not None:
            metadata = "data-core-metadata" in anchor or "data-dist-info-metadata" in anchor
            yield _with(candidate, metadata=metadata, size=None, yanked="data-yanked" in anchor)


def _from_json(text: str, url: str) -> Iterable[Candidate]:
    for file in json.loads(text).get("files", []):
        sha256 = (file.get("hashes") or {}).get("sha256")
        candidate = make_candidate(file["filename"], urldefrag(urljoin(url, file["url"]))[0], sha256)
        if candidate is not None:
            metadata = bool(file.get("core-metadata") or file.get("dist-info-metadata"))
            yield _with(candidate, metadata=metadata, size=file.get("size"), yanked=bool(file.get("yanked")))


def parse_project_page(text: str, url: str, content_type: str, name: str) -> tuple[Candidate, ...]:
    """The wheels of one project page, in page order; files of other projects and yanked ones are left out.

    ``url`` is the page's own, for relative links; links may point at another host (the PyTorch index does so).
    Names are parsed by packaging: build-tagged ones have six fields.
    """
    rows = _from_json(text, url) if "json" in content_type.lower() else _from_html(text, url)
    wanted = canonicalize_name(name)
    return tuple(candidate for candidate in rows if candidate.name == wanted and not candidate.yanked)
