"""Copy the tables of conditions out of a report into the page that speaks of them.

python docs/tables.py docs/why-they-disagree.html docs/why-they-disagree.md

In the page each table stands between the lines ``<!-- table 1 -->`` and ``<!-- end -->``, numbered
as in the report's section on conditions.
"""

from __future__ import annotations

import argparse
import re
from html.parser import HTMLParser
from pathlib import Path


class Tables(HTMLParser):
    """Cells of the tables in one section, as text; a robust verdict stays bold."""

    def __init__(self, section: str) -> None:
        super().__init__()
        self.section, self.inside, self.cell = section, False, False
        self.tables: list[list[list[str]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Open a table, a row or a cell."""
        if tag == "section":
            self.inside = dict(attrs).get("id") == self.section
        if not self.inside:
            return
        if tag == "table":
            self.tables.append([])
        elif tag == "tr":
            self.tables[-1].append([])
        elif tag in ("th", "td"):
            self.tables[-1][-1].append("")
            self.cell = True
        elif tag == "b":
            self._add("**")

    def handle_endtag(self, tag: str) -> None:
        """Close the section, a cell or what is bold."""
        if tag == "section":
            self.inside = False
        elif tag in ("th", "td"):
            self.cell = False
        elif tag == "b":
            self._add("**")

    def handle_data(self, data: str) -> None:
        """Add to the cell that is open."""
        self._add(data)

    def _add(self, text: str) -> None:
        if self.cell:
            self.tables[-1][-1][-1] += text


def markdown(table: list[list[str]]) -> str:
    """A table in Markdown."""
    rows = [[" ".join(cell.replace("|", "/").split()) for cell in row] for row in table]
    rows.insert(1, ["---"] * len(rows[0]))
    return "".join("| " + " | ".join(row) + " |\n" for row in rows)


def main() -> None:
    """Rewrite the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("report", type=Path)
    parser.add_argument("page", type=Path)
    options = parser.parse_args()
    found = Tables("conditions")
    found.feed(options.report.read_text("utf-8"))
    page = options.page.read_text("utf-8")
    for number, table in enumerate(found.tables, 1):
        pattern = rf"(<!-- table {number} -->\n).*?(<!-- end -->)"
        text = markdown(table)
        page = re.sub(pattern, lambda m, text=text: m[1] + text + m[2], page, flags=re.DOTALL)
    options.page.write_text(page, "utf-8")


if __name__ == "__main__":
    main()
