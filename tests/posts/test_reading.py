"""A file is read right with certainty, or refused with what was found and the options to give. Never read wrongly."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.posts.looking import presets, recognising
from app.posts.looking.reading import Given, Reading, look
from app.posts.looking.sniffing import Layout, Sure
from tests.posts.pure import read
from tests.posts.reading_facts import ASKED, BEA, POST, RIGHT, Asked, Right


@pytest.mark.parametrize("fact", [fact for fact in RIGHT if fact.name != "an empty list"], ids=lambda fact: fact.name)
def test_a_file_is_read_right_by_itself(fact: Right) -> None:
    found = read(fact.data)
    assert found.edges == fact.edges
    assert tuple(found.rejects) == fact.rejects
    assert found.reading.preset is None
    assert found.reading.profile.value == "twitter"
    if fact.roles:
        assert tuple(found.reading.roles[role].value for role in ("text", "timestamp", "author")) == fact.roles
    if fact.instants:
        assert tuple(found.instants) == fact.instants


@pytest.mark.parametrize("fact", ASKED, ids=lambda fact: fact.name)
def test_a_file_that_is_not_certain_is_asked_about(fact: Asked) -> None:
    found = look(fact.data, Given(), final=True)
    assert tuple(doubt.option for doubt in found.doubts) == fact.options
    assert fact.words in " ".join(doubt.found for doubt in found.doubts)
    if fact.choices is not None:
        assert found.doubts[0].choices == fact.choices


SETTLED: list[tuple[str, Given]] = [
    ("no header", Given(columns=("author", "timestamp", "text"))),
    ("no header", Given(header=False, author="column1", timestamp="column2", text="column3")),
    ("two dates", Given(timestamp="created_at")),
    ("two texts", Given(text="message")),
    ("numbers beside names", Given(author="name")),
    ("numbers as authors", Given(author="user")),
    ("days of a spreadsheet", Given(timestamp="date", timestamp_format="excel")),
    ("dates of two meanings", Given(dates=presets.DateOrder.DAY_FIRST)),
    ("Polish in Windows-1250", Given(encoding="cp1250")),
    ("Greek in Windows-1253", Given(encoding="cp1253")),
    ("dates beside what may be times of day", Given(timestamp="date")),
    ("dates beside times of day that are not read", Given(timestamp="date")),
    ("date and time of day in two keys", Given(timestamp="date")),
    ("instants that are far apart", Given(timestamp="date")),
    ("links among authors", Given(author="author")),
    ("years of two digits", Given(timestamp_format="%y-%m-%d %H:%M")),
    ("instants in a format of their own", Given(timestamp_format="%Y/%d-%m")),
    ("who collected it", Given(author="post.author.username")),
    ("posts of X without their authors", Given(author="author_id")),
    ("one column", Given(author_is="ana", timestamp_format="%Y", timestamp="text")),
]


@pytest.mark.parametrize(("name", "given"), SETTLED, ids=[name for name, _ in SETTLED])
def test_an_option_that_was_asked_for_settles_it(name: str, given: Given) -> None:
    (fact,) = (fact for fact in ASKED if fact.name == name)
    assert look(fact.data, given, final=True).doubts == ()
    if name != "one column":
        assert sum(read(fact.data, given).edges.values()) >= 1


PLATFORMS = [
    ("reddit", b"author,body,created_utc,subreddit\nana,hi u/bea-c,1704103200,python\n", {("ana", "bea-c"): 1}),
    (
        "bluesky",
        b"author_handle,text,created_at\nana.bsky.social,hi @bea.example,2024-01-01\n",
        {("ana.bsky.social", "bea.example"): 1},
    ),
    (
        "mastodon",
        b"account.acct,content,created_at\n"
        b'ana@x.example,"<p><a href=""https://y.example/@bea"" class=""mention"">@bea</a>",2024-01-01\n',
        {("ana@x.example", "bea@y.example"): 1},
    ),
    (
        "instagram",
        b"url,username,caption,created_at\nhttps://www.instagram.com/p/x/,ana,hi @bea.c,2024-01-01\n",
        {("ana", "bea.c"): 1},
    ),
    ("youtube", b"author,comment,published_at,authorChannelId\n@ana,hi @bea-c,2024-01-01,UC1\n", {("ana", "bea-c"): 1}),
    (
        "github",
        b'[{"user":{"login":"ana"},"body":"hi @bea-c `@no`","created_at":"2024-01-01T00:00:00Z","html_url":"https://github.com/o/r/issues/1"}]',
        {("ana", "bea-c"): 1},
    ),
    ("twitter", b"url,username,text,created_at\nhttps://news.example/x,ana,hi @bea,2024-01-01\n", BEA),
    (
        "twitter",
        b"from,to,date,subject,body\nana@x.example,bea@x.example,2024-01-01,hello,hi @bea\n",
        {("ana@x.example", "bea"): 1},
    ),
]


@pytest.mark.parametrize(("profile", "data", "edges"), PLATFORMS)
def test_the_platform_is_found_where_the_file_shows_it(
    profile: str, data: bytes, edges: dict[tuple[str, str], int]
) -> None:
    found = read(data)
    assert found.reading.preset is None
    assert (found.reading.profile.value, found.reading.profile.sure) == (profile, Sure.CERTAIN)
    assert found.edges == edges


def csv_of(*columns: str) -> bytes:
    cells = {"timestamp": "2024-01-01", "created_at": "2024-01-01", "Date": "2024-01-01"}
    return f"{','.join(columns)}\n{','.join(cells.get(name, 'x') for name in columns)}\n".encode()


OF_OLD = ("data", "timestamp", "username")


@pytest.mark.parametrize(
    "preset", [preset for preset in presets.PRESETS if preset.keys], ids=lambda preset: preset.name
)
def test_no_preset_changes_a_file_with_the_columns_of_old(preset: presets.Preset) -> None:
    others = [key.split("|")[0] for key in preset.keys if preset.shape is presets.Shape.CSV]
    found = look(csv_of(*dict.fromkeys((*OF_OLD, *others))), Given(), final=True)
    assert found.preset is None
    assert {role: each.value for role, each in found.roles.items()} == dict(
        zip(("text", "timestamp", "author"), OF_OLD, strict=True)
    )
    assert (found.profile.value, found.retweets.value) == ("twitter", "text")


@pytest.mark.parametrize(
    "columns", [("text", "created_at", "author.username", "author_id"), ("DATA", " Timestamp ", "username")]
)
def test_columns_that_the_sender_names_are_read_without_a_preset(columns: tuple[str, ...]) -> None:
    text, timestamp, author = columns[:3]
    found = look(csv_of(*columns), Given(text=text, timestamp=timestamp, author=author), final=True)
    assert found.preset is None
    assert set(found.roles) == {"text", "timestamp", "author"}


def test_two_presets_that_fit_equally_are_both_named() -> None:
    two = ("Account", "Page Name", "User Name", "Post Created", "Description", "Message", "Group Name")
    fitting = recognising.of_columns(two)
    assert {preset.name for preset in fitting} == {"crowdtangle-facebook", "crowdtangle-groups"}
    (doubt, *_) = look(csv_of(*two), Given(), final=True).doubts
    assert doubt.option == "preset"
    assert set(doubt.choices) == {"crowdtangle-facebook", "crowdtangle-groups"}
    assert all(name in doubt.found for name in doubt.choices)
    assert look(csv_of(*two), Given(preset="crowdtangle-groups"), final=True).doubts == ()


def test_a_preset_that_does_not_fit_is_asked_about() -> None:
    for name, words in (("twtr", "no preset"), ("mastodon", "json"), ("brandwatch", "author")):
        found = look(csv_of("text", "created_at", "user"), Given(preset=name), final=True)
        assert words in " ".join(f"{doubt.option} {doubt.found}" for doubt in found.doubts)


def test_options_win_over_a_preset() -> None:
    data = csv_of("Query Id", "Date", "Author", "Full Text", "Snippet", "Mentioned Authors")
    found = look(data, Given(text="Snippet", profile="instagram"), final=True)
    assert (found.roles["text"].value, found.roles["text"].sure) == ("Snippet", Sure.GIVEN)
    assert (found.profile.value, found.profile.sure) == ("instagram", Sure.GIVEN)
    assert found.preset is not None


def test_dates_are_settled_by_any_row_of_the_head() -> None:
    rows = b"".join(b"hi @bea,01/02/2024 10:00,ana\n" for _ in range(3000))
    found = look(b"text,date,user\n" + rows + b"hi @bea,31/12/2023 10:00,ana\n" + rows, Given(), final=True)
    assert found.dates is not None
    assert (found.dates.value, found.dates.sure) == ("day-first", Sure.CERTAIN)


def test_a_head_that_ends_within_a_row_is_enough() -> None:
    rows = b'"hi, @bea\nand more",2024-01-01,ana\n' * 50
    for cut in range(60, 300, 7):
        found = look((b"text,date,user\n" + rows)[:cut], Given(), final=False)
        assert (found.doubts, found.columns) == ((), ("text", "date", "user"))


def test_a_page_that_ends_behind_the_head_is_enough() -> None:
    page = json.dumps({"name": "x", "posts": [POST] * 500}).encode()
    for cut in (1000, 5000, 20_000):
        found = look(page[:cut], Given(), final=False)
        assert (found.doubts, found.packing.rows) == ((), "posts[]")
        assert found.layout.value is Layout.JSON_PAGES


CELLS = st.sampled_from(
    ["", "hi @bea", "2024-01-01", "1704103200", "ana", "7", "01/02/2024", "é", '"', "[", "{", "x;y", "\t", "\\N"]
)
NAMES = st.sampled_from(
    ["data", "text", "timestamp", "date", "user", "username", "id", "created_at", "", "body", "author", "x"]
)


@given(
    header=st.lists(NAMES, max_size=5),
    rows=st.lists(st.lists(CELLS, max_size=5), max_size=5),
    delimiter=st.sampled_from(",;\t|"),
    final=st.booleans(),
)
@settings(max_examples=300)
def test_any_table_is_looked_at_without_a_failure(
    header: list[str], rows: list[list[str]], delimiter: str, *, final: bool
) -> None:
    text = "".join(delimiter.join(row) + "\n" for row in (header, *rows))
    found = look(text.encode(), Given(), final=final)
    assert_sound(found)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.sampled_from(["2024-01-01", "@bea"]),
    lambda below: (
        st.lists(below, max_size=3)
        | st.dictionaries(
            st.sampled_from(["data", "user", "text", "date", "username", "includes", "users", "replies", "commit"]),
            below,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(values=st.lists(VALUES, max_size=4), final=st.booleans(), indent=st.none() | st.just(1), cut=st.integers(0, 40))
@settings(max_examples=300)
def test_any_json_is_looked_at_without_a_failure(
    values: list[Any], *, final: bool, indent: int | None, cut: int
) -> None:
    for text in ("\n".join(json.dumps(each, indent=indent) for each in values), json.dumps(values, indent=indent)):
        assert_sound(look(text.encode()[: len(text) - cut], Given(), final=final))


@given(st.binary(max_size=200))
@settings(max_examples=300)
def test_any_bytes_are_looked_at_without_a_failure(data: bytes) -> None:
    assert_sound(look(data, Given(), final=True))


def assert_sound(found: Reading) -> None:
    assert found.certain == (not found.doubts)
    if found.certain:
        assert {"timestamp", "author"} <= found.roles.keys()
        assert all(each.sure >= Sure.CERTAIN for each in found.roles.values())
    for doubt in found.doubts:
        assert doubt.found
        assert doubt.option in {"file", *Given.__struct_fields__}
