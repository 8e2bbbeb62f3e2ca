"""What a file is and how to read it: one look at its first bytes, before a row of it is read. Pure.

`look` answers a Reading: where text, instant and author stand, and everything else that the readers need; each with how
sure it is and why. What the sender said always holds. What is CERTAIN is used. Everything else is a Doubt: the upload
is refused with what was found and the options to give.

A file that has the columns of old, or those that the sender names, is read as it ever was: no preset changes it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import msgspec

from app.posts.json import paths
from app.posts.looking import doubting, packings, platforms, presets, recognising, roles, shapes, sniffing
from app.posts.looking.doubting import Doubt, listed
from app.posts.looking.presets import Preset, Shape
from app.posts.looking.shapes import Packing
from app.posts.looking.sniffing import HEAD_BYTES, Container, Finding, Layout, Sure
from app.posts.options import ColumnNames, DateOrder, Given, Retweets
from app.posts.tables import formulas

ROLES = ("text", "timestamp", "author")
FURTHER_ROLES = ("id", "mentions", "reply", "retweet", "quote")
_OLD = ColumnNames()
_SAID = "as the sender says"
SHOWN_ROWS = 10
SHOWN_COLUMNS = 100
_MOST_COLUMNS = 1 << 15
"""Columns of a CSV file. A header of 64 KiB has no more, and names would be compared for seconds."""

Resolve: TypeAlias = Callable[[str], str | None]


class Reading(msgspec.Struct, frozen=True, kw_only=True):
    """How a file is to be read."""

    layout: Finding[Layout]
    encoding: Finding[str]
    delimiter: Finding[str] | None = None
    skip_lines: Finding[int] | None = None
    header: Finding[bool] | None = None
    surplus: bool = False
    """Whether every row of a CSV file ends with one delimiter more than its header."""
    columns: tuple[str, ...] = ()
    """The columns of a CSV file; the paths to the values of the first JSON objects."""
    preset: Finding[str] | None = None
    roles: dict[str, Finding[str]] = {}
    """By role the column or path that has it."""
    dates: Finding[DateOrder] | None = None
    """The order of day and month. None: the instants that were looked at do not depend on it."""
    timezone: Finding[str] | None = None
    """The zone of instants that name none. None: UTC."""
    profile: Finding[str]
    retweets: Retweets
    escaped: bool = False
    """Whether line ends within the texts of a CSV file are written as a backslash and a letter."""
    packing: Packing = Packing()
    """Where the posts of a JSON file's objects are."""
    sample: tuple[dict[str, str], ...] = ()
    """The first rows: by role what they hold."""
    cells: tuple[tuple[str, ...], ...] = ()
    """The first rows as they are: a value for each of the first SHOWN_COLUMNS columns."""
    doubts: tuple[Doubt, ...] = ()

    @property
    def certain(self) -> bool:
        return not self.doubts


def look(head: bytes, given: Given, *, final: bool) -> Reading:
    """How to read the file that begins with `head` (decoded bytes, of no container). `final`: the head is all of it."""
    encoding = (
        sniffing.encoding(head, final=final) if given.encoding is None else Finding(given.encoding, Sure.GIVEN, _SAID)
    )
    text = head.decode(encoding.value, "replace").lstrip("\ufeff")
    if not final and "\n" in text:
        text = text[: text.rfind("\n") + 1]
    layout = sniffing.layout(text, final=final) if given.layout is None else Finding(given.layout, Sure.GIVEN, _SAID)
    other = sniffing.other_kind(head) if layout.value is Layout.CSV else None
    if other is not None or encoding.sure is Sure.UNKNOWN:
        what = f"the file is {other}" if other else f"the file is no text: {encoding.reason}"
        return _nothing(given, encoding, layout, what)
    if layout.value is Layout.CSV:
        return _csv(text, given, encoding, layout, final=final)
    return _json(text, given, encoding, layout, final=final)


# CSV ------------------------------------------------------------------------------------------------------------------


def _csv(text: str, given: Given, encoding: Finding[str], layout: Finding[Layout], *, final: bool) -> Reading:
    known: dict[tuple[str, ...], int] = {}

    def is_header(row: Sequence[str]) -> int:
        key = tuple(row)
        if key not in known:
            known[key] = _names(key, given)
        return known[key]

    table = sniffing.table(
        text, delimiter=given.delimiter, skip_lines=given.skip_lines, final=final, is_header=is_header
    )
    if table is None:
        return _nothing(given, encoding, layout, "the file has no row")
    found = _unguarded(table.value)
    if len(found.first) > _MOST_COLUMNS:
        return _nothing(given, encoding, layout, f"the first row has more than {_MOST_COLUMNS:,} columns")
    header = _header(found, given)
    preset, doubts = _preset(given, Shape.CSV, _presets_of(found, given, header))
    columns = _columns(found, given, header, preset)
    rows = found.rows if header.value else (found.first, *found.rows)
    lookups = {_key(name): name for name in reversed(columns)}

    def resolve(names: str) -> str | None:
        whole = lookups.get(_key(names))
        return whole or next((lookups[_key(each)] for each in names.split("|") if _key(each) in lookups), None)

    if encoding.sure is Sure.LIKELY and header.value and _is_spoken(found.first):
        encoding = Finding(encoding.value, Sure.CERTAIN, f"in {encoding.value} the first row names columns")
    reading = Reading(
        layout=layout,
        encoding=encoding,
        delimiter=_kept(given.delimiter, Finding(found.delimiter, table.sure, table.reason)),
        skip_lines=_kept(given.skip_lines, Finding(found.skip_lines, Sure.CERTAIN, "the header follows these lines")),
        header=header,
        surplus=found.surplus,
        columns=columns,
        preset=preset,
        timezone=_timezone(given, preset),
        profile=_profile(given, preset),
        retweets=_retweets(given, preset),
        doubts=doubts,
    )
    cells = {
        name: [row[number].strip() if number < len(row) else "" for row in rows] for number, name in enumerate(columns)
    }
    return _with_roles(reading, given, cells, resolve, len(rows))


def _unguarded(table: sniffing.Table) -> sniffing.Table:
    """The table without its guards against formulas, if its columns say that it has some."""
    if not formulas.are_guarded(table.first):
        return table
    rows = tuple(tuple(map(formulas.unguarded, row)) for row in table.rows)
    return msgspec.structs.replace(table, first=tuple(formulas.names_of(list(table.first))), rows=rows)


def _key(name: str) -> str:
    return name.strip().casefold()


def _names(row: Sequence[str], given: Given) -> int:
    """How much a row looks like a header: how many roles it names, more if it has all that is wanted, or a preset's."""
    if len(row) > _MOST_COLUMNS:
        return 0
    keys = {_key(cell) for cell in row}
    if _wanted(given) <= keys or recognising.of_columns(row):
        return len(ROLES) + 1
    said = {role: getattr(given, role) for role in ROLES}
    return sum(
        any(roles.names_role(role, cell) or (name and _key(name) == _key(cell)) for cell in row)
        for role, name in said.items()
    )


def _is_spoken(row: Sequence[str]) -> bool:
    """Whether a header has a known name that is not ASCII, so that the bytes were decoded as they were meant."""
    return any(not cell.isascii() and roles.names_role(role, cell) for cell in row for role in ROLES)


def _wanted(given: Given) -> set[str]:
    """The columns with which a file is read as it ever was."""
    return {_key(getattr(given, role) or getattr(_OLD, role)) for role in ROLES}


def _header(found: sniffing.Table, given: Given) -> Finding[bool]:
    if given.header is not None:
        return Finding(given.header, Sure.GIVEN, _SAID)
    if given.columns is not None:
        return Finding(False, Sure.GIVEN, "the sender names the columns")
    named = _names(found.first, given)
    holds = any(roles.is_instant(cell) or cell.startswith(("http://", "https://")) for cell in found.first)
    if named > 1 or (named and not holds):
        return Finding(True, Sure.CERTAIN, "the first row names columns")
    if holds:
        return Finding(False, Sure.CERTAIN, "the first row holds an instant or a link, so it is a post")
    return Finding(True, Sure.LIKELY, "the first row may name columns")


def _presets_of(found: sniffing.Table, given: Given, header: Finding[bool]) -> list[Preset]:
    if header.value:
        return [] if _wanted(given) <= {_key(name) for name in found.first} else recognising.of_columns(found.first)
    if given.columns is not None:
        return []
    return [
        preset
        for preset in presets.PRESETS
        if preset.columns and len(preset.columns) == len(found.first) and _looks_like(preset, found.first)
    ]


def _looks_like(preset: Preset, row: Sequence[str]) -> bool:
    """Whether a row without a header has the instant where the preset has it, and numbers where it has ids."""
    cells = dict(zip(preset.columns, row, strict=True))
    return roles.is_instant(cells[preset.timestamp]) and (preset.id is None or cells[preset.id].isdigit())


def _columns(
    found: sniffing.Table, given: Given, header: Finding[bool], preset: Finding[str] | None
) -> tuple[str, ...]:
    if given.columns is not None:
        return given.columns
    if header.value:
        return found.first
    if preset is not None and presets.BY_NAME[preset.value].columns:
        return presets.BY_NAME[preset.value].columns
    return tuple(f"column{number}" for number in range(1, len(found.first) + 1))


# JSON -----------------------------------------------------------------------------------------------------------------


def _json(text: str, given: Given, encoding: Finding[str], layout: Finding[Layout], *, final: bool) -> Reading:
    unpacked = packings.of(text, layout.value, given.preset, _wanted_keys(given), final=final)
    objects = unpacked.posts
    if not objects or shapes.are_columns(objects):
        what = (
            "the file holds columns, and not posts: with pandas, write to_json(…, orient='records', lines=True)"
            if objects or text.lstrip().startswith("[")
            else "the file begins as JSON does, and no object was found in it"
        )
        return _nothing(given, encoding, layout, what)
    preset, doubts = _preset(given, Shape.JSON, unpacked.presets)
    cells = shapes.cells(objects)
    literal = {key for each in objects for key in each}

    def resolve(text: str) -> str | None:
        if text in literal:
            return paths.show(paths.literal(text))
        try:
            path = paths.parse(text)
        except paths.BadPath:
            return None
        return text if any(paths.values(path, each) for each in objects) else None

    reading = Reading(
        layout=layout,
        encoding=encoding,
        columns=tuple(cells),
        preset=preset,
        timezone=_timezone(given, preset),
        profile=_profile(given, preset),
        retweets=_retweets(given, preset),
        packing=unpacked.packing,
        doubts=doubts,
    )
    return _with_roles(reading, given, cells, resolve, len(objects))


def _wanted_keys(given: Given) -> set[str]:
    return {getattr(given, role) or getattr(_OLD, role) for role in ROLES}


# Roles ----------------------------------------------------------------------------------------------------------------


def _with_roles(  # noqa: C901 (one question a role, and those about all of them)
    reading: Reading, given: Given, cells: roles.Cells, resolve: Resolve, rows: int
) -> Reading:
    preset = presets.BY_NAME.get(reading.preset.value) if reading.preset else None
    found: dict[str, Finding[str]] = {}
    doubts = list(reading.doubts)
    for role in (*ROLES, *FURTHER_ROLES):
        if role == "author" and given.author_is:
            continue
        each = _place(role, reading, given, preset, cells=cells, resolve=resolve)
        if isinstance(each, Doubt):
            doubts.append(each)
        elif each is not None:
            found[role] = each
    if (heading := _heading(found, reading, given, preset, cells=cells, resolve=resolve)) is not None:
        found["heading"] = heading
    if "mentions" in found and "text" in found and found["text"].sure is Sure.LIKELY:
        del found["text"]
    said = {role for role in (*ROLES, "mentions") if getattr(given, role)} | ({"author"} if given.author_is else set())
    headless = reading.header is not None and not reading.header.value
    named = reading.header is None or reading.header.sure >= Sure.CERTAIN or bool(said)
    of_roles = doubting.of_roles(found, cells, said=said, preset=preset, headless=headless, named=named)
    doubts += of_roles if reading.delimiter else (recognising.of_expansions(each, cells) for each in of_roles)
    old = _is_old(given, resolve)
    if preset is None and "author" not in said and not old:
        doubts += doubting.of_authors(found, cells)
    if preset is None and given.timestamp_format is None and not old:
        doubts += doubting.of_clock(found, cells, said, can_join=reading.delimiter is not None)
    held = [cell for cell in cells[found["timestamp"].value] if cell] if "timestamp" in found else []
    dates, doubtful = doubting.of_dates(held, given.dates, known=given.timestamp_format is not None)
    in_tabs = reading.delimiter is not None and reading.delimiter.value == "\t"
    if preset is None and given.profile is None and not old:
        places = (found[role].value if role in found else None for role in ("text", "author"))
        reading = msgspec.structs.replace(reading, profile=platforms.of(cells, *places) or reading.profile)
    if "retweet" in found and preset is None and given.retweets is None and given.retweet is None:
        reading = msgspec.structs.replace(reading, retweets=Retweets.AUTHOR)
    return msgspec.structs.replace(
        reading,
        escaped=preset.escaped if preset else not old and in_tabs and recognising.are_escaped(found, cells),
        roles=found,
        dates=dates,
        doubts=(*doubts, *doubtful, *doubting.of_form(reading.delimiter, reading.encoding)),
        sample=tuple({role: cells[each.value][at] for role, each in found.items()} for at in range(min(rows, 5))),
        cells=tuple(
            tuple(cells[name][at] for name in reading.columns[:SHOWN_COLUMNS]) for at in range(min(rows, SHOWN_ROWS))
        ),
    )


def _place(
    role: str, reading: Reading, given: Given, preset: Preset | None, *, cells: roles.Cells, resolve: Resolve
) -> Finding[str] | Doubt | None:
    """Where a role's values stand: as the sender says, as the preset has it, or by what the file itself tells."""
    if told := getattr(given, role):
        if (place := resolve(told)) is None:
            return Doubt(role, f"there is no {told!r}; there are {listed(tuple(cells))}", tuple(cells))
        return Finding(place, Sure.GIVEN, _SAID)
    if preset is None:
        return _guess(role, given, cells, resolve)
    of_preset: str | None = getattr(preset, role)
    look_up = recognising.fullest(cells, resolve) if role == "timestamp" else resolve
    place = of_preset if reading.delimiter is None or not of_preset else look_up(of_preset)
    return Finding(place, Sure.CERTAIN, f"as {preset.title} has it") if place else None


def _heading(
    found: dict[str, Finding[str]],
    reading: Reading,
    given: Given,
    preset: Preset | None,
    *,
    cells: roles.Cells,
    resolve: Resolve,
) -> Finding[str] | None:
    """Where the headings stand that belong to the texts; none where the sender says which column is the text."""
    if given.text or "text" not in found or (preset is None and _is_old(given, resolve)):
        return None
    if preset is None:
        return recognising.of_headings(cells)
    place = preset.heading if reading.delimiter is None or preset.heading is None else resolve(preset.heading)
    return Finding(place, Sure.CERTAIN, f"as {preset.title} has it") if place else None


def _guess(role: str, given: Given, cells: roles.Cells, resolve: Resolve) -> Finding[str] | None:
    if _is_old(given, resolve):
        if role not in ROLES:
            return None
        name = str(resolve(getattr(_OLD, role)))
        return Finding(name, Sure.CERTAIN, f"its name is {name!r}")
    if role not in ROLES:
        return recognising.of_names(role, cells)
    return roles.guess(role, cells, given.timestamp_format)


def _is_old(given: Given, resolve: Resolve) -> bool:
    """Whether the file has the columns of old, or those that the sender names: it is read as it ever was."""
    return all(resolve(getattr(given, role) or getattr(_OLD, role)) for role in ROLES)


# Presets, and what else holds for the whole file ---------------------------------------------------------------------


def _preset(given: Given, shape: Shape, fitting: Sequence[Preset]) -> tuple[Finding[str] | None, tuple[Doubt, ...]]:
    if given.preset is not None:
        known = presets.BY_NAME.get(given.preset)
        if known is None:
            return None, (Doubt("preset", f"there is no preset {given.preset!r}", tuple(presets.BY_NAME)),)
        if known.shape is not shape:
            others = tuple(each.name for each in presets.PRESETS if each.shape is shape)
            return None, (Doubt("preset", f"{given.preset} is for {known.shape} files, and this is {shape}", others),)
        return Finding(given.preset, Sure.GIVEN, _SAID), ()
    if len(fitting) > 1:
        names = tuple(each.name for each in fitting)
        return None, (Doubt("preset", f"the file fits {' and '.join(names)} equally", names),)
    if not fitting:
        return None, ()
    return Finding(fitting[0].name, Sure.CERTAIN, f"it looks like {fitting[0].title}"), ()


def _kept(said: Any, found: Finding[Any]) -> Finding[Any]:  # noqa: ANN401 (of an option's type)
    return found if said is None else Finding(said, Sure.GIVEN, _SAID)


def _profile(given: Given, preset: Finding[str] | None) -> Finding[str]:
    if given.profile is not None:
        return Finding(given.profile, Sure.GIVEN, _SAID)
    if preset is not None:
        return Finding(presets.BY_NAME[preset.value].profile, preset.sure, f"that of {preset.value}")
    return Finding("twitter", Sure.CERTAIN, "the default")


def _timezone(given: Given, preset: Finding[str] | None) -> Finding[str] | None:
    if given.timezone is not None:
        return Finding(given.timezone, Sure.GIVEN, _SAID)
    named = presets.BY_NAME[preset.value].timezone if preset is not None else None
    return None if named is None or preset is None else Finding(named, preset.sure, f"that of {preset.value}")


def _retweets(given: Given, preset: Finding[str] | None) -> Retweets:
    if given.retweets is not None:
        return given.retweets
    return presets.BY_NAME[preset.value].retweets if preset is not None else Retweets.TEXT


def _nothing(given: Given, encoding: Finding[str], layout: Finding[Layout], found: str) -> Reading:
    return Reading(
        layout=layout,
        encoding=encoding,
        profile=_profile(given, None),
        retweets=_retweets(given, None),
        doubts=(Doubt("file", found),),
    )


__all__ = ["HEAD_BYTES", "Container", "Doubt", "Given", "Reading", "look"]
