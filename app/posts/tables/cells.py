"""Cells that hold a list of handles: as JSON, as Python writes lists, or one after the other. Pure."""

from __future__ import annotations

import ast
import re
from typing import Any

import msgspec
import polars as pl

KEYS = ("screen_name", "username", "userName", "user_name", "acct", "handle", "uniqueId", "unique_id", "login", "name")
"""The keys that hold the handle, where a list is one of objects; the first that is there counts."""
MAX_CHARACTERS = 100_000
NOTHING = frozenset(
    ("na", "n/a", "#n/a", "nan", "nil", "none", "null", "undefined", r"\n", "-", "--", "[]", "{}", "()")
)
"""What tools write into a cell in which there is nobody, in lower case."""
_BETWEEN_HANDLES = "\x1f"
_MARKED = r"^\s*[\[{(]"
"""A cell that holds a list."""
_BETWEEN = re.compile(r"\s*[,;|\t\r\n]\s*")
_BLANKS = re.compile(r"\s+")
_REPR = re.compile(r"[\[{(\s]*[A-Za-z_][\w.]*\(\s*\w+\s*=")
"""How Python shows objects: User(username='bea', id=1)."""
_STRINGS = re.compile(
    r"""(?:\b(?P<key>\w+)\s*=\s*)?(?P<quote>['"])(?P<value>(?:\\.|(?!(?P=quote)).)*)(?P=quote)""", re.DOTALL
)


def cells_of_mentions(cells: pl.Series) -> pl.Series:
    """`mentioned`, List of String: the handles in each cell; null where the cell is null."""
    known = {cell: handles_in(cell) for cell in cells.unique().drop_nulls().to_list()}
    return lists_of([None if cell is None else known[cell] for cell in cells.to_list()])


def single_handles(cells: pl.Series) -> pl.Series:
    """The handle in each cell, without its sign; of a list the first. Null where there is none."""
    if not cells.str.contains(_MARKED).any():
        bare = cells.str.strip_chars().str.strip_chars("\"'").str.replace("^[@＠]", "").str.strip_chars()
        empty = (bare.str.len_bytes() == 0) | bare.str.to_lowercase().is_in(NOTHING)
        return bare.set(empty.fill_null(value=True), None)
    known = {cell: next(iter(_of_cell(cell)), None) for cell in cells.unique().drop_nulls().to_list()}
    found = [None if cell is None else known[cell] for cell in cells.to_list()]
    return pl.Series(cells.name, found, pl.String)


def _of_cell(cell: str) -> list[str]:
    """The handles of a cell that holds a list, or one handle with whatever is in it."""
    bare = cell.strip()
    if bare.startswith(("[", "{", "(")):
        return handles_in(bare)
    handle = _bare(bare)
    return [handle] if handle and handle.casefold() not in NOTHING else []


def lists_of(found: list[list[str] | None]) -> pl.Series:
    """`mentioned`, List of String, from the handles of each post; null where there are none."""
    # As one text a post: polars makes a series of its own of every Python list.
    joined = [_BETWEEN_HANDLES.join(handles) if handles else None for handles in found]
    return pl.Series("mentioned", joined, pl.String).str.split(_BETWEEN_HANDLES)


def handles_in(cell: str) -> list[str]:
    """The handles that a cell lists, without their signs, in its order."""
    if len(cell) > MAX_CHARACTERS:
        return []
    bare = cell.strip()
    if bare.casefold() in NOTHING:
        return []
    if _REPR.match(bare):
        shown = [(found["key"], found["value"]) for found in _STRINGS.finditer(bare)]
        key = next((key for key in KEYS if any(each == key for each, _ in shown)), None)
        return [handle for each, value in shown if key and each == key and (handle := _bare(value))]
    if bare.startswith(("[", "{", "(")):
        decoded = _decoded(bare)
        if decoded is not None:
            return [handle for each in decoded for handle in _of_element(each)]
        bare = bare.strip("[](){}")
    return [handle for each in _split(bare) if (handle := _bare(each))]


def _split(text: str) -> list[str]:
    """The names in a text. Where other signs stand between names, a blank is part of a name."""
    parts = _BETWEEN.split(text)
    if len(parts) == 1:
        return _BLANKS.split(text)
    found: list[str] = []
    for part in parts:
        words = _BLANKS.split(part)
        found += words if all(word.startswith(("@", "＠")) for word in words) else [part]
    return found


def _decoded(text: str) -> list[Any] | None:
    try:
        found: Any = msgspec.json.decode(text.encode())
    except (msgspec.MsgspecError, UnicodeEncodeError, RecursionError):
        try:
            found = ast.literal_eval(text)
        except (ValueError, SyntaxError, MemoryError, RecursionError):
            return None
    if isinstance(found, list | tuple | set):
        return list(found)
    return [found] if isinstance(found, dict) else None


def _of_element(element: object) -> list[str]:
    if isinstance(element, dict):
        element = next((element[key] for key in KEYS if isinstance(element.get(key), str)), None)
    handle = _bare(element) if isinstance(element, str) else ""
    return [handle] if handle else []


def _bare(text: str) -> str:
    return text.replace(_BETWEEN_HANDLES, " ").strip().strip("\"'").removeprefix("@").removeprefix("＠").strip()
