"""What a file is and how to read it: one look at its first bytes, before a row of it is read. Pure.

`look` answers a Reading: where text, instant and author stand, and everything else that the readers need; each with how
sure it is and why. What the sender said always holds. What is CERTAIN is used. Everything else is a Doubt: the upload
is refused with what was found and the options to give.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeAlias

import msgspec

from app.posts import paths, presets, sniffing, spellings
from app.posts.options import DateOrder, Given, Retweets
from app.posts.presets import Preset
from app.posts.sniffing import Container, Finding, Layout, Sure

ROLES = ("text", "timestamp", "author")
FURTHER_ROLES = ("id", "mentions", "reply", "retweet", "quote")

NAMES: Mapping[str, tuple[str, ...]] = {
    "text": (
        "data", "text", "full_text", "rawcontent", "content", "body", "message", "tweet", "tweet_text", "post",
        "post_text", "caption", "comment", "comment_text", "description", "selftext", "nachricht", "inhalt", "texte",
        "contenu", "texto", "mensaje", "testo", "tekst",
    ),
    "timestamp": (
        "timestamp", "created_at", "createdat", "datetime", "date_time", "created_utc", "date", "time", "published_at",
        "publishedat", "published", "created", "posted_at", "post_date", "datum", "zeit", "zeitpunkt", "fecha",
        "data_hora", "unix_timestamp", "created_time",
    ),
    "author": (
        "username", "screen_name", "user_name", "user.screen_name", "author.username", "user.username", "account.acct",
        "handle", "author_handle", "author", "user", "account", "from", "from_user", "sender", "benutzer",
        "benutzername", "nutzer", "autor", "auteur", "utilisateur", "usuario", "autore", "utente",
    ),
}  # fmt: skip
"""What columns and keys are called, in the order in which they are believed; case and blanks make no difference."""

_IDS = re.compile(r"(^|[._])(id|ids|did|uid)$|_id_str$|(user|author)id$", re.IGNORECASE)
_ENOUGH = 0.8
"""The share of a column's sample that has to be readable for the column to be the timestamps'."""
_SHOWN = 20

Row: TypeAlias = Mapping[str, Any]


class Doubt(msgspec.Struct, frozen=True):
    """What a person has to decide: an option, what was found, and what may be said."""

    option: str
    found: str
    choices: tuple[str, ...] = ()


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
    instants: str = ""
    """The first instant as it is spelled, and as it is read."""
    profile: Finding[str]
    retweets: Retweets
    rows_key: str | None = None
    sample: tuple[dict[str, str], ...] = ()
    """The first rows: by role what they hold."""
    doubts: tuple[Doubt, ...] = ()

    @property
    def certain(self) -> bool:
        return not self.doubts


def look(head: bytes, given: Given, *, final: bool) -> Reading:
    """How to read the file that begins with `head` (decoded bytes, of no container). `final`: the head is all of it."""
    encoding = (
        sniffing.encoding(head, final=final)
        if given.encoding is None
        else Finding(given.encoding, Sure.GIVEN, "as the sender says")
    )
    text = head.decode(encoding.value, "replace").lstrip("\ufeff")
    if not final:
        text = text[: text.rfind("\n") + 1] or text
    layout = (
        sniffing.layout(text, final=final) if given.layout is None else Finding(given.layout, Sure.GIVEN, "as said")
    )
    if layout.value is Layout.CSV:
        return _csv(text, given, encoding, layout)
    return _json(text, given, encoding, layout, final=final)


# CSV ------------------------------------------------------------------------------------------------------------------


def _csv(text: str, given: Given, encoding: Finding[str], layout: Finding[Layout]) -> Reading:
    table = sniffing.table(text, delimiter=given.delimiter, skip_lines=given.skip_lines)
    if table is None:
        return _empty(given, encoding, layout)
    found = table.value
    header = _header(found, given)
    preset = _preset_of_csv(found, given, header)
    columns = _columns(found, given, header, preset)
    rows = found.rows if header.value else (found.first, *found.rows)
    sample = [dict(zip(columns, row, strict=False)) for row in rows]
    lookups = {name.strip().casefold(): name for name in reversed(columns)}

    def resolve(names: str) -> str | None:
        return next((lookups[each.casefold()] for each in names.split("|") if each.casefold() in lookups), None)

    reading = Reading(
        layout=layout,
        encoding=encoding,
        delimiter=_kept(given.delimiter, Finding(found.delimiter, table.sure, table.reason)),
        skip_lines=_kept(given.skip_lines, Finding(found.skip_lines, Sure.CERTAIN, "the header follows these lines")),
        header=header,
        surplus=found.surplus,
        columns=columns,
        preset=preset,
        profile=_profile(given, preset),
        retweets=_retweets(given, preset),
    )
    return _with_roles(reading, given, sample, columns, resolve)


def _header(found: sniffing.Table, given: Given) -> Finding[bool]:
    if given.header is not None:
        return Finding(given.header, Sure.GIVEN, "as the sender says")
    if given.columns is not None:
        return Finding(False, Sure.GIVEN, "the sender names the columns")
    named = {cell.strip().casefold() for cell in found.first}
    wanted = {name.casefold() for name in (given.text, given.timestamp, given.author) if name}
    known = {name for names in NAMES.values() for name in names}
    if named & (wanted | known) or presets.of_columns(found.first):
        return Finding(True, Sure.CERTAIN, "the first row names columns")
    if any(_is_instant(cell) or cell.startswith(("http://", "https://")) for cell in found.first):
        return Finding(False, Sure.CERTAIN, "the first row holds an instant or a link, so it is a post")
    return Finding(True, Sure.LIKELY, "the first row may name columns")


def _preset_of_csv(found: sniffing.Table, given: Given, header: Finding[bool]) -> Finding[str] | None:
    if given.preset is not None:
        return Finding(given.preset, Sure.GIVEN, "as the sender says")
    if header.value:
        if _is_plain(found.first):
            return None
        preset = presets.of_columns(found.first)
        return (
            None if preset is None else Finding(preset.name, Sure.CERTAIN, f"the columns are those of {preset.title}")
        )
    for preset in presets.PRESETS:
        if preset.columns and len(preset.columns) == len(found.first) and _looks_like(preset, found.first):
            return Finding(preset.name, Sure.CERTAIN, f"the fields are those of {preset.title}")
    return None


def _is_plain(columns: Iterable[str]) -> bool:
    """Whether the columns have the default names: such a file is read as every release has read it."""
    return {names[0] for names in NAMES.values()} <= {column.strip().casefold() for column in columns}


def _looks_like(preset: Preset, row: Sequence[str]) -> bool:
    """Whether a row without a header has the instant where the preset has it, and numbers where it has ids."""
    cells = dict(zip(preset.columns, row, strict=True))
    return _is_instant(cells[preset.timestamp]) and (preset.id is None or cells[preset.id].isdigit())


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
    objects, rows_key = sniffing.objects(text, layout.value, final=final)
    preset: Finding[str] | None = None
    if given.preset is not None:
        preset = Finding(given.preset, Sure.GIVEN, "as the sender says")
    elif (found := presets.of_objects(objects)) is not None:
        preset = Finding(found.name, Sure.CERTAIN, f"the objects are those of {found.title}")
    leaves = list(dict.fromkeys(path for each in objects[:50] for path in _leaves(each)))
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
        columns=tuple(leaves),
        preset=preset,
        profile=_profile(given, preset),
        retweets=_retweets(given, preset),
        rows_key=rows_key,
    )
    return _with_roles(reading, given, objects, leaves, resolve)


def _leaves(found: object, before: str = "", depth: int = 0) -> Iterable[str]:
    """Paths to the scalars of an object."""
    if not isinstance(found, dict) or depth > 3:  # noqa: PLR2004
        return
    for key, value in found.items():
        path = paths.show(paths.literal(key))
        if isinstance(value, dict):
            yield from _leaves(value, f"{before}{path}.", depth + 1)
        elif isinstance(value, str | int | float) and not isinstance(value, bool):
            yield before + path


# Roles ----------------------------------------------------------------------------------------------------------------

Resolve: TypeAlias = Any


def _with_roles(
    reading: Reading, given: Given, sample: Sequence[Row], columns: Sequence[str], resolve: Resolve
) -> Reading:
    preset = presets.BY_NAME.get(reading.preset.value) if reading.preset else None
    is_json = reading.layout.value is not Layout.CSV
    roles: dict[str, Finding[str]] = {}
    doubts: list[Doubt] = []
    for role in (*ROLES, *FURTHER_ROLES):
        said: str | None = getattr(given, role)
        from_preset: str | None = getattr(preset, role) if preset else None
        if said:
            if (place := resolve(said)) is None:
                doubts.append(Doubt(role, f"there is no {said!r}; there are {_listed(columns)}"))
            else:
                roles[role] = Finding(place, Sure.GIVEN, "as the sender says")
        elif from_preset:
            place = from_preset if is_json else resolve(from_preset)
            if place is not None:
                roles[role] = Finding(place, Sure.CERTAIN, f"as {preset.title if preset else ''} has it")
        elif role in ROLES and preset is None and not (role == "author" and given.author_is):
            guessed = _guess(role, columns, sample, is_json=is_json)
            if guessed is not None:
                roles[role] = guessed
    doubts += _missing(roles, given, columns, reading)
    doubts += _numeric_authors(roles, given, columns, sample, is_json=is_json)
    dates, instants, doubtful = _dates(roles, given, sample, is_json=is_json)
    doubts += doubtful
    if reading.delimiter and reading.delimiter.sure < Sure.CERTAIN:
        doubts.append(
            Doubt("delimiter", f"{reading.delimiter.reason}, and others fit as well", tuple(sniffing.DELIMITERS))
        )
    if reading.encoding.sure < Sure.CERTAIN:
        doubts.append(Doubt("encoding", reading.encoding.reason, (reading.encoding.value,)))
    return msgspec.structs.replace(
        reading,
        roles=roles,
        dates=dates,
        instants=instants,
        doubts=tuple(doubts),
        sample=tuple(_shown(roles, row, is_json=is_json) for row in sample[:5]),
    )


def _guess(role: str, columns: Sequence[str], sample: Sequence[Row], *, is_json: bool) -> Finding[str] | None:
    """The column whose name is believed most for a role, if what it holds does not speak against it."""
    if _is_plain(columns):
        column = next(each for each in columns if each.strip().casefold() == NAMES[role][0])
        return Finding(column, Sure.CERTAIN, "the columns have the default names")
    order = {name: rank for rank, name in enumerate(NAMES[role])}
    ranked = sorted(
        (rank, number, column)
        for number, column in enumerate(columns)
        for rank in [_rank(column, order)]
        if rank is not None and _fits(role, column, sample, is_json=is_json)
    )
    if not ranked:
        return None
    best = ranked[0]
    twins = [column for rank, _, column in ranked if rank == best[0]]
    sure = Sure.CERTAIN if len(twins) == 1 else Sure.LIKELY
    return Finding(best[2], sure, f"its name is {best[2]!r}")


def _rank(column: str, order: Mapping[str, int]) -> int | None:
    name = re.sub(r"[\s-]+", "_", column.strip().casefold())
    if name in order:
        return order[name]
    last = name.rpartition(".")[2]
    return order[last] + len(order) if last in order and not _IDS.search(name) else None


def _fits(role: str, column: str, sample: Sequence[Row], *, is_json: bool) -> bool:
    held = [value for value in _values(column, sample, is_json=is_json) if value != ""]
    if not held:
        return role != "timestamp" or not sample
    if role == "timestamp":
        return sum(_is_instant(value) for value in held) >= _ENOUGH * len(held)
    return role != "author" or not all(value.isdigit() for value in held)


def _missing(
    roles: Mapping[str, Finding[str]], given: Given, columns: Sequence[str], reading: Reading
) -> Iterable[Doubt]:
    for role in ROLES:
        if role == "author" and given.author_is:
            continue
        if role == "text" and "mentions" in roles:
            continue
        if role not in roles and getattr(given, role) is None:
            hint = " or who wrote every post (author_is)" if role == "author" else ""
            what = (
                "the file has no header, and its first row is"
                if reading.header and not reading.header.value
                else "there are"
            )
            yield Doubt(
                role, f"no column is certainly the {role}: say which{hint}; {what} {_listed(columns)}", tuple(columns)
            )
        elif role in roles and roles[role].sure < Sure.CERTAIN:
            yield Doubt(role, f"several columns may be the {role}: {_listed(columns)}", tuple(columns))


def _numeric_authors(
    roles: Mapping[str, Finding[str]], given: Given, columns: Sequence[str], sample: Sequence[Row], *, is_json: bool
) -> Iterable[Doubt]:
    """Numbers are accounts' ids; where names stand beside them, mentions are of names."""
    if "author" not in roles or given.mentions is not None:
        return
    place = roles["author"].value
    held = [value for value in _values(place, sample, is_json=is_json) if value]
    if not held or not all(value.isdigit() for value in held):
        return
    others = [
        each for each in columns if each != place and _guess("author", [each], sample, is_json=is_json) is not None
    ]
    if others:
        found = f"{place!r} holds numbers, and mentions are of names, which {others[0]!r} has"
        yield Doubt("author", found, tuple(others))


def _dates(
    roles: Mapping[str, Finding[str]], given: Given, sample: Sequence[Row], *, is_json: bool
) -> tuple[Finding[DateOrder] | None, str, list[Doubt]]:
    if "timestamp" not in roles:
        return None, "", []
    held = [value for value in _values(roles["timestamp"].value, sample, is_json=is_json) if value]
    shown = held[0] if held else ""
    if given.dates is not None:
        return Finding(given.dates, Sure.GIVEN, "as the sender says"), shown, []
    if given.timestamp_format is not None:
        return None, shown, []
    doubtful = [value for value in held if spellings.read(value) is spellings.Doubt.DATE_ORDER]
    proofs = {order: value for value in held if (order := spellings.order_of(value)) is not None}
    if len(proofs) == 1:
        ((order, value),) = proofs.items()
        return Finding(order, Sure.CERTAIN, f"{value!r} can only be read so"), shown, []
    if 2 * len(doubtful) < len(held) or not doubtful:
        return None, shown, []  # such rows are rejected one by one
    both = " or ".join(f"{order}: {_read_as(doubtful[0], order)}" for order in DateOrder)
    found = f"{doubtful[0]!r} has two meanings ({both}), and no row that was looked at settles it"
    return None, shown, [Doubt("dates", found, tuple(DateOrder))]


def _read_as(text: str, order: DateOrder) -> str:
    micros = spellings.read(text, order=order)
    return spellings.show(micros) if isinstance(micros, int) else "none"


# What rows hold -------------------------------------------------------------------------------------------------------


def _values(place: str, sample: Sequence[Row], *, is_json: bool) -> list[str]:
    if not is_json:
        return [str(row.get(place, "")).strip() for row in sample]
    path = paths.parse(place)
    return [", ".join(str(value) for value in paths.values(path, row)) for row in sample]


def _shown(roles: Mapping[str, Finding[str]], row: Row, *, is_json: bool) -> dict[str, str]:
    return {role: _values(found.value, [row], is_json=is_json)[0] for role, found in roles.items()}


def _is_instant(text: str) -> bool:
    return spellings.read(text) is not None


def _listed(columns: Sequence[str]) -> str:
    shown = ", ".join(repr(each) for each in columns[:_SHOWN])
    return shown + (", …" if len(columns) > _SHOWN else "") if columns else "no columns"


def _kept(said: Any, found: Finding[Any]) -> Finding[Any]:  # noqa: ANN401 (of an option's type)
    return found if said is None else Finding(said, Sure.GIVEN, "as the sender says")


def _profile(given: Given, preset: Finding[str] | None) -> Finding[str]:
    if given.profile is not None:
        return Finding(given.profile, Sure.GIVEN, "as the sender says")
    if preset is not None:
        return Finding(presets.BY_NAME[preset.value].profile, preset.sure, f"that of {preset.value}")
    return Finding("twitter", Sure.CERTAIN, "the default")


def _retweets(given: Given, preset: Finding[str] | None) -> Retweets:
    if given.retweets is not None:
        return given.retweets
    return presets.BY_NAME[preset.value].retweets if preset is not None else Retweets.TEXT


def _empty(given: Given, encoding: Finding[str], layout: Finding[Layout]) -> Reading:
    return Reading(
        layout=layout,
        encoding=encoding,
        profile=_profile(given, None),
        retweets=_retweets(given, None),
        doubts=(Doubt("file", "the file has no row"),),
    )


__all__ = ["Container", "Doubt", "Given", "Reading", "look"]
