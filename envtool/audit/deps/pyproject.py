"""Read pyproject.toml and pixi.toml: PEP 621, PEP 735, uv, poetry, PDM, pixi and hatch. tomli reads, Places finds."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

import tomli
from packaging.utils import canonicalize_name

from envtool.audit.deps.model import NOTHING, Declarations, Declared, IndexOption, NamedIndex, Routed, Scope
from envtool.audit.deps.routes import parse_requirement
from envtool.audit.deps.toml_places import Places

Table = Mapping[str, Any]


def read_pyproject(text: str, *, pixi: bool = False) -> Declarations:
    """What a pyproject.toml (or, with ``pixi``, a pixi.toml) declares; nothing if it is no TOML."""
    try:
        data: Table = tomli.loads(text)
    except (tomli.TOMLDecodeError, RecursionError):
        return NOTHING
    places = Places(text)
    if pixi:
        return Declarations(requirements=tuple(_pixi(data, places, ())), options=tuple(_pixi_indexes(data, places)))
    tool = _table(data, "tool")
    uv = _table(tool, "uv")
    indexes = [*_uv_indexes(uv, places), *_poetry_indexes(_table(tool, "poetry"), places)]
    indexes += _pdm_indexes(_table(tool, "pdm"), places)
    urls = {index.name: index.url for index in indexes}
    return Declarations(
        requirements=(
            *_script(data, places),
            *_pep621(data, places),
            *_groups(data, places),
            *_poetry(_table(tool, "poetry"), places),
            *_pdm_dev(_table(tool, "pdm"), places),
            *_hatch(_table(tool, "hatch"), places),
            *_pixi(_table(tool, "pixi"), places, ("tool", "pixi")),
        ),
        builds=tuple(_build_system(data, places)),
        options=(*_uv_options(uv, places), *_pixi_indexes(_table(tool, "pixi"), places)),
        routed=(
            *_uv_sources(uv, places, urls),
            *_poetry_routed(_table(tool, "poetry"), places, urls),
            *_pdm_routed(_table(tool, "pdm"), places),
        ),
        indexes=tuple(indexes),
        backend=_text(uv.get("torch-backend")) or _text(_table(uv, "pip").get("torch-backend")),
        limited=frozenset(_limited(uv)),
        reads=_dynamic(tool),
    )


def _table(data: Table, *path: str) -> Table:
    found: Any = data
    for key in path:
        found = found.get(key) if isinstance(found, Mapping) else None
    return found if isinstance(found, Mapping) else {}


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _declared(
    value: object, places: Places, region: tuple[int, int] | None, scope: Scope = "default", group: str = ""
) -> Iterator[Declared]:
    parsed = parse_requirement(value) if isinstance(value, str) else None
    if not isinstance(value, str) or parsed is None:
        return
    name, requirement = parsed
    span = places.string(value, region or places.whole()) or places.string(value, places.whole()) or region or (0, 0)
    yield Declared(
        name=name,
        start=span[0],
        end=span[1],
        specifier=str(requirement.specifier),
        marker=str(requirement.marker) if requirement.marker else None,
        url=requirement.url,
        extras=frozenset(requirement.extras),
        scope=scope,
        group=group,
    )


def _build_system(data: Table, places: Places) -> Iterator[Declared]:
    region = places.under("requires", places.table("build-system"))
    for value in _list(_table(data, "build-system").get("requires")):
        yield from _declared(value, places, region, group="build-system")


def _script(data: Table, places: Places) -> Iterator[Declared]:
    """The block of a script (PEP 723) lists them at its top, where a pyproject.toml has nothing."""
    for value in _list(data.get("dependencies")):
        yield from _declared(value, places, places.under("dependencies", places.whole()))


def _pep621(data: Table, places: Places) -> Iterator[Declared]:
    project = _table(data, "project")
    table = places.table("project")
    region = places.under("dependencies", table)
    for value in _list(project.get("dependencies")):
        yield from _declared(value, places, region)
    extras = places.table("project", "optional-dependencies") or places.under("optional-dependencies", table)
    for group, values in _table(project, "optional-dependencies").items():
        region = places.under(group, extras)
        for value in _list(values):
            yield from _declared(value, places, region, "extra", group)


def _groups(data: Table, places: Places) -> Iterator[Declared]:
    region = places.table("dependency-groups")
    for group, values in _table(data, "dependency-groups").items():
        own = places.under(group, region)
        for value in _list(values):
            yield from _declared(value, places, own, "dev", group)
    region = places.table("tool", "uv")
    for value in _list(_table(data, "tool", "uv").get("dev-dependencies")):
        yield from _declared(value, places, region, "dev", "dev")


def _pdm_dev(pdm: Table, places: Places) -> Iterator[Declared]:
    region = places.table("tool", "pdm", "dev-dependencies")
    for group, values in _table(pdm, "dev-dependencies").items():
        for value in _list(values):
            yield from _declared(value, places, region, "dev", group)


def _hatch(hatch: Table, places: Places) -> Iterator[Declared]:
    for name, environment in _table(hatch, "envs").items():
        region = places.table("tool", "hatch", "envs", name)
        for key in ("dependencies", "extra-dependencies"):
            for value in _list(environment.get(key) if isinstance(environment, Mapping) else None):
                yield from _declared(value, places, region, "dev", name)


def _dynamic(tool: Table) -> frozenset[str]:
    found: set[str] = set()
    for entry in _table(tool, "setuptools", "dynamic").values():
        for item in [entry, *(entry.values() if isinstance(entry, Mapping) else ())]:
            files = item.get("file") if isinstance(item, Mapping) else None
            found.update([files] if isinstance(files, str) else [_text(name) for name in _list(files)])
    hatch = _table(tool, "hatch", "metadata", "hooks", "requirements_txt")
    found.update(_text(name) for name in _list(hatch.get("files")))
    return frozenset(found - {""})


# --- uv -------------------------------------------------------------------------------------------------------------


def _uv_indexes(uv: Table, places: Places) -> Iterator[NamedIndex]:
    start = 0
    for entry in _list(uv.get("index")):
        if not isinstance(entry, Mapping):
            continue
        region = places.table("tool", "uv", "index", start=start) or places.whole()
        start = region[0] + 1 if region[0] else 0
        span = places.key("url", region) or region
        explicit = entry.get("explicit") is True
        yield NamedIndex(
            name=_text(entry.get("name")), url=_text(entry.get("url")), explicit=explicit, start=span[0], end=span[1]
        )


def _uv_options(uv: Table, places: Places) -> Iterator[IndexOption]:
    for table, path in ((uv, ("tool", "uv")), (_table(uv, "pip"), ("tool", "uv", "pip"))):
        region = places.table(*path)
        for key in ("index-url", "extra-index-url", "find-links"):
            value = table.get(key)
            for url in [value] if isinstance(value, str) else _list(value):
                span = places.string(_text(url), region or places.whole()) or (0, 0)
                kind = {"index-url": "index", "extra-index-url": "extra"}.get(key, "find-links")
                yield IndexOption(kind=kind, url=_text(url), start=span[0], end=span[1])  # type: ignore[arg-type]


def _uv_sources(uv: Table, places: Places, urls: Mapping[str, str]) -> Iterator[Routed]:
    table = places.table("tool", "uv", "sources")
    for key, value in _table(uv, "sources").items():
        entries = value if isinstance(value, list) else [value]
        own = None if table and places.key(key, table) else places.table("tool", "uv", "sources", key)
        region = own or table or places.whole()
        line = places.key(key, region)
        cursor = line[0] if line else region[0]
        for entry in entries:
            if not isinstance(entry, Mapping):
                continue
            index, direct = _text(entry.get("index")), _text(entry.get("url"))
            word = re.compile(rf"\b(?:index|url)[ \t]*=[ \t]*[\"']{re.escape(index or direct)}[\"']")
            found = word.search(places.text, cursor, region[1])
            span: tuple[int, int] = line or region
            if found:
                cursor = found.end()
                span = _braces(places.text, found.start(), found.end()) or found.span()
            choice = _text(entry.get("extra")) or _text(entry.get("group"))
            yield Routed(
                name=canonicalize_name(key),
                url=urls.get(index) if index else direct or None,
                start=span[0],
                end=span[1],
                marker=_text(entry.get("marker")) or None,
                choice=choice,
                direct_only=True,
            )


def _limited(uv: Table) -> Iterator[str]:
    for key in ("constraint-dependencies", "override-dependencies"):
        for value in _list(uv.get(key)):
            parsed = parse_requirement(_text(value))
            if parsed is not None:
                yield parsed[0]


def _braces(text: str, start: int, end: int) -> tuple[int, int] | None:
    """The inline table around a span, if it stands on the same line."""
    opening, closing = text.rfind("{", 0, start), text.find("}", end)
    if opening < 0 or closing < 0 or "\n" in text[opening:start] or "\n" in text[end:closing]:
        return None
    return opening, closing + 1


# --- poetry ---------------------------------------------------------------------------------------------------------


def _poetry_tables(poetry: Table) -> Iterator[tuple[Table, tuple[str, ...], Scope, str]]:
    yield _table(poetry, "dependencies"), ("tool", "poetry", "dependencies"), "default", ""
    yield _table(poetry, "dev-dependencies"), ("tool", "poetry", "dev-dependencies"), "dev", "dev"
    for group, content in _table(poetry, "group").items():
        if isinstance(content, Mapping):
            yield _table(content, "dependencies"), ("tool", "poetry", "group", group, "dependencies"), "dev", group


def _poetry_entries(poetry: Table, places: Places) -> Iterator[tuple[str, Table, tuple[int, int], Scope, str]]:
    """Each constraint of each dependency, with its place; a plain string is a constraint with a version."""
    for table, path, scope, group in _poetry_tables(poetry):
        region = places.table(*path)
        for key, value in table.items():
            own = places.table(*path, key)
            span = (places.key(key, region) if region else None) or own or (0, 0)
            for entry in value if isinstance(value, list) else [value]:
                content: Table = entry if isinstance(entry, Mapping) else {"version": _text(entry)}
                yield key, content, span, "extra" if content.get("optional") is True else scope, group


def _poetry(poetry: Table, places: Places) -> Iterator[Declared]:
    for key, content, span, scope, group in _poetry_entries(poetry, places):
        version = _text(content.get("version"))
        # Poetry's own operators are no PEP 440; only an exact version matters here.
        exact = re.fullmatch(r"(?:==)?\s*(\d[\w.+!-]*)", version)
        yield Declared(
            name=canonicalize_name(key),
            start=span[0],
            end=span[1],
            specifier=f"=={exact.group(1)}" if exact else "",
            marker=_text(content.get("markers")) or _platform(content) or None,
            url=_text(content.get("url")) or None,
            extras=frozenset(_text(extra) for extra in _list(content.get("extras"))),
            scope=scope,
            group=group,
        )


def _platform(content: Table) -> str:
    platform = _text(content.get("platform"))
    return f"sys_platform == '{platform}'" if platform else ""


def _poetry_indexes(poetry: Table, places: Places) -> Iterator[NamedIndex]:
    start = 0
    for entry in _list(poetry.get("source")):
        if not isinstance(entry, Mapping):
            continue
        region = places.table("tool", "poetry", "source", start=start) or places.whole()
        start = region[0] + 1 if region[0] else 0
        span = places.key("url", region) or region
        explicit = _text(entry.get("priority")) == "explicit"
        yield NamedIndex(
            name=_text(entry.get("name")), url=_text(entry.get("url")), explicit=explicit, start=span[0], end=span[1]
        )


def _poetry_routed(poetry: Table, places: Places, urls: Mapping[str, str]) -> Iterator[Routed]:
    for key, content, span, scope, group in _poetry_entries(poetry, places):
        source, url = _text(content.get("source")), _text(content.get("url"))
        marker = _text(content.get("markers")) or _platform(content) or None
        extra = re.search(r"extra\s*==\s*['\"]([\w.-]+)['\"]", marker or "")
        choice = extra.group(1) if extra else group if scope == "dev" and group != "dev" else ""
        if source or url:
            name = canonicalize_name(key)
            yield Routed(
                name=name,
                url=urls.get(source) if source else url,
                start=span[0],
                end=span[1],
                marker=marker,
                choice=choice,
            )


# --- PDM and pixi ---------------------------------------------------------------------------------------------------


def _pdm_indexes(pdm: Table, places: Places) -> Iterator[NamedIndex]:
    start = 0
    for entry in _list(pdm.get("source")):
        if not isinstance(entry, Mapping):
            continue
        region = places.table("tool", "pdm", "source", start=start) or places.whole()
        start = region[0] + 1 if region[0] else 0
        span = places.key("url", region) or region
        yield NamedIndex(
            name=_text(entry.get("name")), url=_text(entry.get("url")), explicit=False, start=span[0], end=span[1]
        )


def _pdm_routed(pdm: Table, places: Places) -> Iterator[Routed]:
    for entry in _list(pdm.get("source")):
        for pattern in _list(entry.get("include_packages") if isinstance(entry, Mapping) else None):
            span = places.string(_text(pattern), places.whole()) or (0, 0)
            for name in ("torch", "torchvision", "torchaudio"):
                if re.fullmatch(re.escape(_text(pattern)).replace(r"\*", ".*"), name):
                    yield Routed(name=name, url=_text(entry.get("url")) or None, start=span[0], end=span[1])


def _pixi(pixi: Table, places: Places, prefix: tuple[str, ...]) -> Iterator[Declared]:
    """PyPI and conda dependencies of the workspace and its features; a conda name is marked by its group."""
    tables = [(pixi, prefix, "")]
    tables += [(_table(pixi, "feature", name), (*prefix, "feature", name), name) for name in _table(pixi, "feature")]
    tables += [(_table(pixi, "target", name), (*prefix, "target", name), "") for name in _table(pixi, "target")]
    for table, path, feature in tables:
        for section in ("pypi-dependencies", "dependencies"):
            region = places.table(*path, section)
            for key, value in _table(table, section).items():
                span = (places.key(key, region) if region else None) or (0, 0)
                version = _text(value) if isinstance(value, str) else _text(_table({"v": value}, "v").get("version"))
                exact = re.fullmatch(r"==?\s*(\d[\w.+!-]*)", version)
                yield Declared(
                    name=canonicalize_name(key),
                    start=span[0],
                    end=span[1],
                    specifier=f"=={exact.group(1)}" if exact else "",
                    scope="extra" if feature else "default",
                    group=f"conda:{feature}" if section == "dependencies" else feature,
                )


def _pixi_indexes(pixi: Table, places: Places) -> Iterator[IndexOption]:
    options = _table(pixi, "pypi-options")
    urls = [_text(options.get("index-url")), *(_text(url) for url in _list(options.get("extra-index-urls")))]
    for url in filter(None, urls):
        span = places.string(url, places.whole()) or (0, 0)
        yield IndexOption(kind="extra", url=url, start=span[0], end=span[1])
