"""The record of the last bundle: it holds while the bundle is as it was, and no longer."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace

import pytest

from envtool.bundle.models import BundleResult, Sizes
from envtool.bundle.record import read_record, write_record
from envtool.models import CheckResult


@pytest.fixture
def built(tmp_path):
    folder = tmp_path / "dist" / "app"
    folder.mkdir(parents=True)
    (folder / "app").write_bytes(b"x" * 100)
    (tmp_path / ".envtool").mkdir()
    return BundleResult(
        path=folder,
        executable=folder / "app",
        torch="2.13.0+cpu",
        sizes=Sizes(total=100, parts=(), packed=False),
        checks=(CheckResult(id="start-check", status="pass", found="ok"),),
        seconds={},
        default_size=150,
    )


def test_a_bundle_that_stands_is_remembered(built, tmp_path):
    write_record(tmp_path / ".envtool", tmp_path, built)
    record = read_record(tmp_path / ".envtool", tmp_path)
    assert record is not None
    assert (record.path, record.torch, record.size, record.default_size) == ("dist/app", "2.13.0+cpu", 100, 150)
    assert [(check.id, check.status) for check in record.checks] == [("start-check", "pass")]


def test_a_bundle_that_changed_or_went_is_not(built, tmp_path):
    write_record(tmp_path / ".envtool", tmp_path, built)
    (built.path / "more").write_bytes(b"y")
    assert read_record(tmp_path / ".envtool", tmp_path) is None
    (built.path / "more").unlink()
    (built.path / "app").unlink()
    assert read_record(tmp_path / ".envtool", tmp_path) is None


def test_what_failed_or_lies_elsewhere_is_no_proof(built, tmp_path):
    failed = replace(built, checks=(CheckResult(id="smoke", status="fail", found="no"),))
    write_record(tmp_path / ".envtool", tmp_path, failed)
    assert read_record(tmp_path / ".envtool", tmp_path) is None
    (tmp_path / ".envtool" / "bundle.json").unlink()
    write_record(tmp_path / ".envtool", tmp_path / "elsewhere", built)
    assert not (tmp_path / ".envtool" / "bundle.json").exists()


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"schema": 1}', '{"schema": 2}', '{"schema": 1, "checks": [1]}', "null"]
)
def test_what_is_no_record_counts_as_none(tmp_path, text):
    (tmp_path / "bundle.json").write_text(text, encoding="utf-8")
    assert read_record(tmp_path, tmp_path) is None


def test_a_path_out_of_the_project_is_not_followed(built, tmp_path):
    write_record(tmp_path / ".envtool", tmp_path, built)
    record = tmp_path / ".envtool" / "bundle.json"
    data = {**json.loads(record.read_text(encoding="utf-8")), "path": str(tmp_path.parent / "outside")}
    record.write_text(json.dumps(data), encoding="utf-8")
    shutil.copytree(built.path, tmp_path.parent / "outside", dirs_exist_ok=True)
    assert read_record(tmp_path / ".envtool", tmp_path) is None
