"""What an upload is warned of, and an upload whose every row was rejected, over real servers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from uuid import UUID

import msgspec
import pytest

from app.errors import SameBytes
from app.graph import withdrawal
from app.graph.mentions import count
from app.graph.noticing import Batch
from app.graph.parameters import read_parameters
from app.graph.profiles import PROFILES
from app.graph.tally import Tally
from app.ledger import entries, limits
from app.ledger.entries import Entry
from app.ledger.states import UploadState
from app.ledger.warnings import MEANING, Code, UploadWarning
from app.posts.options import Clock, ColumnNames, Given, InputFormat, Options, RejectLimit
from app.posts.readers import READERS
from app.proofs.audit import audit
from app.settings import Settings
from app.store import postgres
from app.store.postgres import Connection, scalars
from tests.graphs import apply_all
from tests.uploading import posts_csv, upload

BAD = b"data,timestamp,username\nhi @bea,soon,ana\nhi @cyd,later,bea\n,2024-01-01,\n"
"""Every row is rejected: two for their timestamp, one for its author."""


def entry_of(settings: Settings, upload_id: UUID) -> Entry:
    async def read() -> Entry:
        async with (
            postgres.async_pool(settings.database_url, role="test", size=1, statement_timeout=30) as pool,
            pool.connection() as conn,
        ):
            return await entries.upload(conn, upload_id)

    return asyncio.run(read())


@pytest.fixture
def send(settings: Settings, now: datetime) -> Callable[..., Entry]:
    """Uploads a file and counts it, in batches of `batch_bytes`; its entry."""

    def sent(content: bytes, *, batch_bytes: int = 1 << 20, again: bool = False, **options: object) -> Entry:
        cut = msgspec.structs.replace(settings, batch_bytes=batch_bytes)
        upload_id = upload(cut, content, received_at=now, options=Options(**options), again=again)  # pyright: ignore[reportArgumentType]
        apply_all(settings, now=now)
        with postgres.connect(settings.database_url, role="test") as conn:
            for undecided in limits.undecided(conn):
                limits.decide(conn, undecided, now=now)
        return entry_of(settings, upload_id)

    return sent


def said(entry: Entry) -> dict[str, UploadWarning]:
    return {warning.code: warning for warning in entry.warnings}


def posts(*texts: str, author: str = "ana", at: str = "2024-01-01") -> bytes:
    return ("data,timestamp,username\n" + "".join(f'"{text}",{at},{author}\n' for text in texts)).encode()


def test_an_upload_in_order_is_warned_of_nothing(send: Callable[..., Entry], conn: Connection) -> None:
    entry = send(posts("hi @bea", "hi @ana") + b"hi @ana,2024-01-01,bea\n")

    assert entry.state is UploadState.APPLIED
    assert entry.warnings == []
    assert scalars(conn, "SELECT warnings FROM batches") == [None]


INSTAGRAM = b"""username,timestamp,data
ana.b_1,2024-01-01T10:00:00,"with @bea.c and @cyd_._d at @the.place."
_dov.,2024-01-01T11:00:00,"@ana.b_1 @x.y.z!"
"""
REDDIT = b"""{"author": "ana_b", "body": "thanks u/bea-c and /u/cyd, see r/python", "created_utc": 1700000000}
{"author": "bea-c", "body": "u/ana_b no", "created_utc": "1700000100"}
"""
WEIBO = """username,timestamp,data
\u5c0f\u660e_1,2024-01-01 10:00:00,"\u652f\u6301 @\u5317\u4eac\u9752\u5e74 //@\u5f20\u4e09:\u8f6c"
\u5f20\u4e09,2024-01-01 11:00:00,\u56de\u590d@\u5c0f\u660e_1:\u8c22\u8c22
""".encode()
MASTODON = b"""data,timestamp,username
"<p><a href=""https://social.example/@bea"" class=""u-url mention"">@<span>bea</span></a></p>",2023-01-05,ana@a.example
"""
FEDIVERSE = posts("hi @bea@social.example", "and @cyd@social.example, @dov", author="ana@a.example")
NUMBERS = b"data,timestamp,username\nhi @bea,2024-01-01,11\n@ana no,2024-01-01,12\nnobody,2024-01-01,12\n"
PLACEHOLDERS = b"data,timestamp,username\nhi @bea,2024-01-01,nan\nhi @ana,2024-01-01,bea\nhi @bea,2024-01-01,NULL\n"
JSON_LINES = {"format": InputFormat.JSONL, "columns": ColumnNames("body", "created_utc", "author")}


@pytest.mark.parametrize(
    ("content", "options", "expected"),
    [
        (INSTAGRAM, {}, {"names-cut": (5, [2, 3], "instagram")}),
        (INSTAGRAM, {"profile": "instagram"}, {}),
        (posts("hi @bea-c", "hi @bea", author="ana-b"), {}, {"names-cut": (1, [2], "github")}),
        # A full stop that ends a sentence is in no author's name.
        (posts("hi @bea.Then I left", "hi @ana"), {}, {}),
        (REDDIT, JSON_LINES, {"no-mentions": (2, [], ""), "another-profile": (3, [1, 2], "reddit")}),
        (REDDIT, {**JSON_LINES, "profile": "reddit"}, {}),
        (WEIBO, {}, {"no-mentions": (2, [], ""), "another-profile": (3, [2, 3], "weibo")}),
        (WEIBO, {"profile": "weibo"}, {}),
        (MASTODON, {}, {"no-mentions": (1, [], ""), "html-text": (1, [2], "mastodon")}),
        (MASTODON, {"profile": "mastodon"}, {}),
        (FEDIVERSE, {}, {"another-profile": (2, [2, 3], "mastodon")}),
        (NUMBERS, {}, {"numeric-authors": (3, [2, 3, 4], "")}),
        (PLACEHOLDERS, {"given": Given(placeholders=True)}, {"placeholder-authors": (2, [2, 4], "")}),
        (posts("RT @bea: so long a text @cy\u2026", "hi @ana"), {}, {"handles-cut": (1, [2], "")}),
        (posts("hi @bea", "hi @ana", at="2027-01-01"), {}, {"future-instants": (2, [2, 3], "")}),
        (posts("hi @bea", "hi @ana", at="0.0") + b"x,2024-01-01,ana\n", {}, {"most-rejected": (2, [2, 3], ""),
                                                                          "no-mentions": (1, [], "")}),
        (posts("hi @bea", "hi @ana", at="1970-01-01T00:00:01Z"), {}, {"early-instants": (2, [2, 3], "")}),
        (posts("nobody", "is here"), {}, {"no-mentions": (2, [], "")}),
    ],
)  # fmt: skip
def test_warnings(
    send: Callable[..., Entry],
    content: bytes,
    options: dict[str, object],
    expected: dict[str, tuple[int, list[int], str]],
) -> None:
    entry = send(content, **options)

    found = {each.code: (each.count, each.lines, (each.profiles or [""])[0]) for each in entry.warnings}
    assert found == expected


@pytest.mark.parametrize("bytes_of_batch", [64, 200, 1 << 20])
def test_warnings_are_the_same_however_the_file_is_cut(send: Callable[..., Entry], bytes_of_batch: int) -> None:
    cut = posts(*(f"RT @bea: text {number} that ends in @cy\u2026" for number in range(9)), "@ana hi")

    entry = send(cut, batch_bytes=bytes_of_batch)

    assert len(said(entry)) == 1
    warning = said(entry)["handles-cut"]
    assert warning.count == 9
    assert warning.lines[0] == 2
    assert warning.lines == list(range(2, 2 + len(warning.lines)))


def test_authors_that_are_never_mentioned(send: Callable[..., Entry], now: datetime) -> None:
    def between(authors: Iterable[str]) -> bytes:
        return posts_csv([(f"hi @user_{number}", now, author) for number, author in enumerate(authors)])

    few = send(between(f"Ann {number}" for number in range(19)))
    many = send(between(f"Ann {number}" for number in range(25)))
    met = send(between(f"user_{number}" for number in range(25)))

    assert said(few) == said(met) == {}
    assert (said(many).keys(), said(many)["author-never-mentioned"].count) == ({"author-never-mentioned"}, 25)


def test_some_numbers_among_the_authors_are_nothing_strange(send: Callable[..., Entry]) -> None:
    mixed = NUMBERS + b"hi @bea,2024-01-01,cyd\n"

    assert said(send(mixed)) == said(send(mixed, batch_bytes=30, again=True)) == {}


def test_what_a_batch_alone_shows(send: Callable[..., Entry], settings: Settings) -> None:
    entry = send(NUMBERS + b'"RT @bea: ends in @cy\xe2\x80\xa6",2024-01-01,13\n')

    async def read() -> list[entries.Batch]:
        async with (
            postgres.async_pool(settings.database_url, role="test", size=1, statement_timeout=30) as pool,
            pool.connection() as conn,
        ):
            return await entries.batches(conn, entry.id, after=-1, limit=10)

    [batch] = asyncio.run(read())
    assert {code: noticed.lines for code, noticed in batch.warnings.items()} == {"handles-cut": [5]}


def tallied(content: bytes, now: datetime) -> Tally:
    """What a reader without a ledger says of a file."""
    header = READERS["csv"].read_header(content, final=True, names=ColumnNames(), delimiter=",")
    assert header is not None
    rest, line, tally = content[header.body_offset :], header.first_line, Tally()
    while rest:
        cut = READERS["csv"].cut(rest, delimiter=",", final=True)
        found = READERS["csv"].read(rest[: cut.end], header.format, first_line=line)
        counted = count(
            found.frame, profile=PROFILES["twitter"], clock=Clock.ARRIVAL, received_at=now, half_life=timedelta(days=7)
        )
        tally.add(Batch(found.frame, found.rejects, counted, PROFILES["twitter"], now, placeholders=True))
        rest, line = rest[cut.end :], line + cut.lines
    return tally


@pytest.mark.parametrize("bytes_of_batch", [40, 1 << 20])
@pytest.mark.parametrize("content", [INSTAGRAM, FEDIVERSE, NUMBERS, PLACEHOLDERS, BAD, posts("nobody", "is here")])
def test_a_reader_without_a_ledger_says_the_same(
    send: Callable[..., Entry], now: datetime, content: bytes, bytes_of_batch: int
) -> None:
    tally = tallied(content, now)
    entry = send(content, batch_bytes=bytes_of_batch, given=Given(placeholders=True))

    # Cut in batches, the entry names the first lines of the first batch.
    assert [(each.code, each.count, each.lines[:1]) for each in tally.warnings()] == [
        (each.code, each.count, each.lines[:1]) for each in entry.warnings
    ]
    refused = tally.refusal()
    assert (None if refused is None else refused.problem()) == entry.error


@pytest.mark.parametrize(
    ("content", "refused"),
    [
        pytest.param(BAD, True, id="every row was rejected"),
        pytest.param(BAD + b"hi @bea,2024-01-01,ana\n", False, id="one row was accepted"),
        pytest.param(b"data,timestamp,username\n", False, id="there is no row"),
    ],
)
def test_a_reader_without_a_ledger_refuses_a_file_without_a_good_row(
    now: datetime, content: bytes, *, refused: bool
) -> None:
    assert (tallied(content, now).refusal() is not None) == refused


# Every row rejected --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("bytes_of_batch", [20, 1 << 20])
@pytest.mark.parametrize("options", [{}, {"dry_run": True}, {"max_rejects": RejectLimit(share=1.0)}])
def test_an_upload_whose_every_row_was_rejected_fails(
    send: Callable[..., Entry], conn: Connection, options: dict[str, object], bytes_of_batch: int
) -> None:
    entry = send(BAD, batch_bytes=bytes_of_batch, **options)

    assert entry.state is UploadState.FAILED
    assert entry.finished_at is not None
    assert entry.error is not None
    assert entry.error.type == "urn:mentiongraph:problem:all-rejected"
    assert entry.error.detail.startswith(
        "All 3 rows were rejected; nothing was applied. The commonest reason is unreadable_timestamp (2), first on "
        "line 2: The column 'timestamp' (field 2) is 'soon'."
    )
    assert said(entry)["all-rejected"].lines[:1] == [2]
    assert (entry.rows_received, entry.rows_rejected, entry.rows_applied) == (3, 3, 0)
    reason = "SELECT reason ->> 'type' FROM ledger_events WHERE to_state = 'failed'"
    assert scalars(conn, reason) == ["urn:mentiongraph:problem:all-rejected"]
    assert audit(conn).exact


def test_one_row_that_is_read_makes_it_applied(send: Callable[..., Entry]) -> None:
    entry = send(BAD + b"hi @ana,2024-01-01,bea\n")

    assert entry.state is UploadState.APPLIED
    assert said(entry)["most-rejected"].count == 3


def test_the_same_bytes_come_again_with_other_options_after_that(send: Callable[..., Entry]) -> None:
    content = b"data,timestamp,username,created\nhi @bea,soon,ana,2024-01-01\n"
    failed = send(content)

    read = send(content, columns=ColumnNames(timestamp="created"))

    assert failed.state is UploadState.FAILED
    assert (read.state, read.mentions_applied) == (UploadState.APPLIED, 1)
    assert read.id != failed.id


def test_a_failed_upload_of_rejects_is_retracted(
    send: Callable[..., Entry], settings: Settings, conn: Connection, now: datetime
) -> None:
    entry = send(BAD, batch_bytes=20)

    assert withdrawal.retract(conn, entry.id, read_parameters(conn), now=now + timedelta(hours=1)) == []

    assert entry_of(settings, entry.id).state is UploadState.RETRACTED
    assert audit(conn).exact


# The same bytes with other options -----------------------------------------------------------------------------------


@pytest.mark.parametrize("finished", [True, False])
def test_the_refusal_of_the_same_bytes_names_the_way_that_works(
    settings: Settings, conn: Connection, now: datetime, finished: bool
) -> None:
    content = posts("hi @bea and bob@cyd")
    first = upload(settings, content, received_at=now)
    if finished:
        apply_all(settings, now=now)
    other = Options(profile="word")

    with pytest.raises(SameBytes) as refused:
        upload(settings, content, received_at=now, options=other)

    verb = "retract" if finished else "cancel"
    assert f"run `mentiongraph {verb} {first}`" in refused.value.detail
    getattr(withdrawal, verb)(conn, first, read_parameters(conn), now=now)
    second = upload(settings, content, received_at=now, options=other)
    apply_all(settings, now=now)
    assert entry_of(settings, second).mentions_applied == 2
    assert entry_of(settings, first).mentions_applied == 0
    assert scalars(conn, "SELECT sum(mention_count) FROM edges") == [2]
    assert audit(conn).exact


def test_every_code_is_explained() -> None:
    assert list(MEANING) == list(Code)
