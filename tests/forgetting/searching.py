"""Where a handle is: every text, JSON and binary column of a database, whatever tables there are."""

from __future__ import annotations

import io
import json
from typing import Any

import polars as pl
import psycopg
from psycopg import sql

from app.posts.containers.compression import decompress

_COLUMNS = """
    SELECT c.relname, a.attname, format_type(a.atttypid, NULL)
    FROM pg_class AS c
    INNER JOIN pg_attribute AS a ON a.attrelid = c.oid
    WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p', 'm')
      AND a.attnum > 0 AND NOT a.attisdropped
    ORDER BY 1, 2
"""
_SEARCHED = {"text", "bytea", "jsonb", "json", "text[]", "bytea[]", "character varying", "name"}


def places_of(conn: psycopg.Connection[Any], handle: str) -> list[str]:
    """The columns that hold a handle, in whatever case, also within compressed bytes and escaped JSON."""
    found: list[str] = []
    for table, column, kind in conn.execute(_COLUMNS).fetchall():
        if kind in _SEARCHED:
            statement = sql.SQL("SELECT {} FROM {}").format(sql.Identifier(column), sql.Identifier(table))
            values = [value for (value,) in conn.execute(statement).fetchall()]
            found += [f"{table}.{column}: {_shown(value)}"[:2000] for value in values if _holds(value, handle.lower())]
    return found


def _holds(value: Any, handle: str) -> bool:
    if isinstance(value, bytes | memoryview):
        return any(handle in text for text in _readings(bytes(value)))
    if isinstance(value, dict | list):
        return handle in json.dumps(value, ensure_ascii=False).lower()
    return value is not None and handle in str(value).lower()


def _readings(data: bytes) -> list[str]:
    """What bytes may say: as they are, decompressed, or as Arrow."""
    readings = [data]
    if data.startswith(b"\x28\xb5\x2f\xfd"):
        readings = [decompress(data)]
    texts = [each.decode("utf-8", "replace").lower() for each in readings]
    texts += [each.decode("unicode_escape", "replace").lower() for each in readings if b"\\u" in each]
    if data.startswith(b"\xff\xff\xff\xff"):
        texts.append(str(pl.read_ipc_stream(io.BytesIO(data)).to_dict(as_series=False)).lower())
    return texts


def _shown(value: Any) -> str:
    return " / ".join(_readings(bytes(value))) if isinstance(value, bytes | memoryview) else repr(value)
