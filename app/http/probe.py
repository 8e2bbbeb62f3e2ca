"""A question that anybody may ask at any time, to a server that may never answer."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any


class Probe:
    """Asks one question at a time. Callers who come meanwhile get the same answer, so many callers need no more
    connections, threads or tasks than one. A question without an answer in time is cancelled, and the next caller asks
    again.
    """

    def __init__(self, question: Callable[[], Coroutine[Any, Any, str]], *, silence: str) -> None:
        self._question = question
        self._silence = silence
        self._task: asyncio.Task[str] | None = None

    async def ask(self, *, seconds: float) -> str:
        """The answer, or `silence` if there is none in time."""
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._question())
        task = self._task
        # Not wait_for: it waits for the end of what it cancels, and psycopg then asks the server that hangs to stop.
        done, _ = await asyncio.wait({task}, timeout=seconds)
        if not done:
            task.cancel()
        return task.result() if done and not task.cancelled() else self._silence

    async def close(self, *, seconds: float) -> None:
        """Cancel the present question."""
        if self._task is not None and not self._task.done():
            self._task.cancel()
            await asyncio.wait({self._task}, timeout=seconds)
