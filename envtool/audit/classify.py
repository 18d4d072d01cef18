"""What kind of file a path is, by its name alone."""

from __future__ import annotations

import re
from fnmatch import fnmatchcase
from functools import lru_cache

from envtool.audit.models import SourceKind

# First match wins; patterns are over the lower-case POSIX path ("**/" at the start means any folder).
_NAMES: tuple[tuple[SourceKind, tuple[str, ...]], ...] = (
    ("setup-py", ("setup.py",)),
    ("python", ("*.py", "*.pyw", "*.pyi")),
    ("notebook", ("*.ipynb",)),
    ("spec", ("*.spec",)),
    (
        "lock",
        (
            "uv.lock",
            "poetry.lock",
            "pdm.lock",
            "pixi.lock",
            "pipfile.lock",
            "pylock.toml",
            "pylock.*.toml",
            "conda-lock.yml",
            "*.conda-lock.yml",
        ),
    ),
    ("pyproject", ("pyproject.toml", "pixi.toml")),
    ("setup-cfg", ("setup.cfg",)),
    ("pipfile", ("pipfile",)),
    (
        "conda",
        (
            "environment*.yml",
            "environment*.yaml",
            "*environment.yml",
            "*environment.yaml",
            "conda*.y*ml",
            "env.y*ml",
            "*[-_]env.y*ml",
        ),
    ),
    (
        "dockerfile",
        (
            "dockerfile",
            "dockerfile.*",
            "*dockerfile",
            "dockerfile-*",
            "dockerfile_*",
            "containerfile",
            "containerfile.*",
            "containerfile-*",
            "*.containerfile",
        ),
    ),
    ("compose", ("docker-compose*.y*ml", "compose*.y*ml", "*[-_.]compose.y*ml")),
    (
        "ci",
        (
            ".gitlab-ci.y*ml",
            "*.gitlab-ci.y*ml",
            "azure-pipelines*.y*ml",
            "jenkinsfile",
            "jenkinsfile.*",
            "*.jenkinsfile",
            ".travis.yml",
            "appveyor.yml",
            ".appveyor.yml",
            "bitbucket-pipelines.yml",
            ".drone.yml",
            "action.yml",
            "action.yaml",
        ),
    ),
    ("makefile", ("makefile", "gnumakefile", "makefile.*", "*.mk", "*.make", "justfile")),
    ("shell", ("*.sh", "*.bash", "*.zsh", "*.ps1", "*.bat", "*.cmd")),
    (
        "requirements",
        (
            "*requirements*.txt",
            "*requirments*.txt",
            "*requirements*.in",
            "*requirements*.lock",
            "constraints*.txt",
            "*-constraints.txt",
            "*reqs*.txt",
        ),
    ),
    ("config", ("*.yaml", "*.yml", "*.json", "*.toml")),
    ("model", ("*.pt", "*.pth", "*.jit", "*.ckpt", "*.pt2", "*.torchscript", "*.ptl", "*.ts", "*.bin", "*.pth.tar")),
)

_CI_FOLDERS = re.compile(r"(^|/)(\.github/workflows|\.circleci|\.gitlab|\.azure-pipelines|\.buildkite)/.*\.ya?ml$")
_CONDA_FOLDERS = re.compile(r"(^|/)environments/[^/]*\.ya?ml$")
_REQUIREMENT_FOLDERS = re.compile(r"(^|/)(requirements?|reqs)/(.*/)?[^/]*\.(txt|in)$")


@lru_cache(maxsize=8192)
def classify(path: str) -> SourceKind | None:
    """The kind of a path (relative, POSIX), or None when no rule looks at such files."""
    lower = path.lower()
    if _CI_FOLDERS.search(lower):
        return "ci"
    if _CONDA_FOLDERS.search(lower):
        return "conda"
    if _REQUIREMENT_FOLDERS.search(lower):
        return "requirements"
    name = lower.rsplit("/", 1)[-1]
    for kind, patterns in _NAMES:
        if any(fnmatchcase(name, pattern) for pattern in patterns):
            return kind
    return None


_TESTS = re.compile(r"(^|/)(tests?|testing|unit_?tests?|integration_tests?)/|(^|/)conftest\.py$")
_TEST_NAMES = re.compile(r"(^|/)(test_[^/]*|[^/]*_test)\.py$")
_EXAMPLES = re.compile(r"(^|/)(examples?|samples?|demos?|docs?|tutorials?|notebooks?|playground|cookbook)/")
_BENCHMARKS = re.compile(r"(^|/)(bench(mark)?(s|ing)?|perf|profiling)/|(^|/)(bench(mark)?)[^/]*\.py$")


@lru_cache(maxsize=8192)
def is_test(path: str) -> bool:
    """Whether a path lies in the folder of a test suite."""
    return _TESTS.search(path.lower()) is not None


@lru_cache(maxsize=8192)
def may_be_test(path: str) -> bool:
    """Whether a file is named like a test. Scripts that evaluate a model often are, too."""
    return _TEST_NAMES.search(path.lower()) is not None


@lru_cache(maxsize=8192)
def is_example(path: str) -> bool:
    """Whether a path is an example or part of the documentation."""
    return _EXAMPLES.search(path.lower()) is not None


@lru_cache(maxsize=8192)
def is_benchmark(path: str) -> bool:
    """Whether a path is a benchmark."""
    return _BENCHMARKS.search(path.lower()) is not None
