"""Zips that are not what their directory says, and what a zip counts towards the budget of its request."""

from __future__ import annotations

import io
import zipfile
import zlib
from collections.abc import Callable

import pytest

from app.errors import ArchiveUnreadable, TooManyMembers
from app.ledger.admission import BASE_BYTES, Admission
from app.posts.containers import archives, contents
from app.posts.containers.archives import Allowance, Archive
from app.posts.containers.budget import Bounds, Budget
from app.posts.options import Given
from app.settings import Settings
from tests.posts.workbooks import zipped

ONE = b"data,timestamp,username\nhi @bob,2026-01-15,ada\n"
DIRECTORY, END = b"PK\1\2", b"PK\5\6"
CHECK_SUM, PACKED_SIZE, SIZE, OFFSET = 16, 20, 24, 42
"""Where an entry of the directory says these."""


def said_otherwise(data: bytes, **fields: int) -> bytes:
    """A zip whose directory says something else of its first file."""
    places = {"check_sum": CHECK_SUM, "packed_size": PACKED_SIZE, "size": SIZE, "offset": OFFSET}
    found, entry = bytearray(data), data.index(DIRECTORY)
    for name, value in fields.items():
        at = entry + places[name]
        found[at : at + 4] = value.to_bytes(4, "little")
    return bytes(found)


def bytes_of_first(data: bytes) -> bytes:
    archive = Archive(io.BytesIO(data))
    return b"".join(archive.read(archive.members[0], Allowance(1 << 30, "it has")))


def test_folders_are_no_files() -> None:
    archive = Archive(io.BytesIO(zipped({"posts/": b"", "posts/a.csv": ONE})))
    assert [member.name for member in archive.members] == ["posts/a.csv"]


def test_a_name_in_utf8_that_says_so_is_taken_as_it_is() -> None:
    """The bytes of `ä`, read as the code page of DOS, are `├ñ`. They may also be meant."""
    assert [member.name for member in Archive(io.BytesIO(zipped({"├ñ.csv": ONE}))).members] == ["├ñ.csv"]


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED], ids=["stored", "deflate"])
@pytest.mark.parametrize(
    "fields",
    [
        {"size": 3 << 20},
        {"size": 2 << 20, "check_sum": zlib.crc32(bytes(2 << 20))},
        {"size": (1 << 21) + 1},
        {"size": 1},
        {"check_sum": 1},
    ],
    ids=["more", "none of the rest", "one more", "less", "another check sum"],
)
def test_a_file_that_is_not_as_its_directory_says_is_refused(fields: dict[str, int], method: int) -> None:
    data = said_otherwise(zipped({"a.csv": bytes(5 << 19)}, method=method), **fields)
    archive = Archive(io.BytesIO(data))
    given: list[bytes] = []
    with pytest.raises(ArchiveUnreadable, match=r"'a\.csv' in the zip is damaged: its check sum is another"):
        given.extend(archive.read(archive.members[0], Allowance(1 << 30, "it has")))
    assert sum(map(len, given)) <= archive.members[0].size


def _moved(offset: int) -> Callable[[bytes], bytes]:
    return lambda data: said_otherwise(data, offset=offset if offset >= 0 else len(data) + offset)


@pytest.mark.parametrize(
    "change",
    [_moved(1), _moved(1 << 30), _moved(-4)],
    ids=["other bytes", "behind the end", "at the end"],
)
def test_a_file_that_is_not_where_its_directory_says_is_refused(change: Callable[[bytes], bytes]) -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("a.csv", ONE)
        archive.comment = b"PK\3\4"
    with pytest.raises(ArchiveUnreadable, match=r"'a\.csv' is not where the directory of the zip says"):
        bytes_of_first(change(out.getvalue()))


def test_a_zip_without_its_beginning_is_refused() -> None:
    data = zipped({"a.csv": ONE, "b.csv": ONE})
    for begin in (1, data.index(b"PK\3\4", 1)):
        with pytest.raises(ArchiveUnreadable):
            Archive(io.BytesIO(data[begin:]))


def test_a_directory_as_long_as_the_bound_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    data = zipped({f"{each}.csv": ONE for each in range(10)})
    size = data.index(END) - data.index(DIRECTORY)

    monkeypatch.setattr(archives, "_DIRECTORY_BYTES", size)
    assert len(Archive(io.BytesIO(data)).members) == 10

    monkeypatch.setattr(archives, "_DIRECTORY_BYTES", size - 1)
    with pytest.raises(TooManyMembers, match=f"more than {size - 1} bytes"):
        Archive(io.BytesIO(data))


def test_a_zip_counts_towards_the_budget_of_its_request() -> None:
    admission = Admission(1 << 30)
    data = zipped({f"{each}.csv": ONE for each in range(100)})
    with admission.enter() as share:
        budget = Budget(Bounds.of(Settings()), share)
        found = contents.open_zip(io.BytesIO(data), Given(), budget)
        assert found is not None
        assert admission.held >= BASE_BYTES + 16 * (data.index(END) - data.index(DIRECTORY))

        before = budget.decoded
        assert b"".join(found.archive.read(found.files[0].member, Allowance(1 << 30, "it has"))) == ONE
        assert budget.decoded == before + len(ONE)
