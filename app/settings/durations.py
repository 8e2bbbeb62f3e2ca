"""Durations as settings have them: 1d, 12h, 90m, 1h30m, or ISO 8601's PT90M."""

from __future__ import annotations

import re
from datetime import timedelta

import msgspec

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)

_UNITS = {"d": DAY, "h": HOUR, "m": MINUTE, "s": timedelta(seconds=1)}
_TEXT = re.compile("".join(rf"(?:(\d{{1,9}}){letter})?" for letter in _UNITS), re.ASCII)


def duration(text: str) -> timedelta | None:
    """The duration that a text names; None if the text names none."""
    found = _TEXT.fullmatch(text)
    try:
        if found is None or not text:
            return msgspec.convert(text, type=timedelta)
        parts = zip(found.groups(), _UNITS.values(), strict=True)
        return sum((int(count) * unit for count, unit in parts if count), timedelta())
    except (msgspec.ValidationError, OverflowError):
        return None


def text_of(value: timedelta) -> str:
    """The text that `duration` reads as this value, to the second."""
    text = ""
    for letter, unit in _UNITS.items():
        count, value = divmod(value, unit)
        text += f"{count}{letter}" if count else ""
    return text or "0s"
