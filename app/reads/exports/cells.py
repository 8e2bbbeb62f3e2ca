"""These functions write columns of text in the syntax of CSV, JSON and XML.

Nearly all texts need no change. The functions only search these texts.
"""

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
    """Returns the texts as CSV fields by RFC 4180, in quotes where a field needs quotes.

    An empty text gets quotes too, so that a reader can tell an empty text from a missing value.
    """
    special = texts.str.contains(_CSV_SPECIAL) | (texts == "")
    if not special.any():
        return texts
    return _where(special, '"' + texts.str.replace_all('"', '""', literal=True) + '"', texts)


def harmless(texts: pl.Series) -> pl.Series:
    """Returns the texts so that no spreadsheet takes a text for a formula.

    An apostrophe is put before each text that may be a formula, and before each text that begins with an apostrophe.
    So different texts stay different, and removing one apostrophe restores the text.
    """
    formula = texts.str.contains(_FORMULA)
    return _where(formula, "'" + texts, texts) if formula.any() else texts


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
