from __future__ import annotations

from pathlib import Path

from envtool.audit.classify import classify
from envtool.audit.deps.locks import LockContent
from envtool.audit.deps.model import Declarations
from envtool.audit.deps.pyproject import read_pyproject
from envtool.audit.deps.read import beside, declarations_of, included, includers, lock_of
from envtool.audit.models import Project, Source

CPU = "https://download.pytorch.org/whl/cpu"
CU = "https://download.pytorch.org/whl/cu121"


def project_of(files: dict[str, str]) -> Project:
    sources = {}
    for path, text in files.items():
        kind = classify(path)
        assert kind is not None
        sources[path] = Source(path=path, absolute=Path(path), kind=kind, text=text)
    return Project(root=Path(), sources=sources)


def read(path: str, text: str) -> Declarations:
    project = project_of({path: text})
    return declarations_of(project.sources[path], project)


def shown(text: str, declarations: Declarations) -> list[tuple[str, str, str, str]]:
    return [(r.name, r.scope, r.group, text[r.start : r.end]) for r in declarations.requirements]


def test_pep_621_and_735_with_equal_strings() -> None:
    text = (
        '[project]\nname = "torch"\ndependencies = ["torch", "numpy"]\n[project.optional-dependencies]\n'
        'cpu = [\'torch\']\n[dependency-groups]\ndev = ["torch", {include-group = "x"}]\n'
    )
    found = read_pyproject(text)
    assert shown(text, found) == [
        ("torch", "default", "", '"torch"'),
        ("numpy", "default", "", '"numpy"'),
        ("torch", "extra", "cpu", "'torch'"),
        ("torch", "dev", "dev", '"torch"'),
    ]
    lines = [text.count("\n", 0, entry.start) + 1 for entry in found.requirements]
    assert lines == [3, 3, 5, 7]


def test_uv_sources_in_their_forms() -> None:
    text = (
        '[tool.uv]\ntorch-backend = "cu128"\n[tool.uv.sources]\n'
        'torch = [\n  { index = "cpu", marker = "sys_platform == \'darwin\'" },\n'
        '  { index = "cu", extra = "gpu" },\n]\n'
        f'torchvision.index = "cu"\n[[tool.uv.index]]\nname = "cpu"\nurl = "{CPU}"\nexplicit = true\n'
        f'[[tool.uv.index]]\nname = "cu"\nurl = "{CU}"\n'
    )
    found = read_pyproject(text)
    assert [(r.name, r.url, r.marker, r.choice, text.count("\n", 0, r.start) + 1) for r in found.routed] == [
        ("torch", CPU, "sys_platform == 'darwin'", "", 5),
        ("torch", CU, None, "gpu", 6),
        ("torchvision", CU, None, "", 8),
    ]
    assert [(i.name, i.explicit, text[i.start : i.end]) for i in found.indexes] == [
        ("cpu", True, f'url = "{CPU}"'),
        ("cu", False, f'url = "{CU}"'),
    ]
    assert found.backend == "cu128"


def test_poetry_constraints() -> None:
    text = (
        '[tool.poetry.dependencies]\ntorch = [\n  {version = "2.3.0", source = "cpu", markers = "extra == \'cpu\'"},\n'
        '  {version = "^2.3", source = "cu", platform = "linux"},\n]\ntimm = {version = "*", optional = true}\n'
        f'[tool.poetry.group.gpu.dependencies]\ntriton = "3.0"\n[[tool.poetry.source]]\nname = "cpu"\nurl = "{CPU}"\n'
    )
    found = read_pyproject(text)
    assert [(r.name, r.scope, r.specifier, r.marker) for r in found.requirements] == [
        ("torch", "default", "==2.3.0", "extra == 'cpu'"),
        ("torch", "default", "", "sys_platform == 'linux'"),
        ("timm", "extra", "", None),
        ("triton", "dev", "==3.0", None),
    ]
    assert [(r.url, r.choice) for r in found.routed] == [(CPU, "cpu"), (None, "")]


def test_a_pyproject_that_is_no_toml_or_has_odd_values_says_nothing_wrong() -> None:
    assert read_pyproject("[project\n") == Declarations()
    text = '[project]\ndependencies = "torch"\n[tool]\nuv = 1\npoetry = []\n[tool.pdm]\nsource = [1]\n'
    assert read_pyproject(text).requirements == ()


def test_setuptools_files() -> None:
    text = (
        "import setuptools\nsetuptools.setup(install_requires=['torch>=2'] + read('requirements.txt'),\n"
        "    extras_require={'gpu': ['triton']})\n"
    )
    found = read("setup.py", text)
    assert shown(text, found) == [("torch", "default", "", "'torch>=2'"), ("triton", "extra", "gpu", "'triton'")]
    assert found.reads == {"requirements.txt"}
    text = "[options]\ninstall_requires =\n    torch>=2 ; python_version > '3'\n"
    text += "[options.extras_require]\ngpu =\n  triton\n"
    found = read("setup.cfg", text)
    assert [row[:3] for row in shown(text, found)] == [("torch", "default", ""), ("triton", "extra", "gpu")]
    assert text[found.requirements[1].start :].startswith("triton")
    assert read("setup.cfg", "[options]\ninstall_requires = file: requirements.txt\n").reads == {"requirements.txt"}


def test_conda_and_pipfile() -> None:
    text = "dependencies:\n  - conda-forge::pytorch=2.3=*cuda*\n"
    text += "  - pip:\n    - -f https://x.example/whl/cu121\n    - torch==2.3\n"
    found = read("environment.yml", text)
    assert shown(text, found) == [
        ("pytorch", "default", "conda:", "conda-forge::pytorch=2.3=*cuda*"),
        ("torch", "default", "", "torch==2.3"),
    ]
    assert [option.url for option in found.options] == ["https://x.example/whl/cu121"]
    text = (
        '[[source]]\nname = "main"\nurl = "https://pypi.example/simple"\n'
        f'[[source]]\nname = "cu"\nurl = "{CU}"\n'
        '[packages]\ntorch = {version = "==2.3.0", index = "cu"}\nnumpy = "*"\n'
    )
    found = read("Pipfile", text)
    assert [(entry.name, entry.specifier) for entry in found.requirements] == [("torch", "==2.3.0"), ("numpy", "")]
    assert [(routed.name, routed.url) for routed in found.routed] == [("torch", CU)]
    assert [index.explicit for index in found.indexes] == [False, True]


def lock(path: str, text: str) -> LockContent:
    project = project_of({path: text})
    return lock_of(project.sources[path], project)


def test_locks() -> None:
    poetry = (
        '[[package]]\nname = "nvidia-cublas-cu12"\nversion = "12"\n\n[[package]]\nname = "torch"\nversion = "2.7.0"\n'
    )
    found = lock("poetry.lock", poetry)
    assert [(entry.version, entry.url, poetry[entry.start : entry.end]) for entry in found.torch] == [
        ("2.7.0", "", 'name = "torch"')
    ]
    assert found.gpu == ("nvidia-cublas-cu12",)
    pylock = f'lock-version = "1.0"\n[[packages]]\nname = "torch"\nversion = "2.13.0+cpu"\nindex = "{CPU}"\n'
    assert [(entry.version, entry.url) for entry in lock("pylock.toml", pylock).torch] == [("2.13.0+cpu", CPU)]
    pipenv = '{"_meta": {"sources": [{"name": "cu", "url": "' + CU + '"}]},\n'
    pipenv += ' "default": {\n  "torch": {"version": "==2.3.0", "index": "cu"}}}'
    found = lock("Pipfile.lock", pipenv)
    assert [(entry.version, entry.url, pipenv[entry.start : entry.end]) for entry in found.torch] == [
        ("2.3.0", CU, '"torch"')
    ]
    assert lock("uv.lock", 'name = "torch"\n[[') == LockContent()
    assert lock("Pipfile.lock", "{") == LockContent()


def test_includes_follow_folders_cycles_and_missing_files() -> None:
    project = project_of(
        {
            "requirements/base.txt": "-r dev.txt\n-r gone.txt\ntorch\n",
            "requirements/dev.txt": "-r base.txt\n-c ../constraints.txt\n",
            "constraints.txt": "numpy<2\n",
        }
    )
    base, constraints = project.sources["requirements/base.txt"], project.sources["constraints.txt"]
    assert [source.path for source in included(base, project)] == ["requirements/base.txt", "requirements/dev.txt"]
    assert constraints in included(base, project, constraints=True)
    assert [source.path for source in includers(constraints, project)] == [
        "requirements/base.txt",
        "requirements/dev.txt",
    ]
    assert beside("a/b.txt", "..\\c.txt") == "c.txt"
