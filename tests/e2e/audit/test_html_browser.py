"""The HTML report in a real headless browser: its filters by mouse, by keyboard and without a script; phones and the
dark; contrast; and hostile names that stay text."""

from __future__ import annotations

import sys
from dataclasses import replace

import pytest

from envtool.audit.discover import discover
from envtool.audit.engine import run_audit
from envtool.audit.formats import FORMATS
from envtool.audit.options import AuditOptions
from envtool.audit.risk.evidence import EnvironmentFacts, Evidence, FlipFacts, LockFacts
from envtool.audit.rules import RULES

sys.path.insert(0, __file__.rpartition("test_")[0])
from browser import CHROMIUM, DRIVER, Browser

pytestmark = pytest.mark.skipif(CHROMIUM is None or DRIVER is None, reason="no Chromium and chromedriver here")

FILES = {
    "app.py": "import torch\ntorch.ones(1).cuda()\ntorch.load('x.pt')\ntorch.cuda.amp.GradScaler()\n",
    "app.spec": 'a = Analysis(["app.py"], hiddenimports=["torch.backends.cuda"], excludes=["torch.cuda"])\n',
    "requirements.txt": "--extra-index-url https://download.pytorch.org/whl/cu118\ntorch==2.0.1+cu118\n",
    "ci/Dockerfile": "FROM nvidia/cuda:12.4.1-base\nRUN pip install torch\n",
    "old.py": "import torch\nprint 'x'\n",
    "deep/in/the/tree/of/a/project/with/very/long/names/that/no/phone/can/show/on/one/line.py": (
        "import torch\nx = torch.ones(1).cuda() + " + " + ".join(["torch.ones(1)"] * 30) + "\n"
    ),
}
EVIDENCE = Evidence(
    lock=LockFacts(path="lockfiles", torch=(("cpu", "2.13.0+cpu"), ("full", "2.13.0"))),
    environments=(
        EnvironmentFacts(number=1, backend="full", torch="2.13.0", current=False, healthy=True, size=4_500_000_000),
        EnvironmentFacts(
            number=2, backend="cpu", torch="2.13.0+cpu", current=True, healthy=True, size=900_000_000, passed=15
        ),
    ),
    way_back=1,
    flip=FlipFacts(seconds=0.3, before=2, after=1, day="2026-11-25"),
)
TAB, SPACE = "\ue004", " "

# Every text of the page against the first background behind it, by the formula of WCAG 2.
CONTRAST = """
const rgb = (text) => text.match(/[\\d.]+/g).map(Number);
const light = (c) => {
  const [r, g, b] = c.slice(0, 3).map((v) => (v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
};
const behind = (node) => {
  for (; node; node = node.parentElement) {
    const color = rgb(getComputedStyle(node).backgroundColor);
    if (color.length < 4 || color[3] > 0) return color;
  }
  return [255, 255, 255];
};
const poor = [];
let seen = 0;
for (const node of document.querySelectorAll("body *")) {
  if (!node.checkVisibility() || ["SCRIPT", "STYLE"].includes(node.tagName)) continue;
  if (![...node.childNodes].some((child) => child.nodeType === 3 && child.data.trim())) continue;
  seen += 1;
  const [a, b] = [light(rgb(getComputedStyle(node).color)), light(behind(node))];
  const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
  if (ratio < 4.5) poor.push(`${node.tagName}.${node.className} ${ratio.toFixed(2)}: ${node.textContent.slice(0, 30)}`);
}
return [seen, poor];
"""
SHOWN = """
return [...document.querySelectorAll(".entry")].filter((entry) => entry.checkVisibility())
  .map((entry) => `${entry.closest("article").id} ${entry.dataset.severity}`);
"""


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    one = Browser(tmp_path_factory.mktemp("profile"))
    yield one
    one.close()


def written(folder, files, evidence=EVIDENCE):
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    report = run_audit(discover([folder], cwd=folder), RULES, AuditOptions())
    page = folder / "report.html"
    page.write_text(FORMATS["html"](replace(report, evidence=evidence)), encoding="utf-8")
    return report, page


@pytest.fixture
def page(tmp_path):
    return written(tmp_path / "project", FILES)[1]


def test_the_script_counts_and_the_console_is_silent(browser, page):
    browser.log()
    browser.open(page)
    count = browser.run('return document.querySelectorAll(".spots > li").length')
    assert count > 8
    assert browser.run('return document.querySelector("output").textContent') == f"{count} shown"
    assert browser.log() == []


def test_the_filters_leave_what_is_chosen(browser, page):
    browser.open(page)
    everything = browser.run(SHOWN)
    browser.run('document.getElementById("s-note").click(); document.getElementById("s-warning").click()')
    errors = browser.run(SHOWN)
    assert errors == [row for row in everything if row.endswith("error")]
    assert 0 < len(errors) < len(everything)
    browser.run('document.getElementById("p-CPU1").click()')
    left = browser.run(SHOWN)
    assert left == [row for row in errors if not row.startswith("CPU1")]
    assert browser.run('return document.querySelector("output").textContent') == f"{len(left)} shown"
    # An article whose entries are all gone is gone, too.
    assert (
        browser.run(
            'return [...document.querySelectorAll("article")].filter((one) => one.checkVisibility()'
            ' && ![...one.querySelectorAll(".entry")].some((entry) => entry.checkVisibility())).length'
        )
        == 0
    )


def test_the_filters_work_by_keyboard(browser, page):
    browser.open(page)
    for _ in range(60):
        browser.press(TAB)
        if browser.run("return document.activeElement.id") == "s-warning":
            break
    browser.press(SPACE)
    assert not any(row.endswith("warning") for row in browser.run(SHOWN))
    assert "px" in browser.run("return getComputedStyle(document.activeElement).outlineWidth")
    assert browser.run("return document.activeElement.matches(':focus-visible')") is True


def test_without_a_script_everything_is_there_and_the_filters_work(browser, page):
    browser.open(page, script=False)
    try:
        query = "Runtime.evaluate"
        both = {"expression": f"(() => {{ {SHOWN} }})()", "returnByValue": True}
        # The page's own script is off; the test's is not.
        everything = browser.command(query, **both)["result"]["value"]
        assert len(everything) > 5
        browser.command(query, expression='document.getElementById("s-error").click()')
        left = browser.command(query, **both)["result"]["value"]
        assert left == [row for row in everything if not row.endswith("error")]
        count = browser.command(query, expression='document.querySelector("output").textContent', returnByValue=True)
        assert count["result"]["value"] == ""
    finally:
        browser.command("Emulation.setScriptExecutionDisabled", value=False)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_it_fits_and_can_be_read(browser, page, width, scheme):
    browser.open(page, width=width, scheme=scheme)
    browser.run('for (const part of document.querySelectorAll("details")) part.open = true')
    assert browser.run("return [document.documentElement.scrollWidth, innerWidth]") == [width, width]
    seen, poor = browser.run(CONTRAST)
    assert seen > 100
    assert poor == []
    background = browser.run("return getComputedStyle(document.body).backgroundColor")
    assert (background == "rgb(255, 255, 255)") == (scheme == "light")
    assert browser.picture().startswith(b"\x89PNG")


def test_what_is_shown_has_a_name_for_who_cannot_see_it(browser, page):
    browser.open(page)
    assert browser.run('return [...document.querySelectorAll("input")].filter((box) => !box.labels.length).length') == 0
    names = browser.run('return [...document.querySelectorAll(".sign")].map((sign) => sign.getAttribute("aria-label"))')
    assert {"done", "open"} <= set(names)
    assert browser.run('return document.querySelectorAll("h1").length') == 1
    assert (
        browser.run(
            'return [...document.querySelectorAll("nav a")].filter((a) => !document.querySelector(a.hash)).length'
        )
        == 0
    )
    # A table that is laid out as cards on a phone is a table still.
    browser.open(page, width=390)
    assert browser.run('return document.querySelector(".summary").getAttribute("role")') == "table"


def test_the_matrix_has_each_perspective_in_its_cell(browser, page):
    browser.open(page)
    cells = browser.run(
        'return [...document.querySelectorAll(".matrix tbody tr")].map((row) => [...row.cells].map('
        "(cell) => cell.innerText.replace(/\\s+/g, ' ').trim()))"
    )
    assert [row[0] for row in cells] == ["high", "medium", "low"]
    assert cells[0][3].startswith("Code ")
    assert [cell for row in cells[1:] for cell in row[1:]] == [""] * 6


def test_bars_are_as_long_as_their_sizes(browser, page):
    browser.open(page)
    full, cpu = browser.run('return [...document.querySelectorAll(".bar i")].map((bar) => bar.offsetWidth)')
    assert cpu / full == pytest.approx(0.2, abs=0.01)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such file names")
def test_hostile_names_stay_text(browser, tmp_path):
    attack = "<img src=x onerror='window.attacked=1'>"
    text = f"import torch\ntorch.ones(1).cuda()  # </script><script>window.attacked=1</script>{attack}\n"
    folder = tmp_path / "<svg onload=window.attacked=1>"
    files = {f"{attack}.py": text, "</script><script>window.attacked=1</script>.py": text, "a\x1b\u202e`.py": text}
    report, page = written(folder, files)
    browser.log()
    browser.open(page)
    assert len(report.findings) == 3
    assert browser.run("return window.attacked ?? 0") == 0
    assert browser.run('return document.querySelectorAll("img, svg, iframe").length') == 0
    assert browser.run('return document.querySelectorAll("script").length') == 1
    assert attack in browser.run("return document.body.innerText")
    assert browser.log() == []
