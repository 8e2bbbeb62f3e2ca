"""Texts of the ledger without a person's handle: rejects, warnings, errors, file names, notes, answers, events.

Names of columns stay, even where a column is called like the person: they say how a file is read. Each row is changed
in a transaction of its own. Audit events are append-only and name no user, so they stay as they are.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any

import msgspec

import sql
from app.posts.erasing import AUTHOR, Name
from app.store.postgres import Connection, execute, rows

_REJECTS = sql.query("forgetting/texts/rejects")
_SET_REJECT = sql.query("forgetting/texts/set_reject")
_BATCHES = sql.query("forgetting/texts/batches")
_SET_BATCH = sql.query("forgetting/texts/set_batch")
_UPLOADS = sql.query("forgetting/texts/uploads")
_SET_UPLOAD = sql.query("forgetting/texts/set_upload")
_EVENTS = sql.query("forgetting/texts/events")
_SET_EVENT = sql.query("forgetting/texts/set_event")
_ANSWERS = sql.query("forgetting/texts/answers")
_SET_ANSWER = sql.query("forgetting/texts/set_answer")
_DROP_ANSWER = sql.query("forgetting/texts/drop_answer")

REJECTS_AT_ONCE = 2000

_WORDS = ("columns", "names", "paths", "format", "layout", "encoding", "delimiter", "profile", "clock", "priority",
          "retweets", "text", "timestamp", "author", "id", "mentions", "reply", "retweet", "quote", "preset", "sheet",
          "timezone", "date_order", "dates", "timestamp_format", "id_scope", "further", "max_rejects")  # fmt: skip
"""Keys of options and formats whose values say how a file is read."""


class _Reject(msgspec.Struct, frozen=True):
    upload_id: uuid.UUID
    line: int
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


def erase_rejects(conn: Connection, name: Name, *, change: bool = True) -> Iterator[int]:
    """Rewrite rejects without the handle, a page a transaction. Yields the number of each page's."""
    after = {"after_upload": uuid.UUID(int=0), "after_line": 0}
    needle = {"needle": name.needle.decode(), "limit": REJECTS_AT_ONCE}
    while page := rows(conn, _Reject, _REJECTS, {**after, **needle}):
        after = {"after_upload": page[-1].upload_id, "after_line": page[-1].line}
        done = 0
        with conn.transaction():
            for each in page:
                new = _Reject(
                    each.upload_id,
                    each.line,
                    name.masked(each.message),
                    _raw(each.raw, name),
                    None if each.value is None else name.masked_bytes(each.value),
                )
                if new != each:
                    done += 1
                    if change:
                        execute(conn, _SET_REJECT, msgspec.structs.asdict(new))
        yield done


def _raw(raw: bytes, name: Name) -> bytes:
    """A rejected row without the handle. A row of JSON may spell letters as escapes."""
    if b"\\u" not in raw:
        return name.masked_bytes(raw)
    try:
        found = msgspec.json.decode(raw)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return name.masked_bytes(raw)
    new = name.masked_json(found)
    return name.masked_bytes(raw) if new == found else msgspec.json.encode(new)


def erase(conn: Connection, name: Name, *, change: bool = True) -> int:
    """Rewrite every other text of the ledger without the handle. Returns the number of rows that held it."""
    needle = {"needle": name.needle.decode()}
    done = 0
    for batch in rows(conn, _Batch, _BATCHES, needle):
        new = _Batch(batch.id, name.masked_json(batch.warnings), name.masked_json(batch.error))
        done += _set(conn, _SET_BATCH, batch, new, change=change)
    for upload in rows(conn, _Upload, _UPLOADS, needle):
        changed = _Upload(
            upload.id,
            None if upload.filename is None else name.masked_anywhere(upload.filename),
            None if upload.note is None else name.masked(upload.note),
            _reading(upload.options, name),
            _reading(upload.format, name),
            name.masked_json(upload.error),
        )
        done += _set(conn, _SET_UPLOAD, upload, changed, change=change)
    for event in rows(conn, _Event, _EVENTS, needle):
        done += _set(conn, _SET_EVENT, event, _Event(event.id, name.masked_json(event.reason)), change=change)
    for answer in rows(conn, _Answer, _ANSWERS, needle):
        if name.is_in(answer.key):
            done += execute(conn, _DROP_ANSWER, {"key": answer.key}) if change else 1
        else:
            new_answer = _Answer(answer.key, name.masked_json(answer.answer))
            done += _set(conn, _SET_ANSWER, answer, new_answer, change=change)
    return done


def _set(conn: Connection, statement: Any, old: msgspec.Struct, new: msgspec.Struct, *, change: bool) -> int:  # noqa: ANN401
    if old == new:
        return 0
    if change:
        columns = msgspec.structs.asdict(new)
        execute(conn, statement, {key: _json(value) for key, value in columns.items()})
    return 1


def _json(value: Any) -> Any:  # noqa: ANN401 (a column)
    return msgspec.json.encode(value).decode() if isinstance(value, dict | list) else value


def _reading(value: Any, name: Name) -> Any:  # noqa: ANN401 (any JSON)
    """Options or a form without the person: as the author of a whole file, and in what a look at the file found."""
    if isinstance(value, dict):
        return {
            key: AUTHOR if key == "author_is" and isinstance(each, str) and name.is_named(each)
            else each if key in _WORDS
            else _reading(each, name)
            for key, each in value.items()
        }  # fmt: skip
    return name.masked_json(value)
