"""What a file is, by its bytes: container, character encoding, JSON or CSV, delimiter, header. Pure; looks at a head.

Each answer is a Finding: a value, how sure it is, and why, in words for people.
"""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections import Counter
from collections.abc import Callable, Sequence
from enum import IntEnum, StrEnum
from typing import Generic, TypeAlias, TypeVar

import msgspec
from charset_normalizer import from_bytes

from app.errors import UnknownEncoding
from app.posts import encodings
from app.posts.looking import shapes
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
    others: tuple[T, ...] = ()
    """Other values that may be meant."""


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
_ALPHABETS = (
    "äöüÄÖÜß",  # German
    "àâæçéèêëîïôœùûüÿÀÂÆÇÉÈÊËÎÏÔŒÙÛÜ",  # French
    "áéíóúñüÁÉÍÓÚÑÜ¡¿ºª",  # Spanish
    "áâãàçéêíóôõúÁÂÃÀÇÉÊÍÓÔÕÚºª",  # Portuguese
    "àèéìíîòóùúÀÈÉÌÒÙ",  # Italian
    "æøåéÆØÅ",  # Danish, Norwegian
    "åäöéÅÄÖÉ",  # Swedish, Finnish
    "éèëïöüáóÉ",  # Dutch
    "àçèéíïòóúüÀÇÈÉÍÒÓÚ·",  # Catalan
)
"""The letters of languages that Windows-1252 is used for. In other languages' bytes they come in other company."""
_SIGNS = frozenset("€‚„…†‰‹›‘’“”•–—™¡¿§°·´¨«»©®£¥\u00a0²³ºª")
_COVERED = 0.98
"""The share of a text's accented letters that one language has to have."""
_OTHERS_SHOWN = 5


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
    bad, good = _undecodable(head)
    if good >= bad:
        return Finding("utf-8", Sure.CERTAIN, f"{where}, but most of what is not ASCII is")
    if good == 0 and _is_western(head):
        return Finding("cp1252", Sure.CERTAIN, f"{where}, and all of it is Western text in Windows-1252")
    fitting = likely_encodings(head)
    if not fitting:
        return Finding("utf-8", Sure.UNKNOWN, f"{where}, and no encoding fits")
    return Finding(
        fitting[0], Sure.LIKELY, f"{where}; of other encodings {' or '.join(fitting)} may fit", tuple(fitting[1:])
    )


def _undecodable(head: bytes) -> tuple[int, int]:
    """How many characters are not UTF-8, and how many are and are not ASCII."""
    replaced = head.decode("utf-8", "replace")
    bad = replaced.count("\ufffd")
    return bad, sum(character > "\x7f" for character in replaced) - bad


def _is_western(head: bytes) -> bool:
    try:
        text = head.decode("cp1252")
    except UnicodeDecodeError:
        return False
    counts = Counter(character for character in text if character > "\x7f")
    letters = {character: count for character, count in counts.items() if character not in _SIGNS}
    known = {character for alphabet in _ALPHABETS for character in alphabet}
    if not letters.keys() <= known or re.search(r"\w[¡¿§°´¨£¥²³][^\W\d]", text):
        return False
    total = sum(letters.values())
    return total == 0 or any(
        sum(count for letter, count in letters.items() if letter in alphabet) >= _COVERED * total
        for alphabet in _ALPHABETS
    )


def likely_encodings(head: bytes) -> list[str]:
    """The encodings that fit a text that is not UTF-8, the best first."""
    found: dict[str, None] = {}
    for guess in from_bytes(head[: 64 << 10]):
        try:
            found.setdefault(encodings.named(guess.encoding))
        except UnknownEncoding:
            continue
    return list(found)[:_OTHERS_SHOWN]


# Layout ---------------------------------------------------------------------------------------------------------------


def layout(text: str, *, final: bool) -> Finding[Layout]:
    """JSON of which kind, or CSV."""
    bare = text.lstrip("\ufeff \t\r\n")
    if at := shapes.behind_assignment(bare):
        bare = bare[at:]
        if re.match(r"\[\s*(\{|\])", bare):
            return Finding(Layout.JSON_ARRAY, Sure.CERTAIN, "the file is a script that holds a list of objects")
    if re.match(r"\[\s*(\{|\[|\]\s*$)", bare):
        return Finding(Layout.JSON_ARRAY, Sure.CERTAIN, "the file is a list of JSON objects")
    if not re.match(r'\{\s*["}]', bare):
        return Finding(Layout.CSV, Sure.CERTAIN, "the file does not begin as JSON does")
    first, _, rest = bare.partition("\n")
    if isinstance(shapes.decoded(first), dict):
        return Finding(Layout.JSONL, Sure.CERTAIN, "each line is a JSON object")
    if not rest.lstrip().startswith("{") and shapes.objects(bare, final=final):
        return Finding(Layout.JSON_PAGES, Sure.CERTAIN, "the file begins with a JSON object of several lines")
    return Finding(Layout.JSONL, Sure.LIKELY, "the file begins as JSON does, and its first line is no JSON object")


_OTHERS = (
    (rb"%PDF-", "a PDF document"),
    (rb"\x89PNG\r\n|\xff\xd8\xff|GIF8[79]a|RIFF....WEBP|BM....\0\0\0\0", "a picture"),
    (rb"....ftyp|\x1aE\xdf\xa3|ID3|OggS|RIFF....(?:WAVE|AVI )", "sound or video"),
    (rb"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an old Excel or Word document: save it as .xlsx or CSV"),
    (rb"SQLite format 3\0", "an SQLite database: write a table of it as CSV"),
    (rb"7z\xbc\xaf\x27\x1c|Rar!\x1a\x07", "an archive of another kind than zip: unpack it"),
    (rb"\x80[\x02-\x05][\x8c\x95c}\]]", "a pickle of Python: write it with to_csv or to_json"),
    (rb"ARROW1|FEA1|\x89HDF\r\n", "a table in a binary format: write it as CSV or Parquet"),
    (rb"RD[AX][23]\n|X\n\0\0\0[\x02\x03]", "data of R: write it with write.csv"),
    (
        rb"(?i)(?:\xef\xbb\xbf)?\s*<(?:!doctype html|html|head|body)\b",
        "an HTML page: export the posts instead of saving the page",
    ),
    (
        rb"(?:\xef\xbb\xbf)?\s*<\?xml|(?:\xef\xbb\xbf)?\s*<[A-Za-z][\w:.-]*(?:\s[^<>]*)?>",
        "XML: export CSV or JSON instead",
    ),
    (
        rb"(?i)(?:\s*--[^\n]*\n)*\s*(?:-- (?:MySQL|MariaDB|PostgreSQL)[^\n]* dump|"
        rb"(?:INSERT INTO|CREATE TABLE|DROP TABLE)\s)",
        "a dump of a database in SQL: write a table of it as CSV",
    ),
    (rb"\{\\rtf", "a text with formatting (RTF): save it as CSV"),
)


def other_kind(head: bytes) -> str | None:
    """What a file is that holds no posts in any form that is read; None: it may."""
    return next((name for mark, name in _OTHERS if re.match(mark, head, re.DOTALL)), None)


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
MAX_PREAMBLE = 40
ROWS = 20_000
"""Rows of a table that are looked at."""
_NAMES = {",": "a comma", ";": "a semicolon", "\t": "a tab", "|": "a vertical bar"}


def table(
    text: str,
    *,
    delimiter: str | None,
    skip_lines: int | None,
    final: bool,
    is_header: Callable[[Sequence[str]], int],
) -> Finding[Table] | None:
    """The rows of a CSV text, without what is cut off at its end. None: there is no row.

    `is_header` says how many of the wanted columns a row names; the first row that names two or more of them is the
    header, and what stands before it is a preamble.
    """
    lines = list(io.StringIO(text, newline=""))
    skipped = skip_lines or 0
    if skip_lines is None and lines and (told := _SEPARATOR.fullmatch(lines[0])):
        delimiter, skipped, skip_lines = delimiter or told[1], 1, 1
    tried = [
        (_table(lines[: 10 * SAMPLE_ROWS], each, skipped, skip_lines, is_header), each)
        for each in (delimiter or DELIMITERS)
    ]
    scored = sorted(((_score(each, is_header), each) for each, _ in tried if each is not None), key=_by_score)
    if not scored:
        return None
    best_score, best = scored[0]
    whole = _table(lines, best.delimiter, skipped, skip_lines, is_header, rows=ROWS) or best
    if not final and len(whole.rows) > 1:
        whole = msgspec.structs.replace(whole, rows=whole.rows[:-1])
    if delimiter is not None:
        return Finding(whole, Sure.CERTAIN, f"the file is said to have {delimiter!r} between fields")
    width = len(whole.first)
    if all(len(each.first) == 1 for _, each in scored):
        return Finding(whole, Sure.CERTAIN, "the file has one column")
    clear = len(scored) == 1 or best_score[0] > scored[1][0][0] or best_score[1] > 2 * scored[1][0][1]
    reason = f"rows have {width} fields with {_NAMES[best.delimiter]} between them"
    named = best_score[0] > 1
    return Finding(whole, Sure.CERTAIN if clear and (named or best_score[1] > 0) else Sure.LIKELY, reason)


_Score: TypeAlias = tuple[int, float]


def _by_score(scored: tuple[_Score, Table]) -> tuple[int, float]:
    named, fit = scored[0]
    return -named, -fit


def _table(
    lines: Sequence[str],
    delimiter: str,
    skipped: int,
    skip_lines: int | None,
    is_header: Callable[[Sequence[str]], int],
    *,
    rows: int = SAMPLE_ROWS,
) -> Table | None:
    found = _parsed(lines[skipped:], delimiter, rows)
    begin = 0
    if skip_lines is None:
        begin = _preamble([row for _, row in found], is_header)
        skipped += found[begin][0] if found else 0
    full = [row for _, row in found[begin:] if any(map(str.strip, row))]
    if not full:
        return None
    first, rest = full[0], full[1:]
    surplus = bool(rest) and all(len(row) == len(first) + 1 and not row[-1] for row in rest)
    return Table(delimiter, skipped, first, tuple(rest), surplus)


def _parsed(lines: Sequence[str], delimiter: str, rows: int) -> list[tuple[int, tuple[str, ...]]]:
    """Rows, each with the number of lines before it."""
    found: list[tuple[int, tuple[str, ...]]] = []
    reader = csv.reader(lines, delimiter=delimiter)
    before = 0
    try:
        for row in reader:
            found.append((before, tuple(row)))
            before = reader.line_num
            if len(found) > rows:
                break
    except csv.Error:
        pass  # a field too long for a sample: what was read before it serves
    return found


def _preamble(rows: Sequence[tuple[str, ...]], is_header: Callable[[Sequence[str]], int]) -> int:
    """Rows before the header: those before a row that names columns, or that others of its width follow."""
    first = next((row for row in rows if row), ())
    if is_header(first) > 1:
        return 0
    for at, row in enumerate(rows[:MAX_PREAMBLE]):
        behind = next((each for each in rows[at + 1 :] if each), row)
        if is_header(row) > 1 and len(behind) in {len(row), len(row) + 1}:
            return at
    widths = [len(row) for row in rows[: MAX_PREAMBLE + 4]]
    for at in range(1, min(MAX_PREAMBLE, len(widths) - 2)):
        width = widths[at]
        if width > 3 and widths[at : at + 3] == [width] * 3 and max(widths[:at]) <= 2:  # noqa: PLR2004
            return at
    return 0


def _score(found: Table, is_header: Callable[[Sequence[str]], int]) -> _Score:
    """How well a delimiter fits: the wanted columns that the header names; its fields, times the share of rows with
    as many."""
    width = len(found.first)
    if width < 2:  # noqa: PLR2004
        return is_header(found.first), 0.0
    widths = [len(row) - found.surplus for row in found.rows]
    share = sum(each == width for each in widths) / len(widths) if widths else 1.0
    return is_header(found.first), width * share
