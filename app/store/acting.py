"""For whom a transaction works: the ledger's rows and events, which it writes, say so by their defaults."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from typing import Protocol

import sql
from app.store.postgres import AsyncConnection, Connection, Params

_ACT_FOR = sql.query("store/acting/act_for")
_ACT_FOR_LATER = sql.query("store/acting/act_for_later")


class ActsFor(Protocol):
    """For whom a transaction works; see `act_for`."""

    @property
    def key_id(self) -> str | None: ...
    @property
    def owner(self) -> str | None: ...
    @property
    def address(self) -> str | None: ...


def act_for(conn: Connection, caller: ActsFor) -> None:
    """Let what the rest of this transaction writes into the ledger say for whom it was written."""
    conn.execute(_ACT_FOR, _named(caller))


async def async_act_for(conn: AsyncConnection, caller: ActsFor) -> None:
    """Do the same as `act_for`, for request handlers."""
    await conn.execute(_ACT_FOR, _named(caller))


async def async_act_for_later(conn: AsyncConnection, caller: ActsFor) -> None:
    """Do the same as `async_act_for`, and let the commit not wait for the disk. A crash may undo the transaction."""
    await conn.execute(_ACT_FOR_LATER, _named(caller))


@contextmanager
def acting(conn: Connection, caller: ActsFor | None) -> Generator[None]:
    """A transaction for the block, which works for the caller. None: nobody asked for it."""
    with conn.transaction():
        if caller is not None:
            act_for(conn, caller)
        yield


def _named(caller: ActsFor) -> Params:
    return {"key_id": caller.key_id or "", "owner": caller.owner or "", "address": caller.address or ""}
