"""Hostile bodies against a running API: the event loop goes on, memory comes back, and others get in."""

from __future__ import annotations

import asyncio
import bz2
import gzip
import io
import itertools
import json
import lzma
import sys
import threading
import zipfile
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import ExitStack
from typing import Any

import httpx
import msgspec
import pytest

from app.ledger import decoding, staging
from app.ledger.admission import BASE_BYTES
from app.posts.containers.budget import Budget
from app.posts.containers.compression import Peeled, compress, decoder
from app.settings import Settings
from app.store.postgres import Connection
from tests.conftest import until
from tests.http.conftest import Api, Serve
from tests.http.lag import probing
from tests.http.test_receiving import CSV, CSV_TYPE, HEADER, request_head, rows, states
from tests.posts.test_budget import SKIPPABLE

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

MOST_BLOCKED = 0.05
"""Processor seconds for which the event loop may be held."""
_MEMBER, _EMPTY = gzip.compress(b"a"), zstd.compress(b"")
PAGE = b'{"data":[{"text":"hi @bob","created_at":"2026-01-15T11:00:00Z","author_id":"7"}],"includes":{"users":[]}}\n'


def _sheet(cells: int) -> bytes:
    file = io.BytesIO()
    related = '<Relationships><Relationship Id="r" Type="x/{}" Target="{}"/></Relationships>'
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as book:
        book.writestr("[Content_Types].xml", "<Types/>")
        book.writestr("_rels/.rels", related.format("officeDocument", "xl/workbook.xml"))
        book.writestr("xl/workbook.xml", '<workbook><sheets><sheet name="a" id="r"/></sheets></workbook>')
        book.writestr("xl/_rels/workbook.xml.rels", related.format("worksheet", "s.xml"))
        book.writestr("xl/s.xml", "<worksheet>" + "<a/>" * cells + "</worksheet>")
    return file.getvalue()


def _page(posts: int) -> bytes:
    """A page of so many posts, which a request reads by itself while it has less than 8 MiB."""
    [post] = json.loads(PAGE)["data"]
    return json.dumps({"data": [post] * posts, "includes": {"users": []}}, separators=(",", ":")).encode()


BOMBS: dict[str, Callable[[], tuple[bytes, dict[str, str]]]] = {
    "a member a byte": lambda: (_MEMBER * 70_000, {"delimiter": "auto"}),
    "empty frames": lambda: (_EMPTY * 200_000, {}),
    "skippable frames": lambda: (_EMPTY + SKIPPABLE * 200_000, {}),
    "zeros": lambda: (bz2.compress(bytes(20 << 20)), {}),
    "line ends": lambda: (lzma.compress(HEADER + b"\n" * (20 << 20), preset=0), {}),
    "quotes": lambda: (gzip.compress(HEADER + b'"' * (20 << 20)), {}),
    "header without an end": lambda: (b"x," * (4 << 20), {}),
    "header behind lines without an end": lambda: (b"x" * (8 << 20), {"skip_lines": "1"}),
    "columns": lambda: (b"a," * 500_000 + b"\n", {"delimiter": ","}),
    "a page": lambda: (PAGE * 3 + b'{"data":[' + b"{}," * (2 << 20) + b'{}],"includes":{"users":[]}}\n', {}),
    "a last page without a line end": lambda: (PAGE * 20_000 + _page(80_000), {"author": "author_id"}),
    "a sheet": lambda: (_sheet(2 << 20), {}),
}


@pytest.mark.parametrize("path", ["/uploads", "/uploads/preview"])
def test_no_bomb_holds_the_event_loop(api: Api, path: str) -> None:
    for name, make in BOMBS.items():
        body, params = make()
        with probing(api.loop) as lag:
            api.http.post(path, content=body, params=params, headers={"Content-Type": "application/octet-stream"})
        assert lag.beats > 1, name
        assert lag.blocked < MOST_BLOCKED, name
    until(lambda: api.services.admission.held == 0, within=10, what="the memory is given back")
    assert api.upload(CSV).status_code == 202


def test_no_batch_is_made_in_the_thread_of_the_event_loop(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """A batch of 8 MB takes some 20 ms, and a larger one, as the settings may want, takes more than may be."""
    compressing = list[int]()

    def compress_here(data: bytes) -> bytes:
        compressing.append(threading.get_ident())
        return compress(data)

    monkeypatch.setattr(staging, "compress", compress_here)

    assert api.upload(CSV).status_code == 202

    async def loop_thread() -> int:
        return threading.get_ident()

    loops = asyncio.run_coroutine_threadsafe(loop_thread(), api.loop).result(20)
    assert len(compressing) == 1
    assert loops not in compressing


def test_a_repeat_under_a_key_has_the_same_budget(api: Api) -> None:
    headers = {**CSV_TYPE, "Idempotency-Key": "again", "Content-Encoding": "gzip"}
    assert api.http.post("/uploads", content=gzip.compress(CSV), headers=headers).status_code == 202

    bomb, headers["Content-Encoding"] = zstd.compress(bytes(256 << 20)), "zstd"
    answer = api.http.post("/uploads", content=bomb, headers=headers)

    assert (answer.status_code, answer.json()["type"].rpartition(":")[2]) == (413, "costs-too-much")


def test_bytes_that_drip_take_no_thread_a_byte(monkeypatch: pytest.MonkeyPatch) -> None:
    steps: list[int] = []
    made = decoding.next_bytes

    def counted(pieces: Iterator[bytes], budget: Budget) -> bytes:
        steps.append(1)
        return made(pieces, budget)

    async def drip() -> AsyncGenerator[bytes]:
        for byte in gzip.compress(CSV):
            yield bytes([byte])

    async def read() -> bytes:
        return b"".join([piece async for piece in decoding.decoded(drip(), Peeled(decoder("gzip")))])

    monkeypatch.setattr(decoding, "next_bytes", counted)

    assert asyncio.run(read()) == CSV
    assert len(steps) <= 2


def test_the_processor_time_of_threads_is_counted() -> None:
    decodes, unpacks = (Budget(clock=itertools.count().__next__) for _ in range(2))
    decoding.next_bytes(iter([b"a"]), decodes)
    asyncio.run(decoding.unpack(unpacks, list))
    assert decodes.seconds > 0
    assert unpacks.seconds > 0


def test_standing_uploads_hold_what_they_say_and_small_ones_get_in(
    serve: Serve, settings: Settings, domain: Connection
) -> None:
    """20 kB with a window of 128 MiB, then silence, held 144 MiB each."""
    api = serve(msgspec.structs.replace(settings, max_window_bytes=1 << 27))
    admission = api.services.admission
    content = HEADER + rows(5_000)
    body = b"\x28\xb5\x2f\xfd\x00" + bytes([17 << 3]) + (len(content) << 3).to_bytes(3, "little") + content[:70_000]
    head = request_head(length=1 << 20).replace(b"\r\n\r\n", b"\r\nContent-Encoding: zstd\r\n\r\n")
    with ExitStack() as stack:
        for _ in range(12):
            stack.enter_context(api.connect()).sendall(head + body)
        until(lambda: admission.held > 1 << 27, within=20, what="a window is held")
        for _ in range(50):
            stack.enter_context(api.connect()).sendall(request_head(length=1 << 20) + HEADER)
        until(lambda: states(domain).count("receiving") >= 50, within=20, what="50 stand")
        assert admission.held < settings.receiving_bytes
        assert api.upload(HEADER + rows(3)).status_code == 202
    until(lambda: admission.held == 0, within=20, what="the memory is given back")


def test_memory_that_is_short_makes_smaller_batches(serve: Serve, settings: Settings) -> None:
    api = serve(settings)
    admission = api.services.admission
    assert admission.take(settings.receiving_bytes // 8 * 7 - (3 << 20), 0)
    content = HEADER + rows(200_000)

    answer = api.upload(content)

    assert answer.status_code == 202
    assert sum(answer.json()["batches"].values()) > 1
    assert answer.json()["rows_received"] == 200_000


def test_an_upload_without_room_is_put_off(api: Api, settings: Settings) -> None:
    assert api.services.admission.take(settings.receiving_bytes - BASE_BYTES + 1, 0)

    answer: httpx.Response = api.upload(CSV)

    problem: dict[str, Any] = answer.json()
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "10")
    assert problem["type"].endswith("receiving-full")
    assert "MENTIONGRAPH_RECEIVING_BYTES" in problem["detail"]
