"""Text as a format wants it, a column at a time. What needs no change, nearly all, is only looked at."""

from __future__ import annotations

import polars as pl

_CSV_SPECIAL = '[",\r\n]'
_FORMULA = "^[=+\\-@\t\r\n'＝＋－＠]"
_JSON_SPECIAL = '["\\\\\\x00-\\x1f]'
_JSON_ESCAPES = {'"': '\\"', "\\": "\\\\", **{chr(code): f"\\u{code:04x}" for code in range(0x20)}}
_XML_SPECIAL = "[&<>\"'\t\n\r]"
_XML_ESCAPES = {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&apos;", "\t": "&#9;", "\n": "&#10;"} | {
    "\r": "&#13;"
}
_NO_XML = "[\\x00-\\x08\\x0b\\x0c\\x0e-\\x1f\\x{fffe}\\x{ffff}]"


def csv_cells(texts: pl.Series) -> pl.Series:
    """Fields of CSV as RFC 4180 has it, in quotes where they need them; empty ones too, which are no missing ones."""
    special = texts.str.contains(_CSV_SPECIAL) | (texts == "")
    if not special.any():
        return texts
    return _where(special, '"' + texts.str.replace_all('"', '""', literal=True) + '"', texts)


def harmless(texts: pl.Series) -> pl.Series:
    """Texts that no spreadsheet takes for a formula: an apostrophe stands before what might be one. It stands before an
    apostrophe too, so that two texts stay two, and whoever takes one away has the text again."""
    formula = texts.str.contains(_FORMULA)
    return _where(formula, "'" + texts, texts) if formula.any() else texts


def json_strings(texts: pl.Series) -> pl.Series:
    """Strings of JSON, with their quotes."""
    if texts.str.contains(_JSON_SPECIAL).any():
        texts = texts.str.replace_many(list(_JSON_ESCAPES), list(_JSON_ESCAPES.values()))
    return ('"' + texts + '"').alias(texts.name)


def xml_values(texts: pl.Series) -> pl.Series:
    """Text for elements and attributes. Characters that XML 1.0 cannot hold are left out."""
    if texts.str.contains(_NO_XML).any():
        texts = texts.str.replace_all(_NO_XML, "")
    if texts.str.contains(_XML_SPECIAL).any():
        texts = texts.str.replace_many(list(_XML_ESCAPES), list(_XML_ESCAPES.values()))
    return texts


def lines(block: pl.DataFrame, pattern: str, *columns: str) -> bytes:
    """The block as UTF-8: for each row the pattern, each `%s` being the next of the columns, and a line end."""
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
