"""Which presets a file fits, by its first objects or by its columns. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from app.posts.json import paths
from app.posts.looking.presets import PRESETS, Preset, Shape


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
    return _closest([each for each in among if each.shape is Shape.JSON and objects and _fits(each, objects)])


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
