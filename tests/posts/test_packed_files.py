"""Which files of a zip and which sheet of a workbook are of posts, and what a body is that holds files."""

from __future__ import annotations

import gzip
import io
from collections.abc import Iterator

import polars as pl
import pytest

from app.errors import FormatNotRead, UnclearFile, UploadTooLarge
from app.posts.containers import contents
from app.posts.containers.archives import Archive
from app.posts.containers.budget import Budget
from app.posts.containers.compression import decoder
from app.posts.containers.contents import Room
from app.posts.options import Given
from tests.posts.test_contents import HEADER, NOTES, ONE, POSTS, TWO, USERS, chosen, opened, room, unzipped
from tests.posts.workbooks import parts, row, text, workbook, zipped

BOOK = workbook(row(text("data"), text("timestamp")), row(text("@a"), text("2026-01-01")))


def parquet() -> bytes:
    file = io.BytesIO()
    pl.DataFrame({"data": ["@a"]}).write_parquet(file)
    return file.getvalue()


def in_steps(body: bytes, step: int) -> Iterator[bytes]:
    return (body[at : at + step] for at in range(0, len(body), step))


STEPS = pytest.mark.parametrize("step", [7, 100, 1 << 20])


@STEPS
@pytest.mark.parametrize(
    ("body", "encoding", "files"),
    [
        (ONE, None, [(None, ONE)]),
        (b"", None, [(None, b"")]),
        (ONE * 100, "gzip", [(None, ONE * 100)]),
        (zipped({"a.csv": ONE, "b.csv": TWO}), None, [("a.csv", ONE), ("b.csv", TWO)]),
        (BOOK, None, [(None, b"data,timestamp\n@a,2026-01-01\n")]),
    ],
    ids=["text", "nothing", "gzip", "zip", "workbook"],
)
def test_a_body_holds_files(
    body: bytes, encoding: str | None, files: list[tuple[str | None, bytes]], step: int
) -> None:
    sent = gzip.compress(body) if encoding else body
    found = contents.files_of(in_steps(sent, step), decoder(encoding), Given(), room())
    assert [(name, b"".join(content.pieces)) for name, content in found] == files


@STEPS
def test_a_body_is_parquet(step: int) -> None:
    [(name, content)] = contents.files_of(in_steps(parquet(), step), decoder(None), Given(), room())
    assert (name, b"".join(content.pieces)) == (None, b'{"data":"@a"}\n')


def test_the_first_512_bytes_tell_what_a_body_is() -> None:
    taken: list[int] = []

    def chunks() -> Iterator[bytes]:
        for number in range(10):
            taken.append(number)
            yield b"x" * 256

    found = contents.files_of(chunks(), decoder(None), Given(), room())
    _, content = next(found)
    assert taken == [0, 1]
    assert b"".join(content.pieces) == b"x" * 2560


TAR = bytes(257) + b"ustar" + bytes(250)


@pytest.mark.parametrize(
    ("head", "words"),
    [(TAR, "tar archive"), (b"7z\xbc\xaf\x27\x1c", "a 7z file"), (b"Rar!\x1a\x07", "a rar file"), (b"%PDF-1.7", "PDF")],
)
def test_other_containers_are_called_by_their_kind(head: bytes, words: str) -> None:
    with pytest.raises(FormatNotRead, match=words):
        list(contents.files_of(in_steps(head, 100), decoder(None), Given(), room()))
    with pytest.raises(FormatNotRead, match=words):
        opened(zipped({"a.csv": ONE, "posts": head}))


def test_a_room_has_the_budget_of_its_request() -> None:
    budget = Budget()
    assert Room.of(1, io.BytesIO, budget).budget is budget
    assert Room.of(1, io.BytesIO).budget.decoded == 0


NO_POSTS = b"Nothing of note."


@pytest.mark.parametrize(
    ("files", "others", "words"),
    [
        (1, 0, "0.csv is in it"),
        (2, 0, "2 files of posts"),
        (1, 1, "0.csv is in it; left out: 0.txt (no posts in it)"),
        (2, 20, f"2 files of posts; left out: {'; '.join(f'{each}.txt (no posts in it)' for each in range(20))}"),
        (
            1,
            21,
            f"0.csv is in it; left out: {'; '.join(f'{each}.txt (no posts in it)' for each in range(20))}; and 1 more",
        ),
    ],
)
def test_what_a_zip_holds_in_words(files: int, others: int, words: str) -> None:
    posts = {f"{each}.csv": ONE for each in range(files)}
    found = opened(zipped({**posts, **{f"{each}.txt": NO_POSTS for each in range(others)}})).found()
    assert (found.value, found.sure, found.reason) == ("zip", "certain", words)


def test_a_zip_holds_as_many_files_as_the_bound_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contents, "MAX_MEMBERS", 3)
    assert len(unzipped(zipped({f"{each}.csv": ONE for each in range(3)}))) == 3


@pytest.mark.parametrize(
    "beside",
    [
        {"word/b.csv": TWO},
        {"content.xml": b"<x/>"},
        {"mimetype": b"application/vnd.oasis.opendocument.text"},
    ],
)
def test_a_folder_of_files_is_no_document(beside: dict[str, bytes]) -> None:
    found = unzipped(zipped({"a.csv": ONE, **beside}))
    assert found == {"a.csv": ONE, **{name: data for name, data in beside.items() if name.endswith(".csv")}}


def test_a_spreadsheet_of_numbers_is_refused() -> None:
    with pytest.raises(FormatNotRead, match=r"Numbers is not read\. Export it as \.xlsx"):
        opened(zipped({"Index/Document.iwa": b"x", "a.csv": ONE}))


@pytest.mark.parametrize(
    ("name", "data", "reason"),
    [
        ("old.html", ONE, "no file of posts by its name"),
        ("data.bin2", bytes(range(256)) * 2, "no text"),
        ("data.bin2", bytes(range(1, 256)) * 2, "no posts in it"),
        ("users.txt", b"username,shoe\nada,37\n", "no posts in it"),
        ("read.me", "Das wäre für später.".encode("cp1252"), "no posts in it"),
        ("empty.csv", b"", "is empty"),
    ],
)
def test_why_a_file_is_left_out(name: str, data: bytes, reason: str) -> None:
    assert opened(zipped({"a.csv": ONE, name: data})).left_out == [f"{name} ({reason})"]


@pytest.mark.parametrize(
    "data",
    [
        ONE.decode().encode("utf-16"),
        HEADER + "grüße @bob,2026-01-15,ada\n".encode("cp1252"),
        b"text,date,user\nhi @bob,01/02/2026,ada\n",
    ],
    ids=["UTF-16", "an unclear encoding", "unclear dates"],
)
def test_posts_under_any_name_are_kept(data: bytes) -> None:
    assert [each.name for each in opened(zipped({"a.csv": ONE, "posts": data})).files] == ["a.csv", "posts"]


def test_a_file_that_is_packed_twice_is_bounded_once() -> None:
    plain = ONE * 10_000
    assert unzipped(zipped({"a.csv": plain}), most=len(plain)) == {"a.csv": plain}
    with pytest.raises(UploadTooLarge, match="what is unpacked has more than"):
        unzipped(zipped({"a.csv.gz": gzip.compress(plain)}), most=len(plain))


def about(sheets: dict[str, str], name: str | None = None) -> tuple[str, str, str]:
    found = chosen(sheets, name).found["sheet"]
    return str(found.value), found.sure, found.reason


UNCLEAR_DATES = row(text("text"), text("date"), text("user")) + row(text("hi @bea"), text("01/02/2024"), text("ana"))
MENTIONS = row(text("mentions"), text("timestamp"), text("username")) + row(
    text("@bea"), text("2024-01-01"), text("ana")
)
SHOES = row(text("username"), text("shoe")) + row(text("ada"), text("37"))


@pytest.mark.parametrize(
    ("sheets", "name", "expected"),
    [
        ({"Posts": POSTS}, None, ("Posts", "certain", "the first sheet")),
        ({"Posts": POSTS}, "posts", ("Posts", "given", "as the sender says")),
        (
            {"Notes": NOTES, "Posts": POSTS},
            "Notes",
            ("Notes", "given", "as the sender says; left out: Posts"),
        ),
        (
            {"Notes": NOTES, "Users": USERS},
            None,
            ("Users", "certain", "the only sheet that looks like posts; left out: Notes"),
        ),
        ({"Notes": NOTES, "Shoes": SHOES}, None, ("Notes", "certain", "the first sheet; left out: Shoes")),
        (
            {"Users": USERS, "Posts": UNCLEAR_DATES},
            None,
            ("Posts", "certain", "the only sheet that looks like posts; left out: Users"),
        ),
    ],
)
def test_which_sheet_is_read(sheets: dict[str, str], name: str | None, expected: tuple[str, str, str]) -> None:
    assert about(sheets, name) == expected


def test_a_sheet_that_lists_mentions_is_of_posts_without_a_text() -> None:
    data = io.BytesIO(zipped(parts({"Users": USERS, "Edges": MENTIONS})))
    found = contents.sheet_content(Archive(data), Given(mentions="mentions"), room(), sha256=b"", size=0)
    assert found.found["sheet"].value == "Edges"


def test_of_two_sheets_with_some_of_a_post_none_is_guessed() -> None:
    with pytest.raises(UnclearFile, match="'Users', 'More'"):
        chosen({"Users": USERS, "Notes": NOTES, "More": USERS})


def test_rows_of_parquet_have_no_delimiter() -> None:
    found = contents.parquet_content(io.BytesIO(parquet()), Given(delimiter=";"), room(), sha256=b"", size=0)
    assert list(found.found) == ["container", "format", "encoding"]
    assert found.given.delimiter is None
