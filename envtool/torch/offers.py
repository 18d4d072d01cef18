"""What a backend's index, or a folder of wheels, offers of the torch family: pages, metadata, digests."""

from __future__ import annotations

import hashlib
import zipfile
import zlib
from collections.abc import Iterable
from pathlib import Path
from urllib.parse import urlsplit

from packaging.utils import canonicalize_name

from envtool.adapters.files import path_of_url
from envtool.adapters.http import UnreachableError, credentials, fetch_page, redact, sha256_of_url, with_credentials
from envtool.errors import ResolutionError
from envtool.torch.index import ACCEPT, Candidate, make_candidate, parse_project_page


def read_project(index: str, name: str) -> tuple[Candidate, ...]:
    """The wheels that an index lists for a project; none if it does not have the project.

    Raises UnreachableError when the index does not answer.
    """
    page = fetch_page(f"{index.rstrip('/')}/{canonicalize_name(name)}/", ACCEPT)
    if page is None:
        return ()
    secret = credentials(index)
    found = parse_project_page(page.text, page.url, page.content_type, name)
    if secret is None:
        return found
    host = urlsplit(index).hostname
    return tuple(_authenticated(item, secret) if urlsplit(item.url).hostname == host else item for item in found)


def _authenticated(candidate: Candidate, secret: tuple[str, str]) -> Candidate:
    from dataclasses import replace

    return replace(candidate, url=with_credentials(candidate.url, secret))


def read_metadata(candidate: Candidate) -> bytes | None:
    """Core metadata of a wheel: by PEP 658, or out of a wheel on disk; None if neither is to be had.

    Raises ResolutionError (``find-links.wheel``) for a file on disk that is no wheel.
    """
    if candidate.url.startswith("file:"):
        return _metadata_on_disk(path_of(candidate))
    if not candidate.has_metadata:
        return None
    try:
        page = fetch_page(candidate.url + ".metadata", "*/*")
    except UnreachableError:
        return None
    return page.text.encode() if page is not None else None


def _metadata_on_disk(path: Path) -> bytes | None:
    try:
        with zipfile.ZipFile(path) as wheel:
            names = [name for name in wheel.namelist() if name.endswith(".dist-info/METADATA")]
            return wheel.read(names[0]) if names else None
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError) as error:
        message = f"{path.name} in {folders_named([path.parent])} is no wheel that can be read: {error}"
        hint = "Take it out of the folder, or download it again."
        raise ResolutionError("find-links.wheel", message, hint) from error


def path_of(candidate: Candidate) -> Path:
    """The path of a wheel that lies in a folder."""
    return path_of_url(candidate.url)


def hash_candidate(candidate: Candidate) -> str | None:
    """The sha256 of a wheel's bytes, from disk or from the network; None if the bytes cannot be had."""
    if candidate.url.startswith("file:"):
        return hash_file(path_of(candidate))
    return sha256_of_url(candidate.url)


def hash_url(url: str, indexes: Iterable[str]) -> str | None:
    """The sha256 of a remote file, read with the credentials of the index on the same host, if one has them."""
    host = urlsplit(url).netloc.rpartition("@")[2]
    secrets = [credentials(index) for index in indexes if urlsplit(index).netloc.rpartition("@")[2] == host]
    return sha256_of_url(with_credentials(url, next((secret for secret in secrets if secret), None)))


def hash_file(path: Path) -> str:
    """The sha256 of a file, read in pieces."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()


def local_folders(find_links: Iterable[str], root: Path) -> tuple[Path, ...]:
    """The find-links entries that are folders on this machine."""
    folders = []
    for link in find_links:
        if link.startswith("file:"):
            path = path_of_url(link)
        elif "://" in link:
            continue
        else:
            path = root / Path(link).expanduser()
        if path.is_dir():
            folders.append(path)
    return tuple(dict.fromkeys(folders))


def folders_named(folders: Iterable[Path]) -> str:
    """Folders for a message: ``the find-links folder wheels``."""
    names = [redact(str(folder)) for folder in folders]
    return f"the find-links folder{'s' * (len(names) != 1)} {', '.join(names)}"


def read_folders(folders: Iterable[Path], name: str) -> tuple[Candidate, ...]:
    """The wheels of a project in folders, each without a digest: the bytes are hashed when one is chosen."""
    wanted = canonicalize_name(name)
    found = []
    for folder in folders:
        for path in sorted(folder.glob("*.whl")):
            candidate = make_candidate(path.name, path.resolve().as_uri(), None)
            if candidate is not None and candidate.name == wanted:
                found.append(candidate)
    return tuple(found)
