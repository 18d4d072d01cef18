"""Which source the requirements come from, and what becomes of each line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from envtool.errors import NoInputsError, ResolutionError, UsageError
from envtool.lock.request import RequestOptions, build_request
from envtool.models import Request
from envtool.settings import Settings
from envtool.torch.backends import is_pytorch_index

PROJECT = (
    '[project]\nname = "app"\nversion = "1"\ndependencies = ["torch", "project-dep"]\nrequires-python = ">=3.11"\n'
)
SCRIPT = '# /// script\n# requires-python = ">=3.12"\n# dependencies = ["torch", "script-dep"]\n# ///\nprint()\n'


def ask(root: Path, settings: Settings | None = None, **options: Any) -> Request:
    return build_request(root, RequestOptions(**options), settings or Settings(), "3.11")


def listed(request: Request) -> list[str]:
    return [str(item.requirement) for item in request.requirements]


def codes(request: Request) -> list[str]:
    return [note.code for note in request.notes]


def write(root: Path, **texts: str) -> None:
    for name, text in texts.items():
        path = root / name.replace("__", ".")
        path.write_text(text, encoding="utf-8")


def test_the_first_source_wins(tmp_path: Path) -> None:
    write(tmp_path, requirements__txt="torch\nfrom-txt\n", requirements__in="torch\nfrom-in\n", script__py=SCRIPT)
    write(tmp_path, pyproject__toml=PROJECT, other__txt="torch\nfrom-other\n")
    settings = Settings(requirements=("torch", "from-settings"))
    script = tmp_path / "script.py"
    file = tmp_path / "other.txt"
    assert listed(ask(tmp_path, settings, specifiers=("torch",), script=script)) == ["torch"]
    assert listed(ask(tmp_path, settings, files=(file,), script=script)) == ["torch", "from-other"]
    both = ask(tmp_path, settings, specifiers=("numpy<3",), files=(file,))
    assert listed(both) == ["numpy<3", "torch", "from-other"]
    assert both.source == "the command line and other.txt"
    nested = tmp_path / "requirements/base.txt"
    nested.parent.mkdir()
    nested.write_text("torch\n", encoding="utf-8")
    assert ask(tmp_path, settings, files=(nested,)).source == "requirements/base.txt"
    nested.unlink()
    assert listed(ask(tmp_path, settings, script=script)) == ["torch", "script-dep"]
    assert listed(ask(tmp_path, settings)) == ["torch", "from-settings"]
    assert listed(ask(tmp_path)) == ["torch", "project-dep"]
    (tmp_path / "pyproject.toml").unlink()
    assert listed(ask(tmp_path)) == ["torch", "from-in"]
    (tmp_path / "requirements.in").unlink()
    assert listed(ask(tmp_path)) == ["torch", "from-txt"]
    (tmp_path / "requirements.txt").unlink()
    nothing = ask(tmp_path)
    assert listed(nothing) == ["torch"]
    assert codes(nothing) == ["request.default"]


def test_a_script_with_a_byte_order_mark(tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text(SCRIPT, encoding="utf-8-sig")
    assert listed(ask(tmp_path, script=tmp_path / "script.py")) == ["torch", "script-dep"]


def test_requires_python(tmp_path: Path) -> None:
    plain = ask(tmp_path)
    assert (str(plain.python), plain.python_given) == (">=3.11", False)
    write(tmp_path, pyproject__toml=PROJECT.replace(">=3.11", ">=3.10,<3.13"), script__py=SCRIPT)
    given = ask(tmp_path)
    assert (str(given.python), given.python_given) == ("<3.13,>=3.10", True)
    assert str(ask(tmp_path, script=tmp_path / "script.py").python) == ">=3.12"
    write(tmp_path, pyproject__toml=PROJECT.replace(">=3.11", "3.11"))
    with pytest.raises(UsageError, match="requires-python is not valid"):
        ask(tmp_path)


def test_a_pyproject_without_a_project_table_is_passed_over(tmp_path: Path) -> None:
    write(tmp_path, pyproject__toml="[tool.ruff]\nline-length = 100\n", requirements__txt="torch\n")
    assert ask(tmp_path).source == "requirements.txt"


EXTRAS = PROJECT + (
    '[project.optional-dependencies]\nweb = ["flask", "app[Fast_API]"]\nfast-api = ["fastapi", "app[web]"]\n'
    'all = ["app[web]"]\n'
)


def test_extras_that_name_each_other(tmp_path: Path) -> None:
    write(tmp_path, pyproject__toml=EXTRAS)
    assert listed(ask(tmp_path, extras=("all",))) == ["torch", "project-dep", "flask", "fastapi"]
    assert listed(ask(tmp_path, extras=("WEB",))) == ["torch", "project-dep", "flask", "fastapi"]
    with pytest.raises(UsageError) as caught:
        ask(tmp_path, extras=("nothing",))
    assert caught.value.code == "request.extra"
    assert caught.value.hint == "Its extras: all, fast-api, web."
    write(tmp_path, pyproject__toml=PROJECT)
    for choice, message in (
        ({"extras": ("web",)}, "pyproject.toml has no extra 'web'"),
        ({"groups": ("dev",)}, "pyproject.toml has no dependency group 'dev'"),
    ):
        with pytest.raises(UsageError) as caught:
            ask(tmp_path, **choice)
        assert (caught.value.message, caught.value.hint) == (message, "It has none at all.")


def test_extras_and_groups_without_a_pyproject_toml(tmp_path: Path) -> None:
    write(tmp_path, requirements__txt="torch\n")
    for kind in ("extra", "group"):
        with pytest.raises(UsageError) as caught:
            ask(tmp_path, **{f"{kind}s": ("web", "dev")})
        assert caught.value.code == f"request.{kind}"
        assert caught.value.message == f"there is no pyproject.toml here, and so no {kind} 'web' or 'dev'"
        assert caught.value.hint == f"Leave --{kind} out, or go to the project's folder."


GROUPS = PROJECT + '[dependency-groups]\ntest = ["pytest", {include-group = "base"}]\nbase = ["coverage"]\n'


def test_groups(tmp_path: Path) -> None:
    write(tmp_path, pyproject__toml=GROUPS)
    assert listed(ask(tmp_path, groups=("test",))) == ["torch", "project-dep", "pytest", "coverage"]
    for text, groups in (
        (GROUPS, ("gone",)),
        (PROJECT + '[dependency-groups]\na = [{include-group = "b"}]\nb = [{include-group = "a"}]\n', ("a",)),
        (PROJECT + '[dependency-groups]\na = [{include-group = "gone"}]\n', ("a",)),
        (PROJECT + "[dependency-groups]\na = [1]\n", ("a",)),
        (PROJECT + '[dependency-groups]\na = "torch"\n', ("a",)),
    ):
        write(tmp_path, pyproject__toml=text)
        with pytest.raises(UsageError) as caught:
            ask(tmp_path, groups=groups)
        assert caught.value.code in ("request.group", "request.invalid", "pyproject.shape"), text


def test_settings_with_groups_add_to_the_project(tmp_path: Path) -> None:
    write(tmp_path, pyproject__toml=GROUPS)
    assert listed(ask(tmp_path, Settings(groups=("base",)))) == ["torch", "project-dep", "coverage"]
    assert listed(ask(tmp_path, Settings(requirements=("torch<3",), groups=("base",))))[0] == "torch<3"


@pytest.mark.parametrize(
    "text",
    [
        '[project]\nname = "app"\nversion = "1"\ndependencies = "torch"\n',
        '[project]\nname = "app"\nversion = "1"\ndependencies = [1, 2]\n',
        '[project]\nname = "app"\nversion = "1"\ndependencies = ["torch"]\noptional-dependencies = ["a"]\n',
        '[project]\nname = "app"\nversion = "1"\ndependencies = ["torch"]\noptional-dependencies = {x = "torch"}\n',
        'project = "app"\n',
        '[project]\nname = "app"\ndynamic = "dependencies"\n',
        "tool = 1\n",
        '[project]\nname = ["app"]\ndependencies = ["torch"]\n',
        '[project]\nname = "app"\ndependencies = ["torch"]\n[dependency-groups]\nx = 1\n',
        'dependency-groups = 1\n[project]\nname = "app"\ndependencies = ["torch"]\n',
        "[tool.setuptools.dynamic]\ndependencies = 1\n[project]\nname = 'app'\ndynamic = ['dependencies']\n",
        "[tool.setuptools.dynamic]\ndependencies = {file = 1}\n[project]\nname = 'app'\ndynamic = ['dependencies']\n",
        "[tool]\npoetry = 1\n",
    ],
)
def test_tables_of_the_wrong_shape(tmp_path: Path, text: str) -> None:
    write(tmp_path, pyproject__toml=text)
    for options in ({}, {"extras": ("x",)}, {"groups": ("x",)}):
        with pytest.raises(UsageError) as caught:
            ask(tmp_path, **options)
        assert caught.value.code in ("pyproject.shape", "settings.type")
        assert caught.value.message


@pytest.mark.parametrize(
    "text",
    [
        "print()\n",
        SCRIPT + SCRIPT,
        "# /// script\n# dependencies = [\n# ///\n",
        "# /// script\n# dependencies = 'torch'\n# ///\n",
        "# /// script\n# dependencies = [1]\n# ///\n",
        "# /// script\n# requires-python = 'x'\n# ///\n",
    ],
)
def test_scripts_that_are_wrong(tmp_path: Path, text: str) -> None:
    write(tmp_path, script__py=text)
    with pytest.raises(UsageError) as caught:
        ask(tmp_path, script=tmp_path / "script.py")
    assert "script.py" in caught.value.message
    with pytest.raises(UsageError):
        ask(tmp_path, script=tmp_path / "gone.py")


@pytest.mark.parametrize(
    ("line", "became"),
    [
        ("torch==2.5.0+cu121", "torch==2.5.0"),
        ("torch===2.5.0+cu121", "torch==2.5.0"),
        ("torchvision==0.20.0+rocm6.2", "torchvision==0.20.0"),
        ("torch==2.5.0+cpu", "torch==2.5.0"),
        ("torch===2.5.0", "torch==2.5.0"),
        ("torch===any", "torch===any"),
        ("numpy===1.26.0", "numpy===1.26.0"),
        ("torch>=2.1,<2.6", "torch<2.6,>=2.1"),
        ("numpy==1.26.0+mkl", "numpy==1.26.0+mkl"),
        (
            "https://download.pytorch.org/whl/cu121/torch-2.5.0%2Bcu121-cp311-cp311-linux_x86_64.whl",
            "torch==2.5.0",
        ),
        (
            "torch @ https://download.pytorch.org/whl/cu121/torch-2.5.0%2Bcu121-cp311-cp311-linux_x86_64.whl",
            "torch==2.5.0",
        ),
    ],
)
def test_cuda_pins_become_public(tmp_path: Path, line: str, became: str) -> None:
    write(tmp_path, requirements__txt=f"{line}\n")
    request = ask(tmp_path)
    assert listed(request) == [became]
    assert ("request.cuda-pin" in codes(request)) == ("+cu" in line or "+rocm" in line)
    assert ("request.url" in codes(request)) == ("%2B" in line)
    assert ("request.exact-pin" in codes(request)) == (line == "torch===2.5.0")


@pytest.mark.parametrize(
    "line",
    [
        "git+https://host.example/owner/thing.git@main",
        "thing @ git+https://host.example/owner/thing",
        "https://host.example/thing-1.0-py3-none-any.whl",
        "https://user:secret@host.example/thing-1.0.tar.gz",
        "-e git+https://host.example/owner/thing.git#egg=thing",
        "./gone",
    ],
)
def test_what_no_hash_can_pin(tmp_path: Path, line: str) -> None:
    write(tmp_path, requirements__txt=f"torch\n{line}\n")
    with pytest.raises(ResolutionError) as caught:
        ask(tmp_path)
    assert caught.value.code == "lock.unlockable"
    assert "requirements.txt:2" in caught.value.message
    assert "secret" not in caught.value.message


@pytest.mark.parametrize(("length", "shown"), [(40, 3), (90, 2), (600, 1)])
def test_many_that_no_hash_can_pin(tmp_path: Path, length: int, shown: int) -> None:
    lines = [f"git+https://host.example/owner/{'x' * length}{number}" for number in range(5)]
    write(tmp_path, requirements__txt="\n".join(lines) + "\n")
    with pytest.raises(ResolutionError) as caught:
        ask(tmp_path)
    listed = [line for line in lines if line in caught.value.message]
    assert listed == lines[:shown]
    assert caught.value.message.endswith(f"(requirements.txt:{shown}); and {5 - shown} more")


def test_index_lines(tmp_path: Path) -> None:
    write(
        tmp_path,
        requirements__txt="--extra-index-url https://download.pytorch.org/whl/cu118\n"
        "--index-url https://user:t0ken@private.example/simple\ntorch\n",
    )
    request = ask(tmp_path)
    assert codes(request) == ["request.index-dropped", "request.route"]
    (route,) = request.routes
    assert (route.kind, route.url) == ("default-index", "https://private.example/simple")
    assert request.credentials == {route.name: ("user", "t0ken")}
    assert "t0ken" not in repr(request)
    assert not any("t0ken" in note.message for note in request.notes)


@pytest.mark.parametrize(
    ("url", "answer"),
    [
        ("https://download.pytorch.org/whl/cu121", True),
        ("https://download.pytorch.org/whl/torch_stable.html", True),
        ("https://download.pytorch.org/whl/nightly/cu126", True),
        ("https://DOWNLOAD.PYTORCH.ORG/whl", True),
        ("https://mirror.example/pytorch/whl/cpu/", True),
        ("https://mirror.example/whl/rocm6.4", True),
        ("https://mirror.example/simple", False),
        ("https://notpytorch.org/simple", False),
        ("https://mirror.example/whl-store/simple", False),
        ("./wheels", False),
    ],
)
def test_what_is_a_pytorch_index(url: str, answer: bool) -> None:
    assert is_pytorch_index(url) is answer


def test_the_project_itself(tmp_path: Path) -> None:
    built = PROJECT + '[build-system]\nrequires = ["flit_core"]\nbuild-backend = "flit_core.buildapi"\n'
    write(tmp_path, pyproject__toml=built)
    (project,) = ask(tmp_path).projects
    assert (project.path, project.name, project.editable) == (".", "app", True)
    write(tmp_path, pyproject__toml=PROJECT)
    assert ask(tmp_path).projects == ()


def test_an_editable_line(tmp_path: Path) -> None:
    (tmp_path / "lib").mkdir()
    write(
        tmp_path / "lib",
        pyproject__toml='[project]\nname = "My.Lib"\nversion = "1"\ndependencies = ["numpy", "torch==2.5.0+cu121"]\n'
        '[project.optional-dependencies]\nfast = ["numba"]\n',
    )
    write(tmp_path, requirements__txt="-e ./lib[fast]\n")
    request = ask(tmp_path)
    assert listed(request) == ["numpy", "torch==2.5.0", "numba"]
    (project,) = request.projects
    assert (project.path, project.name, project.editable) == ("lib", "my-lib", True)


def test_a_project_that_only_its_build_backend_knows(tmp_path: Path) -> None:
    write(tmp_path, pyproject__toml='[project]\nname = "app"\nversion = "1"\ndynamic = ["dependencies"]\n')
    request = ask(tmp_path)
    (project,) = request.dynamic
    assert project.line == tmp_path.as_uri()
    assert request.requirements == ()
    assert [note.message for note in request.notes] == [
        "this project does not list what it needs: its build backend is asked"
    ]
    write(tmp_path, setup__py="from setuptools import setup\n")
    assert ask(tmp_path).dynamic[0].digest != project.digest


def test_a_folder_with_nothing_but_setup_py(tmp_path: Path) -> None:
    write(tmp_path, setup__py="from setuptools import setup\n")
    request = ask(tmp_path, extras=("fast",))
    assert request.source == "setup.py"
    assert [project.line for project in request.dynamic] == [f"{tmp_path.as_uri()}[fast]"]
    assert [(project.path, project.editable, project.extras) for project in request.projects] == [
        (".", True, ("fast",))
    ]


def test_an_editable_line_of_a_project_that_lists_nothing(tmp_path: Path) -> None:
    (tmp_path / "lib").mkdir()
    write(tmp_path / "lib", setup__py="from setuptools import setup\n")
    write(tmp_path, requirements__txt="torch\n-e ./lib[fast]\n")
    request = ask(tmp_path)
    assert listed(request) == ["torch"]
    assert [project.line for project in request.dynamic] == [f"{(tmp_path / 'lib').as_uri()}[fast]"]


def test_dependencies_in_files_of_setuptools(tmp_path: Path) -> None:
    write(
        tmp_path,
        pyproject__toml='[project]\nname = "app"\nversion = "1"\ndynamic = ["dependencies"]\n'
        '[tool.setuptools.dynamic]\ndependencies = {file = ["deps.txt"]}\n',
        deps__txt="torch\nnumpy\n",
    )
    assert listed(ask(tmp_path)) == ["torch", "numpy"]


def test_poetry_alone(tmp_path: Path) -> None:
    write(tmp_path, pyproject__toml='[tool.poetry]\nname = "app"\n[tool.poetry.dependencies]\ntorch = "^2"\n')
    with pytest.raises(NoInputsError) as caught:
        ask(tmp_path)
    assert caught.value.code == "request.poetry"


def test_broken_toml_and_specifiers(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        ask(tmp_path, specifiers=("torch==",))
    assert caught.value.code == "request.invalid"
    assert caught.value.message.startswith("command line: 'torch==' is not a requirement")
    write(tmp_path, pyproject__toml="[project\n")
    with pytest.raises(UsageError) as caught:
        ask(tmp_path)
    assert caught.value.code == "pyproject.invalid"


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("requirements.txt", "torch\n", "requirements.txt is left out: {}; -r requirements.txt adds it"),
        ("requirements.in", "torch\n", "requirements.in is left out: {}; -r requirements.in adds it"),
        ("pyproject.toml", PROJECT, "pyproject.toml is left out: {}; add them there to have both"),
        ("pyproject.toml", '[project]\nname = "app"\nversion = "1"\n', None),
        ("notes.txt", "torch\n", None),
    ],
)
def test_the_command_line_replaces_what_is_there(tmp_path: Path, name: str, text: str, said: str | None) -> None:
    (tmp_path / name).write_text(text, encoding="utf-8")
    found = [note.message for note in ask(tmp_path, specifiers=("torch<2.14",)).notes]
    assert found == ([said.format("requirements on the command line replace it")] if said else [])
    (tmp_path / "own.txt").write_text("numpy\n", encoding="utf-8")
    assert not ask(tmp_path, specifiers=("torch<2.14",), files=(tmp_path / "own.txt",)).notes


def test_the_command_line_replaces_the_settings(tmp_path: Path) -> None:
    (note,) = ask(tmp_path, Settings(requirements=("torch", "numpy")), specifiers=("torch<2.14",)).notes
    assert note.code == "request.replaced"
    assert note.message.startswith("[tool.envtool] is left out: ")


@pytest.mark.parametrize(("text", "folder"), [("-e .", "this folder"), ("./lib", "lib")])
def test_a_folder_that_is_no_project(tmp_path: Path, text: str, folder: str) -> None:
    (tmp_path / "lib").mkdir()
    write(tmp_path, requirements__txt=f"torch\n{text}\n")
    with pytest.raises(UsageError) as caught:
        ask(tmp_path)
    assert caught.value.code == "requirements.project"
    place = text.removeprefix("-e ")
    said = f"requirements.txt:2: {place} is no Python project: {folder} has neither pyproject.toml nor setup.py"
    assert caught.value.message == said
    assert caught.value.hint == "Take the line out, or name the folder of a project."
    (tmp_path / place / "setup.py").touch()
    assert len(ask(tmp_path).projects) == 1


UV = '[tool.uv]\noverride-dependencies = ["leaf==2", "torch==2.7.1+cu128"]\nexclude-dependencies = ["heavy"]\n'


def test_overrides_take_the_place_of_the_projects_own_lines(tmp_path: Path) -> None:
    head = '[project]\nname = "app"\nversion = "1"\ndependencies = ["torch>=2.8", "leaf[x]<2", "leaf<1", "heavy"]\n'
    write(tmp_path, pyproject__toml=head + UV)
    request = ask(tmp_path)
    never = 'heavy; python_version < "0"'
    assert listed(request) == ["torch==2.7.1", "leaf==2"]
    assert [str(item.requirement) for item in request.overrides] == ["leaf==2", "torch==2.7.1", never]
    assert codes(request) == ["request.overrides", "request.cuda-pin"]


def test_overrides_belong_to_the_projects_files_not_to_the_command_line(tmp_path: Path) -> None:
    write(tmp_path, pyproject__toml=UV, requirements__txt="torch\nleaf\n")
    assert listed(ask(tmp_path)) == ["torch==2.7.1", "leaf==2"]
    assert listed(ask(tmp_path, files=(tmp_path / "requirements.txt",))) == ["torch==2.7.1", "leaf==2"]
    alone = ask(tmp_path, specifiers=("torch", "leaf"))
    assert (listed(alone), alone.overrides) == (["torch", "leaf"], ())


def test_an_override_by_a_link_is_kept_apart(tmp_path: Path) -> None:
    wheel = "https://files.example/torch-2.13.0-cp311-cp311-linux_x86_64.whl"
    links = f'"leaf @ git+https://user:secret@git.example/leaf", "torch @ {wheel}"'
    write(tmp_path, pyproject__toml=f"[tool.uv]\noverride-dependencies = [{links}]\n", requirements__txt="torch\n")
    request = ask(tmp_path)
    assert listed(request) == ["torch==2.13.0"]
    words = "leaf @ git+https://git.example/leaf (pyproject.toml: tool.uv.override-dependencies)"
    assert request.linked == {"leaf": words}


@pytest.mark.parametrize("key", ["override-dependencies", "constraint-dependencies", "exclude-dependencies"])
def test_uv_keys_of_another_shape(tmp_path: Path, key: str) -> None:
    write(tmp_path, pyproject__toml=f'[tool.uv]\n{key} = "leaf"\n', requirements__txt="torch\n")
    with pytest.raises(UsageError) as caught:
        ask(tmp_path)
    assert caught.value.message == f"pyproject.toml: tool.uv.{key} must be a list of strings"


def test_a_group_may_ask_for_the_projects_own_extras(tmp_path: Path) -> None:
    extras = '[project.optional-dependencies]\nfast = ["numba"]\n'
    groups = '[dependency-groups]\ndev = ["pytest", "App[fast]"]\n'
    write(tmp_path, pyproject__toml=PROJECT + extras + groups)
    assert listed(ask(tmp_path, groups=("dev",))) == ["torch", "project-dep", "pytest", "numba"]


def test_a_groups_own_extra_keeps_its_marker(tmp_path: Path) -> None:
    extras = '[project.optional-dependencies]\nfast = ["numba ; os_name == \'posix\'", "llvm"]\n'
    groups = "[dependency-groups]\ndev = [\"app[fast] ; sys_platform == 'win32'\"]\n"
    write(tmp_path, pyproject__toml=PROJECT + extras + groups)
    assert listed(ask(tmp_path, groups=("dev",)))[2:] == [
        'numba; os_name == "posix" and sys_platform == "win32"',
        'llvm; sys_platform == "win32"',
    ]


def test_an_index_that_is_named_twice_is_one_route(tmp_path: Path) -> None:
    named = '[[tool.uv.index]]\nname = "own"\nurl = "https://host.example/simple"\n'
    write(tmp_path, pyproject__toml=named)
    write(tmp_path, requirements__txt="--extra-index-url https://host.example/simple\ntorch\n")
    (route,) = ask(tmp_path).routes
    assert (route.url, route.index) == ("https://host.example/simple", "own")


def test_requirements_of_the_settings_stand_for_the_dependencies_alone(tmp_path: Path) -> None:
    extras = '[project.optional-dependencies]\nfast = ["numba"]\n'
    write(tmp_path, pyproject__toml=f'{PROJECT}{extras}[dependency-groups]\ndev = ["pytest"]\n')
    settings = Settings(requirements=("torch", "own"))
    assert listed(ask(tmp_path, settings)) == ["torch", "own"]
    assert listed(ask(tmp_path, settings, groups=("dev",), extras=("fast",))) == ["torch", "own", "numba", "pytest"]
    both = Settings(requirements=("torch", "own"), groups=("dev",))
    assert listed(ask(tmp_path, both)) == ["torch", "own", "pytest"]
    assert listed(ask(tmp_path, Settings(groups=("dev",)))) == ["torch", "project-dep", "pytest"]


def test_a_project_beside_its_requirements_file_is_not_installed(tmp_path: Path) -> None:
    build = '[build-system]\nrequires = ["setuptools"]\nbuild-backend = "setuptools.build_meta"\n'
    (tmp_path / "pyproject.toml").write_text(f'[project]\nname = "Voice_App"\nversion = "1"\n{build}')
    (tmp_path / "requirements.txt").write_text("torch\n")
    found = [note for note in ask(tmp_path).notes if note.code == "request.not-installed"]
    told = "voice-app itself is not installed: add -e . to requirements.txt, if it is to be"
    assert [note.message for note in found] == [told]
    (tmp_path / "requirements.txt").write_text("torch\n-e .\n")
    found = [note for note in ask(tmp_path).notes if note.code == "request.not-installed"]
    assert (found, [project.path for project in ask(tmp_path).projects]) == ([], ["."])
    (tmp_path / "requirements.txt").write_text("torch\n")
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "voice"\nversion = "1"\n')
    assert ask(tmp_path).notes == (), "without a build system there is nothing to install"
