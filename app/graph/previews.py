"""A look at a file before it is uploaded: how it would be read, and the mentions in its first rows. Pure."""

from __future__ import annotations

import re

import msgspec
import polars as pl

from app.graph.kinds import Kind, mentions_of
from app.graph.profiles import PROFILES
from app.posts import source
from app.posts.looking.doubting import Doubt
from app.posts.looking.reading import Reading
from app.posts.options import Detected, Given
from app.posts.readers import READERS
from app.posts.source import Source

ROWS_SHOWN = 10
CELL_CHARACTERS = 300
_SAMPLE_BYTES = 256 << 10


class Mark(msgspec.Struct, frozen=True):
    """A mention in a text: characters `start` to `end` of the text. None: the mention is not in the text."""

    handle: str
    kind: str
    """mention, reply, retweet or quote."""
    start: int | None
    end: int | None


class Row(msgspec.Struct, frozen=True):
    """A post as the service would read it."""

    line: int
    """The physical line of the file on which the post begins."""
    text: str
    at: str
    """The instant, as ISO 8601 in UTC."""
    author: str
    mentions: list[Mark]


class Rejected(msgspec.Struct, frozen=True):
    """A row that would be rejected."""

    line: int
    code: str
    message: str


class Counted(msgspec.Struct, frozen=True):
    """What an upload would make of the first rows of the file."""

    bytes: int
    """Bytes of UTF-8 that these rows take."""
    rows: int
    rejected: int
    mentioning: int
    """Posts that mention somebody."""
    mentions: int
    whole: bool
    """Whether these are all rows of the file."""


class Question(msgspec.Struct, frozen=True):
    """What a person has to decide."""

    option: str
    """The name of the parameter of the request."""
    command_line: str
    """The name of the option of `mentiongraph`."""
    found: str
    choices: list[str]


class Preview(msgspec.Struct, frozen=True):
    """How a file would be read."""

    certain: bool
    """Whether an upload of the file needs no further options."""
    detected: dict[str, Detected]
    columns: list[str]
    questions: list[Question]
    rows: list[Row]
    """The first rows. Empty while there are questions."""
    rejects: list[Rejected]
    """The rejects among the first rows."""
    cells: list[list[str]]
    """The first rows as they are in the file: up to CELL_CHARACTERS of each value, in the order of `columns`."""
    counted: Counted | None
    """Null while there are questions."""


def preview(head: bytes, given: Given, *, final: bool) -> Preview:
    """The preview of the file that begins with `head` (decoded bytes). `final`: the head is the whole file.

    Raises UploadRefused if the bytes are no file of posts.
    """
    file = Source(given)
    file.hold(head)
    found = file.look(final=final)
    return asked(found) if found.doubts else shown(file, file.open(final=final) or b"", final=final)


def asked(found: Reading) -> Preview:
    """The preview of a file about which a person has to decide."""
    questions = [_question(doubt) for doubt in found.doubts]
    return Preview(False, source.detected(found), list(found.columns), questions, [], [], _cells(found), None)


def shown(file: Source, rows: bytes, *, final: bool) -> Preview:
    """The preview of an open file that begins with these rows. `final`: these are all rows."""
    found, reader = file.reading, READERS[file.reading.layout.value]
    sample = rows[:_SAMPLE_BYTES]
    cut = reader.cut(sample, delimiter=file.format.delimiter, final=final and len(sample) == len(rows))
    posts = reader.read(sample[: cut.end], file.format, first_line=file.first_line)
    every = mentions_of(posts.frame, PROFILES[found.profile.value], found.retweets).found
    frame, mentions = posts.frame.head(ROWS_SHOWN), every.filter(pl.col("row") < ROWS_SHOWN)
    whole = final and cut.end == len(rows)
    counted = Counted(cut.end, posts.rows, len(posts.rejects), every["row"].n_unique(), len(every), whole)
    rejects = [Rejected(*row) for row in posts.rejects.select("line", "code", "message").head(ROWS_SHOWN).iter_rows()]
    shown_rows = _rows(frame, mentions)
    return Preview(True, source.detected(found), list(found.columns), [], shown_rows, rejects, _cells(found), counted)


def _cells(found: Reading) -> list[list[str]]:
    return [[cell[:CELL_CHARACTERS] for cell in row] for row in found.cells]


def _question(doubt: Doubt) -> Question:
    option = source.option_named(doubt.option)
    return Question(option, "--" + option.replace("_", "-"), doubt.found, list(doubt.choices))


def _rows(frame: pl.DataFrame, mentions: pl.DataFrame) -> list[Row]:
    by_row: dict[int, list[tuple[str, int]]] = {}
    for row, handle, kind in mentions.iter_rows():
        by_row.setdefault(row, []).append((handle, kind))
    instants = frame["at"].dt.to_string("iso:strict").to_list()
    columns = zip(frame["line"], frame["text"], instants, frame["author_spelling"], strict=True)
    return [
        Row(line, text, at.replace("+00:00", "Z"), author, _marks(text, by_row.get(number, [])))
        for number, (line, text, at, author) in enumerate(columns)
    ]


def _marks(text: str, mentions: list[tuple[str, int]]) -> list[Mark]:
    """The mentions with their places in the text, each behind the one before."""
    at = 0
    marks: list[Mark] = []
    for handle, number in mentions:
        kind = Kind(number).name.lower()
        # A profile may add the author's server to a bare name.
        names = (handle, handle.partition("@")[0])
        found = next((place for name in names if (place := _signed(name).search(text, at))), None)
        if found is None:
            marks.append(Mark(handle, kind, None, None))
        else:
            at = found.end()
            marks.append(Mark(handle, kind, found.start(), at))
    return marks


def _signed(handle: str) -> re.Pattern[str]:
    """A handle behind the sign of a mention."""
    return re.compile(rf"(?:[@＠]|(?<!\w)u/){re.escape(handle)}(?![A-Za-z0-9_])", re.IGNORECASE)
