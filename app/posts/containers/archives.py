"""A zip: which files it holds, and the bytes of each. Pure, over a file that can be read anywhere.

The directory at the end of a zip is the truth: it has the sizes and the check sums, and files that were deleted or
replaced are not in it. So a zip is read from a spooled file, and not as it streams by. Python's `zipfile` reads the
directory. The contents are decoded here, since `zipfile` decodes bzip2 and LZMA in pieces without bound.
"""

from __future__ import annotations

import re
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from typing import IO, Any

import msgspec

from app.errors import ArchiveEncrypted, ArchiveUnreadable, TooManyMembers, UndecodableBody, UploadTooLarge
from app.posts.containers.budget import Budget
from app.posts.containers.compression import Decoder, member_decoder

MAX_MEMBERS = 1000
"""Files of posts in one zip. Each is an upload of its own."""
MAX_NAME = 255
_READ_BYTES = 64 << 10
_DIRECTORY_BYTES = 4 << 20
"""The directory of some 40,000 files. `zipfile` holds all of it."""
_MEMORY_A_BYTE = 16
"""Bytes of memory that a byte of the directory takes: an entry of 47 bytes becomes objects of some 700."""
_LOCAL_HEADER = 30
_ENCRYPTED = 0x1 | 0x40
_UTF8_NAME = 0x800
_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_NOBODYS = frozenset({"__macosx", "thumbs.db", "desktop.ini"})


class Allowance:
    """Bytes that one upload may still take. `take` raises UploadTooLarge once they are used up."""

    def __init__(self, most: int, what: str, budget: Budget | None = None) -> None:
        self._left = most
        self._most = most
        self._what = what
        self.budget = budget or Budget()
        """The budget of the request. Decoders tell it by themselves."""

    def again(self) -> Allowance:
        """The same, for somebody whose use ends before that of others."""
        twin = Allowance(self._most, self._what, self.budget)
        twin._left = self._left
        return twin

    def take(self, size: int) -> None:
        self._left -= size
        if self._left < 0:
            raise UploadTooLarge(
                f"{self._what} more than {self._most} bytes; split the file, or raise MENTIONGRAPH_MAX_UPLOAD_BYTES."
            )


class Member(msgspec.Struct, frozen=True):
    """A file in a zip."""

    name: str
    """With its folders, for people: it never becomes a path."""
    size: int
    """The number of its bytes, as the directory says."""
    info: zipfile.ZipInfo


class Archive:
    """A zip that is open. Raises ArchiveUnreadable, TooManyMembers."""

    def __init__(self, file: IO[bytes], budget: Budget | None = None) -> None:
        self.budget = budget or Budget()
        self._file = file
        try:
            directory = zipfile.ZipFile(_Bounded(file, self)).infolist()  # type: ignore[arg-type]
        except _DirectoryTooLong as error:
            raise TooManyMembers(f"the directory of the zip has more than {_DIRECTORY_BYTES} bytes.") from error
        except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError, UnicodeError) as error:
            raise ArchiveUnreadable(
                f"the zip has no directory that can be read ({error}): it was cut off, or is no zip. Send it again."
            ) from error
        self.members: Sequence[Member] = [
            Member(_shown(info), info.file_size, info) for info in directory if not info.is_dir()
        ]
        """All its files, in the order of its directory."""
        self._by_name: dict[str, Member] = {}
        for member in self.members:
            self._by_name.setdefault(member.name.casefold(), member)
        _refuse_overlaps(self.members)

    def find(self, name: str) -> Member | None:
        """The file of this name; case makes no difference, as in Office's packages."""
        return self._by_name.get(name.lstrip("/").casefold())

    def read(self, member: Member, decoded: Allowance) -> Iterator[bytes]:
        """The bytes of a file, in bounded pieces, checked against the directory's size and check sum.

        Raises ArchiveEncrypted, ArchiveUnreadable, UploadTooLarge.
        """
        name, info = member.name, member.info
        if info.flag_bits & _ENCRYPTED:
            raise ArchiveEncrypted(f"{name!r} in the zip is protected by a password. Pack it without one.")
        decode = member_decoder(info.compress_type, self.budget)
        if decode is None:
            raise ArchiveUnreadable(
                f"{name!r} in the zip is compressed by {_method(info.compress_type)}, which is not read. Pack it as a "
                "common zip (Deflate), or send the file itself."
            )
        crc = size = 0
        for piece in self._decoded(member, decode):
            size += len(piece)
            if size > member.size:
                break
            decoded.take(len(piece))
            crc = zlib.crc32(piece, crc)
            yield piece
        if size != member.size or crc != info.CRC:
            raise ArchiveUnreadable(f"{name!r} in the zip is damaged: its check sum is another. Pack it again.")

    def _decoded(self, member: Member, decode: Decoder) -> Iterator[bytes]:
        try:
            for chunk in self._packed(member):
                yield from decode.decode(chunk)
            decode.finish()
        except UndecodableBody as error:
            raise ArchiveUnreadable(f"{member.name!r} in the zip is damaged: {error}") from error

    def _packed(self, member: Member) -> Iterator[bytes]:
        """The bytes of a file as they stand in the zip, behind the file's own header."""
        info, file = member.info, self._file
        file.seek(max(0, info.header_offset))
        header = file.read(_LOCAL_HEADER)
        if info.header_offset < 0 or len(header) < _LOCAL_HEADER or not header.startswith(b"PK\x03\x04"):
            raise ArchiveUnreadable(f"{member.name!r} is not where the directory of the zip says. Pack it again.")
        at = info.header_offset + _LOCAL_HEADER + sum(int.from_bytes(header[i : i + 2], "little") for i in (26, 28))
        end = at + info.compress_size
        while at < end:
            # Somebody else may read the same file in between.
            file.seek(at)
            chunk = file.read(min(_READ_BYTES, end - at))
            if not chunk:
                raise ArchiveUnreadable(f"{member.name!r} in the zip is cut off. Send the zip again.")
            at += len(chunk)
            yield chunk


def is_nobodys(name: str) -> bool:
    """Whether a file was packed by the system and not by a person: `__MACOSX/`, `.DS_Store`, names with a dot first."""
    parts = name.casefold().split("/")
    return any(part.startswith(".") or part in _NOBODYS for part in parts)


def _refuse_overlaps(members: Sequence[Member]) -> None:
    """Raises ArchiveUnreadable if files share their bytes: a small zip would then unpack without end."""
    behind = 0
    for member in sorted(members, key=lambda each: each.info.header_offset):
        if member.info.header_offset < behind:
            raise ArchiveUnreadable(f"{member.name!r} lies within another file of the zip. Pack the zip again.")
        behind = member.info.header_offset + _LOCAL_HEADER + member.info.compress_size


def refuse_twins(members: Sequence[Member]) -> None:
    """Raises ArchiveUnreadable if two files have one name: nobody can say which of them is meant."""
    seen: set[str] = set()
    for member in members:
        if member.name in seen:
            raise ArchiveUnreadable(f"the zip holds two files named {member.name!r}. Pack the right one alone.")
        seen.add(member.name)


def _shown(info: zipfile.ZipInfo) -> str:
    """A name for people: no control characters, no way up, and UTF-8 where the zip forgets to say so."""
    name = info.orig_filename
    if not info.flag_bits & _UTF8_NAME:
        try:
            name = name.encode("cp437").decode("utf-8")
        except UnicodeError:
            name = info.orig_filename
    parts = _CONTROLS.sub("", name.replace("\\", "/")).split("/")
    return "/".join(part for part in parts if part not in {"", ".", ".."})[-MAX_NAME:] or "unnamed"


def _method(number: int) -> str:
    names = {1: "Shrink", 6: "Implode", 9: "Deflate64", 14: "LZMA", 97: "WavPack", 98: "PPMd", 99: "an encryption"}
    return names.get(number, f"method {number}")


class _DirectoryTooLong(Exception):
    pass


class _Bounded:
    """A file of which nobody reads too much at once: `zipfile` reads a directory as a whole, whatever its size."""

    def __init__(self, file: IO[bytes], archive: Archive) -> None:
        self._archive = archive
        self.seek: Callable[..., int] = file.seek
        self.tell: Callable[[], int] = file.tell
        self.seekable: Callable[[], bool] = file.seekable
        self.close: Callable[[], Any] = lambda: None
        self._file = file

    def read(self, size: int = -1) -> bytes:
        data = self._file.read(_DIRECTORY_BYTES + 1 if size < 0 else min(size, _DIRECTORY_BYTES + 1))
        if len(data) > _DIRECTORY_BYTES:
            raise _DirectoryTooLong
        self._archive.budget.memory.hold(self._archive, len(data) * _MEMORY_A_BYTE)
        return data
