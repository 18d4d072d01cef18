"""Copy the rules' pages from the package, where they ship in the wheel, to docs/rules/, where people read them."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGES = ROOT / "envtool" / "audit" / "pages"
DOCS = ROOT / "docs" / "rules"


def main() -> None:
    """Write every page and an index, and take away what has no page any more."""
    DOCS.mkdir(parents=True, exist_ok=True)
    pages = sorted(PAGES.glob("CPU*.md"))
    for stale in {path.name for path in DOCS.glob("CPU*.md")} - {path.name for path in pages}:
        (DOCS / stale).unlink()
    rows = []
    for page in pages:
        text = page.read_text(encoding="utf-8")
        (DOCS / page.name).write_text(text, encoding="utf-8", newline="\n")
        lines = text.splitlines()
        rows.append(f"| [{page.stem}]({page.name}) | {lines[0].partition(': ')[2]} | {lines[2].partition('. ')[0]} |")
    index = ["# Rules of `envtool audit`", "", "| code | name | finds |", "|---|---|---|", *rows, ""]
    (DOCS / "README.md").write_text("\n".join(index), encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
