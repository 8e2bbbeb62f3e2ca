"""What a body costs is bounded by its bytes, however hostile the body is."""

from __future__ import annotations

import bz2
import contextlib
import gzip
import io
import lzma
import sys
import time
import zipfile
from collections.abc import Callable, Iterator
from tempfile import TemporaryFile

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.errors import ArchiveUnreadable, CostsTooMuch, ReceivingFull, UploadRefused, UploadTooLarge, WindowTooLarge
from app.ledger.admission import BASE_BYTES, SMALL_BYTES, Admission
from app.posts.containers import contents
from app.posts.containers.budget import Bounds, Budget
from app.posts.containers.compression import Peeled, decoder
from app.posts.containers.contents import Room
from app.posts.looking.reading import Reading
from app.posts.looking.sniffing import HEAD_BYTES
from app.posts.options import Given
from app.posts.source import LONGEST_HEAD, Source
from app.settings import Settings

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

CHUNK = 1 << 20
SECONDS, SECONDS_A_BYTE = 2.0, 1e-6
"""The most processor time of a body: for each, and for each of its bytes."""
PACK: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "zstd": zstd.compress,
    "bzip2": bz2.compress,
    "xz": lambda data: lzma.compress(data, preset=0),
}
SKIPPABLE = b"\x50\x2a\x4d\x18\0\0\0\0"


def bounds() -> Bounds:
    return Bounds.of(Settings())


@st.composite
def hostile(draw: st.DrawFn) -> bytes:
    """Bodies of many short frames, of frames of one byte over and over, of both one in the other, and zips of them."""
    pack = PACK[draw(st.sampled_from(sorted(PACK)))]
    size = draw(st.sampled_from([200_000, 4_000_000]))
    match draw(st.sampled_from(["frames", "skippable", "bomb", "both", "zip"])):
        case "frames":
            frame = pack(draw(st.sampled_from([b"", b"a", b"\n", b"a,b\n"])))
            body = frame * (size // len(frame))
        case "skippable":
            body = zstd.compress(b"") + SKIPPABLE * (size // len(SKIPPABLE))
        case "bomb":
            body = pack(draw(st.sampled_from([b"\0", b"\n", b",", b'"', b"{}", b"a,b,c\n"])) * size)
        case "both":
            frame = pack(b"")
            body = gzip.compress(frame * (size // len(frame)))
        case _:
            body = _zip(draw(st.integers(1, 2000)), size)
    return body


def _zip(files: int, size: int) -> bytes:
    """A zip of one file that its directory names over and over."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as made:
        made.writestr("a.dat", b"a b c\n" * (min(size, 1 << 20) // 6))
    body = file.getvalue()
    begin, end = body.index(b"PK\1\2"), body.index(b"PK\5\6")
    directory = body[begin:end] * files
    ends = files.to_bytes(2, "little") * 2 + len(directory).to_bytes(4, "little") + begin.to_bytes(4, "little")
    return body[:begin] + directory + b"PK\5\6\0\0\0\0" + ends + b"\0\0"


def read_all(body: bytes, step: int, encoding: str | None = None) -> None:
    """What receiving does with a body until its rows are cut. Raises UploadRefused."""
    budget = Budget(bounds())
    chunks = (body[at : at + step] for at in range(0, len(body), step))
    with budget.working(), TemporaryFile() as file:
        room = Room.of(1 << 34, lambda: file, budget)
        for _, content in contents.files_of(chunks, decoder(encoding, budget), Given(), room):
            _rows(content.pieces)


def _rows(pieces: Iterator[bytes]) -> None:
    source = Source(Given())
    for piece in pieces:
        if source.is_open:
            for _ in source.feed(piece):
                pass
        elif source.hold(piece):
            source.open(final=False)
    source.finish() if source.is_open else source.open(final=True)


@given(body=hostile(), step=st.sampled_from([64 << 10, CHUNK]))
@settings(max_examples=15)
def test_the_processor_time_of_a_received_byte_is_bounded(body: bytes, step: int) -> None:
    began = time.thread_time()
    with contextlib.suppress(UploadRefused):
        read_all(body, step)
    assert time.thread_time() - began < SECONDS + SECONDS_A_BYTE * len(body)


@pytest.mark.parametrize("kind", PACK)
def test_frames_are_counted(kind: str) -> None:
    frame = PACK[kind](b"")
    body = PACK[kind](b"data,username\n" * 10) + frame * (1_000_000 // len(frame))
    peeled = Peeled(decoder(None, Budget(bounds())))
    peeled.budget.receive(len(body))
    with pytest.raises(CostsTooMuch, match="frames"):
        list(peeled.decode(body))


def test_skippable_frames_are_counted() -> None:
    with pytest.raises(CostsTooMuch, match="frames"):
        read_all(zstd.compress(b"") + SKIPPABLE * 200_000, CHUNK)


def test_thousands_of_members_are_read() -> None:
    """As a program writes them that compresses line by line."""
    line = b"hello @bob,2026-01-15T11:00:00Z,ada\n"
    body = gzip.compress(b"data,timestamp,username\n") + gzip.compress(line) * 30_000
    peeled = Peeled(decoder(None, Budget(bounds())))
    peeled.budget.receive(len(body))
    assert sum(map(len, peeled.decode(body))) == 24 + 30_000 * len(line)


@pytest.mark.parametrize("kind", PACK)
def test_a_bomb_is_refused(kind: str) -> None:
    # Zeros: gzip makes 1,000 bytes of each byte, and the others more.
    body = PACK[kind](bytes(40 << 20))
    budget = Budget(msgspec.structs.replace(bounds(), expansion=250, free_bytes=16 << 20))
    with pytest.raises(CostsTooMuch, match="MENTIONGRAPH_MAX_EXPANSION"):
        read_all_with(budget, body)
    assert budget.decoded <= (17 << 20) + 250 * len(body)


def read_all_with(budget: Budget, body: bytes) -> None:
    budget.receive(len(body))
    for _ in Peeled(decoder(None, budget)).decode(body):
        pass


def test_processor_time_is_counted() -> None:
    instants = iter([0.0, 1.0, 9.0, 13.0])
    budget = Budget(bounds(), clock=lambda: next(instants, 5.0))
    with budget.working():
        budget.check()
        budget.check()
        with pytest.raises(CostsTooMuch, match="13 s of the processor"):
            budget.check()
    assert budget.seconds == 5.0


@pytest.mark.parametrize("log", [20, 23, 24, 27, 31])
def test_a_window_is_asked_for_before_it_is_taken(log: int) -> None:
    """20 kB sent, then silence: a frame with a window of 128 MiB held 144 MiB."""
    head = b"\x28\xb5\x2f\xfd" + bytes([0x00, (log - 10) << 3])
    admission = Admission(1 << 30)
    with admission.enter() as share:
        frames = decoder("zstd", Budget(bounds(), share))
        if log > 23:
            with pytest.raises(WindowTooLarge, match="MENTIONGRAPH_MAX_WINDOW_BYTES"):
                list(frames.decode(head))
            assert admission.held == BASE_BYTES
        else:
            list(frames.decode(head))
            assert (1 << log) < admission.held < (1 << log) + (1 << 20)
    assert admission.held == 0


@pytest.mark.parametrize("size", [1000, 70_000, 9 << 20, 1 << 40])
def test_a_frame_of_one_segment_has_a_window_of_its_size(size: int) -> None:
    flag, length = (1, 2) if 256 <= size < 65_792 else (2, 4) if size < 1 << 32 else (3, 8)
    field = (size - 256 if length == 2 else size).to_bytes(length, "little")
    head = b"\x28\xb5\x2f\xfd" + bytes([flag << 6 | 0x20]) + field
    admission = Admission(1 << 30)
    with admission.enter() as share:
        frames = decoder("zstd", Budget(bounds(), share))
        if size > 8 << 20:
            with pytest.raises(WindowTooLarge):
                list(frames.decode(head))
        else:
            list(frames.decode(head))
            assert admission.held >= BASE_BYTES + size


@pytest.mark.parametrize(("size", "flag", "length"), [(200, 0, 1), (1000, 1, 2), (70_000, 2, 4), (70_000, 3, 8)])
def test_a_window_may_be_as_large_as_the_bound(size: int, flag: int, length: int) -> None:
    field = (size - 256 if length == 2 else size).to_bytes(length, "little")
    head = b"\x28\xb5\x2f\xfd" + bytes([flag << 6 | 0x20]) + field

    assert list(decoder("zstd", Budget(Bounds(1 << 20, 250, size))).decode(head)) == []
    with pytest.raises(WindowTooLarge, match=f"needs {size} bytes"):
        list(decoder("zstd", Budget(Bounds(1 << 20, 250, size - 1))).decode(head))


@pytest.mark.parametrize(
    ("kind", "least", "most"), [("gzip", 64 << 10, 1 << 20), ("bzip2", 4 << 20, 5 << 20), ("xz", 8 << 20, 11 << 20)]
)
def test_a_frame_holds_the_memory_that_it_may_take(kind: str, least: int, most: int) -> None:
    """Later blocks of xz may ask for more than the first, so a stream of xz holds all that is allowed."""
    admission = Admission(1 << 30)
    with admission.enter() as share:
        list(
            Peeled(decoder(None, Budget(Bounds(1 << 30, 250, 8 << 20), share))).decode(
                PACK[kind](b"data,username\n")[:-1]
            )
        )
        assert BASE_BYTES + least <= admission.held <= BASE_BYTES + most


def test_bounds_are_included() -> None:
    bounds = Bounds(received=640, expansion=2, window=1 << 20, free_bytes=100, free_frames=3, free_seconds=1.0)

    def spent(bytes_in: int = 0, *, decoded: int = 0, frames: int = 0, seconds: float = 0.0) -> None:
        budget = Budget(bounds, clock=lambda: 0.0)
        budget.receive(bytes_in)
        budget.decode(decoded)
        for _ in range(frames):
            budget.frame()
        budget.spend(seconds)

    spent(640, decoded=100 + 2 * 640, frames=3 + 10)
    spent(seconds=1.0)
    with pytest.raises(UploadTooLarge, match="larger than 640 bytes"):
        spent(641)
    with pytest.raises(CostsTooMuch, match="more than"):
        spent(640, decoded=101 + 2 * 640)
    with pytest.raises(CostsTooMuch, match="more than 13 frames in 640 bytes"):
        spent(640, frames=14)
    with pytest.raises(CostsTooMuch, match="of the processor"):
        spent(seconds=1.001)


def _decode_a_kilobyte(budget: Budget) -> None:
    budget.decode(1 << 10)


@pytest.mark.parametrize(("step", "steps"), [(Budget.frame, 256), (_decode_a_kilobyte, 64)])
def test_the_processor_s_clock_is_read_now_and_then(step: Callable[[Budget], None], steps: int) -> None:
    reads: list[None] = []

    def clock() -> float:
        reads.append(None)
        return 0.0

    budget = Budget(bounds(), clock=clock)
    with budget.working():
        reads.clear()
        for _ in range(steps - 1):
            step(budget)
        assert not reads
        step(budget)
        assert len(reads) == 1


def test_a_window_that_is_allowed_is_still_admitted() -> None:
    admission = Admission(256 << 20)
    wide = Bounds(1 << 40, 250, 1 << 27)
    head = b"\x28\xb5\x2f\xfd\x00" + bytes([17 << 3])
    with admission.enter() as first, admission.enter() as second, admission.enter() as third:
        list(decoder("zstd", Budget(wide, first)).decode(head))
        with pytest.raises(ReceivingFull):
            list(decoder("zstd", Budget(wide, second)).decode(head))
        third.hold("buffer", SMALL_BYTES // 2)
        assert admission.held < (129 << 20) + (1 << 20)


def test_small_requests_get_in_beside_big_ones() -> None:
    admission = Admission(64 << 20)
    with admission.enter() as big:
        while big.try_hold("buffer", admission.held + (1 << 20)):
            pass
        assert admission.held <= 56 << 20
        with admission.enter() as other:
            assert not other.try_hold("buffer", 2 << 20)
            assert other.try_hold("buffer", SMALL_BYTES - BASE_BYTES)
    assert admission.held == 0


def _hold_all(source: Source, piece: bytes) -> None:
    for _ in range(2 * LONGEST_HEAD // len(piece)):
        if source.hold(piece):
            source.open(final=False)


@pytest.mark.parametrize("given", [Given(), Given(skip_lines=1), Given(skip_lines=30, delimiter=";")])
@pytest.mark.parametrize("body", [b"x", b'"', b"a,", b"\n"])
def test_a_header_without_an_end_is_looked_at_seldom(
    given: Given, body: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked: list[int] = []
    look = Source.look

    def counted(source: Source, *, final: bool) -> Reading:
        looked.append(source.held)
        return look(source, final=final)

    monkeypatch.setattr(Source, "look", counted)
    source = Source(given)
    piece = body * (65_536 // len(body))
    with pytest.raises(UploadRefused):
        _hold_all(source, piece)
    assert looked == [HEAD_BYTES]


def test_files_of_a_zip_that_share_their_bytes_are_refused() -> None:
    with pytest.raises(ArchiveUnreadable, match="within another file"):
        read_all(_zip(2000, 1 << 20), CHUNK)
