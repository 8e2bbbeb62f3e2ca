"""What a person has to decide before a file is read: what was found, and the options that settle it. Pure."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence

import msgspec

from app.posts.looking import roles, sniffing
from app.posts.looking.presets import Preset
from app.posts.looking.sniffing import Finding, Sure
from app.posts.options import DateOrder
from app.posts.times import spellings

_SHOWN = 20
_IN_DIGITS = re.compile(r"(?<!\d)\d{1,2}([./-])\d{1,2}\1(?:\d{4}|\d{2})(?!\d)")
"""A date of which day and month are told by their order alone."""
_NO_HANDLE = re.compile(r"^https?://\S|<[^<>\s]+@[^<>\s]+>\s*$")
"""A link, or an address of mail behind a name."""
_YEAR_FIRST = re.compile(r"\d\d([-/.])\d\d\1\d\d(?P<clock>[T ]\d\d:\d\d(?P<second>:\d\d)?)?")
_EDGES = (("source", "target"), ("from", "to"), ("src", "dst"), ("sender", "receiver"), ("von", "an"))
"""How the two ends of a ready edge list are called."""


class Doubt(msgspec.Struct, frozen=True):
    """What a person has to decide: an option, what was found, and what may be said."""

    option: str
    found: str
    choices: tuple[str, ...] = ()


def listed(columns: Sequence[str]) -> str:
    shown = ", ".join(repr(each) for each in columns[:_SHOWN])
    return shown + (", …" if len(columns) > _SHOWN else "") if columns else "no columns"


def of_roles(
    found: Mapping[str, Finding[str]],
    cells: roles.Cells,
    *,
    said: Collection[str],
    preset: Preset | None,
    headless: bool,
    named: bool,
) -> Iterator[Doubt]:
    """Doubts about text, timestamp and author.

    `said`: the roles that the sender spoke of; `headless`: the file has no header; `named`: its first row certainly
    names columns.
    """
    missing = [role for role in ("text", "timestamp", "author") if role not in found and role not in said]
    if "mentions" in found and "text" in missing:
        missing.remove("text")
    if headless and missing:
        yield Doubt(
            "columns",
            f"the file has no header, and its first row is {listed([held[0] for held in cells.values() if held])}: "
            "name its columns, in their order",
            (",".join(_proposed(cells)),),
        )
        return
    if not found and not named and (len(cells) == 1 or any(_is_prose(name) for name in cells)):
        yield Doubt("file", _no_table(cells))
        return
    if "author" in missing and (ends := _ends(cells)):
        yield Doubt(
            "author",
            f"{ends[0]!r} and {ends[1]!r} may be the ends of a ready edge list: then say author={ends[0]} and "
            f"mentions={ends[1]}",
            (ends[0],),
        )
        missing = [role for role in missing if role == "timestamp"]
    yield from (_missing(role, cells, preset) for role in missing)
    for role, each in found.items():
        if each.sure < Sure.CERTAIN:
            rivals = tuple(place for place in _choices(role, cells) if roles.named(role, place))
            yield Doubt(role, f"it is not certain which column is the {role}: {each.reason}", rivals)
    yield from _numbers(found, cells, said)


def of_authors(found: Mapping[str, Finding[str]], cells: roles.Cells) -> Iterator[Doubt]:
    """The doubt about a column of authors that holds links or addresses, and not handles, in some rows."""
    place = found["author"].value if "author" in found else None
    cell = next(filter(_NO_HANDLE.search, cells[place]), None) if place is not None else None
    if cell is not None:
        what = f"{place!r} holds {_cut(cell)!r}, which is no handle: write the handles alone, or say author={place}"
        yield Doubt("author", f"{what} if such texts are the authors' names", _choices("author", cells))


def _cut(cell: str) -> str:
    return cell if len(cell) <= _SHOWN * 2 else cell[: _SHOWN * 2] + "…"


def of_clock(
    found: dict[str, Finding[str]], cells: roles.Cells, said: Collection[str], *, can_join: bool
) -> Sequence[Doubt]:
    """Where dates and times of day stand in two columns: `time` in `found`, or the doubt about it.

    `can_join`: the two columns can be read as one.
    """
    date = found["timestamp"].value if "timestamp" in found else None
    if date is None or (clock := roles.clock(date, cells)) is None:
        return ()
    if can_join and clock.sure >= Sure.CERTAIN:
        found["time"] = clock
        return ()
    if "timestamp" in said:
        return ()
    what = (
        f"{date!r} holds dates alone, and {clock.value!r} may hold their times of day: write both in one value, or "
        f"say timestamp={date} if the dates are enough"
    )
    return (Doubt("timestamp", what, (date,)),)


def _is_prose(name: str) -> bool:
    """Whether a text is too long for the name of a column, or is none."""
    return len(name) > 2 * _SHOWN or not re.search(r"[^\W_]", name) or name.count(" ") > 3  # noqa: PLR2004


def _no_table(cells: roles.Cells) -> str:
    first = listed([name if len(name) <= 4 * _SHOWN else name[: 4 * _SHOWN] + "…" for name in cells])
    return (
        f"the file does not look like a table of posts; it begins with {first}. A post needs a text, a timestamp and "
        "an author: if columns have them, say which (text, timestamp, author), or name all columns of a file without a "
        "header (columns)"
    )


def _missing(role: str, cells: roles.Cells, preset: Preset | None) -> Doubt:
    if preset is not None and not getattr(preset, role):
        return Doubt(f"{role}_is", f"it looks like {preset.title}. {preset.note}")
    columns = tuple(cells)
    hint = " or, where one person wrote every post, who it is (author_is)" if role == "author" else ""
    what = f"no column is certainly the {role}: say which{hint}; there are {listed(columns)}"
    for place, held in cells.items():
        filled = [cell for cell in held if cell]
        if roles.named(role, place) and filled:
            speaks_against = (cell for cell in filled if role != "timestamp" or not roles.is_instant(cell))
            found = f"{_why_not(role, place, next(speaks_against, filled[0]))}; there are {listed(columns)}"
            return Doubt(role, found, tuple(dict.fromkeys((place, *_choices(role, cells)))))
    return Doubt(role, what, _choices(role, cells))


def _why_not(role: str, place: str, cell: str) -> str:
    """Why a column of the right name is not taken."""
    shown = _cut(cell)
    if role == "timestamp":
        days = cell.replace(".", "", 1).isdigit()
        hint = (
            "where these are a spreadsheet's days, say timestamp_format=excel" if days else "say how (timestamp_format)"
        )
        return f"{place!r} holds {shown!r}, which is not read as an instant: {hint}, or which other column it is"
    if role == "author" and _NO_HANDLE.search(cell):
        return f"{place!r} holds {shown!r}, which is no handle: write the handles alone, or say author={place}"
    if role == "author" and cell.isdigit():
        return f"{place!r} holds numbers such as {shown!r}: if these are the authors' names, say author={place}"
    return f"{place!r} holds {shown!r}, which does not look like the {role}: say which column is"


def _choices(role: str, cells: roles.Cells) -> tuple[str, ...]:
    """The columns that may have a role, those that look most like it first."""
    likely = [place for place, held in cells.items() if roles.fits(role, held)]
    return tuple(sorted(likely, key=lambda place: not roles.named(role, place)))


def _ends(cells: roles.Cells) -> tuple[str, str] | None:
    names = {name.strip().casefold(): name for name in cells}
    return next(((names[one], names[other]) for one, other in _EDGES if one in names and other in names), None)


def _numbers(found: Mapping[str, Finding[str]], cells: roles.Cells, said: Collection[str]) -> Iterator[Doubt]:
    """Numbers are accounts' ids; where names stand beside them, mentions are of names."""
    if "author" not in found or "author" in said or "mentions" in said:
        return
    place = found["author"].value
    held = [cell for cell in cells[place] if cell]
    if not held or not all(cell.isdigit() for cell in held):
        return
    others = tuple(each for each in cells if roles.guess("author", {each: cells[each]}) is not None)
    if others:
        yield Doubt("author", f"{place!r} holds numbers, and mentions are of names, which {others[0]!r} has", others)


def _proposed(cells: roles.Cells) -> Iterator[str]:
    """Names for columns without a header: the roles, as far as what the columns hold tells them apart."""
    filled = {place: [cell for cell in held if cell] for place, held in cells.items()}
    instants = [place for place, held in filled.items() if held and roles.fits("timestamp", held)]
    rest = [place for place in filled if place not in instants[:1] and filled[place]]
    lengths = {place: sum(map(len, filled[place])) / len(filled[place]) for place in rest}
    texts = sorted((place for place in rest if roles.fits("text", filled[place])), key=lambda place: -lengths[place])
    names = [
        place
        for place in rest
        if place not in texts[:1]
        and roles.fits("author", filled[place])
        and not any(" " in cell for cell in filled[place])
    ]
    role_of = {place: role for role, places in (("timestamp", instants), ("text", texts)) for place in places[:1]}
    if names:
        role_of[max(names, key=lambda place: len(set(filled[place])))] = "author"
    yield from (role_of.get(place, place) for place in cells)


def of_form(delimiter: Finding[str] | None, encoding: Finding[str]) -> Iterator[Doubt]:
    """Doubts about how the file is written."""
    if delimiter and delimiter.sure < Sure.CERTAIN:
        found = f"{delimiter.reason}, and others fit as well"
        yield Doubt("delimiter", found, tuple(sniffing.DELIMITERS))
    if encoding.sure < Sure.CERTAIN:
        yield Doubt("encoding", encoding.reason, (encoding.value, *encoding.others))


def of_dates(
    held: Sequence[str], given: DateOrder | None, *, known: bool
) -> tuple[Finding[DateOrder] | None, Sequence[Doubt]]:
    """The order of day and month in instants, and the doubt about it. `known`: the sender says how they are written."""
    if given is not None:
        return Finding(given, Sure.GIVEN, "as the sender says"), ()
    if known:
        return None, ()
    proofs: dict[DateOrder, str] = {}
    # Of thousands of instants few can have two meanings: a pattern tells them from the rest in no time.
    in_digits = list(dict.fromkeys(filter(_IN_DIGITS.search, held)))
    doubtful = [cell for cell in in_digits if spellings.read(cell) is spellings.Doubt.DATE_ORDER]
    for cell in in_digits:
        if (order := spellings.order_of(cell)) is not None:
            proofs.setdefault(order, cell)
    if len(proofs) == 1:
        ((order, proof),) = proofs.items()
        return Finding(order, Sure.CERTAIN, f"{proof!r} can only be read so"), ()
    ambiguous = set(doubtful)
    if not doubtful or 2 * sum(cell in ambiguous for cell in held) < len(held):
        return None, ()  # a few such rows are rejected one by one
    both = " or ".join(f"{order}: {_read_as(doubtful[0], order)}" for order in DateOrder)
    settles = " and ".join(map(repr, proofs.values()))
    why = f"{settles} speak for one each" if proofs else "no row that was looked at settles it"
    what = f"{doubtful[0]!r} has two meanings ({both}), and {why}"
    if found := _YEAR_FIRST.fullmatch(doubtful[0]):
        mark, clock = found[1], found["clock"]
        form = f"%y{mark}%m{mark}%d" + (f"{clock[0]}%H:%M" + (":%S" if found["second"] else "") if clock else "")
        what += f"; where the year comes first, say timestamp_format={form}"
    return None, (Doubt("dates", what, tuple(DateOrder)),)


def _read_as(text: str, order: DateOrder) -> str:
    micros = spellings.read(text, order=order)
    return spellings.show(micros) if isinstance(micros, int) else "none"
