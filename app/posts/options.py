"""How an upload is read and counted, as its options and the ledger say it. Few libraries: every command has it."""

from __future__ import annotations

from enum import StrEnum

import msgspec


class ColumnNames(msgspec.Struct, frozen=True):
    """What the columns of an upload are called; case and surrounding spaces do not matter. The keys of JSON Lines are
    taken as they are."""

    text: str = "data"
    timestamp: str = "timestamp"
    author: str = "username"


class Format(msgspec.Struct, frozen=True):
    """How the rows of an upload are laid out; columns are counted from 0."""

    delimiter: str
    """Empty for JSON Lines."""
    fields: int
    text: int
    timestamp: int
    author: int
    names: tuple[str, ...] = ()
    """What the columns are called, as the file has it, or the keys of JSON Lines. Uploads of old do not know."""


class Clock(StrEnum):
    """When a mention counts as made."""

    ARRIVAL = "arrival"
    """When its upload was received."""
    EVENT = "event"
    """When its post says; a post from the future counts as made on arrival."""
