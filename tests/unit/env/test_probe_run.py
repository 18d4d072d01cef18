from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from envtool.env import probe
from envtool.env.probe import environment_root

PROBE = Path(probe.__file__)


def find(evidence, name):
    (found,) = (item for item in evidence["distributions"] if item["name"] == name)
    return found


def run_probe(site, *options):
    python = environment_root(str(site.path)) + ("/Scripts/python.exe" if os.name == "nt" else "/bin/python")
    return subprocess.run([python, "-I", "-B", PROBE, *options], capture_output=True, text=True, check=False)


def test_one_json_object_whatever_a_library_prints(venv_site):
    noise = "import os, sys\nprint('hello')\nos.write(1, b'from C\\n')\nsys.stdout.write('{')\n__version__ = 'x'\n"
    venv_site.torch(init=noise)
    done = run_probe(venv_site)
    evidence = json.loads(done.stdout)
    assert "from C" in done.stderr
    assert evidence["complete"] is True
    assert evidence["steps"]["import-torch"]["ok"] is True
    assert evidence["interpreter"]["markers"]["python_full_version"].startswith("3.")


def test_without_torch_there_are_no_steps(venv_site):
    evidence = json.loads(run_probe(venv_site).stdout)
    assert "steps" not in evidence
    assert evidence["builds"] == {}


@pytest.mark.parametrize(
    ("init", "kind"),
    [
        ("raise SystemExit(3)", "SystemExit"),
        ("import nothing_here", "ModuleNotFoundError"),
        ("1/0", "ZeroDivisionError"),
    ],
)
def test_an_import_that_raises_ends_the_steps_not_the_probe(venv_site, init, kind):
    venv_site.torch(init=init)
    done = run_probe(venv_site)
    evidence = json.loads(done.stdout)
    assert done.returncode == 0
    assert evidence["steps"].keys() == {"import-torch"}
    assert evidence["steps"]["import-torch"]["error"]["type"] == kind


def test_stream_tells_as_it_goes(venv_site):
    venv_site.torch(init="import os\nos._exit(9)")
    done = run_probe(venv_site, "--stream")
    parts = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 9
    assert "distributions" in parts[1]
    assert parts[-1] == {"running": "import-torch"}


def test_the_time_limit(venv_site):
    venv_site.torch(init="import time\ntime.sleep(60)")
    done = run_probe(venv_site, "--stream", "--timeout", "1")
    assert done.returncode == 1
    assert "Timeout" in done.stderr
    assert json.loads(done.stdout.splitlines()[-1]) == {"running": "import-torch"}


def test_nothing_is_written(venv_site):
    venv_site.torch()
    before = sorted(venv_site.path.rglob("*"))
    run_probe(venv_site)
    assert sorted(venv_site.path.rglob("*")) == before


def test_an_environment_that_sees_its_base(tmp_path, venv_site):
    venv_site.torch()
    extra = tmp_path / "extra"
    extra.mkdir()
    type(venv_site)(extra).add("elsewhere", "1.0")
    (venv_site.path / "extra.pth").write_text(str(extra))
    evidence = json.loads(run_probe(venv_site).stdout)
    assert {item["name"] for item in evidence["distributions"]} == {"torch", "elsewhere"}
