"""This module makes texts from outside safe to show: in logs, on terminals, in messages. The module is pure.

A character that would steer a terminal, turn the direction of the text around it, break a line or stay invisible is
written as an escape, such as `\\x1b` or `\\u202e`. Letters, emoji, and blanks of any width stay as they are.
"""

from __future__ import annotations

import re

_JOINERS = "\u200c\u200d"
"""Emoji and Persian need these between two characters that are not ASCII. Elsewhere they only mislead."""
_OTHER = (
    "\x00-\x1f\x7f-\x9f"  # C0, DEL and C1, with which ESC, CSI and OSC begin
    "\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180e\u200b\u200e\u200f"
    "\u2028-\u202e\u2060-\u206f\u3164\ufeff\uffa0\ufff0-\ufffb\ufffe\uffff"
    "\ud800-\udfff"  # lone surrogates: bytes of a file's name that are no UTF-8
    "\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
)
_HOSTILE = re.compile(f"[{_OTHER}]|(?<![^\x00-\x7f])[{_JOINERS}]|[{_JOINERS}](?![^\x00-\x7f])")
_NAMES = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}
_LATIN_1, _BMP = 0xFF, 0xFFFF


def visible(text: str, keep: str = "") -> str:
    """Returns the text with an escape in place of each character that must not reach a terminal, but for `keep`."""
    if text.isascii() and text.isprintable():
        return text
    return _HOSTILE.sub(lambda found: found[0] if found[0] in keep else escape(found[0]), text)


def cut(text: str, limit: int) -> str:
    """Returns the text, or its first `limit` characters and how many more there were."""
    if len(text) <= limit:
        return text
    return f"{text[:limit]}… ({len(text) - limit:,} more characters)"


def quoted(text: str, limit: int = 200) -> str:
    """Returns what a client said, in quotes, for a message. A long text is cut."""
    return repr(text) if len(text) <= limit else f"{text[:limit]!r}… ({len(text) - limit:,} more characters)"


def escape(character: str) -> str:
    """Returns the escape of one character."""
    code = ord(character)
    if code <= _LATIN_1:
        return _NAMES.get(character) or f"\\x{code:02x}"
    return f"\\u{code:04x}" if code <= _BMP else f"\\U{code:08x}"


def json_escaped(text: str) -> str:
    """Returns a JSON text of the same value whose hostile characters are JSON escapes. Only strings hold them."""
    if text.isascii() and text.isprintable():
        return text
    return _HOSTILE.sub(lambda found: found[0] if found[0] in "\n\r\t" else _json(found[0]), text)


def _json(character: str) -> str:
    units = character.encode("utf-16-be", "surrogatepass").hex()
    return "".join(f"\\u{units[at : at + 4]}" for at in range(0, len(units), 4))
