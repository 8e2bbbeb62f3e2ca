"""What still holds a forgotten person when everything else is done, and what ends that: logs of the servers, copies."""

from __future__ import annotations

import msgspec

import sql
from app.store.postgres import Connection, exactly_one

_LOG = sql.query("forgetting/left/log")


class _Log(msgspec.Struct, frozen=True):
    until: str
    archived: bool
    slots: int


def sentences(conn: Connection) -> list[str]:
    """A sentence for each place. To be asked for after the vacuum: what was written before is in the log."""
    log = exactly_one(conn, _Log, _LOG)
    found = [f"PostgreSQL's write-ahead log before {log.until} holds old rows, until its files are overwritten."]
    if log.archived:
        found.append("The archive of the write-ahead log holds them, too: take a base backup and delete what is older.")
    if log.slots:
        found.append(f"{log.slots} replication slots hand the log on: their readers have copies of it.")
    return [
        *found,
        "An append-only file of Redis holds deleted answers until it is rewritten: run BGREWRITEAOF on each server.",
        "Backups and exports hold the person as before: delete them, or restore, forget and write them anew.",
    ]
