from __future__ import annotations

import codecs
from collections.abc import Sequence

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from app.errors import UploadRefused
from app.posts.encodings import ENCODINGS, PIECE_BYTES, named, transcoder
from app.posts.options import Format
from app.posts.tables.csv import read


def transcoded(data: bytes, encoding: str, steps: Sequence[int] = (1 << 20,)) -> bytes:
    """What becomes of bytes that arrive in pieces of the given sizes."""
    found = transcoder(encoding)
    parts: list[bytes] = []
    at = count = 0
    while at < len(data):
        step = steps[count % len(steps)]
        parts += found.feed(data[at : at + step])
        at, count = at + step, count + 1
    return b"".join(parts) + found.finish()


STEPS = st.lists(st.integers(1, 9), min_size=1, max_size=4)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
ROUND_TRIPS = {
    "utf-8": ["utf-8", "utf-8-sig", "utf-16"],
    "utf-16": ["utf-16", "utf-16-le"],
    "utf-32": ["utf-32"],
}


@given(text=TEXTS, steps=STEPS, data=st.data())
@settings(max_examples=200)
def test_any_text_in_any_encoding_reads_back(text: str, steps: list[int], data: st.DataObject) -> None:
    encoding = data.draw(st.sampled_from(ENCODINGS))
    written = data.draw(st.sampled_from(ROUND_TRIPS.get(encoding, [encoding])))
    text = "x" + text.encode(written, errors="ignore").decode(written, errors="ignore").removeprefix("\ufeff")
    found = transcoded(text.encode(written), encoding, steps)
    assert found.removeprefix(codecs.BOM_UTF8 if written == "utf-8-sig" else b"").decode() == text


@pytest.mark.parametrize("mark", [codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_utf_16_is_known_by_its_mark(mark: bytes, encoding: str) -> None:
    order = "utf-16-le" if mark == codecs.BOM_UTF16_LE else "utf-16-be"
    for steps in ([1], [2], [1 << 20]):
        assert transcoded(mark + "größe 👍".encode(order), encoding, steps) == "größe 👍".encode()


@pytest.mark.parametrize("data", [b"", b"\xff", b"\xfe", b"\xffa", b"a", b"\xef\xbb\xbfa", b"a\xff\xfe\0"])
def test_what_says_utf_8_is_left_as_it_is(data: bytes) -> None:
    assert transcoded(data, "utf-8", [1]) == transcoded(data, "utf-8") == data


@given(data=st.binary(max_size=60), encoding=st.sampled_from(["utf-16", "latin-1", "cp1252"]), steps=STEPS)
@settings(max_examples=300)
@example(data=b"\xd8\0", encoding="utf-16", steps=[1])
def test_any_bytes_become_the_same_however_they_arrive(data: bytes, encoding: str, steps: list[int]) -> None:
    found = transcoded(data, encoding, steps)
    assert found == transcoded(data, encoding)
    # All of it is UTF-8 but for the bytes that stand for what could not be decoded.
    assert "\ufffd" not in found.replace(b"\xff", b"").replace("\ufffd".encode(), b"").decode()
    assert (b"\xff" in found) == (not decodes(data, encoding))


def decodes(data: bytes, encoding: str) -> bool:
    try:
        data.decode(encoding)
    except UnicodeDecodeError:
        return False
    return True


def test_what_cannot_be_decoded_costs_its_row_only() -> None:
    rows = ["a,2024-05-01,x\n", "b\ud800,2024-05-01,x\n", "\ufffd,2024-05-01,x\n", "d\x81,2024-05-01,x\n"]
    body = "".join(rows).encode("utf-16", "surrogatepass") + b"e"
    posts = read(transcoded(body, "utf-16"), Format(",", 3, 0, 1, 2), first_line=1)
    assert posts.frame["text"].to_list() == ["a", "\ufffd", "d\x81"]
    assert posts.rejects.select("line", "code", "value").rows() == [
        (2, "invalid_utf8", b"b\xff"),
        (5, "too_few_fields", None),
    ]
    posts = read(
        transcoded(b"a,2024-05-01,x\n\x81\x80,2024-05-01,x\n", "cp1252"), Format(",", 3, 0, 1, 2), first_line=1
    )
    assert posts.rejects.select("line", "value").rows() == [(2, "\udcff€".encode(errors="surrogateescape"))]


def test_pieces_are_bounded() -> None:
    found = transcoder("cp1252")
    pieces = list(found.feed(b"\x80" * (5 * PIECE_BYTES)))
    assert max(map(len, pieces)) <= 3 * PIECE_BYTES
    assert b"".join(pieces) == "€".encode() * (5 * PIECE_BYTES)


@pytest.mark.parametrize(
    ("alias", "encoding"),
    [
        ("UTF8", "utf-8"),
        ("utf-8-sig", "utf-8"),
        (" Latin1 ", "latin-1"),
        ("ISO-8859-1", "latin-1"),
        ("windows-1252", "cp1252"),
        ("UTF_16", "utf-16"),
        *((encoding, encoding) for encoding in ENCODINGS),
    ],
)
def test_aliases(alias: str, encoding: str) -> None:
    assert named(alias) == encoding


@pytest.mark.parametrize("encoding", ["", "utf-7", "rot13", "no such", "\0", "é" * 300])
def test_other_encodings_are_refused(encoding: str) -> None:
    with pytest.raises(UploadRefused, match="name one of utf-8, utf-16") as refused:
        transcoder(encoding)
    assert refused.value.code == "unknown-encoding"


def test_bytes_that_are_no_character_yet_give_no_piece() -> None:
    found = transcoder("utf-8")
    assert list(found.feed(b"ab")) == [b"ab"]
    assert list(found.feed(b"")) == []
    assert list(transcoder("utf-16-le").feed(b"a")) == []


@pytest.mark.parametrize(
    ("data", "passes_on"), [(b"", False), (b"\xff", False), (b"ab", True), (b"abc", True), (codecs.BOM_UTF16_LE, False)]
)
def test_a_body_is_passed_on_once_it_is_known_to_be_utf_8(data: bytes, *, passes_on: bool) -> None:
    found = transcoder("utf-8")

    assert b"".join(found.feed(data)) == (data if passes_on else b"")
    assert found.passes_on is passes_on
    assert not transcoder("cp1252").passes_on
