"""What a zip, a workbook or a Parquet file holds: the files of posts, and their rows as CSV or JSON. Pure.

The file is spooled, so it can be read anywhere, and temporary files come from the caller. A file in a zip may be
compressed once more, or be a workbook or Parquet; a zip in a zip is refused.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import chain
from typing import IO

import msgspec

from app.errors import FormatNotRead, NoPostsInArchive, PackedTwice, TooManyMembers, UnclearFile, UploadRefused
from app.posts import source
from app.posts.containers import archives, parquet, sheets, workbooks
from app.posts.containers.archives import MAX_MEMBERS, Allowance, Archive, Member
from app.posts.containers.budget import Budget
from app.posts.containers.compression import Decoder, Peeled, decoder, layer
from app.posts.containers.workbooks import Sheet, Texts, Workbook
from app.posts.looking import reading, sniffing
from app.posts.looking.doubting import Doubt
from app.posts.looking.reading import ROLES
from app.posts.looking.sniffing import HEAD_BYTES, Container
from app.posts.options import Detected, Given, InputFormat

FILES = frozenset({Container.ZIP, Container.XLSX, Container.PARQUET})
"""Containers whose bytes are needed as a whole before a row can be read."""
_TABLES = (".csv", ".tsv", ".tab", ".jsonl", ".ndjson")
"""Endings of files that certainly are meant: an unclear one is refused, and not left out."""
_OTHERS = frozenset({
    "avif", "avi", "bin", "bmp", "css", "doc", "docx", "eot", "exe", "gif", "heic", "htm", "html", "ico", "jpeg", "jpg",
    "m4a", "md", "md5", "mkv", "mov", "mp3", "mp4", "odp", "odt", "ogg", "otf", "pdf", "png", "ppt", "pptx", "py", "r",
    "rtf", "sha256", "svg", "tif", "tiff", "ttf", "wav", "webm", "webp", "woff", "woff2", "xml", "xsd",
})  # fmt: skip
"""Endings of files that hold no posts, so nobody looks into them."""
_LISTED = 20
_SHEETS_SEEN = 24
"""Sheets of a workbook that are looked at, if the sender names none."""
_OLE2 = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_TAR = b"ustar"
_TAR_AT = 257
MARK_BYTES = 512
"""First bytes of a file that tell what it is."""

_PEEKED = 4096

Scratch = Callable[[], IO[bytes]]


class Room(msgspec.Struct):
    """What one upload may take: decoded bytes, and bytes in temporary files."""

    decoded: Allowance
    spooled: Allowance
    scratch: Scratch
    """Opens a temporary file, which nobody else sees and which goes with its closing."""
    budget: Budget

    @classmethod
    def of(cls, most: int, scratch: Scratch, budget: Budget | None = None) -> Room:
        budget = budget or Budget()
        return cls(
            Allowance(most, "what is unpacked has", budget),
            Allowance(most, "the temporary files of the upload take"),
            scratch,
            budget,
        )


class Content(msgspec.Struct, frozen=True):
    """A file of posts: its rows, and who it is."""

    pieces: Iterator[bytes]
    """What the readers of CSV and JSON take. An empty piece means that the work goes on."""
    given: Given
    """What is known of these rows, with what the sender said."""
    sha256: bytes | None = None
    size: int | None = None
    """Of the file itself, where its rows are not its bytes. None: the pieces are the file."""
    found: dict[str, Detected] = {}

    def told(self, detected: Mapping[str, Detected]) -> dict[str, Detected]:
        """What was found of the file and of its rows: nobody but the container said how these are written."""
        return {**self.found, **detected, **self.found}


class Packed(msgspec.Struct, frozen=True):
    """A file of posts in a zip, which was not read yet."""

    member: Member
    kind: Container

    @property
    def name(self) -> str:
        return self.member.name


class Opened(msgspec.Struct, frozen=True):
    """A zip, and what it holds."""

    archive: Archive
    files: Sequence[Packed]
    left_out: Sequence[str]
    """Other files, each with the reason why it is left out."""

    def found(self) -> Detected:
        """What the zip holds, in words."""
        kept = f"{len(self.files)} files of posts" if len(self.files) > 1 else f"{self.files[0].name} is in it"
        more = len(self.left_out) - _LISTED
        listed = "; ".join(self.left_out[:_LISTED]) + (f"; and {more} more" if more > 0 else "")
        return Detected("zip", "certain", f"{kept}; left out: {listed}" if listed else kept)


def files_of(chunks: Iterator[bytes], outer: Decoder, given: Given, room: Room) -> Iterator[tuple[str | None, Content]]:
    """The files of posts in a body that is at hand as a whole, with their names in a zip. For looks and checks.

    Read one before you ask for the next. Raises UploadRefused.
    """
    pieces = _with_head(_decoded(chunks, outer))
    head = next(pieces)
    refuse_unread(head)
    kind = sniffing.container(head).value
    if kind not in FILES:
        yield None, Content(chain([head], pieces), given)
        return
    file, sha256, size = _spooled(chain([head], pieces), room)
    yield from files_in(file, kind, given, room, sha256=sha256, size=size)


def files_in(
    file: IO[bytes], kind: Container, given: Given, room: Room, *, sha256: bytes = b"", size: int = 0
) -> Iterator[tuple[str | None, Content]]:
    """The files of posts in a spooled file of one of `FILES`. Raises UploadRefused."""
    if kind is Container.PARQUET:
        yield None, parquet_content(file, given, room, sha256=sha256, size=size)
        return
    opened = open_zip(file, given, room.budget)
    if opened is None:
        yield None, sheet_content(Archive(file, room.budget), given, room, sha256=sha256, size=size)
        return
    for packed in opened.files:
        yield packed.name, content_of(opened, packed, given, room)


def _decoded(chunks: Iterator[bytes], outer: Decoder) -> Iterator[bytes]:
    peeled = Peeled(outer)
    for chunk in chunks:
        outer.budget.receive(len(chunk))
        yield from peeled.decode(chunk)
    yield from peeled.rest()


def _with_head(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """The pieces, the first of them long enough to tell what the file is."""
    head = b""
    for piece in pieces:
        head += piece
        if len(head) >= MARK_BYTES:
            break
    yield head
    yield from pieces


def refuse_unread(head: bytes) -> None:
    """Raises FormatNotRead for a container that is known and not read."""
    if head.startswith(_OLE2):
        raise FormatNotRead(
            "this is an old workbook (.xls), or one that is protected by a password. Save it as .xlsx without a "
            "password, or as CSV."
        )
    if head[_TAR_AT : _TAR_AT + len(_TAR)] == _TAR:
        raise FormatNotRead("this is a tar archive. Send a zip, or the files in it one by one.")
    for mark, name in ((b"7z\xbc\xaf\x27\x1c", "7z"), (b"Rar!\x1a\x07", "rar"), (b"%PDF-", "PDF")):
        if head.startswith(mark):
            raise FormatNotRead(f"a {name} file is not read. Send the file of posts itself, or in a zip.")


def open_zip(file: IO[bytes], given: Given, budget: Budget | None = None) -> Opened | None:
    """What a zip holds. None: it is a workbook.

    Raises NoPostsInArchive, PackedTwice, TooManyMembers, ArchiveUnreadable, ArchiveEncrypted, FormatNotRead.
    """
    archive = Archive(file, budget)
    _refuse_package(archive)
    if workbooks.is_workbook(archive):
        return None
    files: list[Packed] = []
    left_out: list[str] = []
    for member in archive.members:
        archive.budget.check()
        if archives.is_nobodys(member.name):
            continue
        kind, reason = _kind(archive, member, given)
        if kind is None:
            left_out.append(f"{member.name} ({reason})")
        else:
            files.append(Packed(member, kind))
        if len(files) > MAX_MEMBERS:
            raise TooManyMembers(f"the zip holds more than {MAX_MEMBERS} files of posts. Pack them into several zips.")
    if not files:
        listed = "; ".join(left_out[:_LISTED])
        raise NoPostsInArchive(
            f"the zip holds no file of posts; it has {listed}. Pack files of CSV, JSON, xlsx or Parquet."
            if listed
            else "the zip is empty. Pack files of CSV, JSON, xlsx or Parquet."
        )
    archives.refuse_twins([each.member for each in files])
    return Opened(archive, files, left_out)


def _refuse_package(archive: Archive) -> None:
    """Raises FormatNotRead for other things that are a zip underneath."""
    if workbooks.is_workbook(archive):
        for folder, kind in (("word/", "a Word document (.docx)"), ("ppt/", "a PowerPoint presentation (.pptx)")):
            if any(member.name.startswith(folder) for member in archive.members):
                raise FormatNotRead(f"this is {kind}. Send the posts as CSV, JSON or .xlsx.")
    mime = archive.find("mimetype")
    if mime is not None and archive.find("content.xml") is not None:
        if b"spreadsheet" not in _head(archive, mime, _LISTED * _LISTED):
            raise FormatNotRead("a document of OpenDocument (.odt, .odp) is not read. Send the posts as CSV or JSON.")
        raise FormatNotRead("a spreadsheet of OpenDocument (.ods) is not read. Save it as .xlsx or as CSV.")
    if archive.find("Index/Document.iwa") is not None:
        raise FormatNotRead("a spreadsheet of Numbers is not read. Export it as .xlsx or as CSV.")


def _kind(archive: Archive, member: Member, given: Given) -> tuple[Container | None, str]:
    """How a file in a zip is read, or why it is left out. A zip in it may be a workbook. Raises FormatNotRead."""
    name = member.name.casefold()
    if member.size == 0:
        return None, "is empty"
    if name.rpartition(".")[2] in _OTHERS:
        return None, "no file of posts by its name"
    head = _head(archive, member, _PEEKED)
    kind = sniffing.container(head).value
    if kind is not Container.NONE or name.endswith(_TABLES):
        return kind, ""
    refuse_unread(head)
    whole = _head(archive, member, HEAD_BYTES)
    return _kind_of_text(whole, given, final=len(whole) == member.size)


def _kind_of_text(head: bytes, given: Given, *, final: bool) -> tuple[Container | None, str]:
    """A text of any name is meant if it looks like posts. If it does in part, the upload is refused with the doubts."""
    if b"\0" in head and sniffing.encoding(head, final=final).sure is sniffing.Sure.UNKNOWN:
        return None, "no text"
    found = reading.look(head, given, final=final)
    if found.certain or len(found.roles.keys() & set(ROLES)) > 1:
        return Container.NONE, ""
    return None, "no posts in it"


def _head(archive: Archive, member: Member, most: int) -> bytes:
    """The first bytes of a file in a zip."""
    found = bytearray()
    pieces = archive.read(member, Allowance(member.size, "the file has", archive.budget))
    while len(found) < most and (piece := next(pieces, None)) is not None:
        found += piece
    return bytes(found[:most])


def content_of(opened: Opened, packed: Packed, given: Given, room: Room) -> Content:
    """A file in a zip. Reading it reads the zip, so one is read after another."""
    raw = opened.archive.read(packed.member, room.decoded)
    if packed.kind is Container.NONE or layer(packed.kind) is not None:
        return Content(_peeled(raw, room.decoded), given)
    file, sha256, size = _spooled(raw, room)
    if packed.kind is Container.PARQUET:
        return parquet_content(file, given, room, sha256=sha256, size=size)
    archive = Archive(file, room.budget)
    if not workbooks.is_workbook(archive):
        raise PackedTwice(f"the zip holds another zip, {packed.name!r}. Unpack it, and pack the files of posts.")
    return sheet_content(archive, given, room, sha256=sha256, size=size)


def _peeled(raw: Iterator[bytes], decoded: Allowance) -> Iterator[bytes]:
    peeled = Peeled(decoder(None, decoded.budget))
    for chunk in raw:
        for piece in peeled.decode(chunk):
            if peeled.kind is not Container.NONE:
                decoded.take(len(piece))
            yield piece
    yield from peeled.rest()


def _spooled(raw: Iterator[bytes], room: Room) -> tuple[IO[bytes], bytes, int]:
    file = room.scratch()
    sha256, size = hashlib.sha256(), 0
    for piece in raw:
        room.spooled.take(len(piece))
        sha256.update(piece)
        size += len(piece)
        file.write(piece)
    file.flush()
    return file, sha256.digest(), size


def sheet_content(archive: Archive, given: Given, room: Room, *, sha256: bytes, size: int) -> Content:
    """A sheet of a workbook, by name or the only one of posts. Another sheet of the same workbook is another file.

    Raises UnclearFile if several sheets hold posts.
    """
    workbook = workbooks.open_workbook(archive, room.decoded)
    known = msgspec.structs.replace(
        given, layout=InputFormat.CSV, encoding="utf-8", delimiter=sheets.DELIMITER, sheet=None
    )
    sheet, reason, texts = workbook.sheet(given.sheet), "as the sender says", None
    if given.sheet is None:
        shown = [each for each in workbook.sheets if not each.hidden]
        reason = "the first sheet"
        if len(shown) > 1:
            texts = _shared_texts(archive, workbook, room)
            sheet, reason = _sheet_of_posts(archive, workbook, shown[:_SHEETS_SEEN], texts, known, room=room)
    if sheet is not workbook.sheet(None):
        sha256 = hashlib.sha256(sha256 + b"\nsheet " + sheet.name.encode("utf-8", "replace")).digest()
    others = [each.name for each in workbook.sheets if each is not sheet]
    found = {
        "container": Detected("xlsx", "certain", "the file is a workbook"),
        "sheet": Detected(
            sheet.name,
            "given" if given.sheet else "certain",
            f"{reason}; left out: {', '.join(others[:_LISTED])}" if others else reason,
        ),
        **_of_rows("csv", "the cells of the sheet are read as CSV"),
    }
    pieces = sheets.csv_pieces(
        archive, workbook, sheet, scratch=room.scratch, decoded=room.decoded, spooled=room.spooled, texts=texts
    )
    return Content(pieces, known, sha256, size, found)


def _shared_texts(archive: Archive, workbook: Workbook, room: Room) -> Texts | None:
    if workbook.texts is None:
        return None
    texts = Texts(room.scratch(), room.spooled)
    for _ in workbooks.read_texts(archive, workbook.texts, texts, room.decoded):
        pass
    return texts


def _sheet_of_posts(
    archive: Archive, workbook: Workbook, shown: Sequence[Sheet], texts: Texts | None, known: Given, *, room: Room
) -> tuple[Sheet, str]:
    """The sheet that holds posts, and why. The first if none does. Raises UnclearFile if several do."""
    certain: list[Sheet] = []
    likely: list[Sheet] = []
    for sheet in shown:
        # What was said of a sheet's rows may fit one sheet alone. A damaged sheet is no reason to refuse the others.
        with suppress(UploadRefused):
            pieces = sheets.csv_pieces(
                archive, workbook, sheet, scratch=room.scratch, decoded=room.decoded.again(), spooled=room.spooled,
                texts=texts,
            )  # fmt: skip
            head = next(filter(None, pieces), b"")
            found = reading.look(head, known, final=not any(pieces))
            roles = sum(role in found.roles and found.roles[role].sure >= sniffing.Sure.CERTAIN for role in ROLES)
            if found.sample and (found.certain or roles == len(ROLES)):
                certain.append(sheet)
            elif found.certain or roles > 1:
                likely.append(sheet)
    of_posts = certain or likely
    if len(of_posts) > 1:
        names = tuple(each.name for each in of_posts)
        found_so = f"the workbook has several sheets that look like posts: {', '.join(map(repr, names[:_LISTED]))}"
        raise UnclearFile(source.explained(Doubt("sheet", found_so, names)))
    return (of_posts[0], "the only sheet that looks like posts") if of_posts else (shown[0], "the first sheet")


def _of_rows(layout: str, reason: str) -> dict[str, Detected]:
    return {
        "format": Detected(layout, "certain", reason),
        "encoding": Detected("utf-8", "certain", reason),
        **({"delimiter": Detected(sheets.DELIMITER, "certain", reason)} if layout == "csv" else {}),
    }


def parquet_content(file: IO[bytes], given: Given, room: Room, *, sha256: bytes, size: int) -> Content:
    """The rows of a Parquet file."""
    known = msgspec.structs.replace(
        given, layout=InputFormat.JSONL, encoding="utf-8", delimiter=None, skip_lines=None, header=None, sheet=None
    )
    found = {
        "container": Detected("parquet", "certain", "the file is Parquet"),
        **_of_rows("jsonl", "the rows of Parquet are read as JSON"),
    }
    return Content(parquet.json_pieces(file, decoded=room.decoded), known, sha256, size, found)
