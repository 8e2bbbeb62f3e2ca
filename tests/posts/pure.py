"""A file read as the service reads it, without a server: looked at, laid out, read, counted."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import msgspec

from app.graph.mentions import Counted, count
from app.graph.profiles import PROFILES
from app.posts.looking.reading import Reading
from app.posts.options import Clock, Given
from app.posts.readers import READERS
from app.posts.screening import Posts
from app.posts.source import Source

RECEIVED = datetime(2026, 6, 1, tzinfo=UTC)


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
    source = Source(msgspec.structs.replace(given or Given(), **known))
    body = b""
    for at in range(0, len(data), piece):
        part = data[at : at + piece]
        if source.is_open:
            body += b"".join(source.feed(part))
        elif source.hold(part):
            body += source.open(final=False) or b""
    body += source.finish() if source.is_open else source.open(final=True) or b""
    found = source.reading
    posts = READERS[found.layout.value].read(body, source.format, first_line=source.first_line)
    counted = count(
        posts.frame,
        profile=PROFILES[found.profile.value],
        clock=Clock.EVENT,
        received_at=RECEIVED,
        half_life=timedelta(days=7),
        retweets=found.retweets,
    )
    return Read(found, posts, counted)
