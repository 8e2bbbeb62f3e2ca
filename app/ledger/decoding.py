"""Decoding: a body is decoded as it arrives, off the event loop, in pieces that are neither huge nor tiny.

A client chooses how its bytes arrive and into how many frames they are divided. So arriving bytes are gathered before a
thread decodes them, and tiny pieces are gathered before they come back.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from app.posts.containers.budget import Budget
from app.posts.containers.compression import Peeled

GATHERED_BYTES = 64 << 10
"""Arriving bytes that are decoded at once, if the body has so many."""
_PIECE_BYTES = 1 << 19
"""Decoded bytes that come back at once; a piece of a decoder may make them up to three times as many."""
# Zips, workbooks and Parquet take seconds a step, and Python's lock in between: so few of them are read at once.
_UNPACKERS = 2
_unpackers = ThreadPoolExecutor(_UNPACKERS, "unpacking")

Result = TypeVar("Result")


async def decoded(chunks: AsyncIterator[bytes], peeled: Peeled) -> AsyncGenerator[bytes]:
    """The decoded body. Raises UploadRefused, ReceivingFull."""
    budget = peeled.budget
    held = bytearray()
    async for chunk in chunks:
        budget.receive(len(chunk))
        if not held and peeled.passes_on(chunk):
            for piece in peeled.decode(chunk):
                yield piece
            continue
        held += chunk
        if len(held) >= GATHERED_BYTES:
            data = bytes(held)
            held.clear()
            async for piece in gathered(peeled.decode(data), budget):
                yield piece
    if held:
        async for piece in gathered(peeled.decode(bytes(held)), budget):
            yield piece
    for piece in peeled.rest():
        yield piece


async def gathered(pieces: Iterator[bytes], budget: Budget) -> AsyncGenerator[bytes]:
    """The pieces, made in a thread and joined to larger ones."""
    while piece := await asyncio.to_thread(next_bytes, pieces, budget):
        yield piece


def next_bytes(pieces: Iterator[bytes], budget: Budget) -> bytes:
    """The next bytes; none at the end."""
    found: list[bytes] = []
    size = 0
    with budget.working():
        for piece in pieces:
            found.append(piece)
            size += len(piece)
            if size >= _PIECE_BYTES:
                break
    return found[0] if len(found) == 1 else b"".join(found)


async def unpack(budget: Budget, step: Callable[[], Result]) -> Result:
    """A step of reading a zip, a workbook or Parquet, in one of the threads for these."""

    def work() -> Result:
        with budget.working():
            return step()

    return await asyncio.get_running_loop().run_in_executor(_unpackers, work)
