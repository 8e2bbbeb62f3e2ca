"""Which presets a file fits, by its first objects or by its columns. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from app.posts.json import paths
from app.posts.looking.doubting import Doubt
from app.posts.looking.presets import PRESETS, Preset, Shape
from app.posts.looking.roles import Cells
from app.posts.looking.sniffing import Finding, Sure


def _alternatives(keys: Sequence[str]) -> list[frozenset[str]]:
    return [frozenset(name.casefold() for name in key.split("|")) for key in keys]


_TABLES = [
    (each, _alternatives(each.keys), _alternatives(each.no_keys))
    for each in PRESETS
    if each.shape is Shape.CSV and each.keys
]
"""The presets of CSV with the names of each key, and of each column that no such file has."""


def of_objects(objects: Sequence[Mapping[str, Any]], among: Sequence[Preset] = PRESETS) -> list[Preset]:
    """The presets that fit the first posts of a file best: none, one, or several that fit equally."""
    return _closest([each for each in among if each.shape is Shape.JSON and _fits(each, objects)])


def of_columns(columns: Collection[str]) -> list[Preset]:
    """The presets that fit the columns of a CSV file best: none, one, or several that fit equally."""
    found = {name.strip().casefold() for name in columns}
    return _closest(
        [
            preset
            for preset, keys, no_keys in _TABLES
            if not any(map(found.isdisjoint, keys)) and all(map(found.isdisjoint, no_keys))
        ]
    )


_NAMES: Mapping[str, tuple[str, ...]] = {
    "reply": (
        "in_reply_to_username", "in_reply_to_screen_name", "in_reply_to_user.username", "reply_to_screen_name",
        "reply_to_username", "replied_user", "replied_to_user", "replied_author",
    ),
    "retweet": (
        "retweeted_username", "retweeted_user", "retweeted_user.username", "retweet_screen_name",
        "retweeted_screen_name", "retweeted_status.user.screen_name",
    ),
    "quote": (
        "quoted_username", "quoted_user", "quoted_user.username", "quoted_screen_name", "quote_author",
        "quoted_status.user.screen_name",
    ),
}  # fmt: skip
"""How tools call whom a post answers, repeats, quotes."""


def of_names(role: str, cells: Cells) -> Finding[str] | None:
    """The column of a file of no preset that says whom a post answers, repeats or quotes: by its name, if names of
    accounts are in it."""
    found = {place.strip().casefold(): place for place in reversed(list(cells))}
    for name in _NAMES.get(role, ()):
        held = [cell for cell in cells[found[name]] if cell] if name in found else []
        if held and not any(" " in cell or "://" in cell for cell in held) and not all(map(str.isdigit, held)):
            return Finding(found[name], Sure.CERTAIN, f"its name is {found[name]!r}")
    return None


_HEADINGS = ("title", "post_title", "headline", "subject", "titel", "titre", "título", "titulo", "titolo")
_MENTION = re.compile(r"(?<![\w/@])(?:[@＠]|/?u/)\w")


def of_headings(cells: Cells) -> Finding[str] | None:
    """The column of a file of no preset that holds headings of its texts: by its name, if somebody is mentioned."""
    found = {place.strip().casefold(): place for place in reversed(list(cells))}
    for name in _HEADINGS:
        if name in found and any(map(_MENTION.search, cells[found[name]])):
            return Finding(found[name], Sure.CERTAIN, f"{found[name]!r} mentions people as well")
    return None


def fullest(cells: Cells, resolve: Callable[[str], str | None]) -> Callable[[str], str | None]:
    """Finds, of the columns of CSV that a preset may mean, the one that holds most; of equals the first."""

    def found(names: str) -> str | None:
        places = [place for name in names.split("|") if (place := resolve(name)) is not None]
        return max(places, key=lambda place: sum(map(bool, cells[place])), default=None)

    return found


def of_expansions(doubt: Doubt, cells: Cells) -> Doubt:
    """The doubt about authors, of posts of X/Twitter's API v2 that came without them: why they are not there."""
    if doubt.option != "author" or "author_id" not in cells or not any(cells["author_id"]):
        return doubt
    found = (
        "the posts look like those of X/Twitter's API v2 and name their authors by number alone: the export lacks "
        "`expansions=author_id`. Export them once more with it, or say author=author_id to count by numbers"
    )
    return Doubt("author", found, ("author_id",))


def are_escaped(found: Mapping[str, Finding[str]], cells: Cells) -> bool:
    """Whether texts between tabs hold a line end as a backslash and a letter: databases write so."""
    return "text" in found and any("\\n" in cell for cell in cells[found["text"].value])


def _closest(fitting: list[Preset]) -> list[Preset]:
    most = max((len(preset.keys) for preset in fitting), default=0)
    return [preset for preset in fitting if len(preset.keys) == most]


ENOUGH = 0.5
"""The share of a file's first objects that have to look like a preset's: a stream may hold other things as well."""


def _fits(preset: Preset, objects: Sequence[Mapping[str, Any]]) -> bool:
    wanted, unwanted = ([paths.parse(key) for key in keys] for keys in (preset.keys, preset.no_keys))
    fitting = sum(
        all(paths.values(path, each) for path in wanted) and not any(paths.values(path, each) for path in unwanted)
        for each in objects
    )
    return fitting >= max(1, ENOUGH * len(objects))
