"""An answer that is sent as it is read, and lets go of what it reads from as soon as the client has gone."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing

import structlog
from litestar.response.base import ASGIResponse
from litestar.types import Receive, Send

log = structlog.get_logger(__name__)


class Download(ASGIResponse):
    """Blocks of a file. Not Litestar's Stream: that leaves a generator it was cancelled in to the garbage collector."""

    _should_set_content_length = False

    def __init__(
        self,
        first: bytes,
        rest: AsyncGenerator[bytes],
        *,
        media_type: str,
        filename: str,
        stalled_after: float,
        headers: Mapping[str, str],
    ) -> None:
        own = {"Content-Disposition": f'attachment; filename="{filename}"', "Cache-Control": "no-store"}
        super().__init__(media_type=media_type, status_code=200, headers={**own, **headers})
        self._first = first
        self._rest = rest
        self._stalled_after = stalled_after

    @classmethod
    async def begin(
        cls,
        blocks: AsyncGenerator[bytes],
        *,
        media_type: str,
        filename: str,
        stalled_after: float,
        headers: Callable[[], Mapping[str, str]] = dict,
    ) -> Download:
        """The answer with `blocks`; closes them. Waits for the first, so that what fails at once is answered properly;
        then `headers` are asked for.

        A client that takes nothing for `stalled_after` seconds is hung up on.
        """
        first = await anext(blocks)
        return cls(
            first,
            blocks,
            media_type=media_type,
            filename=filename,
            stalled_after=stalled_after,
            headers=headers(),
        )

    async def send_body(self, send: Send, receive: Receive) -> None:
        gone = asyncio.create_task(disconnected(receive))
        try:
            async with aclosing(self._rest) as rest:
                await self._send(self._first, send)
                async for block in rest:
                    if gone.done():
                        return
                    await self._send(block, send)
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        except TimeoutError:
            # The server hangs up on an answer that was not finished, so the client sees that it is not whole.
            log.warning("download given up: the client stands still", seconds=self._stalled_after)
        finally:
            gone.cancel()

    async def _send(self, block: bytes, send: Send) -> None:
        async with asyncio.timeout(self._stalled_after):
            await send({"type": "http.response.body", "body": block, "more_body": True})


async def disconnected(receive: Receive) -> None:
    """Until the client has gone."""
    while (await receive())["type"] != "http.disconnect":
        pass
