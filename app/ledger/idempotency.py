"""Idempotency-Key (draft-ietf-httpapi-idempotency-key-header): a repeated request gets the first request's answer.

A key belongs to the upload that its first request began, and is kept as long as that upload. Each repeat of the same
body and query gets the first answer; the draft's fingerprint is the SHA-256 of both. The draft would repeat a failure,
and we differ: an upload that came to nothing has changed nothing, so its key is free and the repeat is received.
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
"""The values that the header may have."""


class Kept(msgspec.Struct, frozen=True):
    """What the ledger keeps under a key."""

    upload_id: uuid.UUID
    fingerprint: bytes | None
    answer_status: int | None
    """None while the first request has no answer yet."""
    answer: dict[str, Any] | None
    state: UploadState
    duplicate_of: uuid.UUID | None

    @property
    def free(self) -> bool:
        """Whether the key's upload came to nothing before the first request was answered."""
        return self.answer_status is None and self.state in {UploadState.ABORTED, UploadState.CANCELLED}


class Fingerprint:
    """The fingerprint of a request: its query, then its decoded body as it comes."""

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
    """The key in the header's value; None without a header. Raises BadRequest."""
    if header is None:
        return None
    value = header.strip()
    if not re.fullmatch(PATTERN, value):
        raise BadRequest("the Idempotency-Key has to be 1 to 255 printable ASCII characters, such as a UUID in quotes.")
    return re.sub(r"\\(.)", r"\1", value[1:-1]) if value.startswith('"') else value


def of_owner(key: str, owner: str, *, sees_all: bool) -> str:
    """The key as the ledger keeps it, so that the keys of two owners never meet.

    Whether the owner's request may know of all uploads matters, too, since the ledger keeps its answer.
    """
    return "sha256:" + hashlib.sha256(msgspec.json.encode([owner, sees_all, key])).hexdigest()


async def get(conn: AsyncConnection, key: str) -> Kept | None:
    """What the ledger keeps under the key."""
    return await async_one(conn, Kept, _GET, {"key": key})


async def claim(conn: AsyncConnection, key: str, upload_id: uuid.UUID, *, now: datetime) -> bool:
    """Take the key for an upload, in the transaction that enters the upload. Returns False if the key is taken."""
    return bool(await async_scalars(conn, _CLAIM, {"key": key, "upload_id": upload_id, "now": now}))


async def settle(conn: AsyncConnection, request: Request, upload_id: uuid.UUID, *, status: int) -> None:
    """Enter that the body is whole and that its answer has `status`, in the transaction that seals the upload."""
    params = {
        "key": request.key,
        "upload_id": upload_id,
        "fingerprint": request.fingerprint.digest(),
        "answer_status": status,
    }
    await async_scalars(conn, _SETTLE, params)


async def set_answer(conn: AsyncConnection, key: str, answer: bytes) -> None:
    """Keep the body of the first answer, which is JSON, before the answer is sent."""
    await async_scalars(conn, _SET_ANSWER, {"key": key, "answer": answer.decode()})
