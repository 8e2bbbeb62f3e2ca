"""Texts of the ledger without a person's handle: rejects, warnings, errors, file names, notes, answers, events.

A table's column that is called like the person gets another name: its rows are read by the places of columns. Keys of
JSON stay in the form of an upload, since its rows are read by them. Each page of rows is locked as it is read, since
whoever writes the rows goes on meanwhile. Audit events are append-only and name no user, so they stay as they are.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable
from typing import Any, LiteralString, NamedTuple

import msgspec

import sql
from app.posts.erasing import AUTHOR, Name
from app.store.postgres import Connection, execute, rows

AT_ONCE = 500
"""Rows of a page."""

_WORDS = ("format", "layout", "encoding", "delimiter", "profile", "clock", "priority", "retweets", "preset", "timezone",
          "date_order", "dates", "timestamp_format", "id_scope", "max_rejects", "container", "sure")  # fmt: skip
"""Keys of options and formats whose values are words of the service."""
_KEYS_OF_JSON = ("names", "paths")
"""Keys of a form whose values say where JSON has what a post needs."""
_ESCAPED = re.compile(r"\\u([0-9a-fA-F]{4})")


class _Reject(msgspec.Struct, frozen=True):
    upload_id: uuid.UUID
    line: int
    column_name: str | None
    message: str
    raw: bytes
    value: bytes | None


class _Batch(msgspec.Struct, frozen=True):
    id: int
    warnings: Any
    error: Any


class _Upload(msgspec.Struct, frozen=True):
    id: uuid.UUID
    filename: str | None
    note: str | None
    options: Any
    format: Any
    error: Any


class _Event(msgspec.Struct, frozen=True):
    id: int
    reason: Any


class _Answer(msgspec.Struct, frozen=True):
    key: str
    answer: Any


class _Table(NamedTuple):
    """A table with texts: how its rows are read, and what they become."""

    row: type[Any]
    page: LiteralString
    set: LiteralString
    first: dict[str, Any]
    """The key before all others, by the columns of the key."""
    without: Callable[[Any, Name], Any]
    """The row without the handle; None if the row goes."""
    drop: LiteralString | None = None


def erase_rejects(
    conn: Connection, name: Name, *, change: bool = True, note: Callable[[int], object] | None = None
) -> int:
    """Rewrite rejects without the handle, a page a transaction. Returns the number of rejects that held it.

    `note` gets the number of each page, in the page's transaction.
    """
    return _erase(conn, name, _REJECTS, change=change, note=note)


def erase(conn: Connection, name: Name, *, change: bool = True, note: Callable[[int], object] | None = None) -> int:
    """Do the same as `erase_rejects` for every other text of the ledger."""
    return sum(_erase(conn, name, table, change=change, note=note) for table in _OTHERS)


def _erase(conn: Connection, name: Name, table: _Table, *, change: bool, note: Callable[[int], object] | None) -> int:
    total, needle, after = 0, name.needle.decode(), table.first
    while True:
        with conn.transaction():
            after_now = {f"after_{key}": value for key, value in after.items()}
            page = rows(conn, table.row, table.page, {**after_now, "needle": needle, "limit": AT_ONCE})
            done = sum(_erase_row(conn, name, table, row, change=change) for row in page)
            if done and note is not None:
                note(done)
        total += done
        if len(page) < AT_ONCE:
            return total
        after = {key: getattr(page[-1], key) for key in table.first}


def _erase_row(conn: Connection, name: Name, table: _Table, row: msgspec.Struct, *, change: bool) -> bool:
    """Returns whether the row held the handle."""
    new: msgspec.Struct | None = table.without(row, name)
    if new == row:
        return False
    if change and new is not None:
        execute(conn, table.set, {key: _json(value) for key, value in msgspec.structs.asdict(new).items()})
    elif change and table.drop is not None:
        execute(conn, table.drop, {key: getattr(row, key) for key in table.first})
    return True


def _json(value: Any) -> Any:  # noqa: ANN401 (a column)
    return msgspec.json.encode(value).decode() if isinstance(value, dict | list) else value


# What becomes of a row ------------------------------------------------------------------------------------------------


def _reject(row: _Reject, name: Name) -> _Reject:
    value = None if row.value is None else name.masked_bytes(row.value)
    column = None if row.column_name is None else name.masked(row.column_name)
    return _Reject(row.upload_id, row.line, column, name.masked(row.message), _raw(row.raw, name), value)


def _raw(raw: bytes, name: Name) -> bytes:
    """A rejected row without the handle. A row of JSON may spell letters as escapes, and may be cut off."""
    if b"\\u" not in raw:
        return name.masked_bytes(raw)
    try:
        found = msgspec.json.decode(raw)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        text = _ESCAPED.sub(lambda letter: chr(int(letter[1], 16)), raw.decode(errors="replace"))
        new = name.masked(text)
        return name.masked_bytes(raw) if new == text else new.encode(errors="replace")
    new_json = name.masked_json(found)
    return name.masked_bytes(raw) if new_json == found else msgspec.json.encode(new_json)


def _batch(row: _Batch, name: Name) -> _Batch:
    return _Batch(row.id, name.masked_json(row.warnings), name.masked_json(row.error))


def _upload(row: _Upload, name: Name) -> _Upload:
    return _Upload(
        row.id,
        None if row.filename is None else name.masked_anywhere(row.filename),
        None if row.note is None else name.masked(row.note),
        _reading(row.options, name),
        _reading(row.format, name, () if _is_table(row.format) else _KEYS_OF_JSON),
        name.masked_json(row.error),
    )


def _event(row: _Event, name: Name) -> _Event:
    return _Event(row.id, name.masked_json(row.reason))


def _answer(row: _Answer, name: Name) -> _Answer | None:
    return None if name.is_in(row.key) else _Answer(row.key, name.masked_json(row.answer))


def _is_table(form: Any) -> bool:  # noqa: ANN401 (any JSON)
    return isinstance(form, dict) and bool(form.get("delimiter"))


def _reading(value: Any, name: Name, kept: tuple[str, ...] = ()) -> Any:  # noqa: ANN401 (any JSON)
    """Options or a form without the person: as the author of a whole file, as a column, and in what a look found."""
    if isinstance(value, dict):
        return {
            key: AUTHOR if key == "author_is" and isinstance(each, str) and name.is_named(each)
            else each if key in _WORDS or key in kept
            else _reading(each, name)
            for key, each in value.items()
        }  # fmt: skip
    return name.masked_json(value)


_NO_UPLOAD = uuid.UUID(int=0)
_REJECTS = _Table(
    _Reject,
    sql.query("forgetting/texts/rejects"),
    sql.query("forgetting/texts/set_reject"),
    {"upload_id": _NO_UPLOAD, "line": 0},
    _reject,
)
# In the order in which transactions lock rows of these tables.
_OTHERS = (
    _Table(_Batch, sql.query("forgetting/texts/batches"), sql.query("forgetting/texts/set_batch"), {"id": 0}, _batch),
    _Table(
        _Upload,
        sql.query("forgetting/texts/uploads"),
        sql.query("forgetting/texts/set_upload"),
        {"id": _NO_UPLOAD},
        _upload,
    ),
    _Table(_Event, sql.query("forgetting/texts/events"), sql.query("forgetting/texts/set_event"), {"id": 0}, _event),
    _Table(
        _Answer,
        sql.query("forgetting/texts/answers"),
        sql.query("forgetting/texts/set_answer"),
        {"key": ""},
        _answer,
        sql.query("forgetting/texts/drop_answer"),
    ),
)
