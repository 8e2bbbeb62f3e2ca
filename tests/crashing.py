"""A process that dies at a statement."""

from __future__ import annotations

from typing import Any

import psycopg


class Crash(Exception):
    """The process dies here."""


class CrashingCursor(psycopg.Cursor[Any]):
    """Lets `left` statements through, then dies before or after the next one, its connection with it."""

    left: int | None = None
    after = False

    def execute(self, *args: Any, **kwargs: Any) -> Any:
        cls = type(self)
        if cls.left is None:
            return super().execute(*args, **kwargs)
        cls.left -= 1
        if cls.left >= 0:
            return super().execute(*args, **kwargs)
        if cls.after:
            super().execute(*args, **kwargs)
        cls.left = None
        self.connection.pgconn.finish()
        raise Crash
