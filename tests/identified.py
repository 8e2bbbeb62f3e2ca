"""Uploads whose posts have ids, for tests that are not about how a sender names the column of ids."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from app.posts.options import Options
from app.settings import Settings
from app.store import postgres
from tests.uploading import upload


class Row(NamedTuple):
    """A row of a file: text, instant, author, id (None: the cell is empty)."""

    text: str
    at: datetime | str
    author: str
    id: str | None = None


def ids_csv(rows: Iterable[Row]) -> bytes:
    lines = ["data,timestamp,username,id"]
    lines += [
        f'"{text}",{at if isinstance(at, str) else at.isoformat()},{author},{key or ""}'
        for text, at, author, key in rows
    ]
    return ("\n".join(lines) + "\n").encode()


def upload_ids(
    settings: Settings,
    content: bytes,
    *,
    received_at: datetime,
    options: Options | None = None,
    again: bool = False,
    scope: str = "test",
    filename: str = "posts.csv",
) -> UUID:
    """Upload a CSV whose column `id` has the ids of posts. No batch may be counted before this returns."""
    column = content.partition(b"\n")[0].decode().split(",").index("id")
    sent = upload(settings, content, options=options, received_at=received_at, again=again, filename=filename)
    with postgres.connect(settings.database_url, role="test") as conn:
        conn.execute(
            "UPDATE uploads SET format = format || jsonb_build_object('id_scope', %s::text, 'further', %s::jsonb) "
            "WHERE id = %s AND format ->> 'id_scope' IS NULL",
            [scope, f'{{"id": {column}}}', sent],
        )
    return sent
