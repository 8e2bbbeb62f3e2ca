"""A file as receiving takes it in: held, looked at, opened, fed piece by piece. And what its sender is told."""

from __future__ import annotations

import json

import msgspec
import pytest
from hypothesis import example
from hypothesis import given as tried
from hypothesis import strategies as st

from app.errors import (
    DuplicateColumn,
    EmptyFile,
    HeaderNotUtf8,
    HeaderTooLong,
    JsonNotClosed,
    MissingColumn,
    NoRows,
    UnclearFile,
    UploadRefused,
)
from app.posts import source
from app.posts.options import Clock, ColumnNames, Given, InputFormat, Options, Retweets
from app.posts.readers import READERS
from app.posts.source import Source
from app.posts.tables.header import MAX_HEADER_BYTES

ROW = "hi @bob é,2026-01-15T11:00:00Z,ada\n"
CSV = "data,timestamp,username\n" + 9 * ROW
POSTS = [{"data": f"hi @bob é {n}", "timestamp": "2026-01-15T11:00:00Z", "username": "ada"} for n in range(9)]
LINES = "".join(json.dumps(post, ensure_ascii=False) + "\n" for post in POSTS)
FILES: dict[str, tuple[bytes, Given]] = {
    "csv": (CSV.encode(), Given()),
    "csv with a byte order mark": (b"\xef\xbb\xbf" + CSV.encode(), Given()),
    "utf-16": (CSV.encode("utf-16"), Given()),
    "latin-1": (CSV.encode("latin-1"), Given(encoding="latin-1")),
    "lines before the header": (b"sep=;\n" + CSV.replace(",", ";").encode(), Given()),
    "no header": (9 * ROW.encode(), Given(columns=("data", "timestamp", "username"))),
    "json lines": (LINES.encode(), Given()),
    "a list": (json.dumps(POSTS, indent=1).encode(), Given()),
}


@pytest.fixture
def few_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    """The look has a few bytes, as it has of a large file."""
    monkeypatch.setattr(source, "HEAD_BYTES", 150)


def rows_of(file: Source, data: bytes, sizes: list[int]) -> bytes:
    """The rows of a file that arrives in pieces of these sizes, over and over."""
    rows, at, number = bytearray(), 0, 0
    while at < len(data):
        piece = data[at : at + sizes[number % len(sizes)]]
        at, number = at + len(piece), number + 1
        if file.is_open:
            rows += b"".join(file.feed(piece))
        elif file.hold(piece):
            rows += file.open(final=False) or b""
    rows += file.finish() if file.is_open else file.open(final=True) or b""
    return bytes(rows)


def texts(file: Source, rows: bytes) -> list[str]:
    reader = READERS[file.reading.layout.value]
    posts = reader.read(rows, file.format, first_line=file.first_line)
    assert posts.rejects.is_empty(), posts.rejects
    return posts.frame["text"].to_list()


# Pieces ---------------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("few_bytes")
@pytest.mark.parametrize("name", FILES)
def test_pieces_of_any_size_give_the_same_rows(name: str) -> None:
    data, given = FILES[name]
    file = Source(given)
    wanted = rows_of(file, data, [len(data)])
    assert len(texts(file, wanted)) == 9
    assert all("é" in text for text in texts(file, wanted))

    @tried(sizes=st.lists(st.integers(1, 200), min_size=1, max_size=5))
    @example(sizes=[1])
    @example(sizes=[149, 1])
    @example(sizes=[150])
    def in_pieces(sizes: list[int]) -> None:
        other = Source(given)
        assert rows_of(other, data, sizes).rstrip() == wanted.rstrip()
        assert (other.format, other.first_line) == (file.format, file.first_line)

    in_pieces()


@pytest.mark.parametrize("name", FILES)
def test_a_file_that_is_held_as_a_whole_is_no_other(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    data, given = FILES[name]
    held = rows_of(Source(given), data, [len(data)])
    monkeypatch.setattr(source, "HEAD_BYTES", 150)

    assert rows_of(Source(given), data, [len(data) // 2 + 1]).rstrip() == held.rstrip()


@pytest.mark.usefixtures("few_bytes")
def test_a_header_that_goes_on_behind_the_held_bytes_is_waited_for() -> None:
    more = ",".join(f"column {number}" for number in range(50))
    data = f"data,timestamp,username,{more}\n".encode() + 9 * (ROW[:-1] + 50 * "," + "\n").encode()
    file = Source(Given())
    looks: list[int] = []
    for at in range(0, len(data), 100):
        if not file.is_open and file.hold(data[at : at + 100]):
            looks.append(at + 100)
            file.open(final=False)
    assert looks == [200, 400, 800], "150 bytes, then twice as many each time"

    again = Source(Given())
    assert texts(again, rows_of(again, data, [100])) == ["hi @bob é"] * 9
    assert (again.format.fields, again.first_line) == (53, 2)


def test_a_header_without_end_is_not_waited_for_for_ever() -> None:
    file = Source(Given())
    assert not file.hold(b"x" * (MAX_HEADER_BYTES + 10))
    with pytest.raises(HeaderTooLong):
        file.open(final=True)


def looks_at(file: Source, pieces: list[bytes]) -> list[int]:
    """The bytes that are held at each look, until the file is open or is refused."""
    looks: list[int] = []
    for piece in pieces:
        if file.hold(piece):
            looks.append(file.held)
            try:
                file.open(final=False)
            except UploadRefused:
                return looks
        if file.is_open:
            break
    return looks


@pytest.mark.parametrize("start", [b"x", b'{"x": 1, "y": "'])
def test_a_head_without_end_is_waited_for_up_to_a_bound(start: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source, "HEAD_BYTES", 150)
    monkeypatch.setattr(source, "LONGEST_HEAD", 400)

    assert looks_at(Source(Given()), [start.ljust(100, b"x"), *[b"x" * 100] * 9]) == [200, 400]


@pytest.mark.usefixtures("few_bytes")
def test_a_first_object_that_goes_on_behind_the_held_bytes_is_waited_for() -> None:
    long = json.dumps({**POSTS[0], "more": 300 * "x"}).encode() + b"\n" + LINES.encode()

    for data, looks in ((long, [200, 400]), (LINES.encode(), [200])):
        pieces = [data[at : at + 100] for at in range(0, len(data), 100)]
        assert looks_at(Source(Given()), pieces) == looks


@pytest.mark.usefixtures("few_bytes")
def test_a_header_that_ends_with_a_cr_is_not_waited_for() -> None:
    assert looks_at(Source(Given()), [CSV.replace("\n", "\r").encode()[:200], b"x"]) == [200]


@pytest.mark.usefixtures("few_bytes")
def test_a_header_behind_a_line_that_is_skipped_is_waited_for() -> None:
    more = ",".join(f"column {number}" for number in range(50))
    data = f"Export\ndata,timestamp,username,{more}\n".encode() + (ROW[:-1] + 50 * "," + "\n").encode()
    file = Source(Given(skip_lines=1))

    assert texts(file, rows_of(file, data, [100])) == ["hi @bob é"]
    assert file.first_line == 3


@pytest.mark.parametrize("head_bytes", [150, 1 << 20])
def test_a_character_that_is_cut_off_at_the_end_is_no_character(
    head_bytes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(source, "HEAD_BYTES", head_bytes)
    data = CSV.encode("utf-16-le") + "é".encode("utf-16-le")[:1]

    assert rows_of(Source(Given(encoding="utf-16-le")), data, [10]).endswith(b"ada\n\xff")


def test_a_look_is_remembered_until_more_is_held() -> None:
    file = Source(Given())
    file.hold(b"data,timestamp,username\n")
    first = file.look(final=False)
    assert file.look(final=False) is first

    file.hold(b"a;b\n")
    assert file.look(final=False) is not first
    assert file.look(final=False) is not file.look(final=True)


@pytest.mark.usefixtures("few_bytes")
@pytest.mark.parametrize(("name", "passes_on"), [("csv", True), ("latin-1", False), ("a list", False)])
def test_bytes_are_passed_on_that_nobody_has_to_change(name: str, *, passes_on: bool) -> None:
    data, given = FILES[name]
    file = Source(given)
    assert not file.passes_on

    file.hold(data[:300])
    file.open(final=False)
    assert file.passes_on is passes_on


def test_a_source_that_is_not_open_has_no_answers() -> None:
    file = Source(Given())
    assert not file.is_open
    for ask in (lambda: file.reading, lambda: file.format, lambda: list(file.feed(b"")), file.finish):
        with pytest.raises(RuntimeError, match="not open yet"):
            ask()


@pytest.mark.parametrize("head_bytes", [150, 1 << 20])
def test_a_list_that_is_cut_off_is_refused_at_its_end(head_bytes: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source, "HEAD_BYTES", head_bytes)
    with pytest.raises(JsonNotClosed):
        rows_of(Source(Given()), json.dumps(POSTS).encode()[:-1], [40])


# Refusals -------------------------------------------------------------------------------------------------------------

REFUSED: dict[str, tuple[bytes, Given, type[UploadRefused]]] = {
    "nothing": (b"", Given(), EmptyFile),
    "nothing as JSON": (b"", Given(layout=InputFormat.JSONL), EmptyFile),
    "blank lines as JSON": (b"\n \n", Given(layout=InputFormat.JSONL), NoRows),
    "blank lines": (b"  \n \n", Given(), UnclearFile),
    "objects without values": (b'{"a": []}\n', Given(), UnclearFile),
    "no object": (b"[1, 2]", Given(layout=InputFormat.JSON_ARRAY), UnclearFile),
    "a byte that is no UTF-8": (b"d\xe4ta," + CSV.encode(), Given(encoding="utf-8"), HeaderNotUtf8),
    "two columns of one name": (b"data,timestamp,username,DATA\na,b,c,d\n", Given(), DuplicateColumn),
    "a column that is not there": (CSV.encode(), Given(author="who"), MissingColumn),
    "a column that nobody knows": (b"a,b\n1,2\n", Given(), MissingColumn),
    "no header": (ROW.encode(), Given(), UnclearFile),
    "a preset that does not fit": (CSV.encode(), Given(preset="x-v2"), UnclearFile),
    "a column and a date": (b"data,timestamp,x\nhi,1/2/2024,b\n", Given(author="y"), UnclearFile),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_read_is_refused_by_its_name(name: str) -> None:
    data, given, kind = REFUSED[name]
    with pytest.raises(UploadRefused) as refused:
        rows_of(Source(given), data, [10])
    assert type(refused.value) is kind


def detail(data: str, given: Given | None = None) -> str:
    with pytest.raises(UploadRefused) as refused:
        rows_of(Source(given or Given()), data.encode(), [1000])
    return refused.value.detail


@pytest.mark.usefixtures("few_bytes")
def test_blank_lines_before_what_was_not_read_yet_are_not_all_rows() -> None:
    with pytest.raises(UnclearFile, match="no object was found"):
        rows_of(Source(Given(layout=InputFormat.JSONL)), 200 * b"\n" + LINES.encode(), [200])


def test_a_file_that_holds_no_posts_is_told_what_it_holds() -> None:
    assert detail('{"a": {"0": 1}, "b": {"0": 2}}').startswith("The file holds columns, and not posts")
    assert detail("%PDF-1.7") == "The file is a PDF document."


def test_a_refusal_names_the_options_of_requests_and_of_commands() -> None:
    dates = detail("data,timestamp,username\nhi,1/2/2024,b\n")
    assert dates.startswith("'1/2/2024' has two meanings (day-first: 2024-02-01")
    assert "Give `dates=…` (command line: `--dates …`), with one of day-first, month-first." in dates
    assert "Found so far: format 'csv', encoding 'utf-8', delimiter ',', header 'true'" in dates
    author = detail(CSV, Given(author="who"))
    assert author.startswith("There is no 'who'; there are 'data', 'timestamp', 'username'. Give `author=…`")
    assert "(command line: `--author …`), with one of data, timestamp, username." in author
    assert "Give `columns=…` (command line: `--columns …`), with one of text,timestamp,author." in detail(ROW)


def test_an_option_is_called_as_requests_call_it() -> None:
    assert (source.option_named("layout"), source.option_named("skip_lines")) == ("format", "skip_lines")
    doubt = source.Doubt("skip_lines", "the header may come later", ())
    assert source.explained(doubt) == (
        "The header may come later. Give `skip_lines=…` (command line: `--skip-lines …`)."
    )
    of_file = source.Doubt("file", "the file is a picture")
    assert source.explained(of_file) == "The file is a picture."
    many = source.Doubt("author", "several", tuple(str(number) for number in range(100)))
    assert source.explained(many).endswith("with one of 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11.")


# Options --------------------------------------------------------------------------------------------------------------


def looked(data: str, options: Options) -> Options:
    """The options of an upload once the service has looked at the file."""
    file = Source(options.given or Given())
    rows_of(file, data.encode(), [1000])
    return source.resolved(options, file.reading)


def test_the_look_fills_in_what_the_sender_left_open() -> None:
    options = looked("Who;When;Text\nada;2026-01-15T11:00:00Z;hi @bob\n", Options(given=Given(author="who")))
    assert options.columns == ColumnNames("Text", "When", "Who")
    assert (options.format, options.encoding, options.delimiter) == (InputFormat.CSV, "utf-8", ";")
    assert (options.profile, options.retweets) == ("twitter", Retweets.TEXT)
    assert options.given == Given(author="who")
    assert (options.detected["text"].value, options.detected["header"].value) == ("Text", "true")
    assert {name: each.sure for name, each in options.detected.items()} == {
        **dict.fromkeys(("format", "encoding", "delimiter", "header", "text", "timestamp", "profile"), "certain"),
        "author": "given",
    }


def test_what_a_file_lacks_is_left_open() -> None:
    lines = looked(LINES, Options(given=Given(author_is="ann")))

    assert lines.columns == ColumnNames("data", "timestamp", "")
    assert lines.delimiter == ""
    assert not lines.detected.keys() & {"delimiter", "skip_lines", "header", "weight"}


def test_lines_before_the_header_are_told() -> None:
    assert looked("Export\n\n" + CSV, Options(given=Given())).detected["skip_lines"].value == "2"
    assert "skip_lines" not in looked(CSV, Options(given=Given())).detected


RTWEET = "status_id,created_at,screen_name,text,mentions_screen_name,Weight\n1,2024-01-01,ada,hi,bob,3\n"


@pytest.mark.parametrize(
    ("data", "given", "weight"),
    [
        ("source,target,date, Weight \nada,bob,2024-01-01,3\n", Given(author="source", mentions="target"), " Weight "),
        ("source,target,date\nada,bob,2024-01-01\n", Given(author="source", mentions="target"), None),
        ("data,timestamp,username,weight\nhi,2024-01-01,ada,3\n", Given(), None),
        (RTWEET, Given(), None),
    ],
)
def test_a_sender_learns_that_weights_beside_mentions_are_not_read(data: str, given: Given, weight: str | None) -> None:
    detected = looked(data, Options(given=given)).detected

    assert (detected["weight"].value if "weight" in detected else None) == weight


OLD = Options()
"""An upload of old: its sender said all that the options say."""


@pytest.mark.parametrize(
    ("one", "other", "alike"),
    [
        (OLD, OLD, True),
        (OLD, Options(dry_run=True, delimiter=";"), True),
        (OLD, Options(columns=ColumnNames(" DATA ", "Timestamp", "UserName")), True),
        (OLD, Options(columns=ColumnNames(author="who")), False),
        (OLD, Options(clock=Clock.EVENT), False),
        (OLD, Options(profile="word"), False),
        (OLD, Options(encoding="cp1252"), False),
        (OLD, Options(retweets=True), True),
        (OLD, Options(retweets=False), False),
        (Options(retweets=False), Options(retweets=Retweets.NONE), True),
        (OLD, looked(CSV, Options(given=Given())), True),
        (OLD, looked(CSV, Options(given=Given(profile="word"))), False),
        (OLD, looked(CSV, Options(given=Given(retweets=Retweets.NONE))), False),
        (OLD, looked(CSV, Options(given=Given(author_is="ann", text="data", timestamp="timestamp"))), False),
        (looked(CSV, Options(given=Given())), looked(CSV, Options(given=Given(author="UserName"))), True),
        (looked(CSV, Options(given=Given())), looked(CSV, Options(given=Given(delimiter=","))), True),
        (looked(CSV, Options(given=Given())), looked(CSV, Options(given=Given(mentions="data"))), False),
        (looked(CSV, Options(given=Given())), looked(CSV, Options(given=Given(timezone="Asia/Tokyo"))), False),
        (looked(CSV, Options(given=Given())), looked(CSV, Options(given=Given(), clock=Clock.EVENT)), False),
    ],
)
def test_options_that_count_alike(one: Options, other: Options, *, alike: bool) -> None:
    assert one.counts_like(other) is alike
    assert other.counts_like(one) is alike


def test_the_same_words_count_alike_whatever_a_release_finds() -> None:
    """Another release may know another preset, and a repeat of an upload still meets the earlier upload."""
    options = looked(CSV, Options(given=Given(author="username")))
    elsewhere = msgspec.structs.replace(options, profile="mastodon", retweets=Retweets.AUTHOR)
    assert options.counts_like(elsewhere)
    assert not msgspec.structs.replace(elsewhere, given=Given()).counts_like(options)


def test_keys_of_json_are_taken_as_they_are() -> None:
    one, other = (Options(format=InputFormat.JSONL, columns=ColumnNames(author=name)) for name in ("who", "Who"))
    assert not one.counts_like(other)
