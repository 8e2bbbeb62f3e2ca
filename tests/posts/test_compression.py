"""Compressed files: recognised by their bytes, decoded whole however they arrive, one layer beyond Content-Encoding."""

from __future__ import annotations

import bz2
import gzip
import lzma
import sys
import zlib
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.errors import PackedTwice, UndecodableBody, UploadRefused, WindowTooLarge
from app.posts.containers.budget import Bounds, Budget
from app.posts.containers.compression import (
    Peeled,
    compress,
    decoder,
    decompress_within,
    layer,
    member_decoder,
)
from app.posts.containers.frames import PIECE_BYTES
from app.posts.looking.sniffing import Container
from app.settings import Settings

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd


def _zstd(data: bytes) -> bytes:
    """As zstd's command writes it: with a checksum."""
    return zstd.compress(data, options={zstd.CompressionParameter.checksum_flag: 1})


PACK: dict[Container, Callable[[bytes], bytes]] = {
    Container.GZIP: gzip.compress,
    Container.ZSTD: _zstd,
    Container.BZIP2: bz2.compress,
    Container.XZ: lzma.compress,
}
POSTS = b"data,timestamp,username\n" + b"".join(b"@a hello %d,2026-01-01,b\n" % each for each in range(2000))


def unpacked(body: bytes, encoding: str | None = None, step: int = 1000) -> tuple[bytes, Container]:
    """What becomes of a body that arrives in pieces of `step` bytes, and its compression."""
    peeled = Peeled(decoder(encoding))
    found = [piece for at in range(0, len(body), step) for piece in peeled.decode(body[at : at + step])]
    found += peeled.rest()
    assert all(0 < len(piece) <= PIECE_BYTES for piece in found)
    return b"".join(found), peeled.kind


@pytest.mark.parametrize("kind", PACK)
@pytest.mark.parametrize("step", [1, 7, 1 << 20])
def test_a_compressed_file_is_known_by_its_bytes(kind: Container, step: int) -> None:
    assert unpacked(PACK[kind](POSTS), step=step) == (POSTS, kind)


@pytest.mark.parametrize("kind", PACK)
def test_a_compressed_file_may_come_with_a_content_encoding(kind: Container) -> None:
    assert unpacked(gzip.compress(PACK[kind](POSTS)), "gzip") == (POSTS, kind)
    assert unpacked(compress(PACK[kind](POSTS)), "zstd") == (POSTS, kind)


@pytest.mark.parametrize("kind", PACK)
@pytest.mark.parametrize("below", PACK)
@pytest.mark.parametrize("encoding", [None, "gzip"])
@pytest.mark.parametrize("step", [1, 1000])
def test_a_second_layer_is_refused(kind: Container, below: Container, encoding: str | None, step: int) -> None:
    body = PACK[kind](PACK[below](POSTS[:100]))
    with pytest.raises(PackedTwice, match=f"again inside, as {below}"):
        unpacked(gzip.compress(body) if encoding else body, encoding, step)


@pytest.mark.parametrize("step", [1, 1000])
@pytest.mark.parametrize("below", PACK)
def test_a_second_layer_is_seen_in_stored_bytes_one_by_one(below: Container, step: int) -> None:
    """Deflate may store bytes as they are, in blocks of one byte."""
    packer = zlib.compressobj(wbits=31)
    inner = PACK[below](POSTS[:100])
    body = b"".join(packer.compress(inner[at : at + 1]) + packer.flush(zlib.Z_SYNC_FLUSH) for at in range(len(inner)))
    with pytest.raises(PackedTwice, match=f"again inside, as {below}"):
        unpacked(body + packer.flush(), step=step)


@pytest.mark.parametrize("kind", PACK)
def test_a_few_bytes_are_a_file(kind: Container) -> None:
    assert unpacked(PACK[kind](b"a,b\n")) == (b"a,b\n", kind)


def test_a_body_without_bytes_is_an_empty_file() -> None:
    assert unpacked(b"", "gzip") == unpacked(b"", "zstd") == (b"", Container.NONE)


def test_ten_bytes_tell_a_compression_from_text() -> None:
    assert list(Peeled(decoder(None)).decode(b"0123456789")) == [b"0123456789"]
    body = zlib.compressobj(level=0, wbits=31)
    packed = body.compress(b"0123456789") + body.flush(zlib.Z_SYNC_FLUSH)
    assert list(Peeled(decoder(None)).decode(packed)) == [b"0123456789"]


@pytest.mark.parametrize("kind", PACK)
def test_a_layer_needs_no_budget_and_tells_a_budget(kind: Container) -> None:
    budget = Budget()
    for each in (layer(kind), layer(kind, budget)):
        assert each is not None
        assert b"".join(each.decode(PACK[kind](POSTS))) == POSTS
    assert budget.decoded == len(POSTS)


def deflated(data: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(data) + packer.flush()


@pytest.mark.parametrize(
    ("method", "pack"), [(8, deflated), (12, bz2.compress), (93, zstd.compress), (95, lzma.compress)]
)
def test_a_member_needs_no_budget_and_tells_a_budget(method: int, pack: Callable[[bytes], bytes]) -> None:
    budget = Budget()
    for each in (member_decoder(method), member_decoder(method, budget)):
        assert each is not None
        assert b"".join(each.decode(pack(POSTS))) == POSTS
        each.finish()
    assert budget.decoded == len(POSTS)


@pytest.mark.parametrize("more", [1, 5, 100, 258, 300])
def test_the_end_of_a_long_run_is_read_though_all_its_input_is_taken(more: int) -> None:
    """A few bytes of Deflate become 258, and the bound of a piece may stand within these."""
    member = member_decoder(8)
    assert member is not None
    assert sum(map(len, member.decode(deflated(bytes(PIECE_BYTES + more))))) == PIECE_BYTES + more
    member.finish()


@pytest.mark.parametrize("step", [1, 1000, 1 << 20])
@pytest.mark.parametrize("more", [b"something else", deflated(POSTS)])
def test_what_follows_a_stream_of_deflate_is_no_part_of_it(more: bytes, step: int) -> None:
    member, body = member_decoder(8), deflated(POSTS) + more
    assert member is not None
    found = [piece for at in range(0, len(body), step) for piece in member.decode(body[at : at + step])]
    assert b"".join(found) == POSTS
    member.finish()


def test_a_member_of_deflate_has_a_stream() -> None:
    member = member_decoder(8)
    assert member is not None
    with pytest.raises(UndecodableBody, match="Deflate data ends"):
        member.finish()


@pytest.mark.parametrize(
    ("encoding", "before", "data", "passed"),
    [
        (None, b"", POSTS, True),
        (None, b"", b"PK\3\4 is no layer of compression", True),
        (None, b"", gzip.compress(POSTS), False),
        (None, b"\x1f\x8b\x08", gzip.compress(POSTS)[3:], False),
        (None, POSTS, gzip.compress(POSTS), True),
        (None, gzip.compress(POSTS), gzip.compress(POSTS), False),
        (None, gzip.compress(POSTS), POSTS, False),
        ("gzip", b"", POSTS, False),
        ("gzip", gzip.compress(POSTS), POSTS, False),
    ],
)
def test_bytes_that_nobody_packed_are_passed_on(
    encoding: str | None, before: bytes, data: bytes, *, passed: bool
) -> None:
    peeled = Peeled(decoder(encoding))
    list(peeled.decode(before))
    assert peeled.passes_on(data) is passed


@pytest.mark.parametrize(
    ("staged", "most", "found"),
    [
        (compress(POSTS), len(POSTS), POSTS),
        (compress(POSTS), len(POSTS) - 1, None),
        (compress(POSTS)[:-1], len(POSTS), None),
        (compress(POSTS) + b"x", len(POSTS), None),
        (compress(b""), 0, b""),
        (POSTS, len(POSTS), None),
    ],
)
def test_a_staged_payload_is_decoded_within_a_bound(staged: bytes, most: int, found: bytes | None) -> None:
    assert decompress_within(staged, most) == found


@pytest.mark.parametrize("kind", PACK)
def test_members_one_after_another_are_one_file(kind: Container) -> None:
    """As `cat a.bz2 b.bz2`, pbzip2, pigz, `xz --block-size` and zstd's -T write them."""
    pack = PACK[kind]
    body = b"".join(pack(POSTS[at : at + 9000]) for at in range(0, len(POSTS), 9000))
    assert unpacked(body, step=13)[0] == POSTS


def test_xz_may_be_padded() -> None:
    body = lzma.compress(POSTS) + bytes(8) + lzma.compress(POSTS) + bytes(4)
    assert unpacked(body, step=5)[0] == POSTS * 2


@pytest.mark.parametrize("kind", PACK)
def test_a_file_that_is_cut_off_anywhere_is_refused(kind: Container) -> None:
    body = PACK[kind](POSTS[:3000])
    for end in range(11, len(body)):
        with pytest.raises(UndecodableBody):
            unpacked(body[:end])


@pytest.mark.parametrize("kind", PACK)
@pytest.mark.parametrize("length", [1, 3])
def test_a_file_that_is_cut_off_in_the_head_of_a_later_frame_is_refused(kind: Container, length: int) -> None:
    with pytest.raises(UndecodableBody, match=f"the {kind} data ends in the middle of a frame"):
        unpacked(PACK[kind](POSTS) + PACK[kind](POSTS)[:length])


def test_what_follows_a_frame_is_a_frame() -> None:
    for step in (1, 1 << 20):
        with pytest.raises(UndecodableBody, match="the zstd data cannot be decoded"):
            unpacked(zstd.compress(POSTS) + b"posts", step=step)


@pytest.mark.parametrize("size", [0, 8, 63_488, 1 << 17])
def test_skippable_frames_are_skipped(size: int) -> None:
    """Their size stands where other frames tell their window."""
    skippable = b"\x50\x2a\x4d\x18" + size.to_bytes(4, "little") + bytes(size)
    peeled = Peeled(decoder(None, Budget(Bounds.of(Settings()))))
    assert (
        b"".join([*peeled.decode(zstd.compress(POSTS) + skippable + zstd.compress(POSTS)), *peeled.rest()]) == POSTS * 2
    )


@pytest.mark.parametrize("kind", PACK)
def test_a_damaged_file_is_refused(kind: Container) -> None:
    body = bytearray(PACK[kind](POSTS))
    middle = len(body) // 2
    body[middle : middle + 8] = bytes(8)
    with pytest.raises(UndecodableBody, match=f"the {kind} data cannot be decoded"):
        unpacked(bytes(body))


@pytest.mark.parametrize("kind", PACK)
def test_a_bomb_comes_in_bounded_pieces(kind: Container) -> None:
    body = PACK[kind](bytes(50 << 20))
    peeled = Peeled(decoder(None))
    longest = total = 0
    for piece in peeled.decode(body):
        longest, total = max(longest, len(piece)), total + len(piece)
    assert total + sum(map(len, peeled.rest())) == 50 << 20
    assert longest <= PIECE_BYTES


def test_xz_that_wants_much_memory_is_refused() -> None:
    body = lzma.compress(b"x", filters=[{"id": lzma.FILTER_LZMA2, "dict_size": 512 << 20}])
    with pytest.raises(WindowTooLarge, match="xz -6"):
        unpacked(body)


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"a",
        b"BZhandle,text\n1,2\n",
        b"BZh91,x\n",
        b"PAR1,b\n",
        b"PAR1\n",
        b"(a,b\n",
        b"\xef\xbb\xbfdata\n",
        b"PK,name\n",
        b"\xff\xfed\0a\0",
    ],
)
def test_a_text_that_begins_like_a_mark_is_a_text(text: bytes) -> None:
    assert unpacked(text, step=1) == (text, Container.NONE)


@given(body=st.binary(max_size=60), step=st.integers(1, 20), mark=st.sampled_from([b"", b"\x1f\x8b", b"BZh91AY&SY"]))
@settings(max_examples=300)
def test_any_bytes_are_decoded_refused_or_left_as_they_are(body: bytes, step: int, mark: bytes) -> None:
    try:
        found, kind = unpacked(mark + body, step=step)
    except UploadRefused:
        return
    if kind is Container.NONE:
        assert found == mark + body
