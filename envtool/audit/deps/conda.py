"""Read conda's environment.yml (PyYAML's nodes) and a Pipfile (tomli)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import tomli
from packaging.utils import canonicalize_name

from envtool.audit.deps.model import NOTHING, Declarations, Declared, IndexOption, NamedIndex, Routed, Scope
from envtool.audit.deps.requirements import read_requirements
from envtool.audit.deps.toml_places import Places
from envtool.audit.models import Project, Source
from envtool.audit.yaml_nodes import get, items, scalar, sequence, span, yaml_of
from envtool.torch.family import is_gpu_payload

CONDA = "conda:"
"""The group of a conda package: its name is conda's, and no index of pip's matters to it."""

_GPU = frozenset(
    {"cudatoolkit", "cuda", "cuda-toolkit", "cuda-version", "cudnn", "pytorch-cuda", "pytorch-gpu", "cuda-runtime"}
)

_MATCH = re.compile(r"^(?:[\w./-]+::)?(?P<name>[\w.-]+?)\s*(?:[=<>!~\s[].*)?$")


def brings_cuda(name: str) -> bool:
    """Whether a conda package is CUDA, or needs it."""
    return name in _GPU or is_gpu_payload(name)


def read_conda(source: Source, project: Project) -> Declarations:
    """Conda packages (``group`` is ``conda:``, ``specifier`` the rest as written) and the pip requirements below."""
    requirements: list[Declared] = []
    options: list[IndexOption] = []
    for node in sequence(get(yaml_of(source, project), "dependencies")):
        text = scalar(node).strip()
        match = _MATCH.match(text)
        if match:
            start, end = span(node)
            requirements.append(
                Declared(
                    name=canonicalize_name(match.group("name")),
                    start=start,
                    end=end,
                    specifier=text[match.end("name") :],
                    group=CONDA,
                )
            )
        for key, _, value in items(node):
            if key == "pip":
                for item in sequence(value):
                    start, end = span(item)
                    found = read_requirements(scalar(item))
                    requirements += [_moved(declared, start, end) for declared in found.requirements]
                    options += [
                        IndexOption(kind=option.kind, url=option.url, start=start, end=end) for option in found.options
                    ]
    return Declarations(requirements=tuple(requirements), options=tuple(options))


def _moved(declared: Declared, start: int, end: int) -> Declared:
    return Declared(
        name=declared.name,
        start=start,
        end=end,
        specifier=declared.specifier,
        marker=declared.marker,
        url=declared.url,
        extras=declared.extras,
        hashed=declared.hashed,
    )


def read_pipfile(text: str) -> Declarations:
    """``[packages]``, ``[dev-packages]`` and ``[[source]]`` of a Pipfile."""
    try:
        data: Mapping[str, Any] = tomli.loads(text)
    except (tomli.TOMLDecodeError, RecursionError):
        return NOTHING
    places = Places(text)
    sources = data.get("source")
    urls: dict[str, str] = {}
    indexes: list[NamedIndex] = []
    for number, entry in enumerate(sources if isinstance(sources, list) else []):
        if isinstance(entry, Mapping) and isinstance(entry.get("url"), str):
            name = str(entry.get("name", number))
            urls[name] = entry["url"]
            at = places.string(entry["url"], places.whole()) or (0, 0)
            # pipenv asks a later source only for packages that name it.
            indexes.append(NamedIndex(name=name, url=entry["url"], explicit=number > 0, start=at[0], end=at[1]))
    requirements: list[Declared] = []
    routed: list[Routed] = []
    tables: tuple[tuple[str, Scope], ...] = (("packages", "default"), ("dev-packages", "dev"))
    for section, scope in tables:
        table = data.get(section)
        region = places.table(section)
        for key, value in table.items() if isinstance(table, Mapping) else ():
            at = (places.key(key, region) if region else None) or (0, 0)
            content = value if isinstance(value, Mapping) else {"version": value}
            version = str(content.get("version", ""))
            name = canonicalize_name(key)
            requirements.append(
                Declared(
                    name=name,
                    start=at[0],
                    end=at[1],
                    specifier=version if version.startswith("=") else "",
                    marker=content.get("markers") if isinstance(content.get("markers"), str) else None,
                    url=content.get("file") if isinstance(content.get("file"), str) else None,
                    scope=scope,
                )
            )
            index = content.get("index")
            if isinstance(index, str):
                routed.append(Routed(name=name, url=urls.get(index), start=at[0], end=at[1]))
    return Declarations(requirements=tuple(requirements), routed=tuple(routed), indexes=tuple(indexes))
