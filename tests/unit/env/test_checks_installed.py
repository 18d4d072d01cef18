"""The checks about what is installed: against the lock, the RECORDs, and the versions of the family."""

from __future__ import annotations

import pytest
from judging import MACOS, STEPS, TORCH_PINS, lock_of, pin, run
from packaging.requirements import Requirement
from packaging.version import Version

from envtool.env.checks.installed import paired
from envtool.torch.backends import FULL, parse_backend

# --- installed-matches-lock -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("installed", "found"),
    [
        ("2.13.0+cu130", "torch is 2.13.0+cu130 (locked: 2.13.0+cpu)"),
        ("2.13.0", "torch is 2.13.0 (locked: 2.13.0+cpu)"),
        ("2.12.0+cpu", "torch is 2.12.0+cpu (locked: 2.13.0+cpu)"),
    ],
)
def test_another_version_than_locked(site, installed, found):
    site.torch(installed)
    result = run(site, "installed-matches-lock", lock=lock_of(torch=TORCH_PINS))
    assert (result.status, result.found) == ("fail", found)


def test_a_locked_package_that_is_missing(site):
    site.torch()
    result = run(site, "installed-matches-lock", lock=lock_of(pin("numpy", "2.4.6"), torch=TORCH_PINS))
    assert result.found == "numpy is missing (locked: 2.4.6)"


def test_markers_are_those_of_the_target(site):
    site.torch("2.13.0", tag="cp311-none-macosx_11_0_arm64")
    lock = lock_of(pin("colorama", "0.4.6", "sys_platform == 'win32'"), torch=TORCH_PINS)
    assert run(site, "installed-matches-lock", lock=lock).found == "1 pin installed as locked"
    assert run(site, "installed-matches-lock", lock=lock, steps=STEPS, markers=MACOS).status == "pass"
    assert run(site, "installed-matches-lock", lock=lock, steps=STEPS).status == "fail"


@pytest.mark.parametrize(
    ("marker", "cfg", "status"),
    [
        ("python_full_version < '3.11.3'", "version_info = 3.11.7", "pass"),
        ("python_full_version < '3.11.3'", "version = 3.11.2", "fail"),
        ("python_full_version == '3.11.7'", "version_info = 3.11.7", "fail"),
        ("python_full_version < '3.11.3'", "", "pass"),  # nobody knows: it may be needed, and may be missing
        ("python_full_version >= '3.11'", "", "fail"),
    ],
)
def test_a_marker_that_tells_patch_releases_apart(site, marker, cfg, status):
    site.torch()
    (site.path.parents[2] / "pyvenv.cfg").write_text(f"home = here\n{cfg}\n", encoding="utf-8")
    lock = lock_of(pin("async-timeout", "5.0.1", marker), torch=TORCH_PINS)
    assert run(site, "installed-matches-lock", lock=lock).status == status
    assert run(site, "installed-matches-lock", lock=lock, steps=STEPS).status == (
        "pass" if marker.endswith("< '3.11.3'") else "fail"
    )
    site.add("async-timeout", "5.0.0")
    wrong = run(site, "installed-matches-lock", lock=lock)
    assert wrong.status == ("pass" if "7" in cfg and "<" in marker else "fail")


def test_what_is_not_in_the_lock_is_mentioned_but_for_seeded_tools(site):
    site.torch()
    site.add("pip", "26.0")
    site.add("my-app", "0.1")
    result = run(site, "installed-matches-lock", lock=lock_of(torch=TORCH_PINS))
    assert (result.status, result.found) == ("pass", "1 pin installed as locked; not in the lock: my-app")


def test_a_version_that_is_none(site):
    site.torch()
    site.add("numpy", "not-a-version")
    lock = lock_of(pin("numpy", "2.4.6"), torch=TORCH_PINS)
    assert run(site, "installed-matches-lock", lock=lock).found == "numpy is not-a-version (locked: 2.4.6)"


def test_without_a_lock_or_its_file(site):
    site.torch("2.13.0+cu128", cuda="12.8")
    assert run(site, "installed-matches-lock").status == "skip"
    result = run(site, "installed-matches-lock", lock=lock_of(torch=TORCH_PINS), expected=parse_backend("cu128"))
    assert result.status == "skip"
    assert result.found.startswith("the lock has no file for cu128")


# --- record -----------------------------------------------------------------------------------------------------------


def test_record_names_the_missing_file_and_its_distribution(site):
    site.torch()
    (site.path / "torch/lib/libc10.so").unlink()
    result = run(site, "record")
    assert result.found == "1 file missing: torch/lib/libc10.so (torch 2.13.0+cpu)"


def test_record_names_the_changed_file(site):
    site.torch()
    (site.path / "torch/lib/libc10.so").write_bytes(b"")
    assert run(site, "record").found.endswith("torch/lib/libc10.so (torch 2.13.0+cpu) has 0 bytes, RECORD says 13")


@pytest.mark.parametrize(("installer", "status"), [("uv", "fail"), ("pip", "fail"), ("debian", "pass"), (None, "pass")])
def test_a_record_that_is_gone(site, installer, status):
    site.torch()
    site.add("app", "1.0", installer=installer, record=False)
    assert run(site, "record").status == status


def test_metadata_that_cannot_be_read(site):
    site.torch()
    (site.add("app", "1.0") / "METADATA").write_bytes(b"\xff")
    result = run(site, "record")
    assert result.found.startswith("unreadable metadata: app-1.0.dist-info: UnicodeDecodeError")


def test_a_distribution_twice(site):
    site.torch()
    site.add("numpy", "2.4.6")
    site.add("numpy", "2.4.5")
    assert "numpy is installed twice" in run(site, "record").found


def test_an_egg_info_beside_a_dist_info_is_debians(site):
    site.torch()
    site.add("cryptography", "38.0.4", installer=None, record=False)
    (site.path / "cryptography.egg-info").mkdir()
    (site.path / "cryptography.egg-info/PKG-INFO").write_text("Name: cryptography\nVersion: 38.0.4\n")
    result = run(site, "record")
    assert result.status == "pass"
    assert result.found.endswith("; 2 distributions without a RECORD to compare with")


def test_record_passes_with_a_count(site):
    site.torch()
    assert run(site, "record").found == "8 files as recorded, by size"


# --- the family -------------------------------------------------------------------------------------------------------


def test_a_cuda_companion_beside_cpu_torch(site):
    site.torch()
    site.companion("torchvision", "0.28.0", inside="0.28.0+cu130", requires=("torch==2.13.0",))
    result = run(site, "family-builds")
    assert (result.status, result.found) == ("fail", "torch 2.13.0+cpu with torchvision 0.28.0+cu130")
    assert run(site, "family-versions").status == "pass"


def test_a_cpu_companion_beside_cuda_torch(site):
    site.torch("2.13.0+cu130", cuda="13.0")
    site.companion("torchvision", "0.28.0+cpu")
    assert run(site, "family-builds", expected=FULL).status == "fail"


def test_no_companion(site):
    site.torch()
    assert run(site, "family-builds").status == "skip"
    assert run(site, "family-versions").status == "skip"


@pytest.mark.parametrize(
    ("name", "version", "requires", "status"),
    [
        ("torchvision", "0.28.0+cpu", ("torch==2.13.0",), "pass"),
        ("torchvision", "0.27.0+cpu", ("torch==2.12.0",), "fail"),
        # Metadata goes before the table.
        ("torchvision", "0.27.0+cpu", ("numpy", "torch (==2.13.0)"), "pass"),
        ("torchvision", "0.28.1+cpu", (), "pass"),
        ("torchvision", "0.27.0+cpu", (), "fail"),
        ("torchvision", "0.27.0+cpu", ("!! not a requirement",), "fail"),
        ("torchaudio", "2.11.0+cpu", (), "pass"),
        ("torchaudio", "2.10.0+cpu", (), "fail"),
        ("torchaudio", "what", (), "fail"),
    ],
)
def test_versions_of_companions(site, name, version, requires, status):
    site.torch()
    site.companion(name, version, requires=requires)
    assert run(site, "family-versions").status == status


@pytest.mark.parametrize(
    ("name", "torch", "requirement"),
    [
        ("torchvision", "2.0.1", "torchvision==0.15.*"),
        ("torchvision", "2.14.0+cpu", "torchvision==0.29.*"),
        ("torchaudio", "2.9.1", "torchaudio==2.9.*"),
        ("torchaudio", "2.11.0", "torchaudio==2.11.*"),
        ("torchaudio", "2.14.0", "torchaudio==2.11.*"),
    ],
)
def test_the_release_table(name, torch, requirement):
    assert paired(name, Version(torch)) == Requirement(requirement)


def test_no_table_for_another_major_version():
    assert paired("torchvision", Version("1.13.1")) is None
