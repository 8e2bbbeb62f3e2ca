"""The key of a stack's directory: `up` makes it, and commands beside the stack send it.

It lies beside the passwords of the database, which allow as much. So it needs no end: who can read it needs no key.
"""

from __future__ import annotations

import contextlib
import os
from datetime import datetime
from pathlib import Path

from app.control import keys
from app.control.callers import Scope, of_operating_system
from app.store.postgres import connect

FILE = "admin.key"
OWNER = "admin"


def read(directory: Path) -> str | None:
    """The token in a directory. None: there is none, or it is not for us."""
    with contextlib.suppress(OSError, UnicodeDecodeError):
        return (directory / FILE).read_text(encoding="ascii").strip() or None
    return None


def ensure(directory: Path, database_url: str, *, now: datetime) -> None:
    """Make the key of the directory, unless it has one that works and allows everything."""
    with connect(database_url, role="keys") as conn:
        token = read(directory)
        kept = None if token is None else keys.verified(conn, token, now=now)
        if kept is not None and Scope.ADMIN in kept.scopes and kept.graphs is None:
            return
        # The file first: if this process dies in between, the next start finds a file whose key does not work.
        with conn.transaction():
            made = keys.create(
                conn, keys.checked(OWNER, [Scope.ADMIN], lifetime=None), now=now, caller=of_operating_system()
            )
            _write(directory / FILE, made.token)


def _write(file: Path, token: str) -> None:
    """Replace the file by one that nobody else can read."""
    part = file.with_suffix(".key.part")
    part.unlink(missing_ok=True)
    with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "w") as made:
        made.write(f"{token}\n")
    part.replace(file)
