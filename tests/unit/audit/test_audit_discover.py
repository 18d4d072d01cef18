"""Discovery: what is read, as what, and what is skipped and why."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from envtool.audit.classify import classify
from envtool.audit.decode import UndecodableError, decode
from envtool.audit.discover import common_root, discover
from envtool.errors import UsageError


def write(root, files):
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, bytes):
            path.write_bytes(content)
        else:
            path.write_text(content, encoding="utf-8")


def run_git(root, *arguments):
    subprocess.run(["git", "-C", str(root), *arguments], check=True, capture_output=True)


def rows(discovery):
    return {row.path: row.reason for row in discovery.skipped}


def test_folders_that_are_not_the_projects_own(tmp_path):
    write(
        tmp_path,
        {
            "app.py": "x = 1\n",
            ".git/config": "",
            "env/pyvenv.cfg": "",
            "env/lib/a.py": "",
            "node_modules/a/a.py": "",
            "lib/site-packages/a.py": "",
            "pkg/_vendor/a.py": "",
            "__pycache__/a.py": "",
            "dist/app/_internal/base_library.zip": "",
            "dist/app/_internal/torch/a.py": "",
        },
    )
    discovery = discover([tmp_path], cwd=tmp_path)
    assert list(discovery.project.sources) == ["app.py"]
    assert rows(discovery) == {
        ".git": "version control",
        "dist/app/_internal": "a bundle made by PyInstaller",
        "env": "a virtual environment",
        "node_modules": "installed packages",
        "lib/site-packages": "installed packages",
        "pkg/_vendor": "vendored code",
    }


def test_gitignore_of_every_folder_and_the_last_word(tmp_path):
    write(
        tmp_path,
        {
            ".gitignore": "*.yaml\n/out/\n",
            "a.yaml": "",
            "out/a.py": "",
            "sub/out/a.py": "",
            "sub/.gitignore": "!keep.yaml\n",
            "sub/keep.yaml": "",
            "sub/drop.yaml": "",
        },
    )
    discovery = discover([tmp_path], cwd=tmp_path)
    assert sorted(discovery.project.sources) == ["sub/keep.yaml", "sub/out/a.py"]
    assert rows(discovery) == dict.fromkeys(("a.yaml", "out", "sub/drop.yaml"), "ignored by .gitignore")


def test_gitignore_does_not_apply_to_what_git_tracks(tmp_path):
    root = tmp_path / "pröject"
    write(root, {".gitignore": "*\n!.gitignore\n", "a.py": "", "sub/b.py": "", "sub/new.py": "", "out/c.py": ""})
    run_git(root, "init", "--quiet")
    run_git(root, "add", "--force", "a.py", "sub/b.py")
    discovery = discover([root], cwd=tmp_path)
    assert sorted(discovery.project.sources) == ["a.py", "sub/b.py"]
    ignored = {path: reason for path, reason in rows(discovery).items() if path != ".git"}
    assert ignored == dict.fromkeys(("out", "sub/new.py"), "ignored by .gitignore")


def test_asking_git_starts_no_program_of_the_repository(tmp_path):
    root = tmp_path / "root"
    write(root, {".gitignore": "b.py\n", "a.py": "", "b.py": ""})
    run_git(root, "init", "--quiet")
    run_git(root, "add", "a.py")
    hook = tmp_path / "hook"
    hook.write_text(f"#!/bin/sh\ntouch '{tmp_path / 'started'}'\n", encoding="utf-8")
    hook.chmod(0o755)
    run_git(root, "config", "core.fsmonitor", str(hook))
    assert list(discover([root], cwd=tmp_path).project.sources) == ["a.py"]
    assert not (tmp_path / "started").exists()


def test_gitignore_above_the_root(tmp_path):
    write(tmp_path, {".git/HEAD": "", ".gitignore": "gen_*.py\n", "src/a.py": "", "src/gen_a.py": ""})
    assert list(discover([tmp_path / "src"], cwd=tmp_path).project.sources) == ["a.py"]


def test_a_named_path_is_read_even_if_ignored(tmp_path):
    write(tmp_path, {".git/HEAD": "", ".gitignore": "build/\n", "build/a.py": ""})
    assert list(discover([tmp_path / "build"], cwd=tmp_path).project.sources) == ["a.py"]


def test_exclude_setting(tmp_path):
    write(tmp_path, {"a.py": "", "old/b.py": ""})
    discovery = discover([tmp_path], cwd=tmp_path, exclude=["old/"])
    assert list(discovery.project.sources) == ["a.py"]
    assert rows(discovery) == {"old": "excluded by the settings"}


@pytest.mark.skipif(sys.platform == "win32", reason="links need a privilege")
def test_links(tmp_path):
    root = tmp_path / "root"
    write(root, {"a.py": "", "sub/b.py": ""})
    write(tmp_path, {"secret.py": ""})
    (root / "loop").symlink_to(root)
    (root / "again.py").symlink_to(root / "a.py")
    (root / "out.py").symlink_to(tmp_path / "secret.py")
    (root / "gone.py").symlink_to(root / "nothing.py")
    (root / "self.py").symlink_to(root / "self.py")
    discovery = discover([root], cwd=root)
    assert sorted(discovery.project.sources) == ["a.py", "sub/b.py"]
    assert rows(discovery) == {
        "out.py": "a link that leads out of the project",
        "gone.py": "a link that leads nowhere",
        "self.py": "a link that leads nowhere",
    }


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX permissions")
def test_what_cannot_be_read(tmp_path):
    write(tmp_path, {"a.py": "", "binary.py": b"\0\1\2\3" * 9, "big.py": b"#" * 2_000_001})
    os.mkfifo(tmp_path / "pipe.py")
    discovery = discover([tmp_path], cwd=tmp_path)
    assert list(discovery.project.sources) == ["a.py"]
    assert rows(discovery) == {
        "binary.py": "binary data",
        "big.py": "larger than 2 MB",
        "pipe.py": "not a regular file",
    }


def test_no_such_path(tmp_path):
    with pytest.raises(UsageError) as caught:
        discover([tmp_path / "nothing"], cwd=tmp_path)
    assert caught.value.code == "audit.no-path"


def test_common_root(tmp_path):
    write(tmp_path, {"a/x.py": "", "b/y.py": ""})
    assert common_root([tmp_path / "a"], tmp_path) == (tmp_path / "a").resolve()
    assert common_root([tmp_path / "a", tmp_path / "b" / "y.py"], tmp_path) == tmp_path.resolve()
    assert common_root([tmp_path / "a" / "x.py"], tmp_path / "b") == (tmp_path / "a").resolve()


@pytest.mark.parametrize(
    ("data", "python", "text", "codec"),
    [
        ("é\n".encode(), False, "é\n", "utf-8"),
        ("\ufeffé\n".encode(), False, "é\n", "utf-8-sig"),
        ("é\r\n".encode("utf-16"), False, "é\r\n", "utf-16"),
        ("a\n".encode("utf-16-le"), False, "a\n", "utf-16-le"),
        (b"caf\xe9\n", False, "café\n", "latin-1"),
        (b"# -*- coding: cp1251 -*-\n\xd0\n", True, "# -*- coding: cp1251 -*-\n\u0420\n", "cp1251"),
        (b"# coding: nonsense\n\xe9\n", True, "# coding: nonsense\né\n", "latin-1"),
        (b"", True, "", "utf-8"),
    ],
)
def test_decode(data, python, text, codec):
    assert decode(data, python=python) == (text, codec)


def test_decode_refuses_binary_data():
    with pytest.raises(UndecodableError):
        decode(b"PK\3\4\0\0\0x")


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("setup.py", "setup-py"),
        ("src/a.py", "python"),
        ("a.ipynb", "notebook"),
        ("app.spec", "spec"),
        ("requirements/dev.txt", "requirements"),
        ("requirements-gpu.txt", "requirements"),
        ("notes.txt", None),
        ("environment.yml", "conda"),
        (".github/workflows/ci.yml", "ci"),
        ("Dockerfile.cpu", "dockerfile"),
        ("docker-compose.gpu.yml", "compose"),
        ("Makefile", "makefile"),
        ("run.ps1", "shell"),
        ("uv.lock", "lock"),
        ("config/train.yaml", "config"),
        ("weights/a.PT", "model"),
        ("README.md", None),
    ],
)
def test_classify(path, kind):
    assert classify(path) == kind


def notebook(cells, **more):
    return json.dumps({"cells": cells, "nbformat": 4, "metadata": {}, **more}, indent=1)


def cell(*lines, kind="code"):
    source = [line + "\n" for line in lines[:-1]] + [lines[-1]]
    return {"cell_type": kind, "metadata": {}, "source": source, **({"outputs": []} if kind == "code" else {})}


def test_notebook_lines_are_those_of_the_file(tmp_path):
    raw = notebook([cell("# title", kind="markdown"), cell("%pip install x", "import torch"), cell("x = 1", "y = 'é'")])
    write(tmp_path, {"a.ipynb": raw})
    source = discover([tmp_path], cwd=tmp_path).project.sources["a.ipynb"]
    lines = source.text.splitlines()
    for number, line in enumerate(raw.splitlines(), start=1):
        if '"import torch' in line:
            assert lines[number - 1] == "import torch"
            assert lines[number - 2] == "pass  # %pip install x"
        if "y = '" in line:
            assert lines[number - 1] == "y = 'é'"
    assert [text for text in lines if text] == ["pass  # %pip install x", "import torch", "x = 1", "y = 'é'"]


def test_notebook_cells_that_are_not_python(tmp_path):
    raw = notebook([cell("%%bash", "ls"), cell("print 'old'"), cell("x = !ls", "y = 2")])
    write(tmp_path, {"a.ipynb": raw})
    discovery = discover([tmp_path], cwd=tmp_path)
    assert rows(discovery) == {
        "a.ipynb (cell 1)": "a cell that is not Python",
        "a.ipynb (cell 2)": "a cell that is not Python",
    }
    assert discovery.project.sources["a.ipynb"].text.split() == ["x", "=", "None", "y", "=", "2"]


@pytest.mark.parametrize(
    "raw", ["{", "[]", '{"cells": 3}', '{"metadata": {"kernelspec": {"language": "R"}}, "cells": []}']
)
def test_broken_notebooks_are_rows(tmp_path, raw):
    write(tmp_path, {"a.ipynb": raw})
    discovery = discover([tmp_path], cwd=tmp_path)
    assert dict(discovery.project.sources) == {}
    assert list(rows(discovery)) == ["a.ipynb"]
