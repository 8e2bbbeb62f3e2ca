"""What a file is, by its bytes: container, character encoding, JSON or CSV, delimiter, header. Pure; looks at a head.

Each answer is a Finding: a value, how sure it is, and why, in words for people.
"""

from __future__ import annotations

import codecs
import csv
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from enum import IntEnum, StrEnum
from itertools import islice
from typing import Any, Generic, TypeVar

import msgspec
from charset_normalizer import from_bytes

from app.posts.options import InputFormat as Layout

HEAD_BYTES = 1 << 20
"""Decoded bytes of a file that are looked at."""
SAMPLE_ROWS = 200
DELIMITERS = ",;\t|"

T = TypeVar("T")


class Sure(IntEnum):
    """How sure a finding is. What is CERTAIN is used; of anything less a person decides."""

    UNKNOWN = 0
    LIKELY = 1
    CERTAIN = 2
    GIVEN = 3
    """The person who sent the file said so."""


class Finding(msgspec.Struct, Generic[T], frozen=True):
    """What was found."""

    value: T
    sure: Sure
    reason: str


class Container(StrEnum):
    """What a file is packed in."""

    NONE = "none"
    GZIP = "gzip"
    ZSTD = "zstd"
    BZIP2 = "bzip2"
    XZ = "xz"
    ZIP = "zip"
    XLSX = "xlsx"
    PARQUET = "parquet"


_MAGIC = (
    (b"\x1f\x8b", Container.GZIP),
    (b"\x28\xb5\x2f\xfd", Container.ZSTD),
    (b"\xfd7zXZ\0", Container.XZ),
)
# A text may begin with these letters. What follows them in such a file is in no text.
_BZIP2 = re.compile(rb"BZh[1-9](1AY&SY|\x17rE8P\x90)")
_PARQUET = re.compile(rb"PAR1[\x00-\x08\x0e-\x1f]")
_ZIP, _EMPTY_ZIP = b"PK\x03\x04", b"PK\x05\x06"
_OFFICE = re.compile(rb"\[Content_Types\]\.xml|_rels/\.rels|xl/")
_SKIPPABLE = re.compile(rb"[\x50-\x5f]\x2a\x4d\x18")


def container(head: bytes) -> Finding[Container]:
    """What the first bytes say that a file is packed in."""
    for magic, kind in _MAGIC:
        if head.startswith(magic):
            return Finding(kind, Sure.CERTAIN, f"the file begins with the mark of {kind}")
    for pattern, kind in ((_BZIP2, Container.BZIP2), (_PARQUET, Container.PARQUET)):
        if pattern.match(head):
            return Finding(kind, Sure.CERTAIN, f"the file begins with the mark of {kind}")
    if _SKIPPABLE.match(head):
        return Finding(Container.ZSTD, Sure.CERTAIN, "the file begins with a frame of zstd")
    if head.startswith(_ZIP):
        name = head[30 : 30 + int.from_bytes(head[26:28], "little")]
        kind = Container.XLSX if _OFFICE.match(name) else Container.ZIP
        return Finding(kind, Sure.CERTAIN, f"the file begins with the mark of {kind}")
    if head.startswith(_EMPTY_ZIP):
        return Finding(Container.ZIP, Sure.CERTAIN, "the file is an empty zip")
    return Finding(Container.NONE, Sure.CERTAIN, "the file begins with no mark of a container")


# Characters -----------------------------------------------------------------------------------------------------------

_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_WESTERN = frozenset(
    "ÀÁÂÃÄÅÆÇÈÉÊËÌÍÎÏÑÒÓÔÕÖØÙÚÛÜÝßàáâãäåæçèéêëìíîïñòóôõöøùúûüýÿŒœŠšŽžŸ€‚„…†‰‹›‘’“”•–—™¡¿§°·´`¨«»©®£¥\u00a0²³ºª"
)
"""What Windows-1252 is used for in texts; other files that it can decode hold many of its other characters."""


def encoding(head: bytes, *, final: bool) -> Finding[str]:
    """The character encoding of a text, as Python names it."""
    for mark, name in _MARKS:
        if head.startswith(mark):
            return Finding(name, Sure.CERTAIN, "the file begins with a byte order mark")
    if (wide := _without_mark(head)) is not None:
        return wide
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        decoder.decode(head, final)
    except UnicodeDecodeError as error:
        return _narrow(head, error)
    plain = head.isascii()
    return Finding("utf-8", Sure.CERTAIN, "all of it is ASCII" if plain else "all of it is valid UTF-8")


def _without_mark(head: bytes) -> Finding[str] | None:
    """UTF-16 without its mark: every other byte of Western text is 0."""
    sample = head[:4096]
    if b"\0" not in sample:
        return None
    zeros = sample[1::2].count(0), sample[::2].count(0)
    half = max(1, len(sample) // 2)
    for zero, other, name in ((*zeros, "utf-16-le"), (*zeros[::-1], "utf-16-be")):
        if zero > half * 0.7 and other < half * 0.05:
            return Finding(name, Sure.CERTAIN, "every other byte is 0, as in UTF-16")
    return None


def _narrow(head: bytes, error: UnicodeDecodeError) -> Finding[str]:
    """One byte a character, or a multi-byte encoding of East Asia."""
    where = f"byte {error.start + 1} is not UTF-8"
    try:
        text = head.decode("cp1252")
    except UnicodeDecodeError:
        text = ""
    odd = {character for character in text if character > "\x7f"}
    if text and odd <= _WESTERN and not re.search(r"[^\W\d_A-Za-z]{4}", text):
        return Finding("cp1252", Sure.CERTAIN, f"{where}, and all of it is Western text in Windows-1252")
    guess = from_bytes(head[: 64 << 10]).best()
    if guess is None:
        return Finding("utf-8", Sure.UNKNOWN, f"{where}, and no encoding fits")
    return Finding(guess.encoding, Sure.LIKELY, f"{where}; {guess.encoding} fits best")


# Layout ---------------------------------------------------------------------------------------------------------------

_ASSIGNED = re.compile(r"\s*window\.[\w.]+\s*=\s*(?=\[)")
"""How a person's own archive of X/Twitter begins: a script that holds a list."""
PAGE_KEYS = ("data", "posts", "feed", "messages", "items", "statuses", "results", "comments", "tweets", "children")


def layout(text: str, *, final: bool) -> Finding[Layout]:
    """JSON of which kind, or CSV."""
    bare = text.lstrip("\ufeff \t\r\n")
    if _ASSIGNED.match(bare):
        return Finding(Layout.JSON_ARRAY, Sure.CERTAIN, "the file is a script that holds a list of objects")
    if re.match(r"\[\s*(\{|\])", bare):
        return Finding(Layout.JSON_ARRAY, Sure.CERTAIN, "the file is a list of JSON objects")
    if bare.startswith("{"):
        return _objects(bare, final=final)
    return Finding(Layout.CSV, Sure.CERTAIN, "the file does not begin as JSON does")


def _objects(text: str, *, final: bool) -> Finding[Layout]:
    """The layout of a text that begins with an object."""
    first, end, _ = text.partition("\n")
    found = _json(first)
    if isinstance(found, dict):
        key = _rows_key(found)
        if key is not None:
            return Finding(Layout.JSON_PAGES, Sure.CERTAIN, f"each object holds a list of posts in {key!r}")
        return Finding(Layout.JSONL, Sure.CERTAIN, "each line is a JSON object")
    if not end and not final:
        return Finding(
            Layout.JSONL, Sure.LIKELY, "the file begins with an object that is longer than what was looked at"
        )
    if re.match(r'\{\s*"', text):
        return Finding(Layout.JSON_PAGES, Sure.CERTAIN, "the file begins with one object of several lines")
    return Finding(Layout.CSV, Sure.LIKELY, "the file begins with { and is no JSON")


def objects(text: str, kind: Layout, *, final: bool) -> tuple[list[dict[str, Any]], str | None]:
    """The first posts of a JSON text, and the key of the pages' lists where they are in pages."""
    if kind is Layout.JSONL:
        found = [_json(line) for line in text.splitlines()[:SAMPLE_ROWS] if line.strip()]
        return [each for each in found if isinstance(each, dict)], None
    if kind is Layout.JSON_ARRAY:
        begin = text.find("[")
        return list(islice(_elements(text, begin + 1), SAMPLE_ROWS)), None
    first = _json(text) if final else None
    pages = [first] if isinstance(first, dict) else [each for line in text.splitlines()[:20] for each in [_json(line)]]
    posts: list[dict[str, Any]] = []
    key = None
    for page in pages:
        if isinstance(page, dict) and (named := _rows_key(page)) is not None:
            key = named
            posts += [each for each in joined(page, named) if isinstance(each, dict)]
    return posts[:SAMPLE_ROWS], key


def _elements(text: str, at: int) -> Iterator[dict[str, Any]]:
    """The objects of a list that begins before `at`, as far as the text has them whole."""
    decoder = json.JSONDecoder()
    while True:
        found = re.compile(r"[\s,]*").match(text, at)
        at = found.end() if found else at
        try:
            element, at = decoder.raw_decode(text, at)
        except (ValueError, RecursionError):
            return
        if isinstance(element, dict):
            yield element


def joined(page: dict[str, Any], key: str) -> list[Any]:
    """The posts of a page, those of X/Twitter's API v2 with the users that `includes` has."""
    includes = page.get("includes")
    posts: list[Any] = page[key]
    if not isinstance(includes, dict):
        return posts
    users = {str(each.get("id")): each for each in includes.get("users") or () if isinstance(each, dict)}
    others = {str(each.get("id")): each for each in includes.get("tweets") or () if isinstance(each, dict)}
    return [_joined(post, users, others) if isinstance(post, dict) else post for post in posts]


def _joined(post: dict[str, Any], users: Mapping[str, Any], others: Mapping[str, Any]) -> dict[str, Any]:
    whole = dict(post)
    if "author" not in whole and (author := users.get(str(whole.get("author_id")))):
        whole["author"] = author
    if "in_reply_to_user" not in whole and (user := users.get(str(whole.get("in_reply_to_user_id")))):
        whole["in_reply_to_user"] = user
    references = whole.get("referenced_tweets")
    if isinstance(references, list):
        whole["referenced_tweets"] = [_referenced(each, users, others) for each in references]
    return whole


def _referenced(reference: Any, users: Mapping[str, Any], others: Mapping[str, Any]) -> Any:  # noqa: ANN401 (JSON)
    if not isinstance(reference, dict) or "author" in reference:
        return reference
    other = others.get(str(reference.get("id"))) or {}
    author = users.get(str(other.get("author_id")))
    return {**reference, "author": author} if author else reference


def _rows_key(page: dict[str, Any]) -> str | None:
    """The key of a page's list of posts."""
    for key in PAGE_KEYS:
        value = page.get(key)
        if isinstance(value, list) and (not value or isinstance(value[0], dict)):
            return key
    return None


def _json(text: str) -> object:
    try:
        return msgspec.json.decode(text.encode())
    except (msgspec.MsgspecError, UnicodeEncodeError, RecursionError):
        return None


class Table(msgspec.Struct, frozen=True):
    """How the rows of a CSV text begin."""

    delimiter: str
    skip_lines: int
    """Physical lines before the header: a line `sep=;`, or a preamble."""
    first: tuple[str, ...]
    """The fields of the first row."""
    rows: tuple[tuple[str, ...], ...]
    """Of the rows behind it, those that were looked at."""
    surplus: bool
    """Whether every row but the header ends with one more delimiter."""


_SEPARATOR = re.compile(r"sep=(.)\r?\n?", re.IGNORECASE)
MAX_PREAMBLE = 30


def table(text: str, *, delimiter: str | None, skip_lines: int | None) -> Finding[Table] | None:
    """The rows of a CSV text, without what is cut off at its end. None: there is no row."""
    lines = text.lstrip("\ufeff").splitlines(keepends=True)
    skipped = skip_lines or 0
    if skip_lines is None and lines and (told := _SEPARATOR.fullmatch(lines[0])):
        delimiter, skipped = delimiter or told[1], 1
    found = [_table(lines, each, skipped, skip_lines) for each in (delimiter or DELIMITERS)]
    scored = [(score, each) for each in found if each is not None for score in [_score(each)]]
    if not scored:
        return None
    scored.sort(key=lambda pair: -pair[0])
    best_score, best = scored[0]
    if delimiter is not None:
        return Finding(best, Sure.CERTAIN, f"the file is said to have {delimiter!r} between fields")
    clear = len(scored) == 1 or best_score > 2 * scored[1][0]
    reason = f"every row has {len(best.first)} fields with {_NAMES[best.delimiter]} between them"
    return Finding(best, Sure.CERTAIN if clear and best_score > 0 else Sure.LIKELY, reason)


_NAMES = {",": "a comma", ";": "a semicolon", "\t": "a tab", "|": "a vertical bar"}


def _table(lines: Sequence[str], delimiter: str, skipped: int, skip_lines: int | None) -> Table | None:
    rows = _parsed(lines[skipped:], delimiter)
    if skip_lines is None and not skipped:
        skipped = _preamble(rows)
        rows = rows[skipped:] if skipped else rows
    full = [row for row in rows if row]
    if not full:
        return None
    first, rest = full[0], full[1:]
    surplus = bool(rest) and all(len(row) == len(first) + 1 and not row[-1] for row in rest)
    return Table(delimiter, skipped, first, tuple(rest), surplus)


def _parsed(lines: Sequence[str], delimiter: str) -> list[tuple[str, ...]]:
    found: list[tuple[str, ...]] = []
    try:
        for row in csv.reader(lines[: 20 * SAMPLE_ROWS], delimiter=delimiter):
            found.append(tuple(row))
            if len(found) > SAMPLE_ROWS:
                break
    except csv.Error:
        pass  # a field too long for a sample: what was read before it serves
    return found


def _preamble(rows: Sequence[tuple[str, ...]]) -> int:
    """Lines before the header: a few of at most two fields, then at least three rows of one same, larger, width."""
    widths = [len(row) for row in rows[: MAX_PREAMBLE + 4]]
    for at in range(1, min(MAX_PREAMBLE, len(widths) - 2)):
        width = widths[at]
        if width > 3 and widths[at : at + 3] == [width] * 3 and max(widths[:at]) <= 2:  # noqa: PLR2004
            return at
    return 0


def _score(found: Table) -> float:
    """How well a delimiter fits: fields of the header, times the share of rows with as many."""
    width = len(found.first)
    if width < 2:  # noqa: PLR2004
        return 0.0
    widths = [len(row) - found.surplus for row in found.rows]
    share = sum(each == width for each in widths) / len(widths) if widths else 1.0
    return width * share
