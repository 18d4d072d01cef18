from __future__ import annotations

from pathlib import Path

import pytest

from envtool.audit.classify import classify
from envtool.audit.install.torch_steps import torch_steps
from envtool.audit.models import Project, Source

ROOT = {"requirements.txt": "torch\n", "docs/requirements.txt": "sphinx\n"}
TWO = {"svc/requirements.txt": "torch\n", "web/requirements.txt": "flask\n"}
METADATA = {"pyproject.toml": '[project]\nname = "a"\nversion = "1"\ndependencies = ["torch"]\n'}


def installed(files: dict[str, str], path: str, instructions: str) -> list[str]:
    """The files that the steps of a Dockerfile take torch from; the name of torch where they name it."""
    sources = {}
    for name, text in {**files, path: f"FROM python:3.11\n{instructions}"}.items():
        kind = classify(name)
        assert kind is not None
        sources[name] = Source(path=name, absolute=Path(name), kind=kind, text=text)
    project = Project(root=Path(), sources=sources)
    return [step.file.path if step.file else step.how for step in torch_steps(sources[path], project)]


@pytest.mark.parametrize(
    ("files", "path", "instructions", "expected"),
    [
        (ROOT, "Dockerfile", "COPY . /app\nRUN pip install -r /app/requirements.txt", ["requirements.txt"]),
        (ROOT, "Dockerfile", "COPY docs /d\nRUN pip install -r /d/requirements.txt", []),
        (ROOT, "Dockerfile", "COPY requirements.txt /tmp/requirements.txt\nRUN pip install -r /tmp/requirements.txt",
         ["requirements.txt"]),
        (ROOT, "Dockerfile", ("ENV H=/srv\nWORKDIR $H/app\nCOPY [\"requirements.txt\", \"./r.txt\"]\n"
         "RUN pip install -r /srv/app/r.txt"), ["requirements.txt"]),
        (ROOT, "Dockerfile", "WORKDIR /app\nCOPY requirements*.txt ./\nRUN pip install -r requirements.txt",
         ["requirements.txt"]),
        (ROOT, "Dockerfile", "ADD --chown=1:1 requirements.txt /tmp/r.txt\nRUN cd /tmp && pip install -r r.txt",
         ["requirements.txt"]),
        (ROOT, "Dockerfile", "RUN --mount=type=bind,source=requirements.txt,target=/r.txt pip install -r /r.txt",
         ["requirements.txt"]),
        (ROOT, "Dockerfile", "RUN pip install -r /unknown/requirements.txt", ["requirements.txt"]),
        (TWO, "svc/Dockerfile", "COPY requirements.txt /tmp/\nRUN pip install -r /tmp/requirements.txt",
         ["svc/requirements.txt"]),
        (TWO, "svc/Dockerfile", "RUN pip install -r /unknown/requirements.txt", ["svc/requirements.txt"]),
        (TWO, "web/Dockerfile", "COPY requirements.txt /tmp/\nRUN pip install -r /tmp/requirements.txt", []),
        (TWO, "docker/Dockerfile", "COPY svc/ /srv\nRUN pip install -r /srv/requirements.txt",
         ["svc/requirements.txt"]),
        (TWO, "docker/Dockerfile", "RUN pip install -r /unknown/requirements.txt", []),
        (METADATA, "Dockerfile", "COPY pyproject.toml /app/\nRUN pip install /app", ["project"]),
        (METADATA, "Dockerfile", "COPY . /src\nWORKDIR /src\nRUN pip install .", ["project"]),
        ({}, "Dockerfile", "ONBUILD RUN pip install torch", ["named"]),
        (ROOT, "Dockerfile", "ONBUILD COPY requirements.txt /r.txt\nONBUILD RUN pip install -r /r.txt",
         ["requirements.txt"]),
    ],
)  # fmt: skip
def test_the_file_that_a_path_in_an_image_means(
    files: dict[str, str], path: str, instructions: str, expected: list[str]
) -> None:
    assert installed(files, path, instructions) == expected


def test_a_stage_has_the_files_of_the_one_it_goes_on_from() -> None:
    later = "COPY requirements.txt /r.txt\nFROM base\nRUN pip install -r /r.txt"
    files = {"requirements.txt": "torch\n"}
    assert installed(files, "Dockerfile", later.replace("FROM base", "FROM python:3.12")) == []
    named = "FROM scratch AS base\n" + later
    assert installed(files, "Dockerfile", named) == ["requirements.txt"]
