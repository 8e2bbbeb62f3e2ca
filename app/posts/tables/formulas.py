"""This module keeps spreadsheets from running a text as a formula, and gives the text back exactly. Pure.

A spreadsheet runs what stands at the beginning of a cell. Whoever opens a CSV chooses the delimiter, so a cell may also
begin behind a delimiter within a text. The guard is an apostrophe, put there before a formula's first sign, and before
apostrophes that a formula's first sign follows. So texts stay different, and whoever takes one apostrophe away at each
of these places has the text again. A negative number is no formula and stays as it is.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import polars as pl

REJECT_COLUMNS = ("reject_line", "reject_column", "reject_code", "reject_message", "reject_guard")
"""The columns behind a row that was rejected. With the last of them, the file says that it is guarded."""
GUARD = "'"
_EDGES = ("source", "target", "mention_count", "weight", "first_seen", "last_seen")
_GEPHI = ("Source", "Target", "Weight", "Type", "mention_count", "first_seen", "last_seen")
_EXPORTS = frozenset({_EDGES, _GEPHI})
"""The columns of exported edges, which are guarded unless the reader of an export chose otherwise."""

_SIGNS = "=+\\-@＝＋－＠"
_PASSED = '[ "\u00a0\u200b\u3000\ufeff\x00-\x08\x0b\x0c\x0e-\x1f]*'
"""What a spreadsheet may pass over before a formula: blanks, quotes, and what nobody sees."""
# Behind a comma a blank is prose, as in `Thanks, @ada`. A spreadsheet keeps the blank, and runs nothing behind it.
_BEGIN = f'((?:^|[;\t|\r\n]){_PASSED}|,"*)'
_TO_GUARD = f"{_BEGIN}('*[{_SIGNS}])"
_GUARDED = f"{_BEGIN}'('*[{_SIGNS}])"
# A spreadsheet may drop these at the beginning of a cell.
_DROPPED, _DROPPED_GUARDED = "^('*[\t\r\n])", "^'('*[\t\r\n])"
_NUMBER = "^-(?:0|[1-9][0-9]{0,14})(?:\\.[0-9]{1,15})?$"
_ONE_TO_GUARD, _ONE_GUARDED = re.compile(_TO_GUARD), re.compile(_GUARDED)
_ONE_DROPPED, _ONE_DROPPED_GUARDED = re.compile(_DROPPED), re.compile(_DROPPED_GUARDED)
_ONE_NUMBER = re.compile(_NUMBER.removesuffix("$") + r"\Z")


def guarded(text: str) -> str:
    """Returns the text as a cell that no spreadsheet runs."""
    if _ONE_NUMBER.match(text):
        return text
    return _ONE_DROPPED.sub(r"'\1", _ONE_TO_GUARD.sub(r"\1'\2", text))


def unguarded(text: str) -> str:
    """Returns the text of a cell that `guarded` made."""
    return _ONE_GUARDED.sub(r"\1\2", _ONE_DROPPED_GUARDED.sub(r"\1", text)) if GUARD in text else text


def guarded_column(texts: pl.Series) -> pl.Series:
    """`guarded` for a column."""
    found = texts.str.contains(f"{_TO_GUARD}|{_DROPPED}")
    if not found.any():
        return texts
    safe = texts.str.replace_all(_TO_GUARD, "${1}'${2}").str.replace(_DROPPED, "'${1}")
    return _where(found & ~texts.str.contains(_NUMBER), safe, texts)


def unguarded_column(texts: pl.Series) -> pl.Series:
    """`unguarded` for a column."""
    found = texts.str.contains(GUARD, literal=True)
    if not found.any():
        return texts
    plain = texts.str.replace(_DROPPED_GUARDED, "${1}").str.replace_all(_GUARDED, "${1}${2}")
    return _where(found, plain, texts)


def are_guarded(names: Sequence[str]) -> bool:
    """Whether a file with these columns has guarded cells: rejects that come back, or exported edges."""
    return is_repaired(names) or tuple(names) in _EXPORTS


def names_of(names: list[str]) -> list[str]:
    """The names of a file's columns, without the guards that a guarded file has."""
    return [unguarded(name) for name in names] if are_guarded(names) else names


def is_repaired(names: Sequence[str]) -> bool:
    """Whether these are the columns of rejects that come back. Underscores tell some from columns of the file."""
    last = tuple(name.rstrip("_") for name in names[-len(REJECT_COLUMNS) :])
    return last == REJECT_COLUMNS


def _where(mask: pl.Series, changed: pl.Series, same: pl.Series) -> pl.Series:
    return changed.zip_with(mask.fill_null(value=False), same).alias(same.name)
