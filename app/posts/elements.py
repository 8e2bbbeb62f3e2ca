"""A list of JSON objects → JSON Lines, as it arrives: what separates the elements becomes the end of a line. Pure.

The bytes are looked at in a few passes of numpy. Memory is that of one piece, however long an element or the list is.
Line n of what comes out is element n of the list.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
import numpy as np
import numpy.typing as npt

from app.errors import JsonGoesOn, JsonNotClosed, PageTooLong
from app.posts.sniffing import joined

_QUOTE, _BACKSLASH, _COMMA, _LF, _SPACE = b'"'[0], b"\\"[0], b","[0], b"\n"[0], b" "[0]
_STEPS = np.zeros(256, np.int8)
_STEPS[list(b"[{")] = 1
_STEPS[list(b"]}")] = -1
_ONE_LINE = bytes.maketrans(b"\r\n", b"  ")
LONGEST_PAGE = 64 << 20
"""Bytes of one page of posts; a page is held in memory as a whole."""


class Elements:
    """The elements of a list, from behind its opening bracket on."""

    def __init__(self) -> None:
        self._depth = 0
        self._in_string = False
        self._escaped = False
        self._closed = False

    def feed(self, data: bytes) -> Iterator[bytes]:
        """The elements so far, a line each; the last one may go on. Raises UploadRefused for more behind the list."""
        if self._closed:
            self._refuse_more(data)
            return
        octets = np.frombuffer(data.translate(_ONE_LINE), np.uint8).copy()
        outside = self._outside(octets)
        steps = _STEPS[octets[outside]]
        depths = self._depth + np.cumsum(steps, dtype=np.int64)
        between = outside[(octets[outside] == _COMMA) & (depths == 0)]
        octets[between] = _LF
        ends = np.flatnonzero(depths < 0)
        if ends.size:
            end = int(outside[ends[0]])
            self._closed = True
            yield octets[:end].tobytes()
            self._refuse_more(data[end + 1 :])
            return
        self._depth = int(depths[-1]) if depths.size else self._depth
        yield octets.tobytes()

    def finish(self) -> bytes:
        """Raises UploadRefused where the list does not end."""
        if not self._closed:
            raise JsonNotClosed("The JSON list does not end: the file was cut off. Send all of it.")
        return b""

    def _refuse_more(self, data: bytes) -> None:
        if data.strip(b" \t\r\n;"):
            raise JsonGoesOn("Something follows the JSON list. Send one list, or JSON Lines: one object a line.")

    def _outside(self, octets: npt.NDArray[np.uint8]) -> npt.NDArray[np.int64]:
        """Where brackets, braces and commas stand outside of strings; keeps what the next piece needs to know."""
        quotes = np.flatnonzero(octets == _QUOTE)
        if self._escaped or (octets == _BACKSLASH).any():
            quotes = quotes[~self._is_escaped(octets, quotes)]
        marks = np.flatnonzero((_STEPS[octets] != 0) | (octets == _COMMA))
        before = np.searchsorted(quotes, marks) + self._in_string
        self._in_string = bool((quotes.size + self._in_string) % 2)
        return marks[before % 2 == 0]

    def _is_escaped(self, octets: npt.NDArray[np.uint8], quotes: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
        """Whether an odd number of backslashes stands before each quote."""
        other = np.flatnonzero(octets != _BACKSLASH)
        # Of each position the last one before it that is no backslash.
        last = np.searchsorted(other, quotes, side="left") - 1
        run = quotes - np.where(last >= 0, other[np.maximum(last, 0)], -1) - 1
        run += np.where((last < 0) & self._escaped, 1, 0)
        tail = octets.size - (int(other[-1]) if other.size else -1) - 1
        self._escaped = bool((tail + (self._escaped if not other.size else 0)) % 2)
        return run % 2 == 1


class Pages:
    """Pages of posts, one a line: each becomes its posts, one a line."""

    def __init__(self, key: str) -> None:
        self._key = key
        self._rest = bytearray()

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Raises UploadRefused for a page that is too long."""
        self._rest += data
        end = self._rest.rfind(b"\n") + 1
        if end:
            whole, self._rest = bytes(self._rest[:end]), self._rest[end:]
            for line in whole.splitlines():
                yield posts_of(line, self._key)
        if len(self._rest) > LONGEST_PAGE:
            raise PageTooLong(f"A page of posts has more than {LONGEST_PAGE:,} bytes. Write one object a line.")

    def finish(self) -> bytes:
        return posts_of(bytes(self._rest), self._key)


def posts_of(page: bytes, key: str) -> bytes:
    """The posts of a page, a line each. What is no page is a line as it is, to be rejected with its reason."""
    if not page.strip():
        return b""
    try:
        found = msgspec.json.decode(page)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return page.replace(b"\n", b" ") + b"\n"
    if not isinstance(found, dict) or not isinstance(found.get(key), list):
        return page.replace(b"\n", b" ") + b"\n"
    return b"".join(msgspec.json.encode(post) + b"\n" for post in joined(found, key))
