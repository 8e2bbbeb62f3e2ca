"""Pools for databases of which there may be hundreds: they keep no connection that nobody uses, and share a bound."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from psycopg_pool import AsyncConnectionPool, PoolTimeout

from app.store.postgres import AsyncConnection, Connection
from app.store.waits import MeasuredPool, waited

IDLE_SECONDS = 15.0
"""Seconds after which a connection is closed that nobody uses."""

_FRUGAL: dict[str, Any] = {"min_size": 0, "max_idle": IDLE_SECONDS, "num_workers": 1}


class LatePool(MeasuredPool):
    """A pool that opens itself at its first use, since an open pool has threads."""

    def __init__(self, conninfo: str, **options: Any) -> None:  # noqa: ANN401 (those of psycopg_pool)
        super().__init__(conninfo, **{**options, **_FRUGAL})

    def getconn(self, timeout: float | None = None) -> Connection:
        if self.closed:
            self.open()
        return super().getconn(timeout)


class BoundedPool(AsyncConnectionPool[AsyncConnection]):
    """A pool that lends a connection only while there is room within a bound, which pools share.

    A pool whose server is away takes no more of the bound than its own size.
    """

    def __init__(self, conninfo: str, *, bound: asyncio.Semaphore, max_size: int, **options: Any) -> None:  # noqa: ANN401 (as above)
        super().__init__(conninfo, max_size=max_size, **{**options, **_FRUGAL})
        self._bounds = (asyncio.Semaphore(max_size), bound)

    @asynccontextmanager
    async def connection(self, timeout: float | None = None) -> AsyncGenerator[AsyncConnection]:
        """Raises PoolTimeout."""
        begun = time.perf_counter()
        async with AsyncExitStack() as held:
            try:
                async with asyncio.timeout(timeout or self.timeout):
                    for each in self._bounds:
                        await held.enter_async_context(each)
            except TimeoutError:
                raise PoolTimeout("as many connections to graphs are in use as this process may have") from None
            conn = await held.enter_async_context(super().connection(timeout))
            waited(self.name, begun)
            yield conn
