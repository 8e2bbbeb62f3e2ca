"""How many bytes an owner may still upload today. The ledger knows what came, so a restart gives nobody more.

Other processes see an upload once it is sealed. So two processes that receive from one owner at the same moment may
together pass the limit, by what each of them receives.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from datetime import datetime, timedelta

import sql
from app.control.callers import Caller
from app.errors import LimitReached
from app.store.postgres import AsyncConnection, async_scalars

POLICY = "bytes-a-day"

_OF_OWNER = sql.query("ledger/allowance/of_owner")
_OF_ADDRESS = sql.query("ledger/allowance/of_address")


class Allowance:
    """What one upload may take of its owner's bytes."""

    def __init__(self, limit: int, before: int, others: set[Allowance], seconds: int) -> None:
        self.limit = limit
        self.seconds = seconds
        """Until midnight."""
        self.before = before
        """Bytes that the owner sent today, without those that arrive now."""
        self.taken = 0
        self._others = others

    @property
    def left(self) -> int:
        return max(0, self.limit - self.before - sum(each.taken for each in self._others))

    def take(self, size: int) -> None:
        """Count bytes that have arrived. Raises LimitReached."""
        self.taken += size
        used = self.before + sum(each.taken for each in self._others)
        if used > self.limit or (not size and used == self.limit):
            raise LimitReached(
                f"you may upload {self.limit} bytes a day, and {self.limit - used + self.taken} were left for this "
                f"file; nothing of it was applied. Send it again after midnight (UTC), in {self.seconds} s. "
                "MENTIONGRAPH_OWNER_BYTES_A_DAY is the limit.",
                policy=POLICY,
                seconds=self.seconds,
            )


class Allowances:
    """The allowances of the uploads that a process receives, by owner."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._arriving: dict[str, set[Allowance]] = {}

    @contextmanager
    def given(self, who: str, sent: int, *, now: datetime) -> Generator[Allowance]:
        """What an upload of `who` may take, who has `sent` so much today. Raises LimitReached if nothing is left."""
        others = self._arriving.setdefault(who, set())
        made = Allowance(self.limit, sent, others, until_midnight(now))
        others.add(made)
        try:
            made.take(0)
            yield made
        except BaseException:
            made.taken = 0  # nothing of the upload is kept
            raise
        finally:
            others.discard(made)
            for each in others:
                each.before += made.taken  # the ledger had it not when they began
            if not others:
                self._arriving.pop(who, None)


def until_midnight(now: datetime) -> int:
    """Seconds until the day ends, at least one."""
    return max(1, round((_midnight(now) + timedelta(days=1) - now).total_seconds()))


async def sent_today(conn: AsyncConnection, caller: Caller, *, now: datetime) -> int:
    """Bytes of the uploads that the owner sent today; without a key, those that came from the caller's address."""
    since = {"since": _midnight(now)}
    if caller.owner is not None:
        return int((await async_scalars(conn, _OF_OWNER, {**since, "owner": caller.owner}))[0])
    return int((await async_scalars(conn, _OF_ADDRESS, {**since, "address": caller.address}))[0])


def _midnight(now: datetime) -> datetime:
    return now.replace(hour=0, minute=0, second=0, microsecond=0)
