from __future__ import annotations

import pytest

from envtool.audit.install.commands import Install, parse_install
from envtool.audit.install.lex import Dialect, lex
from envtool.audit.install.variables import assignments, expand


def parsed(text: str, environment: dict[str, str] | None = None, dialect: Dialect = "sh") -> Install | None:
    command = next(iter(lex(text, 0, len(text), dialect)))
    return parse_install(command, environment or {})


def install(text: str, environment: dict[str, str] | None = None) -> Install:
    found = parsed(text, environment)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("text", "tool"),
    [
        ("pip install torch", "pip"),
        ("sudo -H pip3.11 --no-cache-dir install torch", "pip"),
        ("python3.10 -m pip install torch", "pip"),
        ("py -3 -m pip install torch", "pip"),
        ("/srv/venv/bin/pip install torch", "pip"),
        ("$(PIP) install torch", "pip"),
        ("${PYTHON} -m pip install torch", "pip"),
        ("PIP_NO_CACHE_DIR=1 pip install torch", "pip"),
        ("@pip install torch", "pip"),
        ("poetry run pip install torch", "pip"),
        ("conda run -n app python -m pip install torch", "pip"),
        ("uv pip install --system torch", "uv pip"),
        ("uv --quiet add torch", "uv add"),
        ("uv tool install torch", "uv tool"),
        ("poetry add torch", "poetry add"),
        ("pipx install torch", "pipx"),
    ],
)
def test_ways_to_install(text: str, tool: str) -> None:
    found = install(text)
    assert found.tool == tool
    assert [requirement.name for requirement in found.requirements] == ["torch"]


@pytest.mark.parametrize(
    "text",
    [
        "echo pip install torch",
        "pip download torch",
        "pip uninstall -y torch",
        "apt-get install -y python3-torch",
        "npm install torch",
        "python train.py install torch",
        "pip --version",
        "uv run pytest torch",
        "grep 'pip install torch' README.md",
    ],
)
def test_what_is_no_install(text: str) -> None:
    assert parsed(text) is None


def test_options() -> None:
    found = install(
        "pip install -U --no-deps -r a.txt -rb.txt --requirement=c.txt -c no.txt -i https://a.example "
        "--extra-index-url https://b.example -f https://c.example --find-links=./d --platform x 'torch>=2' numpy"
    )
    assert [word.text for word in found.files] == ["a.txt", "b.txt", "c.txt"]
    assert [word.text for word in found.index] == ["https://a.example"]
    assert [word.text for word in found.extra_index] == ["https://b.example"]
    assert [word.text for word in found.find_links] == ["https://c.example", "./d"]
    assert [requirement.name for requirement in found.requirements] == ["torch", "numpy"]
    assert found.renew
    assert found.no_deps
    assert not found.no_index


def test_projects_and_their_extras() -> None:
    found = install("pip install -e . './sub[a,b]' /src '.[dev]'")
    assert [(local.path, sorted(local.extras)) for local in found.locals] == [
        (".", []),
        ("./sub", ["a", "b"]),
        ("/src", []),
        (".", ["dev"]),
    ]
    synced = install("uv sync --extra cpu --all-extras --torch-backend=cpu")
    assert synced.of_project
    assert synced.extras == {"cpu", "*"}
    assert synced.backend == "cpu"


def test_versions_that_only_the_run_knows() -> None:
    found = install("pip install torch==${{ matrix.torch }}+cpu torchvision==$TV numpy>=1")
    assert [(r.name, r.specifier) for r in found.requirements] == [
        ("torch", "==0+cpu"),
        ("torchvision", "==0"),
        ("numpy", ">=1"),
    ]


def test_conda_names() -> None:
    found = install("conda install -y -c pytorch -n app pytorch=2.3 cpuonly conda-forge::numpy")
    assert found.tool == "conda"
    assert [requirement.name for requirement in found.requirements] == ["pytorch", "cpuonly", "numpy"]


def test_variables_are_expanded() -> None:
    environment = {"INDEX": "https://x.example/$WHAT", "WHAT": "cpu"}
    assert install("pip install torch -i ${INDEX}", environment).index[0].text == "https://x.example/cpu"
    assert expand("${A:-b}/$(C)/%D%/$env:E/${{ env.F }}/$G", {"D": "d", "F": "f"}) == "b/$(C)/d/$env:E/f/$G"
    assert expand("$A", {"A": "$A"}) == "$A"


@pytest.mark.parametrize(
    ("text", "dialect", "expected"),
    [
        ("export A=1 B='2 3'", "sh", {"A": "1", "B": "2 3"}),
        ("A=1", "sh", {"A": "1"}),
        ("A=1 pip install x", "sh", {}),
        ("set A=1", "batch", {"A": "1"}),
        ('$env:A = "1"', "powershell", {"A": "1"}),
        ('echo "A=1" >> $GITHUB_ENV', "sh", {"A": "1"}),
        ("pip config set global.index-url https://x.example", "sh", {"PIP_INDEX_URL": "https://x.example"}),
        ("echo A=1", "sh", {}),
    ],
)
def test_what_sets_a_variable_for_later_commands(text: str, dialect: Dialect, expected: dict[str, str]) -> None:
    command = next(iter(lex(text, 0, len(text), dialect)))
    assert assignments(command, {}) == expected
