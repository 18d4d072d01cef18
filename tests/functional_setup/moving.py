"""A project in the state before the move, and ``envtool migrate`` in it.

Two things the small torch cannot do: pass the probe, and be bundled by PyInstaller. Here a file ``fake-bundle`` says
what the stand-in for the build does; the real ones are in tests/e2e/test_migrate_official.py.
"""

from __future__ import annotations

import functools
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from craft import checkpoint
from place import Place
from small_wheels import Indexes

MIGRATION = ("migrate", "--fix")
CODE = """import torch

WEIGHTS = torch.load("models/weights.pt", map_location="cpu")
"""
SPEC = """a = Analysis(["app.py"], hiddenimports=["triton", "app"])
pyz = PYZ(a.pure)
exe = EXE(pyz, a.scripts, exclude_binaries=True, name="app")
COLLECT(exe, a.binaries, a.datas, name="app")
"""


class MovingPlace(Place):
    """A project with full torch in a ``.venv`` of its own, and files in the forms that are easily lost."""

    python = sys.executable

    def fill(self, indexes: Indexes) -> None:
        """Write the project, and install full torch."""
        self.indexes = indexes
        root = self.root
        (root / "requirements.txt").write_bytes(
            b"--extra-index-url https://download.pytorch.org/whl/cu118\r\ntorch\r\nleaf"
        )
        (root / "requirements.txt").chmod(0o640)
        self.write("pyproject.toml", '[tool.envtool]\ntargets = ["linux-x86_64"]\nchecks = ["python check.py"]\n')
        self.write("check.py", "import leaf\n")
        self.write("app.py", CODE)
        (self.write("app.spec", SPEC)).chmod(0o444)
        self.write("docs/start.md", "# App\r\n\r\nNo newline at the end")
        (root / "README.md").symlink_to("docs/start.md")
        (root / ".gitignore").write_bytes(b".venv/\n*.log")
        self.write("dist/app/app", "the old app").chmod(0o755)
        self.write("dist/notes.txt", "mine")
        (root / "models").mkdir()
        checkpoint(root / "models" / "weights.pt", "cuda:0")
        self.write("fake-bundle", "pass")
        self.install(indexes, "torch==2.13.0", "leaf==1.0")

    def install(self, indexes: Indexes, *names: str) -> None:
        """Make ``.venv`` as a user would, with uv."""
        uv = [sys.executable, "-m", "uv"]
        environment = {key: value for key, value in self.environment.items() if key != "PYTHONPATH"}
        install = [*uv, "pip", "install", "--quiet", "--python", self.venv, "--index-url", indexes.default_index]
        for command in ([*uv, "venv", "--quiet", "--python", self.python, self.venv], [*install, *names]):
            subprocess.run(command, check=True, env=environment)

    def start(self, *words: str, new_group: bool = False, **environment: str) -> subprocess.Popen[str]:
        """``migrate`` runs with the stand-ins, everything else as it is."""
        if words[0] != "migrate":
            return super().start(*words, **environment)
        pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "encoding": "utf-8"}
        command = [sys.executable, __file__, *words]
        here = f"{self.environment['PYTHONPATH']}:{Path(__file__).parents[1]}"
        inside = {**self.environment, "PYTHONPATH": here, **environment}
        return subprocess.Popen(command, cwd=self.root, env=inside, start_new_session=new_group, **pipes)

    def row(self, result: dict[str, Any], name: str) -> dict[str, Any]:
        """A phase in a result."""
        found: dict[str, Any] = next(row for row in result["phases"] if row["name"] == name)
        return found

    def statuses(self, result: dict[str, Any]) -> list[str]:
        """What became of each phase, in their order."""
        return [row["status"] for row in result["phases"]]


def check_moved(place: MovingPlace) -> None:
    """Every file is as a whole migration leaves it, and so are the packages."""
    root = place.root
    assert (root / "requirements.txt").read_bytes() == b"torch\r\nleaf"
    assert 'hiddenimports=["app"]' in (root / "app.spec").read_text(encoding="utf-8")
    assert (root / "app.spec").stat().st_mode & 0o777 == 0o444
    readme = (root / "docs/start.md").read_bytes()
    assert readme.startswith(b"# App\r\n\r\nNo newline at the end\r\n\r\n<!-- envtool:begin -->\r\n")
    assert readme.endswith(b"<!-- envtool:end -->\r\n")
    assert b"\n" not in readme.replace(b"\r\n", b"")
    assert b"torch 2.13.0+cpu" in readme
    assert b"`envtool bundle app.spec`" in readme
    assert (root / "README.md").is_symlink()
    assert (root / ".gitignore").read_bytes() == b".venv/\n*.log\n/.venv\n"
    assert (root / "dist/app/app").read_text(encoding="utf-8") == "the new app"
    assert {path.name for path in (root / "dist").iterdir()} == {"app", "notes.txt"}
    assert place.installed() == {"leaf": "1.0", "torch": "2.13.0+cpu"}
    assert not (root / ".envtool/migration").exists()


def _build(request: Any, reporter: Any) -> Any:
    """In place of PyInstaller: what ``fake-bundle`` says."""
    from envtool.bundle.models import BundleResult, Sizes
    from envtool.models import CheckResult

    status: Any = Path("fake-bundle").read_text(encoding="utf-8").strip()
    if status == "raise":
        raise RuntimeError("a bug")
    while status == "wait":
        time.sleep(0.05)
        status = Path("fake-bundle").read_text(encoding="utf-8").strip()
    folder = request.dist / "app"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "app").write_text("the new app", encoding="utf-8")
    return BundleResult(
        path=folder,
        executable=folder / "app",
        torch="2.13.0+cpu",
        sizes=Sizes(total=11),
        checks=(CheckResult(id="smoke", status=status, found="it said no" if status == "fail" else "it said yes"),),
        seconds={},
    )


if __name__ == "__main__":
    import envtool.migrate.bundle
    import envtool.migrate.setup
    from envtool.cli import main
    from envtool.env.setup import SetupRequest

    envtool.migrate.setup.SetupRequest = functools.partial(SetupRequest, probe=False)  # type: ignore[misc, assignment]
    envtool.migrate.bundle.build = _build
    main()
