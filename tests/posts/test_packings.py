"""The posts of a JSON file are found among what else its objects hold, and no post is taken twice."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

import pytest

from app.posts.json import paths
from app.posts.looking.reading import look
from app.posts.options import Given, InputFormat
from tests.posts.pure import read
from tests.posts.reading_facts import BEA, POST

POSTED = {"created_at": "2024-01-01T10:00:00Z", "username": "ana"}
PLAIN = {"text": "hi @bea", **POSTED}
OTHER = {"text": "hi @cyd", **POSTED}
BOTH = {**BEA, ("ana", "cyd"): 1}
WORDS = {f"words{number}": [f"word{number}"] for number in range(paths.MAX_ALTERNATIVES)}
TWEET = {**PLAIN, "id": "1", "author_id": "7", "author": {"username": "ana"}}
UNNAMED = {key: value for key, value in TWEET.items() if key not in {"author", "username"}}
REDDIT = {"body": "hi u/bea", "author": "ana", "created_utc": 1704103200}


def toot(number: int, mentioned: str) -> dict[str, Any]:
    account = {"acct": "ana", "url": "https://x.example/@ana"}
    mention = {"acct": mentioned, "url": f"https://x.example/@{mentioned}", "id": "9"}
    return {
        "id": str(number), "content": f"<p>hi @{mentioned}</p>", "created_at": "2024-01-01T10:00:00Z",
        "account": account, "mentions": [mention],
    }  # fmt: skip


class Fact(NamedTuple):
    """What is read of a file."""

    name: str
    objects: dict[str, Any] | list[Any]
    edges: dict[tuple[str, str], int]
    preset: str | None = None
    """Which is found by itself."""
    given: Given = Given()
    rejects: tuple[str, ...] = ()


FACTS = [
    Fact(
        "objects with the keys of old beside those of a preset",
        {**TWEET, "data": "hi @bea", "timestamp": "2024-01-01", "text": "hi @no"},
        BEA,
    ),
    Fact(
        "as many objects with the keys of old as without",
        [{**TWEET, "data": "hi @bea", "timestamp": "2024-01-01", "text": "hi @no"}, TWEET],
        BEA,
        rejects=("missing_key",),
    ),
    Fact(
        "objects with no keys but those that the sender names, which are a preset's",
        REDDIT,
        {},
        given=Given(text="body", timestamp="created_utc", author="author", profile="twitter"),
    ),
    Fact(
        "a page of the preset that the sender names, with the keys of old",
        {**POST, "data": [UNNAMED], "includes": {"users": [{"id": "7", "username": "ana"}]}},
        BEA,
        "x-v2",
        Given(preset="x-v2"),
    ),
    Fact(
        "statuses beside further statuses",
        {"statuses": [toot(1, "bea")], "pinned": [toot(2, "cyd")]},
        {("ana@x.example", "bea@x.example"): 1, ("ana@x.example", "cyd@x.example"): 1},
        "mastodon",
    ),
    Fact(
        "posts that a page includes, since others refer to them",
        {"data": [TWEET], "includes": {"tweets": [{**TWEET, **OTHER, "id": "2"}]}},
        BEA,
        "x-v2",
    ),
    Fact("a list with more than objects", {"posts": [PLAIN, 7, "hi @no"]}, BEA, rejects=("not_an_object",) * 2),
    Fact("posts that a post refers to", {**PLAIN, "related": [OTHER]}, BEA),
    Fact("comments", {**PLAIN, "comments": [OTHER]}, BOTH),
    Fact("comments that are counted alone", {**PLAIN, "comments": [{"count": 3}]}, BEA),
    Fact("comments without authors and instants", {**PLAIN, "comments": [{"text": "hi @no"}]}, BEA),
    Fact(
        "comments behind words",
        [{**PLAIN, "comments": ["word"] * 50}, {**PLAIN, "comments": [OTHER]}],
        {("ana", "bea"): 2, ("ana", "cyd"): 1},
        rejects=("not_an_object",) * 50,
    ),
    Fact("posts four keys deep", {"a": {"b": {"c": {"d": [PLAIN]}}}}, BEA),
    Fact("lists of words between two lists of posts", {"toots": [PLAIN], **WORDS, "replies": [OTHER]}, BOTH),
]


@pytest.mark.parametrize("fact", FACTS, ids=lambda fact: fact.name)
def test_the_posts_of_a_file_are_found(fact: Fact) -> None:
    found = read(json.dumps(fact.objects).encode(), fact.given)
    assert (found.edges, tuple(found.rejects)) == (fact.edges, fact.rejects)
    assert (found.reading.preset and found.reading.preset.value) == fact.preset


def test_posts_five_keys_deep_are_not_looked_for() -> None:
    data = json.dumps({"a": {"b": {"c": {"d": {"e": [PLAIN]}}}}}).encode()
    assert not look(data, Given(), final=True).certain


@pytest.mark.parametrize("post", [TWEET, REDDIT, PLAIN], ids=["flattened tweets", "reddit without answers", "unknown"])
def test_posts_that_stand_alone_are_read_as_they_are(post: dict[str, Any]) -> None:
    assert look(json.dumps(post).encode(), Given(), final=True).packing.plain


def test_the_preset_that_is_named_wins_over_one_that_fits_better() -> None:
    data = json.dumps({**TWEET, **toot(1, "bea")}).encode()
    assert look(data, Given(), final=True).packing.join != "servers"
    assert look(data, Given(preset="mastodon"), final=True).packing.join == "servers"


def test_a_preset_of_pages_is_not_found_without_its_pages() -> None:
    video = {"username": "ana", "video_description": "hi @bea", "create_time": 1704103200}
    page = look(json.dumps({"data": {"videos": [video]}}).encode(), Given(), final=True)
    assert page.preset is not None
    assert page.preset.value == "tiktok-research"
    assert look(json.dumps(video).encode(), Given(), final=True).preset is None


def test_a_line_longer_than_what_is_looked_at_is_read_as_the_sender_says() -> None:
    line = json.dumps({**PLAIN, "rest": "x" * 1000}).encode()
    assert look(line[:500], Given(layout=InputFormat.JSONL), final=False).certain
