"""This module spells and folds handles. A spelling is the owner's own form, and a folded handle identifies a user.

The module is pure, and gives the same answer in every process.
"""

from __future__ import annotations

import polars as pl

MENTION_SIGNS = "@＠"

# Unicode's White_Space, which is what polars strips; Python's own str.strip() takes four control characters more.
_WHITE_SPACE = (
    "\t\n\v\f\r \u0085\u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a"
    "\u2028\u2029\u202f\u205f\u3000"
)


def spell(handle: str) -> str:
    """The handle as its owner spells it: without surrounding white space and without one leading mention sign."""
    bare = handle.strip(_WHITE_SPACE)
    return bare[1:].lstrip(_WHITE_SPACE) if bare.startswith(("@", "＠")) else bare


def fold(handle: str) -> str:
    """What identifies a handle: its spelling in lower case, in Unicode's form NFC.

    Lower case is the platforms' own rule: none of them tells two accounts apart by it. Letters that only look alike, or
    that another language folds (the Turkish dotless i), stay apart.
    """
    spelling = spell(handle)
    if spelling.isascii():
        return spelling.lower()
    # Not str.lower(): Python and polars follow different versions of Unicode, and columns are folded by polars.
    return str(_folded(pl.Series([spelling]))[0])


def spelled(handles: pl.Expr) -> pl.Expr:
    """`spell` for a column."""
    bare = handles.str.strip_chars()
    return pl.when(bare.str.contains("^[@＠]")).then(bare.str.slice(1).str.strip_chars_start()).otherwise(bare)


def folded(spellings: pl.Expr) -> pl.Expr:
    """`fold` for a column of spellings."""
    return spellings.map_batches(_folded, return_dtype=pl.String)


def _folded(spellings: pl.Series) -> pl.Series:
    lower = spellings.str.to_lowercase()
    # The form costs five times as much as the case, and ASCII has one form: most columns need no more than a look.
    if lower.str.len_bytes().sum() == lower.str.len_chars().sum():
        return lower
    return lower.str.normalize("NFC")
