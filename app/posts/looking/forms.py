"""From a reading to the form that the readers take: which columns, which paths, where the rows begin. Pure."""

from __future__ import annotations

import msgspec

from app.errors import DuplicateColumn
from app.posts.looking import presets
from app.posts.looking.reading import FURTHER_ROLES, ROLES, Reading
from app.posts.looking.sniffing import Layout
from app.posts.options import Format, Given
from app.posts.tables import formulas, header
from app.posts.tables.header import Header

_BOM = b"\xef\xbb\xbf"


def begin(reading: Reading, head: bytes, given: Given, *, final: bool) -> Header | None:
    """Where the rows begin in the first bytes of a file (UTF-8), and their form. None: more bytes are needed.

    Raises UploadRefused.
    """
    if reading.layout.value is not Layout.CSV:
        skipped = len(_BOM) if head.startswith(_BOM) else 0
        return Header(_json(reading, given), skipped, 1)
    delimiter = reading.delimiter.value if reading.delimiter else ","
    skipped, lines = _behind_lines(head, reading.skip_lines.value if reading.skip_lines else 0)
    if skipped is None:
        return None
    if reading.header is not None and not reading.header.value:
        return Header(_csv(reading, given, delimiter, list(reading.columns)), skipped, lines + 1)
    found = header.first_row(head[skipped:], final=final, delimiter=delimiter)
    if found is None:
        return None
    names, behind, physical = found
    return Header(_csv(reading, given, delimiter, names), skipped + behind, lines + physical + 1)


def _behind_lines(head: bytes, lines: int) -> tuple[int | None, int]:
    at = len(_BOM) if head.startswith(_BOM) else 0
    for _ in range(lines):
        end = head.find(b"\n", at)
        if end < 0:
            return None, lines
        at = end + 1
    return at, lines


def _csv(reading: Reading, given: Given, delimiter: str, names: list[str]) -> Format:
    """Raises UploadRefused where a column that is wanted comes twice."""
    places = {role: _column(found.value, names) for role, found in reading.roles.items()}
    return msgspec.structs.replace(
        _said(reading, given),
        delimiter=delimiter,
        fields=len(names),
        text=places.get("text", -1),
        timestamp=places.get("timestamp", -1),
        author=places.get("author", -1),
        names=tuple(names),
        further={role: places[role] for role in (*FURTHER_ROLES, "heading", "time") if role in places},
        surplus=reading.surplus,
        escaped=reading.escaped,
        guarded=formulas.are_guarded(names),
    )


def _column(name: str, names: list[str]) -> int:
    matches = [at for at, each in enumerate(names) if each.strip().casefold() == name.strip().casefold()]
    if len(matches) > 1:
        positions = " and ".join(str(at + 1) for at in matches)
        raise DuplicateColumn(f"The header names {name!r} in columns {positions}.")
    return matches[0] if matches else -1


def _json(reading: Reading, given: Given) -> Format:
    return msgspec.structs.replace(
        _said(reading, given),
        fields=len(reading.roles),
        names=tuple(reading.roles[role].value for role in ROLES if role in reading.roles),
        paths={role: found.value for role, found in reading.roles.items()},
        text_optional=reading.preset is not None or any(role in reading.roles for role in FURTHER_ROLES[1:]),
    )


def _said(reading: Reading, given: Given) -> Format:
    """What the form of any file takes from the reading and from the sender, whatever its layout is."""
    return Format(
        delimiter="",
        fields=0,
        text=0,
        timestamp=1,
        author=2,
        author_is=given.author_is,
        id_scope=_id_scope(reading),
        date_order=reading.dates.value if reading.dates else None,
        timezone=given.timezone or (reading.timezone.value if reading.timezone else None),
        timestamp_format=given.timestamp_format,
        any_instant=True,
        placeholders=bool(given.placeholders),
    )


def _id_scope(reading: Reading) -> str | None:
    """The scope of the file's ids: that of its preset, or its platform. None: the file has no ids."""
    if "id" not in reading.roles:
        return None
    preset = presets.BY_NAME.get(reading.preset.value) if reading.preset else None
    return (preset and preset.id_scope) or reading.profile.value
