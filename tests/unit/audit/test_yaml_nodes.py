from __future__ import annotations

from pathlib import Path

from envtool.audit.models import Project, Skipped, Source, SourceKind
from envtool.audit.yaml_nodes import get, items, scalar, sequence, span, yaml_of


def read(text: str, kind: SourceKind = "ci") -> tuple[Source, Project]:
    source = Source(path="a.yml", absolute=Path("a.yml"), kind=kind, text=text)
    return source, Project(root=Path(), sources={"a.yml": source})


def test_places_count_characters() -> None:
    text = "# é 😀\na:\n  - b: 'ü'\n  - c\n"
    source, project = read(text)
    root = yaml_of(source, project)
    node = get(sequence(get(root, "a"))[0], "b")
    assert node is not None
    assert scalar(node) == "ü"
    assert text[slice(*span(node))] == "'ü'"


def test_merge_keys_are_followed_and_a_loop_ends() -> None:
    source, project = read(
        "base: &b {image: x, script: z}\njob:\n  <<: *b\n  script: y\nmore:\n  <<: [*b]\nloop: &l\n  <<: *l\n  z: 1\n"
    )
    root = yaml_of(source, project)
    assert [key for key, _, _ in items(get(root, "job"))] == ["script", "image"]
    assert scalar(get(root, "job", "script")) == "y"
    assert scalar(get(root, "more", "image")) == "x"
    assert [key for key, _, _ in items(get(root, "loop"))] == ["z"]


def test_the_last_of_several_documents() -> None:
    source, project = read("spec:\n  inputs: {}\n---\ntest:\n  script: a\n")
    assert [key for key, _, _ in items(yaml_of(source, project))] == ["test"]


def test_what_is_no_yaml_is_a_skipped_row_but_for_configs() -> None:
    source, project = read("{{ a }}: [\n")
    assert yaml_of(source, project) is None
    assert project.cache["skipped", "a.yml"] == Skipped(path="a.yml", reason="not YAML (line 2)", amiss=True)
    source, project = read("a: [", "config")
    assert yaml_of(source, project) is None
    assert ("skipped", "a.yml") not in project.cache


def test_other_nodes_give_nothing() -> None:
    source, project = read("- a\n")
    root = yaml_of(source, project)
    assert list(items(root)) == []
    assert get(root, "a", "b") is None
    assert sequence(get(root, "a")) == []
    assert scalar(root) == ""
