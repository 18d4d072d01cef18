"""Where [tool.uv] says that packages come from: indexes, folders, members of a workspace, links."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import tomli
from indexes import DefaultIndex
from workspace import Workspace

_PROJECT = '[project]\nname = "{}"\nversion = "1"\nrequires-python = ">=3.11"\ndependencies = {}\n'


@pytest.fixture
def private() -> Iterator[DefaultIndex]:
    """A second index: a package of its own, and a newer leaf."""
    index = DefaultIndex()
    index.add("private-app", "1.0", ["leaf"])
    index.add("leaf", "9.0")
    yield index
    index.stop()


def project(workspace: Workspace, dependencies: list[str], settings: str, folder: str = ".", name: str = "app") -> None:
    workspace.write(f"{folder}/pyproject.toml", _PROJECT.format(name, dependencies) + settings)


def test_an_explicit_index_serves_its_package_and_nothing_else(workspace: Workspace, private: DefaultIndex) -> None:
    settings = f'[[tool.uv.index]]\nname = "own"\nurl = "{private.url}"\nexplicit = true\n'
    settings += '[tool.uv.sources]\nprivate_app = { index = "own" }\n'
    project(workspace, ["torch", "private-app"], settings)
    done = workspace.locked()
    assert workspace.pins("requirements.txt") == ["leaf==2.0", "private-app==1.0"]
    assert not private.asked_for("leaf")
    assert f"[tool.uv]: {private.url} is kept as routing in lock.toml, for private-app" in done.messages
    assert 'packages = [\n    "private-app",\n]' in workspace.text("lock.toml")
    assert workspace.lock("--check").exit_code == 0


def test_pip_compile_knows_no_index_for_one_package(workspace: Workspace, private: DefaultIndex) -> None:
    settings = f'[[tool.uv.index]]\nname = "own"\nurl = "{private.url}"\nexplicit = true\n'
    project(workspace, ["torch", "private-app"], settings + '[tool.uv.sources]\nprivate-app = { index = "own" }\n')
    done = workspace.lock("--resolver", "pip-tools")
    assert (done.exit_code, done.error["code"]) == (2, "usage.resolver-index")
    assert done.error["message"].endswith(f"{private.url} for private-app")


def test_without_its_source_the_package_is_not_there(workspace: Workspace, private: DefaultIndex) -> None:
    project(workspace, ["torch", "private-app"], f'[[tool.uv.index]]\nurl = "{private.url}"\nexplicit = true\n')
    done = workspace.lock()
    assert done.exit_code == 4
    assert "private-app was not found" in done.error["message"]


@pytest.mark.parametrize(
    "settings",
    ['[[tool.uv.index]]\nname = "own"\nurl = "{}"\n', '[tool.uv]\nextra-index-url = ["{}"]\n'],
    ids=["index", "extra-index-url"],
)
def test_an_index_for_all(workspace: Workspace, private: DefaultIndex, settings: str) -> None:
    project(workspace, ["torch", "private-app"], settings.format(private.url))
    workspace.locked()
    assert workspace.pins("requirements.txt") == ["leaf==9.0", "private-app==1.0"]


def test_a_default_index(
    workspace: Workspace, private: DefaultIndex, default_index: DefaultIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    project(workspace, ["torch", "private-app"], f'[[tool.uv.index]]\nurl = "{private.url}"\ndefault = true\n')
    # uv's own variable comes before it: somebody's mirror.
    assert workspace.lock("--backend", "cpu").error["message"].startswith("Because private-app was not found")
    default_index.asked.clear()
    monkeypatch.delenv("UV_DEFAULT_INDEX")
    workspace.locked("--backend", "cpu")
    assert workspace.pins("requirements.txt") == ["leaf==9.0", "private-app==1.0"]
    assert not default_index.asked


@pytest.mark.parametrize("explicit", ["true", "false"])
def test_a_pytorch_index_is_envtools_own_business(workspace: Workspace, explicit: str) -> None:
    url = "https://download.pytorch.org/whl/cu128"
    settings = f'[[tool.uv.index]]\nname = "cuda"\nurl = "{url}"\nexplicit = {explicit}\n'
    project(workspace, ["torch"], settings + '[tool.uv.sources]\ntorch = [{ index = "cuda" }]\n')
    workspace.locked()
    assert [pin.partition(" ")[0] for pin in workspace.pins("torch-cpu.txt")] == ["torch==2.14.0", "torch==2.14.0+cpu"]
    assert "routes" not in workspace.text("lock.toml")


def test_credentials_come_from_uvs_own_variables(
    workspace: Workspace, private: DefaultIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = private.url
    private.secret = ("reader", "p@ss:w/rd")
    settings = f'[[tool.uv.index]]\nname = "our-own"\nurl = "{plain}"\nexplicit = true\n'
    project(workspace, ["torch", "private-app"], settings + '[tool.uv.sources]\nprivate-app = { index = "our-own" }\n')
    assert workspace.lock().exit_code == 6
    monkeypatch.setenv("UV_INDEX_OUR_OWN_USERNAME", "reader")
    monkeypatch.setenv("UV_INDEX_OUR_OWN_PASSWORD", "p@ss:w/rd")
    done = workspace.locked()
    assert workspace.pins("requirements.txt") == ["leaf==2.0", "private-app==1.0"]
    assert not [name for name, text in workspace.files().items() if b"p@ss" in text or b"p%40ss" in text]
    assert "p@ss" not in done.stdout + done.stderr
    # The lock alone knows the index by its name: a rollback, or a folder that holds nothing else.
    (workspace.root / "pyproject.toml").unlink()
    workspace.locked("--upgrade")
    assert workspace.pins("requirements.txt") == ["leaf==2.0", "private-app==1.0"]


def test_a_member_of_the_workspace_is_a_local_project(workspace: Workspace, default_index: DefaultIndex) -> None:
    default_index.add("helper", "6.6.6", ["poison"])  # somebody else's, by the same name
    default_index.add("deep", "1.0")
    settings = '[tool.uv.workspace]\nmembers = ["packages/*"]\n'
    settings += "[tool.uv.sources]\nhelper = { workspace = true }\nsibling = { workspace = true }\n"
    settings += "virtual = { workspace = true }\n"
    project(workspace, ["torch", "helper"], settings)
    build = '[build-system]\nrequires = []\nbuild-backend = "backend"\n'
    # Members that need each other are no endless chase.
    project(workspace, ["leaf<2", "sibling"], build, "packages/one", "Helper")
    project(workspace, ["helper", "virtual"], build, "packages/two", "sibling")
    project(workspace, ["deep"], "[tool.uv]\npackage = false\n", "packages/three", "virtual")
    workspace.locked()
    assert workspace.pins("requirements.txt") == ["deep==1.0", "leaf==1.1"]
    assert not default_index.asked_for("helper")
    # A virtual one brings its requirements, and is not installed itself.
    assert tomli.loads(workspace.text("lock.toml"))["projects"] == [
        {"path": "packages/one", "editable": True, "name": "helper"},
        {"path": "packages/two", "editable": True, "name": "sibling"},
    ]


@pytest.fixture
def stranger(default_index: DefaultIndex) -> DefaultIndex:
    """The default index, with somebody else's package under the name of each of ours."""
    default_index.add("poison", "1.0")
    for name in ("private-app", "helper", "inner"):
        default_index.add(name, "6.6.6", ["poison"])
    return default_index


OWN = '[[tool.uv.index]]\nname = "own"\nurl = "{}"\n'
MARKED = "private-app = [{ index = 'own', marker = \"os_name == 'nt'\" }]\n"
FROM_OWN = '[tool.uv.sources]\nprivate-app = { index = "own" }\n'


@pytest.mark.parametrize("before", ["", "default = true\n"], ids=["for-all", "default"])
def test_a_source_holds_though_an_earlier_index_has_the_name(
    workspace: Workspace, private: DefaultIndex, stranger: DefaultIndex, before: str
) -> None:
    first = f'[[tool.uv.index]]\nname = "first"\nurl = "{stranger.url}"\n'
    project(workspace, ["torch", "private-app"], first + OWN.format(private.url) + before + FROM_OWN)
    workspace.locked()
    assert workspace.pins("requirements.txt") == ["leaf==2.0", "private-app==1.0"]


@pytest.mark.parametrize(
    ("settings", "code", "said"),
    [
        (
            FROM_OWN,
            "request.source",
            "takes private-app from the index 'own', and no [[tool.uv.index]] has that name",
        ),
        (
            f"{OWN}explicit = true\ndefault = true\n{FROM_OWN}",
            "lock.source",
            "index own is explicit and the default",
        ),
        (f'{OWN}explicit = true\nformat = "flat"\n{FROM_OWN}', "lock.source", "has a flat index of its own"),
        (
            f'{OWN}explicit = true\n{FROM_OWN}[tool.uv]\noverride-dependencies = ["private-app>=1"]\n',
            "lock.source",
            "private-app has a source and an override under [tool.uv]",
        ),
        (
            f"{OWN}explicit = true\n[tool.uv.sources]\n{MARKED}",
            "lock.source",
            "private-app has a source with a marker, or more than one under [tool.uv]",
        ),
        (
            f'[[tool.uv.index]]\nname = "own"\nurl = "https://download.pytorch.org/whl/cpu"\n{FROM_OWN}',
            "lock.source",
            "takes private-app from https://download.pytorch.org/whl/cpu, which has a lock's torch family alone",
        ),
    ],
)
def test_what_a_lock_cannot_follow_is_an_error_and_nobody_elses_package(
    workspace: Workspace,
    private: DefaultIndex,
    stranger: DefaultIndex,
    settings: str,
    code: str,
    said: str,
) -> None:
    project(workspace, ["torch", "private-app"], settings.replace("{}", private.url))
    done = workspace.lock()
    assert (done.exit_code, done.error["code"]) == (2 if code == "request.source" else 4, code)
    assert said in done.error["message"]
    assert not stranger.asked_for("private-app")


@pytest.mark.parametrize("source", ['path = "../inner"', "workspace = true"])
def test_a_local_project_has_sources_of_its_own(workspace: Workspace, stranger: DefaultIndex, source: str) -> None:
    settings = '[tool.uv.workspace]\nmembers = ["one", "."]\n[tool.uv.sources]\nhelper = { path = "helper" }\n'
    project(workspace, ["torch", "helper"], settings.replace('"one"', '"helper", "inner"'))
    project(workspace, ["inner"], f"[tool.uv.sources]\ninner = {{ {source} }}\n", "helper", "helper")
    project(workspace, ["leaf<2"], "", "inner", "inner")
    workspace.locked()
    assert workspace.pins("requirements.txt") == ["leaf==1.1"]


def test_in_a_member_what_the_root_says_holds(workspace: Workspace, stranger: DefaultIndex) -> None:
    top = '[tool.uv.workspace]\nmembers = ["member"]\n[tool.uv]\nconstraint-dependencies = ["leaf<2"]\n'
    top += '[tool.uv.sources]\nhelper = { path = "helper" }\n'
    project(workspace, [], top, name="top")
    project(workspace, [], "", "helper", "helper")
    project(workspace, ["torch", "helper"], "", "member", "member")
    member = Workspace(workspace.root / "member", workspace._monkeypatch)
    member.locked()
    assert member.pins("requirements.txt") == ["leaf==1.1"]


def test_a_package_that_needs_a_local_project_means_that_one(workspace: Workspace, stranger: DefaultIndex) -> None:
    stranger.add("needs-helper", "1.0", ["helper>=6"])
    project(workspace, ["torch", "helper", "needs-helper"], '[tool.uv.sources]\nhelper = { path = "helper" }\n')
    project(workspace, [], "", "helper", "helper")
    done = workspace.locked()
    assert workspace.pins("requirements.txt") == ["leaf==2.0", "needs-helper==1.0"]
    assert not [pin for pin in workspace.pins("torch-full.txt") if "helper" in pin]
    assert "left out" not in done.messages


@pytest.mark.parametrize("listed", ["tool", "dynamic"])
def test_sources_hold_for_requirements_that_are_listed_elsewhere(
    workspace: Workspace, stranger: DefaultIndex, listed: str
) -> None:
    settings = '[tool.uv.sources]\nhelper = { path = "helper" }\n'
    project(workspace, ["leaf<2"], "", "helper", "helper")
    if listed == "tool":
        project(workspace, [], settings + '[tool.envtool]\nrequirements = ["torch", "helper"]\n')
    else:
        head = '[project]\nname = "app"\nversion = "1"\ndynamic = ["dependencies"]\n'
        workspace.write("listed.txt", "torch\nhelper\n")
        dynamic = '[tool.setuptools.dynamic]\ndependencies = { file = "listed.txt" }\n'
        workspace.write("pyproject.toml", head + settings + dynamic)
    workspace.locked()
    assert workspace.pins("requirements.txt") == ["leaf==1.1"]


def test_what_is_excluded_is_gone_whatever_its_source(workspace: Workspace, stranger: DefaultIndex) -> None:
    settings = '[tool.uv]\nexclude-dependencies = ["helper", "inner"]\noverride-dependencies = ["helper>=1"]\n'
    settings += '[tool.uv.sources]\nhelper = { path = "helper" }\ninner = { git = "https://git.example/inner" }\n'
    project(workspace, ["torch", "helper", "inner"], settings)
    project(workspace, ["poison"], "", "helper", "helper")
    workspace.locked()
    assert workspace.pins("requirements.txt") == ["leaf==2.0"]
    assert "projects" not in workspace.text("lock.toml")


def test_the_members_of_a_workspace_are_those_that_uv_takes(workspace: Workspace, stranger: DefaultIndex) -> None:
    settings = '[tool.uv.workspace]\nmembers = ["", ".", "/nowhere/*", "pack**/*", "packages/*"]\n'
    settings += 'exclude = ["packages/first"]\n[tool.uv.sources]\nhelper = { workspace = true }\n'
    project(workspace, ["torch", "helper"], settings)
    project(workspace, ["poison"], "", "packages/first", "helper")
    project(workspace, ["leaf<2"], "", "packages/second", "helper")
    workspace.locked()
    assert workspace.pins("requirements.txt") == ["leaf==1.1"]


@pytest.mark.parametrize(
    "settings",
    [
        '[[tool.uv.index]]\nurl = "https://user:s3cret@[bad"\n',
        '[[tool.uv.index]]\nurl = "https://user:s3cret@host.example:port/simple"\n',
        '[[tool.uv.index]]\nname = "own"\nurl = "user:s3cret@host.example/simple"\n',
        '[tool.uv]\nfind-links = ["https://user:s3cret@[bad"]\n',
        '[tool.uv.sources]\nhelper = { url = "https://user:s3cret@[bad" }\n',
        '[tool.uv.sources]\nhelper = { path = "a\\u0000s3cret" }\n',
        '[tool.uv]\noverride-dependencies = ["helper @ https://user:s3cret@host.example/x.zip; bad"]\n',
        '[tool.uv]\nexclude-dependencies = ["helper @ https://user:s3cret@host.example/x.zip"]\n',
    ],
)
def test_what_cannot_be_read_is_an_error_without_its_secrets(
    workspace: Workspace, stranger: DefaultIndex, settings: str
) -> None:
    project(workspace, ["torch", "helper"], settings)
    done = workspace.lock()
    assert done.exit_code == 2
    assert done.error["code"] in ("request.url", "request.index", "request.invalid")
    assert "s3cret" not in done.stdout + done.stderr


@pytest.mark.parametrize("explicit", ["true", "false"])
def test_an_index_in_a_folder_whose_name_has_a_space(
    make_workspace: Any, stranger: DefaultIndex, private: DefaultIndex, explicit: str
) -> None:
    workspace: Workspace = make_workspace("my project")
    page = workspace.root / "simple" / "private-app"
    page.mkdir(parents=True)
    file = private.projects["private-app"][0]
    (page / file.filename).write_bytes(file.data)
    (page / "index.html").write_text(f'<a href="{file.filename}">{file.filename}</a>', encoding="utf-8")
    settings = f'[[tool.uv.index]]\nname = "own"\nurl = "simple"\nexplicit = {explicit}\n{FROM_OWN}'
    project(workspace, ["torch", "private-app"], settings)
    workspace.locked()
    assert workspace.pins("requirements.txt") == ["leaf==2.0", "private-app==1.0"]
    assert 'url = "simple"' in workspace.text("lock.toml")
    (workspace.root / "simple").rename(workspace.root / "gone")
    done = workspace.lock("--upgrade")
    assert (done.exit_code, done.error["message"]) == (2, "the index simple is no folder")


def test_what_comes_with_torch_is_envtools_own_business_too(workspace: Workspace) -> None:
    settings = '[[tool.uv.index]]\nname = "cuda"\nurl = "https://download.pytorch.org/whl/cu128"\nexplicit = true\n'
    settings += "[tool.uv.sources]\ntriton = [{ index = 'cuda', marker = \"sys_platform == 'linux'\" }]\n"
    project(workspace, ["torch", "triton"], settings)
    workspace.locked("--gpu-packages", "drop")
    assert workspace.pins("requirements.txt") == ["leaf==2.0"]
    assert "triton==3.7" in workspace.pins("torch-full.txt")


def test_a_dropped_source_of_torch_is_told(workspace: Workspace) -> None:
    settings = '[[tool.uv.index]]\nname = "cu126"\nurl = "https://download.pytorch.org/whl/cu126"\nexplicit = true\n'
    project(workspace, ["torch"], settings + '[tool.uv.sources]\ntorch = { index = "cu126" }\n')
    said = "[tool.uv.sources] of torch is not used: envtool routes torch and what comes with it itself "
    assert (
        f"{said}(full torch is the default index's build; another one: --backend cu126)" in workspace.locked().messages
    )


def test_a_member_that_there_is_not(workspace: Workspace) -> None:
    project(workspace, ["torch", "helper"], "[tool.uv.sources]\nhelper = { workspace = true }\n")
    done = workspace.lock()
    assert (done.exit_code, done.error["code"]) == (2, "request.workspace")
    assert "helper is a member of the workspace, and no member has that name" in done.error["message"]


def test_a_folder(workspace: Workspace) -> None:
    project(workspace, ["torch", "helper[fast]"], '[tool.uv.sources]\nhelper = { path = "libs/helper" }\n')
    extra = '[project.optional-dependencies]\nfast = ["leaf<2"]\n'
    project(workspace, [], extra, "libs/helper", "helper")
    workspace.locked()
    assert workspace.pins("requirements.txt") == ["leaf==1.1"]
    assert 'path = "libs/helper"\neditable = false' in workspace.text("lock.toml")


def test_a_folder_beside_a_script(workspace: Workspace) -> None:
    block = '# /// script\n# dependencies = ["torch", "helper"]\n'
    block += '# [tool.uv.sources]\n# helper = { path = "helper" }\n# ///\n'
    workspace.write("jobs/job.py", block)
    project(workspace, ["leaf<2"], "", "jobs/helper", "helper")
    workspace.locked("--script", "jobs/job.py")
    assert workspace.pins("requirements.txt") == ["leaf==1.1"]
    assert tomli.loads(workspace.text("lock.toml"))["projects"][0]["path"] == "jobs/helper"


@pytest.mark.parametrize(
    ("source", "shown"),
    [
        ('git = "https://git.example/helper", rev = "abc"', "helper @ git+https://git.example/helper@abc"),
        ('url = "https://files.example/helper-1-py3-none-any.whl"', "https://files.example/helper-1-py3-none-any.whl"),
    ],
)
def test_a_link_cannot_be_locked(workspace: Workspace, default_index: DefaultIndex, source: str, shown: str) -> None:
    default_index.add("helper", "6.6.6")
    project(workspace, ["torch", "helper"], f"[tool.uv.sources]\nhelper = {{ {source} }}\n")
    done = workspace.lock()
    assert (done.exit_code, done.error["code"]) == (4, "lock.unlockable")
    assert f"cannot pin {shown} (pyproject.toml)" in done.error["message"]


def test_a_link_to_a_cuda_wheel_becomes_the_version(workspace: Workspace) -> None:
    link = "https://download.pytorch.org/whl/cu128/torch-2.13.0%2Bcu128-cp311-cp311-manylinux_2_28_x86_64.whl"
    project(workspace, ["torch"], f'[tool.uv.sources]\ntorch = {{ url = "{link}" }}\n')
    workspace.locked()
    assert workspace.pins("torch-cpu.txt")[0].startswith("torch==2.13.0 ")


def test_a_source_for_an_extra_holds_for_that_extra(workspace: Workspace, default_index: DefaultIndex) -> None:
    default_index.add("helper", "1.0")
    settings = '[project.optional-dependencies]\ndev = ["helper"]\n[tool.uv.sources]\n'
    settings += 'helper = { git = "https://git.example/helper", extra = "dev" }\n'
    project(workspace, ["torch", "helper"], settings)
    workspace.locked()
    assert workspace.pins("requirements.txt") == ["helper==1.0", "leaf==2.0"]
    assert workspace.lock("--extra", "dev").error["code"] == "lock.unlockable"


def test_a_link_to_a_wheel_of_torch_for_some_platforms_decides_for_none(workspace: Workspace) -> None:
    link = "https://files.example/torch-2.13.0-cp311-cp311-linux_aarch64.whl"
    settings = f"[tool.uv.sources]\ntorch = [{{ url = '{link}', marker = \"platform_machine == 'aarch64'\" }}]\n"
    project(workspace, ["torch"], settings)
    done = workspace.locked()
    assert workspace.pins("torch-cpu.txt")[0].startswith("torch==2.14.0 ")
    assert "[tool.uv.sources] of torch is not used" in done.messages


def test_a_source_for_an_extra_holds_in_a_local_project(
    workspace: Workspace, private: DefaultIndex, stranger: DefaultIndex
) -> None:
    source = '[tool.uv.sources]\nprivate-app = { index = "own", extra = "dev" }\n'
    extra = '[project.optional-dependencies]\ndev = ["private-app"]\n'
    project(workspace, [], extra + OWN.format(private.url) + "explicit = true\n" + source, "lib", "lib")
    workspace.write("requirements.txt", "torch\n-e ./lib[dev]\n")
    workspace.locked("-r", "requirements.txt")
    assert workspace.pins("requirements.txt") == ["leaf==2.0", "private-app==1.0"]
    assert not stranger.asked_for("private-app")


def test_an_index_of_a_member_is_for_its_sources_alone(
    workspace: Workspace, private: DefaultIndex, stranger: DefaultIndex
) -> None:
    project(workspace, [], '[tool.uv.workspace]\nmembers = ["member"]\n', name="top")
    project(workspace, ["torch", "private-app"], OWN.format(private.url) + FROM_OWN, "member", "member")
    member = Workspace(workspace.root / "member", workspace._monkeypatch)
    member.locked()
    assert member.pins("requirements.txt") == ["leaf==2.0", "private-app==1.0"]


def test_a_project_that_is_a_workspace_of_its_own(workspace: Workspace, stranger: DefaultIndex) -> None:
    settings = '[tool.uv.workspace]\nmembers = ["packages/*"]\n[tool.uv.sources]\nhelper = { workspace = true }\n'
    project(workspace, ["helper"], settings, "third/lib", "lib")
    project(workspace, ["leaf<2"], "", "third/lib/packages/helper", "helper")
    workspace.write("requirements.txt", "torch\n-e ./third/lib\n")
    workspace.locked()
    assert workspace.pins("requirements.txt") == ["leaf==1.1"]


def test_a_line_that_names_a_member_means_it_as_a_member(
    workspace: Workspace, private: DefaultIndex, stranger: DefaultIndex
) -> None:
    top = '[tool.uv.workspace]\nmembers = ["packages/*"]\n' + OWN.format(private.url) + "explicit = true\n"
    workspace.write("pyproject.toml", top)
    project(workspace, ["private-app"], FROM_OWN, "packages/a", "a")
    workspace.write("requirements.txt", "torch\n-e ./packages/a\n")
    workspace.locked()
    assert workspace.pins("requirements.txt") == ["leaf==2.0", "private-app==1.0"]


@pytest.mark.parametrize("source", ['{ url = "https://files.example/triton.zip" }', '{ index = "elsewhere" }'])
def test_a_source_of_a_gpu_package_matters_nowhere(workspace: Workspace, source: str) -> None:
    project(workspace, ["torch", "triton"], f"[tool.uv.sources]\ntriton = {source}\n")
    done = workspace.locked("--gpu-packages", "drop")
    assert workspace.pins("requirements.txt") == ["leaf==2.0"]
    assert "triton==3.7" in workspace.pins("torch-full.txt")
    assert "[tool.uv.sources] of triton is not used" in done.messages


def test_two_projects_that_mean_different_indexes(
    workspace: Workspace, private: DefaultIndex, stranger: DefaultIndex
) -> None:
    for name, url in (("a", private.url), ("b", stranger.url)):
        project(workspace, ["private-app"], OWN.format(url) + "explicit = true\n" + FROM_OWN, name, name)
    workspace.write("requirements.txt", "torch\n-e ./a\n-e ./b\n")
    done = workspace.lock()
    assert (done.exit_code, done.error["code"]) == (4, "lock.source")
    assert "two local projects take private-app from different indexes" in done.error["message"]
