"""A list of JSON objects → JSON Lines, as it arrives: what separates the elements becomes the end of a line. Pure.

The bytes are looked at in a few passes of numpy. Memory is that of one piece, however long an element or the list is.
Line n of what comes out is element n of the list.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
import numpy as np

from app.errors import JsonGoesOn, JsonNotClosed, PageTooLong
from app.posts.jsonmarks import Marks
from app.posts.sniffing import joined

_COMMA, _LF = b","[0], b"\n"[0]
_ONE_LINE = bytes.maketrans(b"\r\n", b"  ")
LONGEST_PAGE = 64 << 20
"""Bytes of one page of posts; a page is held in memory as a whole."""


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
