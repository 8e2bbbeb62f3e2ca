"""The posts of a page, as API answers hold them. Pure."""

from __future__ import annotations

import msgspec

from app.posts.looking.shapes import Unpacker


def posts_of(line: bytes, unpacker: Unpacker) -> bytes:
    """The posts of a page, a line each. What is no page is a line as it is, to be rejected with its reason."""
    try:
        found = msgspec.json.decode(line)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return line + b"\n"
    posts = unpacker.posts(found) if isinstance(found, dict) else None
    return line + b"\n" if posts is None else b"".join(msgspec.json.encode(post) + b"\n" for post in posts)
