"""These functions write columns of text in the syntax of CSV, JSON and XML, and numbers for people.

Nearly all texts need no change. The functions only search these texts.
"""

from __future__ import annotations

import msgspec
import polars as pl

from app.posts.tables import formulas

FULL = 17
"""So many significant digits tell a double from every other. With as many, numbers stay as PostgreSQL prints them."""
_WHOLE = 1e15
"""Doubles below this have no more digits in front of the point than a double can hold."""
_JSON_SPECIAL = '["\\\\\\x00-\\x1f]'
_JSON_ESCAPES = {'"': '\\"', "\\": "\\\\", **{chr(code): f"\\u{code:04x}" for code in range(0x20)}}
_XML_SPECIAL = "[&<>\"'\t\n\r]"
_XML_ESCAPES = {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&apos;", "\t": "&#9;", "\n": "&#10;"} | {
    "\r": "&#13;"
}
_ID_SPECIAL = "[\\x00-\\x08\\x0b\\x0c\\x0e-\\x1f\\x{fffe}\\x{ffff}]|_x[0-9A-Fa-f]{4}_"
_ID_ESCAPES = {chr(code): f"_x{code:04X}_" for code in (*range(0x20), 0xFFFE, 0xFFFF) if chr(code) not in "\t\n\r"}
_NO_XML = "[\\x00-\\x08\\x0b\\x0c\\x0e-\\x1f\\x{fffe}\\x{ffff}]"


class Style(msgspec.Struct, frozen=True):
    """How numbers and tables are written."""

    digits: int | None = None
    """Significant digits of weights: 1 to FULL. None: as many as the format has by itself."""
    delimiter: str = ","
    """The character between two fields of CSV."""
    decimal: str = "."
    """The character before the fraction of a number in CSV."""
    bom: bool = False
    """Whether CSV begins with a byte order mark, which tells Excel that the text is UTF-8."""


def csv_cells(texts: pl.Series, delimiter: str = ",") -> pl.Series:
    """Returns the texts as CSV fields by RFC 4180, in quotes where a field needs quotes.

    An empty text gets quotes too, so that a reader can tell an empty text from a missing value.
    """
    special = texts.str.contains(f'["\r\n{delimiter}]') | (texts == "")
    if not special.any():
        return texts
    return _where(special, '"' + texts.str.replace_all('"', '""', literal=True) + '"', texts)


def rounded(numbers: pl.Series, digits: int) -> pl.Series:
    """Returns the texts of numbers with so many significant digits. A digit before the point is never rounded away."""
    if digits >= FULL:
        return numbers
    whole = 10.0**digits
    texts = [f"{n:.0f}" if whole <= n < _WHOLE else f"{n:.{digits}g}" for n in numbers.cast(pl.Float64)]
    return pl.Series(numbers.name, texts, pl.String)


def node_ids(spellings: pl.Series, *, guard: bool) -> pl.Series:
    """Returns the users' ids in formats that tell users from edges: their spellings.

    A character that XML 1.0 can't hold is written as `_x0001_` (ISO 29500, ST_Xstring), in CSV too. So a user has one
    id in all formats, and different users have different ids. `guard` makes ids harmless to spreadsheets.
    """
    if spellings.str.contains(_ID_SPECIAL).any():
        kept = spellings.str.replace_all("_(x[0-9A-Fa-f]{4}_)", "_x005F_$1")
        spellings = kept.str.replace_many(list(_ID_ESCAPES), list(_ID_ESCAPES.values()))
    return formulas.guarded_column(spellings) if guard else spellings


def json_strings(texts: pl.Series) -> pl.Series:
    """Returns the texts as JSON strings, with their quotes."""
    if texts.str.contains(_JSON_SPECIAL).any():
        texts = texts.str.replace_many(list(_JSON_ESCAPES), list(_JSON_ESCAPES.values()))
    return ('"' + texts + '"').alias(texts.name)


def xml_values(texts: pl.Series) -> pl.Series:
    """Returns the texts for XML elements and attributes, without the characters that XML 1.0 can't hold."""
    if texts.str.contains(_NO_XML).any():
        texts = texts.str.replace_all(_NO_XML, "")
    if texts.str.contains(_XML_SPECIAL).any():
        texts = texts.str.replace_many(list(_XML_ESCAPES), list(_XML_ESCAPES.values()))
    return texts


def lines(block: pl.DataFrame, pattern: str, *columns: str) -> bytes:
    """Returns the block as UTF-8. Each row is the pattern, with the next column for each `%s`, and a line end."""
    if block.is_empty():
        return b""
    first, *others = pattern.split("%s")
    parts = [pl.lit(first)]
    for name, literal in zip(columns, others, strict=True):
        parts += [pl.col(name), pl.lit(literal)]
    texts = block.select(pl.concat_str(parts).alias("line"))["line"]
    text: str = texts.str.join("\n").item()
    return (text + "\n").encode()


def _where(mask: pl.Series, changed: pl.Series, same: pl.Series) -> pl.Series:
    return changed.zip_with(mask, same).alias(same.name)
