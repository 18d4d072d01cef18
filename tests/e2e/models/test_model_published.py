"""Published models, from the default index."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from envtool.torch.archive import read_model
from envtool.torch.archive.rewrite import rewrite_for_cpu

pytestmark = pytest.mark.network


def fetch(requirement: str, folder: Path) -> Path:
    done = subprocess.run(
        [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", folder, requirement],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    with zipfile.ZipFile(next(folder.glob("*.whl"))) as wheel:
        wheel.extractall(folder / "unpacked")
    return folder / "unpacked"


def test_silero_vad(tmp_path: Path) -> None:
    row = read_model(fetch("silero-vad==6.2.3", tmp_path) / "silero_vad" / "data" / "silero_vad.jit")
    assert (row.kind, row.form, row.verdict) == ("torchscript", "scripted", "cpu")
    assert (row.size, row.devices, row.constants) == (2_272_526, {"cpu": 33}, ())


def test_lpips_weights_were_saved_on_a_gpu(tmp_path: Path) -> None:
    folder = fetch("lpips==0.1.4", tmp_path) / "lpips" / "weights"
    rows = [read_model(path) for path in sorted(folder.rglob("*.pth"))]
    assert [(row.kind, row.form, row.verdict) for row in rows] == [("state-dict", "legacy", "map-location")] * 6
    assert [dict(row.devices) for row in rows] == [{"cuda:0": 5}, {"cuda:0": 7}, {"cuda:0": 5}] * 2
    copy = rewrite_for_cpu(folder / "v0.1" / "alex.pth", tmp_path / "cpu.pth")
    assert copy.devices == {"cpu": 5}


def test_silero_stress(tmp_path: Path) -> None:
    data = fetch("silero-stress==1.5", tmp_path) / "silero_stress" / "data"
    rows = {path.name: read_model(path) for path in sorted(data.glob("*.pt"))}
    assert {name: (row.kind, row.verdict, dict(row.devices)) for name, row in rows.items()} == {
        "accentor-bel.pt": ("package", "cpu", {"cpu": 11}),
        "accentor-ukr.pt": ("package", "cpu", {"cpu": 11}),
        "accentor.pt": ("package", "cpu", {"cpu": 82}),
    }
