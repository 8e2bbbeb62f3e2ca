"""Compressed files: recognised by their bytes, decoded whole however they arrive, one layer beyond Content-Encoding."""

from __future__ import annotations

import bz2
import gzip
import lzma
import sys
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.errors import PackedTwice, UndecodableBody, UploadRefused, WindowTooLarge
from app.posts.containers.compression import Peeled, compress, decoder
from app.posts.containers.frames import PIECE_BYTES
from app.posts.looking.sniffing import Container

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
    assert all(len(piece) <= PIECE_BYTES for piece in found)
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
def test_a_second_layer_is_refused(kind: Container, below: Container, encoding: str | None) -> None:
    body = PACK[kind](PACK[below](POSTS))
    with pytest.raises(PackedTwice, match=f"again inside, as {below}"):
        unpacked(gzip.compress(body) if encoding else body, encoding)


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
