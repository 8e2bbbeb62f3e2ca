"""An answer that is sent while its source is read. When the client has gone, the source is closed at once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing

import structlog
from litestar.response.base import ASGIResponse
from litestar.types import Receive, Send

from app.errors import ClientGone, TookTooLong
from app.http.rates import LeastRate
from app.settings import Settings

log = structlog.get_logger(__name__)

SLICE = 64 << 10
"""Bytes sent at a time. A client that takes this many within the time-out is slow, but does not stand still."""


class Download(ASGIResponse):
    """Blocks of a file. Litestar's Stream, when cancelled, leaves its generator to the garbage collector."""

    _should_set_content_length = False

    def __init__(
        self,
        first: bytes,
        rest: AsyncGenerator[bytes],
        *,
        media_type: str,
        filename: str,
        settings: Settings,
        headers: Mapping[str, str],
        deadline: float | None = None,
    ) -> None:
        own = {"Content-Disposition": f'attachment; filename="{filename}"', "Cache-Control": "no-store"}
        super().__init__(media_type=media_type, status_code=200, headers={**own, **headers})
        self._first = first
        self._rest = rest
        self._stalled_after = settings.receive_timeout
        self._pace = LeastRate(settings.download_rate, settings.receive_timeout)
        self._deadline = deadline

    @classmethod
    async def begin(
        cls,
        blocks: AsyncGenerator[bytes],
        receive: Receive,
        *,
        media_type: str,
        filename: str,
        settings: Settings,
        headers: Callable[[], Mapping[str, str]] = dict,
    ) -> Download:
        """The answer with `blocks`, which it closes. It waits for the first block, so that an early failure still
        becomes a problem document, and then calls `headers`.

        The answer breaks off when the client stands still, when it is too slow, and at the deadline. Raises ClientGone,
        TookTooLong.
        """
        deadline = asyncio.get_running_loop().time() + settings.download_timeout
        gone = asyncio.create_task(disconnected(receive))
        begun = False
        try:
            async with asyncio.timeout_at(deadline):
                first = await _next(blocks, gone)
            begun = not gone.done()
        except TimeoutError:
            raise TookTooLong(f"the file did not begin within {settings.download_timeout:g} s; ask for less.") from None
        finally:
            gone.cancel()
            if not begun:
                await blocks.aclose()
        if not begun:
            raise ClientGone("the client went away before the answer began.")
        return cls(
            first or b"",
            blocks,
            media_type=media_type,
            filename=filename,
            settings=settings,
            headers=headers(),
            deadline=deadline,
        )

    @classmethod
    def empty(cls, *, media_type: str, filename: str, settings: Settings, headers: Mapping[str, str]) -> Download:
        """The answer's headers, for a client that wants no more."""

        async def nothing() -> AsyncGenerator[bytes]:
            return
            yield

        return cls(b"", nothing(), media_type=media_type, filename=filename, settings=settings, headers=headers)

    async def send_body(self, send: Send, receive: Receive) -> None:
        gone = asyncio.create_task(disconnected(receive))
        try:
            async with asyncio.timeout_at(self._deadline), aclosing(self._rest) as rest:
                block: bytes | None = self._first
                while block is not None:
                    await self._send(block, send)
                    block = await _next(rest, gone)
                if gone.done():
                    return
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        except TimeoutError as error:
            # The server closes the connection of an unfinished answer, so the client sees that the file is not whole.
            log.warning("download_given_up", reason=str(error) or "it took too long, or the client stands still")
        finally:
            gone.cancel()

    async def _send(self, block: bytes, send: Send) -> None:
        for begin in range(0, len(block), SLICE):
            piece = block[begin : begin + SLICE]
            self._pace.begin()
            async with asyncio.timeout(self._stalled_after):
                await send({"type": "http.response.body", "body": piece, "more_body": True})
            if not self._pace.end(len(piece)):
                raise TimeoutError("the client reads too slowly")


async def _next(blocks: AsyncGenerator[bytes], gone: asyncio.Task[None]) -> bytes | None:
    """The next block; None after the last block, or if the client has gone."""
    step = asyncio.ensure_future(anext(blocks, None))
    try:
        await asyncio.wait({step, gone}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        if not step.done():
            step.cancel()
            await asyncio.wait({step})
    return None if step.cancelled() else step.result()


async def disconnected(receive: Receive) -> None:
    """Wait until the client has gone."""
    while (await receive())["type"] != "http.disconnect":
        pass
