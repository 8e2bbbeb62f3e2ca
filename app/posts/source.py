"""A file's bytes → its rows in UTF-8, and how to read them: one look at the first bytes, then piece by piece. Pure.

`Source` serves receiving, previews and `mentiongraph check`, so all three read a file in the same way.
"""

from __future__ import annotations

from codecs import BOM_UTF8
from collections.abc import Iterator

import msgspec

from app.errors import EmptyFile, HeaderTooLong, MissingColumn, NoRows, UnclearFile
from app.posts import encodings
from app.posts.encodings import Transcoder
from app.posts.json import elements
from app.posts.json.elements import Splitter
from app.posts.looking import forms, reading
from app.posts.looking.doubting import Doubt
from app.posts.looking.reading import FURTHER_ROLES, ROLES, Reading
from app.posts.looking.sniffing import HEAD_BYTES, Finding, Sure
from app.posts.options import ColumnNames, Detected, Format, Given, InputFormat, Options
from app.posts.tables import header

_NAMES = {"layout": "format"}
"""What requests and commands call an option, if the name differs from that in `Given`."""
_SPACE = b" \t\r\n"
LONGEST_HEAD = 4 * HEAD_BYTES
"""Bytes in which the header must end, with the lines before it."""


class Source:
    """The rows of one file, from its decoded bytes.

    Call `hold` with pieces until `hold` answers that they are enough, then `open`; both again if `open` wants more.
    Then call `feed`. At the end of the file call `finish`, or `open` if the file is not open yet.
    """

    def __init__(self, given: Given) -> None:
        self._given = given
        self._wanted = HEAD_BYTES
        self._held = bytearray()
        self._transcoder: Transcoder | None = None
        self._splitter: Splitter | None = None
        self._looked: tuple[tuple[int, bool], Reading] | None = None
        """How many bytes the last look had, whether they were the whole file, and what the look found."""
        self._format: Format | None = None
        self.first_line = 1
        """The physical line on which the rows begin. The elements of a list count as lines."""

    @property
    def is_open(self) -> bool:
        return self._format is not None

    @property
    def held(self) -> int:
        """Bytes that are kept for the look."""
        return len(self._held)

    @property
    def passes_on(self) -> bool:
        """Whether `feed` hands the bytes on as they are, which takes no time."""
        return self._splitter is None and self._transcoder is not None and self._transcoder.passes_on

    @property
    def reading(self) -> Reading:
        if self._looked is None:
            raise RuntimeError("the file is not open yet, and nobody has looked at it")
        return self._looked[1]

    @property
    def format(self) -> Format:
        if self._format is None:
            raise RuntimeError("the file is not open yet")
        return self._format

    def hold(self, piece: bytes) -> bool:
        """Keep a piece for the look. Returns whether the bytes are enough for the look."""
        self._held += piece
        return len(self._held) >= self._wanted

    def look(self, *, final: bool) -> Reading:
        """How the file is read, by the held bytes. `final`: these bytes are the whole file."""
        about = len(self._held), final
        if self._looked is None or self._looked[0] != about:
            self._looked = about, reading.look(bytes(self._held), self._given, final=final)
        return self._looked[1]

    def open(self, *, final: bool) -> bytes | None:
        """Look at the held bytes. Returns the rows in them, as far as they go. `final`: all rows of the whole file.

        None: the header goes on behind these bytes, and `hold` wants more. Raises UnclearFile or MissingColumn if the
        file can be read in several ways, and other kinds of UploadRefused.
        """
        head = bytes(self._held)
        found = self.look(final=final)
        is_lines = found.layout.value in {InputFormat.JSONL, InputFormat.JSON_PAGES}
        if is_lines and not final and b"\n" not in head and len(head) < LONGEST_HEAD:
            # The first object goes on behind these bytes, and with it perhaps what its posts are joined with.
            self._wanted = 2 * len(head)
            return None
        self._transcoder = encodings.transcoder(found.encoding.value)
        rows = b"".join(self._transcoder.feed(head))
        if final:
            rows += self._transcoder.finish()
        if found.layout.value is InputFormat.CSV and not _first_row_ends(found, rows, self._given, final=final):
            self._want_more()
            return None
        if found.layout.value is not InputFormat.CSV:
            _check_objects(found, rows, final=final)
        refuse_doubts(found)
        begun = forms.begin(found, rows, self._given, final=final)
        if begun is None:
            self._want_more()
            return None
        self._format, self.first_line = begun.format, begun.first_line
        self._held.clear()
        self._splitter = elements.splitter(found.layout.value, found.packing)
        # Thousands of small pages are one piece: each piece costs its receiver some time.
        rows = b"".join(self._split(rows[begun.body_offset :]))
        return rows + self._splitter.finish() if final and self._splitter is not None else rows

    def _want_more(self) -> None:
        """The header is looked at again once there are twice as many bytes. Raises HeaderTooLong."""
        held = len(self._held)
        if held >= LONGEST_HEAD:
            raise HeaderTooLong(
                f"The header does not end within the first {held:,} bytes of the file. Look for a missing line end or "
                "an unclosed quote, or correct `skip_lines`."
            )
        self._wanted = 2 * held

    def feed(self, piece: bytes) -> Iterator[bytes]:
        """The rows in a further piece, as far as they go."""
        if self._transcoder is None:
            raise RuntimeError("the file is not open yet")
        for part in self._transcoder.feed(piece):
            yield from self._split(part)

    def finish(self) -> bytes:
        """The rest of the rows, behind the last piece. Raises UploadRefused for a file that was cut off."""
        if self._transcoder is None:
            raise RuntimeError("the file is not open yet")
        rest = self._transcoder.finish()
        found = b"".join(self._split(rest)) if rest else b""
        return found + self._splitter.finish() if self._splitter is not None else found

    def _split(self, rows: bytes) -> Iterator[bytes]:
        if self._splitter is None:
            yield rows
        else:
            yield from self._splitter.feed(rows)


def _first_row_ends(found: Reading, rows: bytes, given: Given, *, final: bool) -> bool:
    """Whether the first row ends in these bytes.

    Raises UploadRefused if the first row is no row: what is wrong with its bytes comes before all doubts.
    """
    delimiter = found.delimiter.value if found.delimiter else ","
    lines, said = found.skip_lines.value if found.skip_lines else 0, given.skip_lines or 0
    if not final and rows.count(b"\n") >= said:
        lines = max(lines, said)  # where no line ends behind these lines, the look found no row
    for _ in range(lines):
        rows = rows.partition(b"\n")[2]
    return header.first_row(rows, final=final, delimiter=delimiter) is not None


def _check_objects(found: Reading, rows: bytes, *, final: bool) -> None:
    """Raises EmptyFile, NoRows or UnclearFile if there is no JSON object in the first bytes."""
    if found.columns:
        return
    if not rows.removeprefix(BOM_UTF8):
        raise EmptyFile("the file has no line. Send JSON Lines with one object a line, or one list of objects.")
    if final and not rows.removeprefix(BOM_UTF8).strip(_SPACE):
        raise NoRows
    refuse_doubts(msgspec.structs.replace(found, doubts=tuple(each for each in found.doubts if each.option == "file")))
    raise UnclearFile(
        "no JSON object with values can be read in the first bytes of the file. Send JSON Lines with one object a "
        "line, or one list of objects, or say `format=csv` (command line: `--format csv`)."
    )


# Options --------------------------------------------------------------------------------------------------------------


def resolved(options: Options, found: Reading) -> Options:
    """The options with what the look found where the sender said nothing."""
    names = {role: found.roles[role].value for role in ROLES if role in found.roles}
    return msgspec.structs.replace(
        options,
        columns=ColumnNames(*(names.get(role, "") for role in ROLES)),
        format=found.layout.value,
        encoding=found.encoding.value,
        delimiter=found.delimiter.value if found.delimiter else "",
        profile=found.profile.value,
        retweets=found.retweets,
        detected=detected(found),
    )


def detected(found: Reading) -> dict[str, Detected]:
    """What the look found, by subject, for people and for the ledger."""
    findings = {
        "format": found.layout,
        "encoding": found.encoding,
        "delimiter": found.delimiter,
        "skip_lines": found.skip_lines if found.skip_lines and found.skip_lines.value else None,
        "header": found.header,
        "preset": found.preset,
        **{role: found.roles.get(role) for role in (*ROLES, "time", *FURTHER_ROLES)},
        "dates": found.dates,
        "timezone": found.timezone,
        "profile": found.profile,
        "weight": _weights(found),
    }
    return {
        name: Detected(_worded(each.value), each.sure.name.lower(), each.reason)
        for name, each in findings.items()
        if each is not None
    }


_WEIGHTS = frozenset({"weight", "count", "n", "gewicht", "anzahl", "poids", "peso"})
"""What columns with the weights of a ready edge list are called."""


def _weights(found: Reading) -> Finding[str] | None:
    """The column of weights beside a column of mentions. Nobody reads its numbers, which a sender should know."""
    if "mentions" not in found.roles or found.preset is not None:
        return None
    name = next((each for each in found.columns if each.strip().casefold() in _WEIGHTS), None)
    return None if name is None else Finding(name, Sure.CERTAIN, "its numbers are not read: each row counts once")


def _worded(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


# Doubts ---------------------------------------------------------------------------------------------------------------


def refuse_doubts(found: Reading) -> None:
    """Raises UnclearFile or MissingColumn if a person has to decide how the file is read."""
    if not found.doubts:
        return
    detail = " ".join(explained(doubt) for doubt in found.doubts)
    kind = MissingColumn if all(doubt.option in ROLES for doubt in found.doubts) else UnclearFile
    no_posts = all(doubt.option == "file" for doubt in found.doubts)
    raise kind(detail if no_posts else f"{detail} {_understood(found)}")


def explained(doubt: Doubt) -> str:
    """A doubt in words, with the options to give as a parameter of a request and of a command."""
    option = option_named(doubt.option)
    said = f"{doubt.found[:1].upper()}{doubt.found[1:]}".removesuffix(".")
    if option == "file":
        return f"{said}."
    choices = f", with one of {', '.join(doubt.choices[:_SHOWN])}" if doubt.choices else ""
    return f"{said}. Give `{option}=…` (command line: `--{option.replace('_', '-')} …`){choices}."


_SHOWN = 12


def option_named(option: str) -> str:
    """What requests call an option of `Given`. Commands call it the same, with hyphens."""
    return _NAMES.get(option, option)


def _understood(found: Reading) -> str:
    """What was certain, for a person who wonders what the service saw."""
    listed = ", ".join(f"{name} {each.value!r}" for name, each in detected(found).items())
    return f"Found so far: {listed}."
