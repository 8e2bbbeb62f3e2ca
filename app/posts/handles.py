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
    """What identifies a handle: its spelling in lower case."""
    spelling = spell(handle)
    if spelling.isascii():
        return spelling.lower()
    # Not str.lower(): Python and polars follow different versions of Unicode, and columns are folded by polars.
    return str(pl.Series([spelling]).str.to_lowercase()[0])


def spelled(handles: pl.Expr) -> pl.Expr:
    """`spell` for a column."""
    bare = handles.str.strip_chars()
    return pl.when(bare.str.contains("^[@＠]")).then(bare.str.slice(1).str.strip_chars_start()).otherwise(bare)


def folded(spellings: pl.Expr) -> pl.Expr:
    """`fold` for a column of spellings."""
    return spellings.str.to_lowercase()
