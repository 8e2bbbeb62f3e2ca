"""Lists, pages and spread-out objects of JSON → JSON Lines, as they arrive. Pure.

The bytes are looked at in a few passes of numpy. Memory is that of one piece, however long an element or the list is.
Line n of what comes out is element n of the list.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import NamedTuple, Protocol

import msgspec
import numpy as np

from app.errors import JsonGoesOn, JsonNotClosed, PageTooLong
from app.posts.json import long_pages, pages, paths
from app.posts.json.jsonmarks import Marks
from app.posts.looking import shapes
from app.posts.looking.shapes import Packing
from app.posts.looking.sniffing import Layout

_COMMA, _LF = b","[0], b"\n"[0]
_OPEN, _CLOSE = b"["[0], b"]"[0]
_LONGEST_KEY = 256
"""Bytes before a list's bracket in which its key is looked for."""
_ONE_LINE = bytes.maketrans(b"\r\n", b"  ")
LONGEST_PAGE = 64 << 20
"""Bytes of one page of posts. A page is held in memory as a whole."""
_APART = 8 << 20
"""Bytes from which a process of its own reads a page."""
_MOST_VALUES = 1_000_000
"""Values of one page. 500 posts with all that Twitter tells of them have 100,000."""
_LONG_PAGE = 256 << 10
_long_pages = threading.Lock()
"""Long pages take many times their bytes as objects, so they are read one after another."""


class Splitter(Protocol):
    """Takes the text of a file as it arrives, gives JSON Lines."""

    def feed(self, data: bytes) -> Iterator[bytes]: ...

    def finish(self) -> bytes:
        """The bytes that are left once the text is over. Raises UploadRefused where it may not be over."""
        ...


class Elements:
    """The elements of a list, from behind its opening bracket on."""

    def __init__(self) -> None:
        self._marks = Marks()
        self._closed = False

    def feed(self, data: bytes) -> Iterator[bytes]:
        """The elements so far, a line each; the last one may go on. Raises UploadRefused for more behind the list."""
        if self._closed:
            self._refuse_more(data)
            return
        spread = b"\n" in data or b"\r" in data
        octets = np.frombuffer(bytearray(data).translate(_ONE_LINE) if spread else bytearray(data), np.uint8)
        outside, depths = self._marks.of(octets)
        between = outside[(octets[outside] == _COMMA) & (depths == 0)]
        octets[between] = _LF
        ends = np.flatnonzero(depths < 0)
        if ends.size:
            end = int(outside[ends[0]])
            self._closed = True
            yield octets[:end].tobytes()
            self._refuse_more(data[end + 1 :])
            return
        yield octets.tobytes()

    def finish(self) -> bytes:
        """Raises UploadRefused where the list does not end."""
        if not self._closed:
            raise JsonNotClosed("The JSON list does not end: the file was cut off. Send all of it.")
        return b""

    def _refuse_more(self, data: bytes) -> None:
        if data.strip(b" \t\r\n;"):
            raise JsonGoesOn("Something follows the JSON list. Send one list, or JSON Lines: one object a line.")


class Listed:
    """A list from the beginning of a file on: what stands before its opening bracket is passed over."""

    def __init__(self) -> None:
        self._elements: Elements | None = None

    def feed(self, data: bytes) -> Iterator[bytes]:
        if self._elements is None:
            begin = data.find(b"[")
            if begin < 0:
                return
            self._elements, data = Elements(), data[begin + 1 :]
        yield from self._elements.feed(data)

    def finish(self) -> bytes:
        return (self._elements or Elements()).finish()


class Values:
    """Objects that follow each other, on however many lines: each becomes one line."""

    def __init__(self) -> None:
        self._marks = Marks()

    def feed(self, data: bytes) -> Iterator[bytes]:
        octets = np.frombuffer(data.translate(_ONE_LINE), np.uint8)
        outside, depths = self._marks.of(octets)
        ends = outside[(octets[outside] != _COMMA) & (depths == 0)]
        yield np.insert(octets, ends + 1, _LF).tobytes() if ends.size else octets.tobytes()

    def finish(self) -> bytes:
        """Raises UploadRefused where an object does not end."""
        if self._marks.depth > 0:
            raise JsonNotClosed("The last JSON object does not end: the file was cut off. Send all of it.")
        return b""


class Pages:
    """Objects that hold posts, one a line: each becomes its posts, one a line."""

    def __init__(self, packing: Packing) -> None:
        self._packing = packing
        self._unpacker = shapes.Unpacker(packing)
        self._rest = bytearray()

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Raises UploadRefused for a page that is too long."""
        before = len(self._rest)
        self._rest += data
        end = self._rest.rfind(b"\n", before) + 1
        if end:
            whole, self._rest = bytes(self._rest[:end]), self._rest[end:]
            for line in whole.split(b"\n"):
                yield self._posts_of(line)
        if len(self._rest) > LONGEST_PAGE:
            raise PageTooLong(f"A page of posts has more than {LONGEST_PAGE:,} bytes. Write one object a line.")

    def finish(self) -> bytes:
        return self._posts_of(bytes(self._rest))

    def _posts_of(self, line: bytes) -> bytes:
        """The posts of a page, a line each. What is no page is a line as it is, to be rejected with its reason."""
        if not line.strip():
            return b""
        if len(line) > _LONG_PAGE:
            if sum(map(line.count, (b",", b"{", b"["))) > _MOST_VALUES:
                raise PageTooLong(f"A page of posts has more than {_MOST_VALUES:,} values. Write one object a line.")
            with _long_pages:
                return self._read(line)
        return self._read(line)

    def _read(self, line: bytes) -> bytes:
        if len(line) > _APART:
            return long_pages.posts_of(line, self._packing)
        return pages.posts_of(line, self._unpacker)


class Inside:
    """Lists that stand at one place of large objects: each element becomes one line, in the memory of one piece."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._marks = Marks()
        self._inside = False
        self._before = b""
        """The end of the piece before, in which a key may stand."""

    def feed(self, data: bytes) -> Iterator[bytes]:
        octets = np.frombuffer(data.translate(_ONE_LINE), np.uint8).copy()
        outside, depths = self._marks.of(octets)
        signs = octets[outside]
        octets[outside[(signs == _COMMA) & (depths == self._place.depth)]] = _LF
        opened = outside[(signs == _OPEN) & (depths == self._place.depth)].tolist()
        closed = outside[(signs == _CLOSE) & (depths == self._place.depth - 1)].tolist()
        text = self._before + octets.tobytes()
        shift, at = len(self._before), 0
        for begin, end in self._stretches(opened, closed, octets.size, text, shift):
            yield text[shift + begin : shift + end]
            yield b"\n" if end < octets.size else b""
            at = end
        self._before = text[-_LONGEST_KEY:] if not self._inside or at < octets.size else b""

    def _stretches(
        self, opened: list[int], closed: list[int], size: int, text: bytes, shift: int
    ) -> Iterator[tuple[int, int]]:
        """Where elements stand in this piece."""
        at = 0
        while True:
            if not self._inside:
                begin = next((each for each in opened if each >= at and self._place.key(text, shift + each)), None)
                if begin is None:
                    return
                self._inside, at = True, begin + 1
            end = next((each for each in closed if each >= at), None)
            if end is None:
                yield at, size
                return
            yield at, end
            self._inside, at = False, end + 1

    def finish(self) -> bytes:
        """Raises UploadRefused where an object does not end."""
        if self._marks.depth > 0:
            raise JsonNotClosed("The JSON object does not end: the file was cut off. Send all of it.")
        return b""


class Place(NamedTuple):
    """Where a list stands: how deep, and under which key. The keys above are not compared: no known source has two."""

    depth: int
    name: str

    def key(self, text: bytes, at: int) -> bool:
        """Whether the bracket at this place of a text is that of the key."""
        before = text[max(0, at - _LONGEST_KEY) : at].rstrip()
        if not before.endswith(b":"):
            return False
        return before[:-1].rstrip().endswith(msgspec.json.encode(self.name))


def place_of(packing: Packing) -> Place | None:
    """The one place at which the posts of a file's objects stand in a list; None: there are several, or no list."""
    if packing.rows is None or packing.join == "includes":
        return None
    places = {
        Place(sum(1 + step.every for step in way), way[-1].key) if way[-1].every and not way[-1].where else None
        for way in paths.parse(packing.rows).ways
    }
    return places.pop() if len(places) == 1 else None


class Both:
    """One splitter behind the other."""

    def __init__(self, first: Splitter, second: Splitter) -> None:
        self._first, self._second = first, second

    def feed(self, data: bytes) -> Iterator[bytes]:
        for part in self._first.feed(data):
            yield from self._second.feed(part)

    def finish(self) -> bytes:
        rest = self._first.finish()
        return b"".join(self._second.feed(rest)) + self._second.finish()


def splitter(layout: Layout, packing: Packing) -> Splitter | None:
    """What makes JSON Lines of a file of this layout, from its first byte on. None: the file is read as it is."""
    lines: Splitter | None = None
    match layout:
        case Layout.CSV:
            return None
        case Layout.JSON_ARRAY:
            lines = Listed()
        case Layout.JSON_PAGES:
            if (place := place_of(packing)) is not None:
                lines, packing = Inside(place), msgspec.structs.replace(packing, rows=None)
            else:
                lines = Values()
        case Layout.JSONL:
            pass
    if packing.plain:
        return lines
    pages = Pages(packing)
    return pages if lines is None else Both(lines, pages)
