"""The HTML report in a real headless browser: the script runs, the filter counts, a picture can be taken."""

from __future__ import annotations

import re
import shutil
import subprocess

import pytest

from envtool.audit.discover import discover
from envtool.audit.engine import run_audit
from envtool.audit.formats import FORMATS
from envtool.audit.options import AuditOptions
from envtool.audit.rules import RULES

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = pytest.mark.skipif(BROWSER is None, reason="no Chromium here")


@pytest.fixture
def page(tmp_path):
    (tmp_path / "a.py").write_text("import torch\ntorch.ones(1).cuda()\ntorch.load('x.pt')\n", encoding="utf-8")
    report = run_audit(discover([tmp_path], cwd=tmp_path), RULES, AuditOptions())
    path = tmp_path / "report.html"
    path.write_text(FORMATS["html"](report), encoding="utf-8")
    return path


def browse(page, *args):
    profile = f"--user-data-dir={page.parent / 'profile'}"
    flags = ["--headless", "--no-sandbox", "--disable-gpu", profile]
    return subprocess.run(
        [BROWSER, *flags, *args, page.as_uri()], capture_output=True, text=True, check=True, timeout=90
    ).stdout


def test_the_script_runs_and_counts(page):
    dom = browse(page, "--dump-dom")
    assert re.search(r"<output>2 shown</output>", dom)


def test_the_filter_hides(page):
    text = page.read_text(encoding="utf-8").replace('value="warning" checked', 'value="warning"')
    page.write_text(text, encoding="utf-8")
    dom = browse(page, "--dump-dom")
    assert "<output>1 shown</output>" in dom
    assert re.search(r'<article data-severity="warning" data-perspective="CPU1" hidden', dom)


def test_a_picture_on_a_phone(page):
    picture = page.parent / "phone.png"
    browse(page, f"--screenshot={picture}", "--window-size=420,900")
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert picture.stat().st_size > 5_000
