"""Idempotency-Key (draft-ietf-httpapi-idempotency-key-header): a request that is sent again is answered again.

A key belongs to the upload that its first request began, and is kept for as long. What was answered is answered to each
repeat of the same body and query; the draft's fingerprint is the SHA-256 of both. Where the draft would have a failure
repeated, we differ: an upload that came to nothing has changed nothing, so its key is free, and the repeat is received.
"""

from __future__ import annotations

import hashlib
import re
import uuid
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec

import sql
from app.errors import BadRequest
from app.ledger.states import UploadState
from app.store.postgres import AsyncConnection, async_one, async_scalars

_CLAIM = sql.query("ledger/idempotency/claim")
_GET = sql.query("ledger/idempotency/get")
_SETTLE = sql.query("ledger/idempotency/settle")
_SET_ANSWER = sql.query("ledger/idempotency/set_answer")

# RFC 8941, 3.3.3: a string in quotes. Many clients send the bare characters; both spellings name one key.
PATTERN = r'^("([ !#-\[\]-~]|\\["\\]){1,255}"|[!#-~]([ -~]{0,253}[!-~])?)$'
"""What the header may be."""


class Kept(msgspec.Struct, frozen=True):
    """What is kept under a key."""

    upload_id: uuid.UUID
    fingerprint: bytes | None
    answer_status: int | None
    """None: its first request is not answered yet."""
    answer: dict[str, Any] | None
    state: UploadState
    duplicate_of: uuid.UUID | None

    @property
    def free(self) -> bool:
        """Whether its upload came to nothing before it was answered."""
        return self.answer_status is None and self.state in {UploadState.ABORTED, UploadState.CANCELLED}


class Fingerprint:
    """Of a request: the query, then the decoded body as it comes."""

    def __init__(self, query: Sequence[tuple[str, str]]) -> None:
        self._sha256 = hashlib.sha256(msgspec.json.encode(sorted(query)) + b"\n")

    def update(self, piece: bytes) -> None:
        self._sha256.update(piece)

    def digest(self) -> bytes:
        return self._sha256.digest()


class Request(msgspec.Struct, frozen=True):
    """A request with a key."""

    key: str
    fingerprint: Fingerprint

    @classmethod
    def of(cls, key: str, query: Sequence[tuple[str, str]]) -> Request:
        """A request whose body is still to come."""
        return cls(key, Fingerprint(query))


def read_key(header: str | None) -> str | None:
    """The key in the header's value, None without one. Raises BadRequest."""
    if header is None:
        return None
    value = header.strip()
    if not re.fullmatch(PATTERN, value):
        raise BadRequest("the Idempotency-Key has to be 1 to 255 printable ASCII characters, such as a UUID in quotes.")
    return re.sub(r"\\(.)", r"\1", value[1:-1]) if value.startswith('"') else value


async def get(conn: AsyncConnection, key: str) -> Kept | None:
    """What is kept under the key."""
    return await async_one(conn, Kept, _GET, {"key": key})


async def claim(conn: AsyncConnection, key: str, upload_id: uuid.UUID, *, now: datetime) -> bool:
    """Take the key for an upload, in the transaction that enters it into the ledger. False: it is taken."""
    return bool(await async_scalars(conn, _CLAIM, {"key": key, "upload_id": upload_id, "now": now}))


async def settle(conn: AsyncConnection, request: Request, upload_id: uuid.UUID, *, status: int) -> None:
    """The body is whole and will be answered with `status`; in the transaction that seals it."""
    params = {
        "key": request.key,
        "upload_id": upload_id,
        "fingerprint": request.fingerprint.digest(),
        "answer_status": status,
    }
    await async_scalars(conn, _SETTLE, params)


async def set_answer(conn: AsyncConnection, key: str, answer: bytes) -> None:
    """Keep the body of the first answer, JSON, before it is sent."""
    await async_scalars(conn, _SET_ANSWER, {"key": key, "answer": answer.decode()})
