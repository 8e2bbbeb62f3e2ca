from __future__ import annotations

import re
from collections import defaultdict
from datetime import UTC, datetime, timedelta, timezone
from typing import NamedTuple

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.graph.groups import Groups, Numbers
from app.graph.mentions import Clock, Counted, count, number
from app.graph.profiles import PROFILES, find, version_of
from app.posts.handles import fold
from app.posts.options import Retweets
from ops.oracle.account import mentioned
from tests.graph.mention_facts import (
    BEHIND_URLS,
    BLUESKY,
    CONFORMANCE,
    CUT,
    FURTHER,
    GITHUB,
    IN_URLS,
    INSTAGRAM,
    LISTS,
    LOCAL,
    MASTODON,
    OTHERS,
    REDDIT,
    RETWEETS,
    TELEGRAM,
    TIKTOK,
    WEIBO,
    WORD,
    YOUTUBE,
    Facts,
)

TWITTER = PROFILES["twitter"]
RECEIVED = datetime(2024, 6, 1, 12, tzinfo=UTC)
WEEK = timedelta(days=7)

Post = tuple[str, datetime, str]


def frame_of(posts: list[Post]) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "text": [text for text, _, _ in posts],
            "at": [at for _, at, _ in posts],
            "author": [fold(author) for _, _, author in posts],
            "author_spelling": [author for _, _, author in posts],
        },
        schema={
            "text": pl.String,
            "at": pl.Datetime("us", "UTC"),
            "author": pl.String,
            "author_spelling": pl.String,
        },
    )


def count_posts(posts: list[Post], clock: Clock = Clock.ARRIVAL, half_life: timedelta = WEEK) -> Counted:
    return count(frame_of(posts), profile=TWITTER, clock=clock, received_at=RECEIVED, half_life=half_life)


def handles(text: str, profile: str = "twitter", version: int | None = None) -> list[str]:
    rule = PROFILES[profile] if version is None else version_of(profile, version)
    assert rule is not None
    return find(pl.Series([text]), rule).mentions["handle"].to_list()


def test_the_conformance_suite_has_26_cases() -> None:
    assert len(CONFORMANCE) == 26


@pytest.mark.parametrize(("text", "expected"), [*CONFORMANCE, *LISTS, *FURTHER])
def test_twitter_mentions(text: str, expected: list[str]) -> None:
    assert handles(text) == expected


FACTS = {
    "twitter": [*CONFORMANCE, *LISTS, *FURTHER], "mastodon": MASTODON, "bluesky": BLUESKY, "word": WORD,
    "instagram": INSTAGRAM, "tiktok": TIKTOK, "youtube": YOUTUBE, "reddit": REDDIT, "telegram": TELEGRAM,
    "weibo": WEIBO, "github": GITHUB,
}  # fmt: skip
FIRST = ("twitter", "mastodon", "bluesky", "word")
"""Profiles of which batches of old were counted by a first version: it finds what it found."""


def test_each_profile_has_facts() -> None:
    assert FACTS.keys() == PROFILES.keys()
    assert {name: profile.version for name, profile in PROFILES.items()} == {
        name: 2 if name in FIRST else 1 for name in FACTS
    }


@pytest.mark.parametrize(
    ("profile", "text", "expected"),
    [(profile, *fact) for profile in FACTS for fact in FACTS[profile]],
)
def test_mentions_of_other_profiles(profile: str, text: str, expected: list[str]) -> None:
    assert handles(text, profile) == expected


@pytest.mark.parametrize(("profile", "text", "expected"), [(name, *fact) for name in FIRST for fact in FACTS[name]])
def test_a_first_version_finds_what_it_found(profile: str, text: str, expected: list[str]) -> None:
    assert handles(text, profile, 1) == expected


@pytest.mark.parametrize("profile", FACTS)
@pytest.mark.parametrize("text", IN_URLS)
def test_a_url_holds_no_mention(profile: str, text: str) -> None:
    assert handles(text, profile) == []


SIGNED = {"reddit": "u/efgh", "bluesky": "@efgh.example", "mastodon": "@efgh@ijkl.example"}


@pytest.mark.parametrize("profile", FACTS)
@pytest.mark.parametrize("text", BEHIND_URLS)
def test_a_mention_behind_a_url_is_one(profile: str, text: str) -> None:
    signed = SIGNED.get(profile, "@efgh")
    assert handles(text.format(signed), profile) == [signed.removeprefix("u/").removeprefix("@")]


@pytest.mark.parametrize("profile", sorted(FACTS.keys() - {"word"}))
def test_an_address_of_mail_is_no_mention(profile: str) -> None:
    assert handles("ana@mail.example, a.b-c_d@mail.example; mailto:ana@mail.example", profile) == []


@pytest.mark.parametrize("profile", PROFILES)
def test_a_profile_says_its_rule_and_its_source(profile: str) -> None:
    assert PROFILES[profile].about
    assert PROFILES[profile].source


@pytest.mark.parametrize(("text", "expected", "cut"), CUT)
def test_a_handle_that_was_cut_off_is_no_user(text: str, expected: list[str], cut: bool) -> None:
    found = find(pl.Series([text]), PROFILES["twitter"])
    assert (found.mentions["handle"].to_list(), len(found.cut) > 0) == (expected, cut)


@pytest.mark.parametrize(("author", "text", "expected"), LOCAL)
def test_a_bare_name_is_on_its_authors_server(author: str, text: str, expected: list[str]) -> None:
    found = find(pl.Series([text]), PROFILES["mastodon"], authors=pl.Series([author]))
    assert found.mentions["handle"].to_list() == expected


@pytest.mark.parametrize(("profile", "facts"), FACTS.items(), ids=list(FACTS))
def test_texts_do_not_touch_each_other(profile: str, facts: Facts) -> None:
    found = find(pl.Series([text for text, _ in facts]), PROFILES[profile]).mentions
    assert found.rows() == [(row, handle) for row, (_, expected) in enumerate(facts) for handle in expected]


SIGN_BEFORE = re.compile("(^|[^a-zA-Z0-9_!#$%&*@＠]|(^|[^a-zA-Z0-9_+~.-])(rt|RT|rT|Rt):?)[@＠]")
LATIN = (
    "À-ÖØ-öø-ÿ\u0100-\u024f\u0253\u0254\u0256\u0257\u0259\u025b\u0263\u0268\u026f\u0272\u0289\u028b\u02bb"
    "\u0300-\u036f\u1e00-\u1eff"
)


def naive_handles(text: str) -> list[str]:
    """Step by step: the next sign in a good place, its name, its list; then a look at what follows."""
    found: list[str] = []
    at = 0
    while (
        sign := SIGN_BEFORE.search(text, at)
        if at == 0
        else re.compile(SIGN_BEFORE.pattern.replace("^|", "")).search(text, at)
    ):
        name = re.compile("[a-zA-Z0-9_]{1,20}").match(text, sign.end())
        if name is None:
            at = sign.start() + 1
            continue
        slug = re.compile("/[a-zA-Z][a-zA-Z0-9_-]{0,24}").match(text, name.end())
        at = slug.end() if slug else name.end()
        if slug is None and not re.compile(f"[@＠{LATIN}]|://").match(text, at):
            found.append(name[0])
    return found


MENTIONING = st.text(alphabet="@@@＠ab_rRtT:/-. !é\u0301の\n1", max_size=30)


@given(MENTIONING)
@settings(max_examples=600)
def test_any_text_is_read_as_the_naive_reader_does(text: str) -> None:
    assert handles(text, version=1) == naive_handles(text)


NAIVE = {
    "mastodon": re.compile(
        r"(?<![=/\w])@([a-z0-9_]+(?:[.-]+[a-z0-9_]+)*(?:@\w+(?:[.-]+\w+)*)?)", re.IGNORECASE | re.ASCII
    ),
    "word": re.compile(r"@(\w+)", re.ASCII),
}


@given(text=st.text(alphabet="@@@aB1_.-/= (\n:", max_size=30), profile=st.sampled_from(sorted(NAIVE)))
@settings(max_examples=400)
def test_any_text_is_read_as_by_one_pattern(text: str, profile: str) -> None:
    assert handles(text, profile, 1) == NAIVE[profile].findall(text)


def naive_bluesky(text: str) -> list[str]:
    found: list[str] = []
    for match in re.finditer(r"(^|[ \n(])@([a-zA-Z0-9.-]+)\b", text, re.ASCII):
        labels = match[2].split(".")
        if (
            len(labels) > 1
            and all(label and not label.startswith("-") and not label.endswith("-") for label in labels)
            and labels[-1][0].isalpha()
        ):
            found.append(match[2])
    return found


@given(st.text(alphabet="@@@aB1_..- (\n:", max_size=30))
@settings(max_examples=400)
def test_any_text_is_read_as_bluesky_does(text: str) -> None:
    assert handles(text, "bluesky", 1) == naive_bluesky(text)


def count_without_retweets(posts: list[Post]) -> Counted:
    return count(
        frame_of(posts),
        profile=TWITTER,
        clock=Clock.ARRIVAL,
        received_at=RECEIVED,
        half_life=WEEK,
        retweets=Retweets.NONE,
    )


@pytest.mark.parametrize("text", RETWEETS)
def test_retweets_can_be_left_out(text: str) -> None:
    posts = [(text, RECEIVED, "x"), ("@c", RECEIVED, "y")]
    assert set(as_edges(count_without_retweets(posts))) == {("y", "c")}
    assert ("x", "a") in as_edges(count_posts(posts))


@pytest.mark.parametrize("text", OTHERS)
def test_what_is_no_retweet_is_not_left_out(text: str) -> None:
    posts = [(text, RECEIVED, "x")]
    assert as_edges(count_without_retweets(posts)) == as_edges(count_posts(posts))


class NaiveEdge(NamedTuple):
    mentions: int
    first_seen: datetime
    last_seen: datetime
    weight: float
    weighed_at: datetime


def naive_edges(posts: list[Post], clock: Clock, half_life: timedelta) -> dict[tuple[str, str], NaiveEdge]:
    made: dict[tuple[str, str], list[datetime]] = defaultdict(list)
    for text, at, author in posts:
        for handle in naive_handles(text):
            made[author.lower(), handle.lower()].append(at)
    edges: dict[tuple[str, str], NaiveEdge] = {}
    for key, instants in made.items():
        counted = [RECEIVED if clock is Clock.ARRIVAL else min(at, RECEIVED) for at in instants]
        weighed_at = max(counted)
        weight = sum(2 ** -((weighed_at - at) / half_life) for at in counted)
        edges[key] = NaiveEdge(len(instants), min(instants), max(instants), weight, weighed_at)
    return edges


def as_edges(counted: Counted) -> dict[tuple[str, str], NaiveEdge]:
    edges = (
        counted.named()
        .select("source", "target", "mention_count", "first_seen", "last_seen", "weight", "weighed_at")
        .rows()
    )
    return {(source, target): NaiveEdge(*edge) for source, target, *edge in edges}


def merged(one: NaiveEdge, other: NaiveEdge, half_life: timedelta) -> NaiveEdge:
    at = max(one.weighed_at, other.weighed_at)
    weight = sum(edge.weight * 2 ** -((at - edge.weighed_at) / half_life) for edge in (one, other))
    first, last = min(one.first_seen, other.first_seen), max(one.last_seen, other.last_seen)
    return NaiveEdge(one.mentions + other.mentions, first, last, weight, at)


def assert_same(found: dict[tuple[str, str], NaiveEdge], expected: dict[tuple[str, str], NaiveEdge]) -> None:
    assert found.keys() == expected.keys()
    for key, edge in found.items():
        assert edge._replace(weight=0) == expected[key]._replace(weight=0)
        assert edge.weight == pytest.approx(expected[key].weight, rel=1e-9, abs=1e-300)


TEXTS = st.one_of(MENTIONING, st.lists(st.sampled_from(["@a", "@A", "@b_c", "x@a", "hello"])).map(" ".join))
INSTANTS = st.datetimes(datetime(1999, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001
POSTS = st.lists(st.tuples(TEXTS, INSTANTS, st.sampled_from(["ann", "Ann", "bob", "a"])), max_size=12)


@given(POSTS, st.sampled_from(Clock), st.sampled_from([WEEK, timedelta(seconds=1), timedelta(days=4000)]))
@settings(max_examples=150)
def test_edges_equal_the_naive_ones(posts: list[Post], clock: Clock, half_life: timedelta) -> None:
    counted = count_posts(posts, clock, half_life)
    assert_same(as_edges(counted), naive_edges(posts, clock, half_life))
    assert counted.mentions == counted.edges["mention_count"].sum()


@given(st.lists(POSTS, max_size=4), st.sampled_from(Clock))
@settings(max_examples=100)
def test_any_split_into_batches_sums_to_the_whole(batches: list[list[Post]], clock: Clock) -> None:
    total: dict[tuple[str, str], NaiveEdge] = {}
    for batch in batches:
        for key, edge in as_edges(count_posts(batch, clock)).items():
            total[key] = merged(total[key], edge, WEEK) if key in total else edge
    assert_same(total, as_edges(count_posts([post for batch in batches for post in batch], clock)))


def test_frames_have_the_promised_columns() -> None:
    instant = pl.Datetime("us", "UTC")
    kinds = {"replies": pl.UInt32, "retweets": pl.UInt32, "quotes": pl.UInt32}
    for clock in Clock:
        for posts, of_kinds in (([], {}), ([("hi @b", RECEIVED, "a")], {}), ([("@b", RECEIVED, "a")], kinds)):
            counted = count_posts(posts, clock)
            assert dict(counted.edges.schema) == {
                "source": pl.UInt32,
                "target": pl.UInt32,
                "mention_count": pl.Int64,
                "first_seen": instant,
                "last_seen": instant,
                "weight": pl.Float64,
                "weighed_at": instant,
                **of_kinds,
            }
            assert dict(counted.users.schema) == {"handle": pl.String, "spelling": pl.String}


def test_arrival_weighs_each_mention_one_at_the_arrival() -> None:
    old = RECEIVED - timedelta(days=900)
    counted = count_posts([("@b @B", old, "a"), ("@b", RECEIVED, "A")])
    assert as_edges(counted) == {("a", "b"): NaiveEdge(3, old, RECEIVED, 3.0, RECEIVED)}


def test_event_weighs_by_age_and_the_future_counts_as_the_arrival() -> None:
    future = RECEIVED + timedelta(days=300)
    posts = [("@b", RECEIVED - WEEK, "a"), ("@b", future, "a"), ("@c", RECEIVED - WEEK, "a")]
    assert as_edges(count_posts(posts, Clock.EVENT)) == {
        ("a", "b"): NaiveEdge(2, RECEIVED - WEEK, future, 1.5, RECEIVED),
        ("a", "c"): NaiveEdge(1, RECEIVED - WEEK, RECEIVED - WEEK, 1.0, RECEIVED - WEEK),
    }


def test_what_is_too_old_to_weigh_anything_weighs_nothing() -> None:
    posts = [("@b", datetime(1, 1, 1, tzinfo=UTC), "a"), ("@b", RECEIVED, "a")]
    (edge,) = as_edges(count_posts(posts, Clock.EVENT, timedelta(microseconds=1))).values()
    assert (edge.mentions, edge.weight) == (2, 1.0)


def test_the_arrival_may_be_told_in_any_zone() -> None:
    received = RECEIVED.astimezone(timezone(timedelta(hours=5)))
    counted = count(
        frame_of([("@b", RECEIVED, "a")]), profile=TWITTER, clock=Clock.ARRIVAL, received_at=received, half_life=WEEK
    )
    assert counted.edges["weighed_at"].to_list() == [RECEIVED]


def test_a_half_life_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="half-life"):
        count_posts([], half_life=timedelta(0))


def test_without_a_half_life_each_mention_weighs_one() -> None:
    posts = [("@bob", RECEIVED - 100 * WEEK, "ann"), ("@bob", RECEIVED, "ann")]
    counted = count(frame_of(posts), profile=TWITTER, clock=Clock.EVENT, received_at=RECEIVED, half_life=None)

    assert counted.edges["weight"].to_list() == [2.0]


def test_days_are_counted_from_the_first_to_the_day_of_the_arrival() -> None:
    day, today = timedelta(days=1), RECEIVED.date()
    posts = [
        ("@early", RECEIVED - 3 * day, "ann"),
        ("@early", RECEIVED - 2 * day, "ann"),
        ("@late", RECEIVED, "ann"),
        ("@late", RECEIVED + day, "ann"),
        ("@once", RECEIVED, "ann"),
    ]
    counted = count(
        frame_of(posts),
        profile=TWITTER,
        clock=Clock.EVENT,
        received_at=RECEIVED,
        half_life=WEEK,
        days_from=today - 2 * day,
    )

    assert counted.days is not None
    names = counted.users["handle"].to_list()
    found = {(names[target], made, mentions) for _, target, made, mentions in counted.days.rows()}
    assert found == {("early", today - 2 * day, 1), ("late", today, 1)}
    assert count_posts(posts).days is None


def test_handles_whose_hashes_are_alike_are_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    names = pl.Series(["bob", "ann", "bob", "cy", "ann"])
    alike = Groups.of_hashes(np.zeros(len(names), np.uint64))

    def of_hashes(_: Numbers) -> Groups:
        return alike

    monkeypatch.setattr(Groups, "of_hashes", of_hashes)

    numbers, firsts = number(names)

    assert (numbers.tolist(), firsts.tolist()) == ([0, 1, 0, 2, 1], [0, 1, 3])


def test_what_only_some_profiles_read_is_text_to_the_others() -> None:
    assert handles('<a class="mention" href="https://m.social/@bob">@cy</a>') == ["cy"]
    assert handles("see https://x.com/@bob and cut @an…", "twitter", 1) == ["bob", "an"]
    assert handles("`@bob` and https://x.com/@an ```@cy```") == ["bob", "cy"]
    assert handles("@1None", "telegram") == []
    found = find(pl.Series(["@bob"]), TWITTER, authors=pl.Series(["ann@m.social"]))
    assert found.mentions["handle"].to_list() == ["bob"]


@pytest.mark.parametrize(("characters", "cut"), [(99, []), (100, [0])])
def test_a_text_of_a_hundred_characters_may_have_been_cut_off(characters: int, cut: list[int]) -> None:
    text = "x" * (characters - 5) + " @an…"

    assert find(pl.Series([text]), TWITTER).cut.to_list() == cut


def test_self_mentions_are_kept() -> None:
    assert list(as_edges(count_posts([("@Ann", RECEIVED, "ann")]))) == [("ann", "ann")]


def test_users_keep_their_own_first_spelling_or_else_the_first_that_others_gave_them() -> None:
    posts = [("no one", RECEIVED, "Zoë"), ("@BOB @Cy", RECEIVED, "ann"), ("@ANN @cy @zed", RECEIVED, "Bob")]
    assert count_posts(posts).users.rows() == [
        ("ann", "ann"),
        ("bob", "Bob"),
        ("cy", "Cy"),
        ("zed", "zed"),
    ]


def test_users_keep_their_order_when_some_texts_are_read_exactly() -> None:
    posts = [("@a1@x @B", RECEIVED, "u"), ("@b @C", RECEIVED, "u"), ("@c @http://x @D", RECEIVED, "u")]
    assert count_posts(posts).users["spelling"].to_list() == ["u", "B", "C", "D"]


PIECES = st.sampled_from(
    ("@", "＠", "a", "b_1", "ab.c", "/", "://", "http", "https://", "x.example", "x.example/", "…", "...", "RT ", " ",
     "RT @a: ", "é", "?by=", "-", ".", "u/", ":8080", "ж", "=", "w" * 60, "Z")
)  # fmt: skip


@given(st.lists(st.lists(PIECES, max_size=14).map("".join), min_size=20, max_size=40))
def test_urls_and_cut_handles_are_told_as_the_oracle_tells_them(texts: list[str]) -> None:
    """The oracle states the rule on its own, and reads character by character."""
    found: dict[int, list[str]] = {}
    for row, handle in find(pl.Series(texts), PROFILES["twitter"]).mentions.rows():
        found.setdefault(row, []).append(handle)
    assert [found.get(row, []) for row in range(len(texts))] == [mentioned(text) for text in texts]
