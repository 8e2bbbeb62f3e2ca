"""A file read as the service reads it, without a server: looked at, laid out, read, counted."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from app.graph.mentions import Counted, count
from app.graph.profiles import PROFILES
from app.posts import encodings
from app.posts.json import elements
from app.posts.looking import forms, reading
from app.posts.looking.reading import Given, Reading
from app.posts.looking.sniffing import Layout
from app.posts.options import Clock, Format
from app.posts.readers import READERS
from app.posts.screening import Posts

RECEIVED = datetime(2026, 6, 1, tzinfo=UTC)
NAMED = Format("", 0, -1, -1, -1, placeholders=False)


class Read(NamedTuple):
    """What became of a file."""

    reading: Reading
    posts: Posts
    counted: Counted

    @property
    def edges(self) -> dict[tuple[str, str], int]:
        named = self.counted.named().select("source", "target", "mention_count")
        return {(source, target): mentions for source, target, mentions in named.rows()}

    @property
    def kinds(self) -> set[tuple[str, str, str]]:
        """Source, target and kind of the edges with mentions that are not plain."""
        named = self.counted.named()
        return {
            (row["source"], row["target"], kind)
            for row in named.iter_rows(named=True)
            for kind in ("replies", "retweets", "quotes")
            if row.get(kind)
        }

    @property
    def instants(self) -> list[str]:
        return [at.replace(tzinfo=None).isoformat() for at in self.posts.frame["at"].to_list()]

    @property
    def authors(self) -> list[str]:
        return self.posts.frame["author_spelling"].to_list()

    @property
    def rejects(self) -> list[str]:
        return self.posts.rejects["code"].to_list()


def read(data: bytes, given: Given | None = None, *, piece: int = 1 << 16, **known: str | None) -> Read:
    """Read a file of which its reading is certain. `known`: timestamp_format, timezone."""
    given = given or Given()
    found = reading.look(data[: reading.HEAD_BYTES], given, final=len(data) <= reading.HEAD_BYTES)
    assert found.certain, found.doubts
    text = _pieces(encodings.transcoder(found.encoding.value), data, piece)
    begun = forms.begin(found, text, final=True, author_is=given.author_is, known=_known(given, **known))
    assert begun is not None
    body = text[begun.body_offset :]
    if (splitter := elements.splitter(found.layout.value, found.packing)) is not None:
        body = _pieces(splitter, body, piece)
    reader = READERS["csv" if found.layout.value is Layout.CSV else "jsonl"]
    posts = reader.read(body, begun.format, first_line=begun.first_line)
    counted = count(
        posts.frame,
        profile=PROFILES[found.profile.value],
        clock=Clock.EVENT,
        received_at=RECEIVED,
        half_life=timedelta(days=7),
        retweets=found.retweets,
    )
    return Read(found, posts, counted)


def _known(given: Given, **known: str | None) -> Format:
    form = NAMED
    return Format(
        "",
        0,
        -1,
        -1,
        -1,
        placeholders=form.placeholders,
        timezone=given.timezone or known.get("timezone"),
        timestamp_format=given.timestamp_format or known.get("timestamp_format"),
    )


def _pieces(step: elements.Splitter, data: bytes, piece: int) -> bytes:
    cut = [data[at : at + piece] for at in range(0, len(data), piece)]
    return b"".join(part for each in cut for part in step.feed(each)) + step.finish()
