"""How fast a client has to be. Only time in which the server waits for the client counts, so a busy server cuts nobody
off."""

from __future__ import annotations

import asyncio


class LeastRate:
    """The pace of one body or download, on average over `seconds` in which the server waited for the client."""

    def __init__(self, rate: int, seconds: float) -> None:
        self._rate = rate
        self._seconds = seconds
        self._waited = 0.0
        self._size = 0
        self._begun = 0.0

    def begin(self) -> None:
        """From now on, the server waits for the client."""
        self._begun = asyncio.get_running_loop().time()

    def end(self, size: int) -> bool:
        """The client has sent or taken so many bytes. Returns whether the client is fast enough.

        The average is taken once the server has waited for `seconds` in all, and then begins anew. So a client that
        pauses is fast enough if it catches up.
        """
        self._waited += asyncio.get_running_loop().time() - self._begun
        self._size += size
        if self._waited < self._seconds:
            return True
        fast = self._size >= self._rate * self._waited
        self._waited, self._size = 0.0, 0
        return fast
