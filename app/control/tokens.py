"""Tokens of keys: `mg_`, eight characters of an id, `_`, 43 of a secret, and six of a checksum.

The id names the key in lists and logs. The secret is 32 random bytes in base 62, so it has no character that a shell or
a URL changes. The checksum is CRC-32 of all before it: programs that look for leaked tokens find few false ones, and a
mistyped token is refused without a question to the database.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
import zlib
from typing import NamedTuple

PREFIX = "mg_"
ID_CHARACTERS = 8
_SECRET_BYTES = 32
_SECRET_CHARACTERS = 43
"""The fewest for 32 bytes: 62 ** 43 > 2 ** 256."""
_CHECKSUM_CHARACTERS = 6
"""The fewest for 32 bits."""
_DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

_FORM = re.compile(
    rf"(?P<text>{PREFIX}(?P<id>[0-9A-Za-z]{{{ID_CHARACTERS}}})_[0-9A-Za-z]{{{_SECRET_CHARACTERS}}})"
    rf"(?P<checksum>[0-9A-Za-z]{{{_CHECKSUM_CHARACTERS}}})"
)


class Made(NamedTuple):
    """A new token, and the id in it."""

    id: str
    token: str


def make() -> Made:
    """A token that nobody can guess."""
    key_id = "".join(secrets.choice(_DIGITS) for _ in range(ID_CHARACTERS))
    return Made(key_id, written(key_id, secrets.token_bytes(_SECRET_BYTES)))


def written(key_id: str, secret: bytes) -> str:
    """The token with this id and these 32 bytes."""
    text = f"{PREFIX}{key_id}_{_base62(int.from_bytes(secret, 'big'), _SECRET_CHARACTERS)}"
    return text + _checksum(text)


def id_in(token: str) -> str | None:
    """The id of the key. None: the text has not the form of a token, or its checksum is wrong."""
    found = _FORM.fullmatch(token)
    if found is None or found["checksum"] != _checksum(found["text"]):
        return None
    return found["id"]


def digest(token: str) -> bytes:
    """What the database keeps of a token. A secret of 256 random bits needs neither salt nor a slow function."""
    return hashlib.sha256(token.encode()).digest()


def is_of(token: str, kept: bytes) -> bool:
    """Whether the token has this digest. The comparison takes the same time for every wrong token."""
    return hmac.compare_digest(digest(token), kept)


def _checksum(text: str) -> str:
    return _base62(zlib.crc32(text.encode()), _CHECKSUM_CHARACTERS)


def _base62(number: int, characters: int) -> str:
    """The number in `characters` digits, with zeros in front."""
    digits = list[str]()
    for _ in range(characters):
        number, digit = divmod(number, len(_DIGITS))
        digits.append(_DIGITS[digit])
    return "".join(reversed(digits))
