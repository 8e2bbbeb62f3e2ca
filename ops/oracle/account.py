"""A slow, independent account of what the service must have counted.

Everything here is written from the rules alone, with the standard library, and shares no code with `app`:
agreement between the two is evidence. Speed is no aim; being easy to check by eye is.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta, timezone
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Iterator

Clock = Literal["arrival", "event"]
Key = tuple[str, str]

COLUMNS = ("data", "timestamp", "username")
MAX_AUTHOR = 320
HALF_LIFE = timedelta(days=7)

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)


# --- bytes to records ------------------------------------------------------------------------------------------------

LINE_END = re.compile(rb"\r\n|\n|\r")
UNQUOTED = re.compile(rb"[^,\r\n]*")
FIELD_ENDS = (b",", b"\r", b"\n", b"")


@dataclass(frozen=True, slots=True)
class Record:
    """One row: the physical line it starts on (from 1) and its raw fields, None if its quoting is broken."""

    line: int
    fields: list[bytes] | None


def records(content: bytes) -> Iterator[Record]:
    """Every record, the header's among them. Empty lines are none, and a broken quote costs one physical line."""
    position = 3 if content.startswith(b"\xef\xbb\xbf") else 0
    line = 1
    while position < len(content):
        if (blank := LINE_END.match(content, position)) is not None:
            position, line = blank.end(), line + 1
            continue
        fields, end = read_fields(content, position)
        if fields is None:
            end = end_of_line(content, position)
        yield Record(line, fields)
        terminator = LINE_END.match(content, end)
        following = terminator.end() if terminator is not None else end
        line += len(LINE_END.findall(content, position, following))
        position = following


def end_of_line(content: bytes, position: int) -> int:
    found = LINE_END.search(content, position)
    return found.start() if found is not None else len(content)


def read_fields(content: bytes, position: int) -> tuple[list[bytes] | None, int]:
    """The fields of the record at `position`, and where its last one ends. None for a quote closed badly or never."""
    fields: list[bytes] = []
    while True:
        if content[position : position + 1] == b'"':
            closing = closing_quote(content, position + 1)
            end = closing + 1
            if closing < 0 or content[end : end + 1] not in FIELD_ENDS:
                return None, position
            fields.append(content[position + 1 : closing].replace(b'""', b'"'))
        else:
            match = UNQUOTED.match(content, position)
            end = match.end() if match is not None else position
            fields.append(content[position:end])
        if content[end : end + 1] != b",":
            return fields, end
        position = end + 1


def closing_quote(content: bytes, position: int) -> int:
    """The first quote from `position` on that is not one of a doubled pair; -1 if there is none."""
    while (found := content.find(b'"', position)) >= 0:
        if content[found + 1 : found + 2] != b'"':
            return found
        position = found + 2
    return -1


# --- records to posts ------------------------------------------------------------------------------------------------


class UnusableFileError(ValueError):
    """The file has no header that names the three columns once each."""


class RejectError(ValueError):
    """The row cannot be read; the argument is the reason's code."""


@dataclass(frozen=True, slots=True)
class Post:
    """A readable row: its text, its instant in microseconds since 1970 (UTC), its author without the mention sign."""

    text: str
    instant: int
    author: str


def column_positions(header: Record) -> dict[str, int]:
    """Where the needed columns are; case and surrounding spaces of the names do not matter."""
    if header.fields is None:
        raise UnusableFileError("the header's quoting is broken")
    names = [name.decode("utf-8", "replace").strip().lower() for name in header.fields]
    for wanted in COLUMNS:
        if names.count(wanted) != 1:
            raise UnusableFileError(f"column {wanted!r} must be there once; the header has {names}")
    return {wanted: names.index(wanted) for wanted in COLUMNS}


def read_post(record: Record, width: int, columns: dict[str, int]) -> Post:
    """The post in a record. Raises RejectError with a code: what is checked first is named first."""
    if record.fields is None:
        raise RejectError("bad_quoting")
    if len(record.fields) != width:
        raise RejectError("too_few_fields" if len(record.fields) < width else "too_many_fields")
    texts: dict[str, str] = {}
    for name, position in columns.items():
        raw = record.fields[position]
        if b"\0" in raw:
            raise RejectError("nul_byte")
        try:
            texts[name] = raw.decode("utf-8")
        except UnicodeDecodeError:
            raise RejectError("invalid_utf8") from None
    return Post(texts["data"], read_instant(texts["timestamp"]), read_author(texts["username"]))


def read_author(text: str) -> str:
    """The author's handle as it is spelled. Raises RejectError."""
    name = text.strip()
    if name.startswith(("@", "＠")):
        name = name[1:]
    if not name:
        raise RejectError("empty_username")
    if len(name) > MAX_AUTHOR or any(unicodedata.category(character) == "Cc" for character in name):
        raise RejectError("bad_username")
    return name


TIMESTAMP = re.compile(
    r"([0-9]{4})-([0-9]{2})-([0-9]{2})"
    r"(?:[T ]([0-9]{2}):([0-9]{2})(?::([0-9]{2})(?:\.([0-9]{1,9}))?)?"
    r"(?:(Z)|([+-])([0-9]{2})(?::?([0-5][0-9]))?)?)?"
)
UNIX_SECONDS = re.compile(r"[0-9]{9,10}")
UNIX_MILLISECONDS = re.compile(r"[0-9]{13}")


def read_instant(text: str) -> int:
    """Microseconds since 1970-01-01 UTC. Digits past the sixth of a fraction are dropped. Raises RejectError."""
    text = text.strip()
    if UNIX_SECONDS.fullmatch(text):
        return int(text) * 1_000_000
    if UNIX_MILLISECONDS.fullmatch(text):
        return int(text) * 1_000
    match = TIMESTAMP.fullmatch(text)
    if match is None:
        raise RejectError("bad_timestamp")
    year, month, day, hour, minute, second, fraction, _, sign, off_hour, off_minute = match.groups(default="")
    try:
        offset = timedelta(hours=int(off_hour or 0), minutes=int(off_minute or 0))
        micro = int((fraction + "000000")[:6])
        zone = timezone(-offset if sign == "-" else offset)
        clock = time(int(hour or 0), int(minute or 0), int(second or 0), micro, zone)
        instant = datetime.combine(date(int(year), int(month), int(day)), clock).astimezone(UTC)
    except (ValueError, OverflowError):
        raise RejectError("bad_timestamp") from None
    return to_micros(instant)


# --- text to mentions ------------------------------------------------------------------------------------------------

# The order matters and follows the rule's definition: what stands before, sign, name and list are taken greedily and
# used up; only then is what follows looked at. A candidate refused for what follows it is not tried again shorter, and
# the next search starts behind it. A name with a list behind it (@user/list) is a list, not a mention.
AFTER_RETWEET = r"(?:^|[^a-zA-Z0-9_+~.-])[rR][tT]:?"
CANDIDATE = re.compile(
    rf"(?:^|[^a-zA-Z0-9_!#$%&*@＠]|{AFTER_RETWEET})[@＠]"
    r"(?P<name>[a-zA-Z0-9_]{1,20})"
    r"(?P<list>/[a-zA-Z][a-zA-Z0-9_-]{0,24})?"
)
LATIN_ACCENTED = (
    r"\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u024f\u0253\u0254\u0256\u0257\u0259\u025b\u0263\u0268\u026f\u0272\u0289\u028b"
    r"\u02bb\u0300-\u036f\u1e00-\u1eff"
)
SPOILS_BEHIND = re.compile(rf"[@＠{LATIN_ACCENTED}]|://")


# A URL has a scheme, or a host with a slash behind it. It goes on to the first character that no URL has. What is in a
# URL is no mention; the scheme stays in sight, since `@user://` is none either.
URL = re.compile(
    r"(?P<scheme>[a-zA-Z][a-zA-Z0-9+.-]{1,20}://)?(?P<host>(?:[a-zA-Z0-9-]+\.)+[a-zA-Z]{2,24}(?::[0-9]+)?/)?"
    r"(?P<rest>[a-zA-Z0-9\u00c0-\u024f\u0400-\u04ff._~:/?#\[\]@!$&'()*+,;=%-]*)"
)
# A retweet or a long post that ends with an ellipsis right behind a handle was cut there: nobody knows the handle.
RETWEET = re.compile(r"\s*[rR][tT]\s+[@＠]")
CUT = re.compile(r"[@＠][^\s@＠…]+?(?:…|\.\.\.)(?:\s+https?://\S*)?\s*$")
LONG = 100


def without_urls(text: str) -> str:
    """The text with a blank in place of each URL, from left to right."""
    kept: list[str] = []
    at = 0
    while at < len(text):
        found = URL.match(text, at)
        before = text[at - 1 : at]
        within = before != "" and (before in "@＠#$_./-" or (before.isascii() and before.isalnum()))
        within = within and not text[:at].endswith("//")
        if found is not None and (found["scheme"] or (found["host"] and not within)):
            kept.append((found["scheme"] or "") + " ")
            at = found.end()
        else:
            kept.append(text[at])
            at += 1
    return "".join(kept)


def mentioned(text: str) -> list[str]:
    """The handles a text mentions, in order, as spelled, each as often as it is there."""
    if "@" not in text and "＠" not in text:
        return []
    was_cut = (RETWEET.match(text) is not None or len(text) >= LONG) and CUT.search(text) is not None
    text = without_urls(text)
    if was_cut:
        text = CUT.sub("", text)
    return [
        found["name"]
        for found in CANDIDATE.finditer(text)
        if found["list"] is None and SPOILS_BEHIND.match(text, found.end()) is None
    ]


# --- posts to edges --------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class Edge:
    """mention_count, first and last instant (microseconds UTC), and effective weight at the account's instant."""

    mention_count: int
    first_seen: int
    last_seen: int
    weight: float


@dataclass(slots=True)
class Account:
    """What one or more files contain. Edges are keyed by (source, target), both lower-cased."""

    edges: dict[Key, Edge] = field(default_factory=dict[Key, Edge])
    rows: int = 0
    accepted: int = 0
    mentions: int = 0
    rejects: list[tuple[int, str]] = field(default_factory=list[tuple[int, str]])

    @property
    def rejected(self) -> int:
        return len(self.rejects)

    def reject_codes(self) -> dict[str, int]:
        return dict(sorted(Counter(code for _, code in self.rejects).items()))

    def exact(self) -> dict[Key, tuple[int, datetime, datetime]]:
        """{(source, target): (mention_count, first_seen, last_seen)}"""
        return {
            key: (edge.mention_count, from_micros(edge.first_seen), from_micros(edge.last_seen))
            for key, edge in self.edges.items()
        }


def from_micros(instant: int) -> datetime:
    return EPOCH + timedelta(microseconds=instant)


def to_micros(instant: datetime) -> int:
    return (instant - EPOCH) // MICROSECOND


def account(
    content: bytes,
    into: Account | None = None,
    *,
    at: datetime | None = None,
    received_at: datetime | None = None,
    half_life: timedelta = HALF_LIFE,
) -> Account:
    """Count one file's content (decoded CSV bytes), adding to `into` if given.

    Weights are those at `at`: by the posts' own instants (event clock), or, when `received_at` is given, as if every
    mention were made then (arrival clock). Without `at` they stay 0. Raises UnusableFileError for a header without
    the needed columns.
    """
    result = into if into is not None else Account()
    rows = records(content)
    header = next(rows, None)
    if header is None:
        raise UnusableFileError("the file is empty")
    columns = column_positions(header)
    width = len(header.fields or ())
    for record in rows:
        result.rows += 1
        try:
            post = read_post(record, width, columns)
        except RejectError as error:
            result.rejects.append((record.line, str(error)))
            continue
        result.accepted += 1
        handles = mentioned(post.text)
        if not handles:
            continue
        weight = 0.0
        if at is not None:
            made = post.instant if received_at is None else to_micros(received_at)
            weight = 2.0 ** (-(to_micros(at) - made) / (half_life / MICROSECOND))
        result.mentions += len(handles)
        add_mentions(result.edges, post, handles, weight)
    return result


def add_mentions(edges: dict[Key, Edge], post: Post, handles: list[str], weight: float) -> None:
    source = post.author.lower()
    for handle in handles:
        key = (source, handle.lower())
        edge = edges.get(key)
        if edge is None:
            edges[key] = Edge(1, post.instant, post.instant, weight)
        else:
            edge.mention_count += 1
            edge.first_seen = min(edge.first_seen, post.instant)
            edge.last_seen = max(edge.last_seen, post.instant)
            edge.weight += weight
