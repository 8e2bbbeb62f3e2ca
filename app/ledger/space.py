"""Space: whether the database has room for more. While it has not, uploads are refused (507) and batches wait.

Two bounds: the size of the database (MENTIONGRAPH_MAX_DATABASE_BYTES), and free space on its disk
(MENTIONGRAPH_MIN_FREE_BYTES), where the disk is on this machine (MENTIONGRAPH_DATABASE_DIRECTORY). Files of PostgreSQL
rarely become smaller, so room that purges left inside of them counts as free, too. A quarter of the bound on free space
has to be on the disk itself, for the log (WAL).

Merges, summaries, decay, purges and reads go on below a bound: they need little room, and give some back. A process
that meets a full disk (SQLSTATE 53100) regards the disk as short for a while.
"""

from __future__ import annotations

import contextlib
import errno
import os
import time
from weakref import WeakKeyDictionary

import psycopg
from psycopg_pool import AsyncConnectionPool

import sql
from app.errors import NoSpace
from app.settings import Settings
from app.store.postgres import AsyncConnection, Connection, async_scalars, scalars

_DATABASE = sql.query("ledger/space/database")
_REUSABLE = sql.query("ledger/space/reusable")

LOOK_SECONDS = 2.0
"""Seconds for which an answer of the database holds. Uploads may pass a bound by what arrives in this time."""
FULL_SECONDS = 10.0
"""Seconds for which a disk that was full is not tried again."""
ON_DISK = 4
"""This part of the bound on free space, a quarter, has to be outside of PostgreSQL's files."""

_PURGE = "purge earlier (MENTIONGRAPH_RETENTION_DAYS, then `mentiongraph purge`). Then send the file again."
_NOTHING = "Nothing of this upload was applied."
_ADVICE = f"{_NOTHING} Make room: give PostgreSQL a larger disk, or {_PURGE}"

Pool = AsyncConnectionPool[AsyncConnection]


class Space:
    """What a process knows of the room that there is."""

    def __init__(self, settings: Settings, *, quota_of: str | None = None) -> None:
        """`quota_of`: the graph whose quota is the bound of the database's size. None: the setting is."""
        self._quota_of = quota_of
        self._directory = settings.database_directory if settings.min_free_bytes else ""
        self._floor = settings.min_free_bytes
        self._most = settings.max_database_bytes
        self._size = 0
        self._reusable = 0
        self._looked = -LOOK_SECONDS
        self._full = -FULL_SECONDS

    def shortage(self, conn: Connection) -> str | None:
        """Why there is no room for more. None: there is."""
        if self._is_due():
            self._size = scalars(conn, _DATABASE)[0] if self._most else 0
            self._reusable = scalars(conn, _REUSABLE)[0] if self._is_passed() else 0
        return self._shortage()

    async def async_shortage(self, pool: Pool) -> str | None:
        """`shortage` for request handlers. While the database does not answer, its last answer holds: an upload waits
        for the database elsewhere."""
        if self._is_due():
            with contextlib.suppress(psycopg.Error):
                async with pool.connection() as conn:
                    self._size = (await async_scalars(conn, _DATABASE))[0] if self._most else 0
                    self._reusable = (await async_scalars(conn, _REUSABLE))[0] if self._is_passed() else 0
        return self._shortage()

    async def async_refusal(self, pool: Pool) -> str | None:
        """Why nothing is taken, and what to do. None: there is room."""
        await self.async_shortage(pool)
        short = self._short()
        return None if short is None else f"{short[0]}. {short[1]}"

    def met_full(self) -> None:
        """PostgreSQL said that its disk is full."""
        self._full = time.monotonic()

    @property
    def bounded(self) -> bool:
        """Whether there is a bound that this process can hold to."""
        return bool(self._most) or self._free() is not None

    def _free(self) -> int | None:
        """The bytes that are free on the disk. None: the disk is not known, or not to be seen from here."""
        if not self._directory:
            return None
        try:
            found = os.statvfs(self._directory)
        except OSError:
            return None
        return found.f_bavail * found.f_frsize

    def _is_due(self) -> bool:
        """Whether the database is to be asked again. Of callers at the same time, one asks."""
        now = time.monotonic()
        if now < self._looked + LOOK_SECONDS or not (self._most or self._is_passed()):
            return False
        self._looked = now
        return True

    def _is_passed(self) -> bool:
        """Whether a bound is passed, but for the room inside of PostgreSQL's files."""
        free = self._free()
        return bool(self._most and self._size >= self._most) or (free is not None and free < self._floor)

    def _shortage(self) -> str | None:
        short = self._short()
        return None if short is None else short[0]

    def _short(self) -> tuple[str, str] | None:
        """Why there is no room for more, and what to do. None: there is."""
        if time.monotonic() < self._full + FULL_SECONDS:
            return "PostgreSQL's disk is full", _ADVICE
        free = self._free()
        if free is not None and (free < self._floor // ON_DISK or free + self._reusable < self._floor):
            why = (
                f"the disk of the database has {_mib(free)} left, and {_mib(self._floor)} have to stay free "
                "(MENTIONGRAPH_MIN_FREE_BYTES)"
            )
            return why, _ADVICE
        if not self._most or self._size - self._reusable < self._most:
            return None
        large, most = _mib(self._size - self._reusable), _mib(self._most)
        if self._quota_of is None:
            why = (
                f"the database has {large}, and {most} are the most that it may have (MENTIONGRAPH_MAX_DATABASE_BYTES)"
            )
            return why, f"{_NOTHING} Make room: raise this bound, or {_PURGE}"
        why = f"the database of the graph {self._quota_of!r} has {large}, and the quota of the graph is {most}"
        return (
            why,
            f"{_NOTHING} Raise the quota (`mentiongraph graphs set {self._quota_of} --quota BYTES`), or {_PURGE}",
        )


_SPACES: WeakKeyDictionary[Pool, Space] = WeakKeyDictionary()
"""What the API knows of the database behind a pool. Each request asks, and few of them ask the database."""


def of_pool(pool: Pool, settings: Settings, *, quota_of: str | None = None) -> Space:
    """What this process knows of the database behind the pool. `quota_of`: as `Space` has it, at the first call."""
    found = _SPACES.get(pool)
    if found is None:
        found = _SPACES[pool] = Space(settings, quota_of=quota_of)
    return found


async def require(pool: Pool, settings: Settings) -> None:
    """Raises NoSpace if the database has no room for what arrives."""
    refusal = await of_pool(pool, settings).async_refusal(pool)
    if refusal is not None:
        raise NoSpace(refusal)


def full(error: BaseException, pool: Pool, settings: Settings) -> NoSpace | None:
    """The failure by its name, if a full disk is the reason for the error; None if it is not."""
    if isinstance(error, psycopg.errors.DiskFull):
        of_pool(pool, settings).met_full()
        return NoSpace(f"PostgreSQL's disk is full. {_ADVICE}")
    return no_room_here(error)


def no_room_here(error: BaseException) -> NoSpace | None:
    """The failure by its name, if this machine has no room for temporary files; None if that is not the reason."""
    if isinstance(error, OSError) and error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return NoSpace(
            "the machine of the API has no room for temporary files, in which zips, workbooks and Parquet wait until "
            "they are whole. Nothing was applied. Make room there (TMPDIR says where), then send the file again."
        )
    return None


def _mib(size: int) -> str:
    return f"{size / 2**20:,.0f} MiB"
