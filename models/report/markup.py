"""What every page of a report is made of: its frame and style, tables, paragraphs.

No scripts and nothing from outside: a page can be kept, printed and mailed. All text is
escaped here.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from string import Template

ROWS = 400
"""Rows of a table at most; the rest is in metrics.json."""

STYLE = """
:root { color-scheme: light dark; --ink: #1d2329; --dim: #5a6570; --line: #d5dae0;
  --ground: #fff; --raised: #f4f6f8; --accent: #2a6fb0; }
@media (prefers-color-scheme: dark) { :root { --ink: #e4e8ec; --dim: #9aa5b0; --line: #3a434c;
  --ground: #15191d; --raised: #1f252b; --accent: #7db4e6; } }
body { margin: 0 auto; max-width: 62rem; padding: 1.5rem; background: var(--ground);
  color: var(--ink); font: 16px/1.5 system-ui, sans-serif; }
h1 { font-size: 1.6rem; margin: 0 0 0.3rem; } h2 { font-size: 1.2rem; margin: 2.2rem 0 0.5rem;
  border-bottom: 1px solid var(--line); } h3 { font-size: 1rem; margin: 1.4rem 0 0.3rem; }
p, li { max-width: 46rem; } .dim, figcaption { color: var(--dim); font-size: 0.9rem; }
.tiles { display: grid; grid-template-columns: repeat(auto-fill, minmax(12rem, 1fr)); gap: 0.8rem; }
.tile { background: var(--raised); border-radius: 0.5rem; padding: 0.8rem 1rem; }
.tile b { display: block; font-size: 1.7rem; line-height: 1.2; }
.warning { border-left: 0.3rem solid #b03a2e; padding-left: 0.8rem; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-size: 0.9rem; font-variant-numeric: tabular-nums; }
th, td { padding: 0.25rem 0.7rem; text-align: right; border-bottom: 1px solid var(--line);
  white-space: nowrap; } th:first-child, td:first-child { text-align: left; }
th { color: var(--dim); font-weight: 600; } .text td, .text th { text-align: left; }
.text td:last-child { white-space: normal; }
.pictures { display: grid; grid-template-columns: repeat(auto-fill, minmax(19rem, 1fr));
  gap: 1rem; }
figure { margin: 0; } figure img { width: 100%; height: auto; background: #fff;
  border-radius: 0.4rem; } code { overflow-wrap: anywhere; }
summary { cursor: pointer; color: var(--accent); margin: 0.6rem 0; }
@media print { details > * { display: block; } }
"""

PAGE = Template("""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>$title</title>
<style>$style</style>
</head>
<body>
$body
</body>
</html>
""")


def framed(title: str, body: str) -> str:
    """A whole page around `body`, which is HTML already."""
    return PAGE.substitute(title=escape(title), style=STYLE, body=body)


def paragraph(text: str, kind: str = "") -> str:
    """Text as a paragraph; `kind`: a class of the style."""
    return f'<p class="{kind}">{escape(text)}</p>' if kind else f"<p>{escape(text)}</p>"


def folded(title: str, inner: str) -> str:
    """HTML that opens when its title is clicked."""
    return f"<details><summary>{escape(title)}</summary>{inner}</details>"


def table(head: Sequence[str], rows: Sequence[Iterable[str]], kind: str = "") -> str:
    """A table whose cells are escaped; rows above `ROWS` are said to be left out."""
    top = "".join(f"<th>{escape(cell)}</th>" for cell in head)
    body = "".join(
        "<tr>" + "".join(f"<td>{escape(str(cell))}</td>" for cell in row) + "</tr>"
        for row in rows[:ROWS]
    )
    left = len(rows) - ROWS
    note = paragraph(f"{left} further rows are in metrics.json.", "dim") if left > 0 else ""
    return (
        f'<div class="scroll"><table class="{kind}"><thead><tr>{top}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>{note}"
    )
