"""YAML with places: PyYAML's node graph, whose marks are offsets."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, cast

from envtool.audit.models import Project, Skipped, Source

if TYPE_CHECKING:
    import yaml


def yaml_of(source: Source, project: Project) -> yaml.Node | None:
    """The root node of a YAML source, composed once; None when it is no YAML, which adds a skipped row."""
    key = ("yaml", source.path)
    if key not in project.cache:
        project.cache[key] = _compose(source, project)
    found = project.cache[key]
    return cast("yaml.Node | None", found)


def _compose(source: Source, project: Project) -> yaml.Node | None:
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        # GitLab puts its inputs into a document of their own before the jobs.
        documents = [node for node in yaml.compose_all(source.text, Loader=loader) if node is not None]
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        mark = getattr(error, "problem_mark", None)
        where = f" (line {mark.line + 1})" if mark is not None else ""
        if source.kind != "config":
            project.cache["skipped", source.path] = Skipped(path=source.path, reason=f"not YAML{where}", amiss=True)
        return None
    return documents[-1] if documents else None


def items(node: yaml.Node | None) -> Iterator[tuple[str, yaml.Node, yaml.Node]]:
    """Key text, key node and value node of a mapping; nothing for any other node.

    What a merge key (``<<``) brings comes after the mapping's own keys, each key once. A loop of merges ends.
    """
    import yaml

    pending: list[yaml.Node | None] = [node]
    seen: list[yaml.Node] = []
    given: set[str] = set()
    while pending:
        current = pending.pop(0)
        if not isinstance(current, yaml.MappingNode) or any(current is other for other in seen):
            continue
        seen.append(current)
        for key, value in current.value:
            if not isinstance(key, yaml.ScalarNode):
                continue
            if key.value == "<<":
                pending += sequence(value) or [value]
            elif key.value not in given:
                given.add(key.value)
                yield key.value, key, value


def get(node: yaml.Node | None, *path: str) -> yaml.Node | None:
    """The node at a path of keys, or None."""
    for wanted in path:
        node = next((value for key, _, value in items(node) if key == wanted), None)
    return node


def sequence(node: yaml.Node | None) -> list[yaml.Node]:
    """The elements of a sequence; an empty list for any other node."""
    import yaml

    return list(node.value) if isinstance(node, yaml.SequenceNode) else []


def scalar(node: yaml.Node | None) -> str:
    """The text of a scalar, or an empty string."""
    import yaml

    return str(node.value) if isinstance(node, yaml.ScalarNode) else ""


def span(node: yaml.Node) -> tuple[int, int]:
    """The offsets of a node in the text."""
    return int(node.start_mark.index), int(node.end_mark.index)
