"""Hostile bodies: few bytes that ask for much work, memory or disk. All of them are made here."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import struct
import sys
import zipfile
import zlib
from collections.abc import Callable, Mapping
from typing import NamedTuple

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

MIB = 1 << 20


class Body(NamedTuple):
    """A body, and how its sender describes it."""

    name: str
    make: Callable[[], bytes]
    encoding: str | None = None
    query: str = ""
    content_type: str = "text/csv"


def gzip_members(count: int = 65_000) -> bytes:
    """A gzip of one member for each byte."""
    return gzip.compress(b"d", 1, mtime=0) * count


def zstd_empty_frames(count: int = 2_000_000) -> bytes:
    """Frames without content: nine bytes each, nothing decoded."""
    return zstd.compress(b"") * count


def zstd_skippable_frames(count: int = 2_000_000) -> bytes:
    """Skippable frames of no byte (RFC 8878, 3.1.2)."""
    return struct.pack("<II", 0x184D2A50, 0) * count


def zstd_window(log: int = 27, sent: int = 20_000) -> bytes:
    """The begin of a frame that needs a window of 2^log bytes."""
    options: dict[int, int] = {zstd.CompressionParameter.window_log: log}
    compressor = zstd.ZstdCompressor(options=options)
    head = b"data,timestamp,username\n" + b"x" * 1000
    packed = compressor.compress(head) + compressor.flush(zstd.ZstdCompressor.FLUSH_BLOCK)
    while len(packed) < sent:
        noise = zlib.compress(struct.pack("<Q", len(packed)) * 40, 0)
        packed += compressor.compress(noise) + compressor.flush(zstd.ZstdCompressor.FLUSH_BLOCK)
    return packed[:sent]


def rejects(rows: int = 2_000_000) -> bytes:
    """Millions of rows, every one of them rejected, in a few hundred bytes."""
    return zstd.compress(b"data,timestamp,username\n" + b"\n,x" * rows, 19)


def long_header(mib: int = 40) -> bytes:
    """A header line without an end, compressed once."""
    return gzip.compress(b"data,timestamp,username," + b"c," * (mib * MIB // 2), 1)


def zeros(pack: Callable[[bytes], bytes], mib: int = 256) -> bytes:
    """One row of that size, as far as a format packs it."""
    return pack(b"data,timestamp,username\n" + b"a" * (mib * MIB))


def open_list(depth: int = 4_000_000) -> bytes:
    """Lists in lists, none of which ends."""
    return b'{"data":' + b"[" * depth


def long_string(mib: int = 40) -> bytes:
    """A JSON string without an end."""
    return b'[{"text":"' + b"a" * (mib * MIB)


def many_members(count: int = 60_000) -> bytes:
    """A zip of many empty files."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for number in range(count):
            archive.writestr(f"{number}.csv", b"")
    return file.getvalue()


def zipped(files: Mapping[str, bytes]) -> bytes:
    """A zip of these files."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return file.getvalue()


def zip_bomb(mib: int = 600) -> bytes:
    """A zip with one file of zeros."""
    return zipped({"posts.csv": b"data,timestamp,username\n" + b"a" * (mib * MIB)})


def sheet_bomb(mib: int = 400) -> bytes:
    """A workbook whose shared strings are one text of that size."""
    file = io.BytesIO()
    parts = {
        "[Content_Types].xml": "<Types xmlns='http://schemas.openxmlformats.org/package/2006/content-types'/>",
        "xl/workbook.xml": "<workbook xmlns='http://schemas.openxmlformats.org/spreadsheetml/2006/main' "
        "xmlns:r='http://schemas.openxmlformats.org/officeDocument/2006/relationships'>"
        "<sheets><sheet name='a' sheetId='1' r:id='r1'/></sheets></workbook>",
        "xl/_rels/workbook.xml.rels": "<Relationships xmlns='http://schemas.openxmlformats.org/package/2006/"
        "relationships'><Relationship Id='r1' Type='http://schemas.openxmlformats.org/officeDocument/2006/"
        "relationships/worksheet' Target='worksheets/sheet1.xml'/></Relationships>",
        "xl/worksheets/sheet1.xml": "<worksheet xmlns='http://schemas.openxmlformats.org/spreadsheetml/2006/main'>"
        "<sheetData><row r='1'><c r='A1' t='s'><v>0</v></c></row></sheetData></worksheet>",
    }
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for name, text in parts.items():
            archive.writestr(name, text)
        strings = b"<sst xmlns='http://schemas.openxmlformats.org/spreadsheetml/2006/main'><si><t>"
        archive.writestr("xl/sharedStrings.xml", strings + b"a" * (mib * MIB) + b"</t></si></sst>")
    return file.getvalue()


def form_parts(count: int = 200_000) -> bytes:
    """A form of many parts, none of which is the file."""
    return b"".join(b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\n\r\n' for _ in range(count)) + b"--x--\r\n"


def form_head(mib: int = 16) -> bytes:
    """A form whose first part has a head without an end."""
    return b"--x\r\nContent-Disposition: form-data; name=" + b"a" * (mib * MIB)


FORM = "multipart/form-data; boundary=x"
BODIES = (
    Body("gzip of one-byte members", gzip_members, "gzip"),
    Body("the same, delimiter=auto", gzip_members, "gzip", "delimiter=auto"),
    Body("the same, as a file", gzip_members, None, "", "application/octet-stream"),
    Body("zstd of empty frames", zstd_empty_frames, "zstd"),
    Body("zstd of skippable frames", zstd_skippable_frames, "zstd"),
    Body("a header line without an end", long_header, "gzip"),
    Body("a longer one, delimiter=auto", lambda: long_header(137), "gzip", "delimiter=auto"),
    Body("256 MiB in a gzip", lambda: zeros(gzip.compress), "gzip"),
    Body("a gigabyte in a zstd", lambda: zeros(zstd.compress, 1024), "zstd"),
    Body("256 MiB in a bzip2", lambda: zeros(bz2.compress), None, "", "application/octet-stream"),
    Body("256 MiB in an xz", lambda: zeros(lzma.compress), None, "", "application/octet-stream"),
    Body("gzip in zstd", lambda: zstd.compress(zeros(gzip.compress)), "zstd"),
    Body("rows that are all rejected", rejects, "zstd", "dry_run=true"),
    Body("JSON lists without an end", open_list, None, "format=jsonl", "application/json"),
    Body("a JSON string without an end", long_string, None, "", "application/json"),
    Body("a zip of 60,000 files", many_members, None, "", "application/zip"),
    Body("a zip of zeros", zip_bomb, None, "", "application/zip"),
    Body("a workbook of one text", sheet_bomb, None, "", "application/octet-stream"),
    Body("a form of 200,000 parts", form_parts, None, "", FORM),
    Body("a form's head without an end", form_head, None, "", FORM),
)
