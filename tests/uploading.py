"""Uploads for tests that are not about HTTP: the real receiving code over a pool of its own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime
from uuid import UUID

import msgspec

from app.ledger import receiving
from app.ledger.receiving import Arriving
from app.posts.containers.compression import decoder
from app.posts.options import ColumnNames, Given, InputFormat, Options, Retweets
from app.settings import Settings
from app.store import postgres


def upload(
    settings: Settings,
    content: bytes,
    *,
    options: Options | None = None,
    received_at: datetime,
    again: bool = False,
    filename: str = "posts.csv",
) -> UUID:
    """Receive and seal `content` as if it had arrived at `received_at`; the upload's id (or the earlier one's)."""
    # A batch is never smaller than what arrives at once.
    chunk_bytes = min(65536, 1 + settings.batch_bytes // 4)

    async def body() -> AsyncIterator[bytes]:
        for start in range(0, len(content), chunk_bytes):
            yield content[start : start + chunk_bytes]

    async def receive() -> UUID:
        async with postgres.async_pool(settings.database_url, role="test", size=3, statement_timeout=30) as pool:
            received = await receiving.receive(
                pool,
                Arriving(body(), decoder(None), worded(options or Options()), filename=filename, again=again),
                settings=settings,
                received_by="test",
                clock=lambda: received_at,
            )
            return received.upload_id

    return asyncio.run(receive())


def worded(options: Options) -> Options:
    """The options as a sender would say them: what differs from the defaults."""
    if options.given is not None:
        return options
    said = {
        role: name for role, name in msgspec.structs.asdict(options.columns).items() if options.columns != ColumnNames()
    }
    return msgspec.structs.replace(
        options,
        given=Given(
            **said,
            layout=options.format if options.format is not InputFormat.CSV else None,
            encoding=options.encoding if options.encoding != "utf-8" else None,
            delimiter=options.delimiter if options.delimiter not in {",", "auto"} else None,
            profile=options.profile if options.profile != "twitter" else None,
            retweets=options.retweet_rule if options.retweets is not Retweets.TEXT else None,
        ),
    )


def posts_csv(posts: list[tuple[str, datetime, str]]) -> bytes:
    """A CSV of (text, instant, author), every text quoted."""
    lines = ["data,timestamp,username"]
    for text, at, author in posts:
        quoted = text.replace('"', '""')
        lines.append(f'"{quoted}",{at.isoformat()},{author}')
    return ("\n".join(lines) + "\n").encode()
