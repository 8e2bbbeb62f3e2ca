"""How a file is read, for people: what was found, and the first posts with their mentions marked."""

from __future__ import annotations

from rich.text import Text

from app.graph.previews import Preview, Row
from ops.cli.console import out, plain, table

_ROWS = 5
_TEXT_CHARACTERS = 100


def show(preview: Preview) -> None:
    """Print what was found, the questions that are open, and the first posts."""
    found = table("what", "found", "how sure", "because")
    for subject, each in preview.detected.items():
        found.add_row(subject.replace("_", " "), plain(repr(each.value)[1:-1], 60), each.sure, plain(each.reason))
    out.print(found)
    for question in preview.questions:
        choices = f" One of: {', '.join(question.choices)}." if question.choices else ""
        out.print(plain(f"{question.command_line}: {question.found}.{choices}"))
    if preview.rows:
        posts = table("author", "instant", "text", "mentions")
        for row in preview.rows[:_ROWS]:
            posts.add_row(plain(row.author, 40), row.at, _marked(row), _mentions(row))
        out.print(posts)


def _marked(row: Row) -> Text:
    shown = Text(plain(row.text[:_TEXT_CHARACTERS]))
    if len(shown) == len(row.text[:_TEXT_CHARACTERS]):  # control characters are shown as several
        for mark in row.mentions:
            if mark.start is not None and mark.end is not None and mark.end <= _TEXT_CHARACTERS:
                shown.stylize("bold cyan", mark.start, mark.end)
    return shown + "…" if len(row.text) > _TEXT_CHARACTERS else shown


def _mentions(row: Row) -> str:
    named = (mark.handle if mark.kind == "mention" else f"{mark.handle} ({mark.kind})" for mark in row.mentions)
    return plain(", ".join(named), 200)
