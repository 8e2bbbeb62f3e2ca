"""The oracle is what the service is measured against, so it is pinned here by hand-made facts."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from ops.demo import make_sample
from ops.oracle import account as oracle
from ops.oracle import compare
from ops.workloads import generate as posts_generator

if TYPE_CHECKING:
    from pathlib import Path

HEADER = b"data,timestamp,username\n"
T0 = b"2026-11-01T12:00:00Z"


def counted(*rows: bytes, header: bytes = HEADER) -> oracle.Account:
    return oracle.account(header + b"".join(row + b"\n" for row in rows))


def row(text: bytes, author: bytes = b"ann", stamp: bytes = T0) -> bytes:
    return text + b"," + stamp + b"," + author


@pytest.mark.parametrize(
    ("text", "handles"),
    [
        ("@bob hi @Bob_2, (@x) .@y -@z", ["bob", "Bob_2", "x", "y", "z"]),
        ("＠bob と@carlさん", ["bob", "carl"]),
        ("no@bob a_@bob 1@bob", []),
        ("!@bob #@bob $@bob %@bob &@bob *@bob @@bob ＠@bob", []),
        ("RT@bob rt:@carl Rt @dora rT@emil", ["bob", "carl", "dora", "emil"]),
        ("start@bob sRT@bob +rt@carl .RT@carl ~rt@carl -rt@carl", []),
        ("sRT:@bob", ["bob"]),
        ("@bob@home @bob＠home @_@", []),
        ("@bobé @bo\u0301 @müller", []),
        ("@bobж @bobの", ["bob", "bob"]),
        ("@http://bob.example @bob: //x @bob:/x", ["bob", "bob"]),
        ("@bob/friends @bob/7 @bob/", ["bob", "bob"]),
        ("@bob/friends@home @bob/friends/@carl", ["carl"]),
        ("@bob/a-@carl", []),
        ("@bob/" + "a" * 25 + "-@carl", ["carl"]),
        ("@bob/" + "a" * 24 + "-@carl", []),
        ("@" + "a" * 25 + " @" + "b" * 20 + "@x", ["a" * 20]),
        ("https://video.example/@bob?by=@carl", []),
        ("@bob\n@bob\r\n@BOB", ["bob", "bob", "BOB"]),
    ],
)
def test_mentions_follow_the_twitter_rule(text: str, handles: list[str]) -> None:
    assert oracle.mentioned(text) == handles


def test_edges_are_folded_summed_and_dated() -> None:
    account = counted(
        row(b"@Bob @bob", b"Ann", b"2026-11-02T00:00:00Z"),
        row(b"@BOB @carl", b"@ANN", b"2026-11-01T00:00:00Z"),
        row(b"@ann", b"ann"),
        row(b"nobody"),
    )
    first, last = datetime(2026, 11, 1, tzinfo=UTC), datetime(2026, 11, 2, tzinfo=UTC)
    noon = first + timedelta(hours=12)
    assert account.exact() == {
        ("ann", "bob"): (3, first, last),
        ("ann", "carl"): (1, first, first),
        ("ann", "ann"): (1, noon, noon),
    }
    assert (account.rows, account.accepted, account.rejected, account.mentions) == (4, 4, 0, 5)


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
def test_lines_are_physical_and_records_are_not(end: bytes) -> None:
    lines = [
        b"data,timestamp,username",
        b"",
        b'"two',
        b'lines, ""@bob""",' + T0 + b",ann",
        b"",
        b"short",
        row(b"@carl"),
    ]
    account = oracle.account(b"\xef\xbb\xbf" + end.join(lines))
    assert account.rejects == [(6, "too_few_fields")]
    assert set(account.edges) == {("ann", "bob"), ("ann", "carl")}


def test_a_broken_quote_costs_one_physical_line() -> None:
    account = counted(
        row(b'"closed" early @bob'),
        row(b'"spans lines\nand closes" badly @bob'),
        row(b'a "literal" quote @carl'),
        row(b' "literal too" @dora'),
        row(b'"never closed @bob'),
        row(b"@emil"),
    )
    # The second bad row starts on line 3; line 4 is then read as a row of its own, quotes and all.
    assert account.rejects == [(2, "bad_quoting"), (3, "bad_quoting"), (7, "bad_quoting")]
    assert {target for _, target in account.edges} == {"bob", "carl", "dora", "emil"}
    assert account.edges["ann", "bob"].mention_count == 1


@pytest.mark.parametrize(
    ("bad", "code"),
    [
        (b"only,two", "too_few_fields"),
        (row(b"a,b"), "too_many_fields"),
        (row(b"x", stamp=b"2026-02-30"), "bad_timestamp"),
        (row(b"x", stamp=b""), "bad_timestamp"),
        (row(b"x", b"  "), "empty_username"),
        (row(b"x", "＠".encode()), "empty_username"),
        (row(b"x", b"a\tb"), "bad_username"),
        (row(b"x", b"a" * 321), "bad_username"),
        (row(b"\xff"), "invalid_utf8"),
        (row(b"x", b"a\0"), "nul_byte"),
    ],
)
def test_rejects_name_line_and_reason_and_spare_the_neighbours(bad: bytes, code: str) -> None:
    account = counted(row(b"@bob"), bad, row(b"@bob", b" a" * 160), row("@bob \ufffd".encode()))
    assert account.rejects == [(3, code)]
    assert (account.rows, account.accepted, account.mentions) == (4, 3, 3)


def test_columns_are_found_by_name_and_others_may_hold_anything() -> None:
    account = counted(b"ann,7\xff\0,@bob," + T0, header=b' Username ,"extra",DATA,timestamp\r\n')
    assert set(account.edges) == {("ann", "bob")}


@pytest.mark.parametrize("header", [b"", b"data,timestamp\n", b"data,timestamp,username,Data\n", b'"data\n'])
def test_a_header_without_the_columns_is_unusable(header: bytes) -> None:
    with pytest.raises(oracle.UnusableFileError):
        oracle.account(header)


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("2026-11-01", "2026-11-01T00:00:00+00:00"),
        ("2026-11-01 12:30", "2026-11-01T12:30:00+00:00"),
        ("2026-11-01T12:30:15.5Z", "2026-11-01T12:30:15.500000+00:00"),
        ("2026-11-01T12:30:15.123456789", "2026-11-01T12:30:15.123456+00:00"),
        ("2026-11-01T01:30:00+05:30", "2026-10-31T20:00:00+00:00"),
        ("2026-11-01T01:30-0530", "2026-11-01T07:00:00+00:00"),
        ("2026-11-01T01:30:00+02", "2026-10-31T23:30:00+00:00"),
        ("1793534400", "2026-11-01T12:00:00+00:00"),
        ("999999999", "2001-09-09T01:46:39+00:00"),
        ("1793534400123", "2026-11-01T12:00:00.123000+00:00"),
    ],
)
def test_timestamps_are_read(text: str, instant: str) -> None:
    assert oracle.from_micros(oracle.read_instant(text)) == datetime.fromisoformat(instant)


@pytest.mark.parametrize(
    "text",
    [
        "20261101",
        "12345678901",
        "2026-11-01T24:00",
        "2026-11-01T12",
        "2026-11-01T12:60",
        "2026-1-1",
        "1e9",
        "٢٠٢٦-١١-٠١",
    ],
)
def test_other_timestamps_are_not(text: str) -> None:
    with pytest.raises(oracle.RejectError, match="bad_timestamp"):
        oracle.read_instant(text)


def test_weights_halve_by_the_clock_asked_for() -> None:
    content = HEADER + row(b"@bob", stamp=b"2026-11-01T00:00:00Z") + b"\n" + row(b"@bob", stamp=b"2026-11-08") + b"\n"
    at = datetime(2026, 11, 15, tzinfo=UTC)
    by_event = oracle.account(content, at=at)
    by_arrival = oracle.account(content, at=at, received_at=at - timedelta(days=7))
    assert by_event.edges["ann", "bob"].weight == pytest.approx(0.25 + 0.5)
    assert by_arrival.edges["ann", "bob"].weight == pytest.approx(2 * 0.5)


EXPORT = "source,target,mention_count,weight,first_seen,last_seen\n"
GOOD_EXPORT = EXPORT + "Ann,BOB,2,1.0,2026-11-01T12:00:00Z,2026-11-01T13:00:00+01:00\n"


@pytest.mark.parametrize(
    ("export", "arguments", "code", "said"),
    [
        (GOOD_EXPORT, [], 0, "EQUAL: 1 edges, 2 mentions"),
        (GOOD_EXPORT, ["--self-mentions"], 1, "@ann -> @ann: missing"),
        (GOOD_EXPORT, ["--at", "2026-11-08T12:00:00Z", "--clock", "event"], 0, "weights compared"),
        (GOOD_EXPORT, ["--at", "2026-11-08T12:00:01Z", "--clock", "event"], 1, "weight is 1.0, expected 0.99999"),
        (GOOD_EXPORT.replace(",2,", ",3,"), [], 1, "mention_count is 3, expected 2"),
        (GOOD_EXPORT.replace("T13:", "T14:"), [], 1, "last_seen is 2026-11-01 13:00:00+00:00, expected"),
        (GOOD_EXPORT + "ann,bob,1,1,2026-11-01,2026-11-01\n", [], 1, "more than once"),
        (GOOD_EXPORT + "x,y,1,1,2026-11-01,2026-11-01\n", [], 1, "@x -> @y: not expected"),
        ("source,target\n", [], 2, ""),
    ],
)
def test_comparing_an_export(
    *, tmp_path: Path, capsys: pytest.CaptureFixture[str], export: str, arguments: list[str], code: int, said: str
) -> None:
    (tmp_path / "posts.csv").write_bytes(HEADER + row(b"@bob @Bob @ann") + b"\n")
    (tmp_path / "edges.csv").write_text(export, encoding="utf-8")
    call = [str(tmp_path / "posts.csv"), "--compare", str(tmp_path / "edges.csv"), *arguments]
    assert compare.main(call) == code
    assert said in capsys.readouterr().out


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def test_the_generator_gives_the_same_bytes_everywhere() -> None:
    short = b"".join(posts_generator.generate(2_000, 7))
    assert sha256(short) == "f1cd25ccfc47258daa36580ce52a056fb69e7022e608293935c864a74277ca85"
    assert (
        sha256(b"".join(posts_generator.generate(2_000, 7, bad_rows=0.05)))
        == "246cacb2a2e1b13c753b063ec6a94019f1ae142caa53294c5a96844df9bafc89"
    )
    assert b"".join(posts_generator.generate(3_000, 7)).startswith(short)
    assert b"".join(posts_generator.generate(2_000, 8)) != short


def test_the_generators_bad_rows_are_rejected_and_no_others() -> None:
    good = oracle.account(b"".join(posts_generator.generate(2_500, 1)))
    assert (good.rows, good.accepted) == (2_500, 2_500)
    assert good.mentions == 2785
    spoiled = oracle.account(b"".join(posts_generator.generate(2_500, 1, bad_rows=0.2)))
    assert spoiled.rows == 2_500
    assert spoiled.reject_codes() == {
        "bad_quoting": 114,
        "bad_timestamp": 120,
        "empty_username": 92,
        "invalid_utf8": 52,
        "nul_byte": 55,
        "too_few_fields": 61,
        "too_many_fields": 45,
    }
    assert ("nora_fox", "nora_fox") not in spoiled.edges


def test_the_sample_is_what_its_maker_makes() -> None:
    assert make_sample.SAMPLE.read_bytes() == make_sample.build()


def test_the_sample_has_what_the_demo_shows() -> None:
    content = make_sample.SAMPLE.read_bytes()
    account = oracle.account(content)
    assert len(content) < 600_000
    assert (account.rows, account.accepted, account.mentions, len(account.edges)) == (4_000, 3_975, 4_429, 1_303)
    assert account.reject_codes() == {
        "bad_quoting": 5,
        "bad_timestamp": 5,
        "empty_username": 3,
        "invalid_utf8": 4,
        "too_few_fields": 4,
        "too_many_fields": 4,
    }
    lines = content.split(b"\n")
    assert [lines[line - 1] for line, _ in account.rejects] == list(make_sample.BAD_ROWS)
    assert max(edge.mention_count for edge in account.edges.values()) > 30
    instants = [instant for _, first, last in account.exact().values() for instant in (first, last)]
    assert datetime(2026, 10, 21, tzinfo=UTC) < min(instants) < max(instants) < datetime(2026, 11, 20, tzinfo=UTC)
