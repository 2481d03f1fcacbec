"""A whole page: what is shown is handed in as HTML, all other text is escaped."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

STYLE = Path(__file__).with_name("page.css")
_POLICY = "default-src 'none'; style-src 'unsafe-inline'"
"""Nothing is loaded and nothing runs, whatever is in the page."""


def page(title: str, lead: str, body: str) -> str:
    """Return the page, which needs nothing else; `body` is HTML."""
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
        f'<meta name="viewport" content="width=device-width"><title>{escape(title)}</title>'
        f"<style>{STYLE.read_text()}</style></head><body><h1>{escape(title)}</h1>"
        f"<p>{escape(lead)}</p>{body}</body></html>"
    )


@dataclass(frozen=True)
class Cell:
    """A cell of a table: its text, classes of the page, and where on the page it leads."""

    text: str
    css: str = ""
    leads_to: str = ""


def table(heads: Sequence[Cell], rows: Sequence[Sequence[Cell]]) -> str:
    """Return a table as HTML."""
    return f"<table>{_row('th', heads)}{''.join(_row('td', row) for row in rows)}</table>"


def _row(tag: str, cells: Sequence[Cell]) -> str:
    filled = (f'<{tag} class="{each.css}">{_content(each)}</{tag}>' for each in cells)
    return f"<tr>{''.join(filled)}</tr>"


def _content(cell: Cell) -> str:
    text = escape(cell.text)
    return f'<a href="#{escape(cell.leads_to)}">{text}</a>' if cell.leads_to else text
