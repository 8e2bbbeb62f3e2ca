"""Which preset a file fits, and what the columns of a file of no preset are good for."""

from __future__ import annotations

import pytest

from app.posts.looking import recognising
from app.posts.looking.doubting import Doubt
from app.posts.looking.sniffing import Finding, Sure

STATUS = {"content": "hi", "created_at": "2024-01-01", "account": {"acct": "ana"}}
TWEET = {"full_text": "hi", "created_at": "2024-01-01", "id_str": "1"}


@pytest.mark.parametrize(
    ("objects", "names"),
    [
        ([STATUS], ["mastodon"]),
        ([STATUS, {}], ["mastodon"]),
        ([STATUS, {}, {}], []),
        ([STATUS, STATUS, {}], ["mastodon"]),
        ([{"content": "hi"}], []),
        ([TWEET], ["x-archive"]),
        ([{**TWEET, "author": "ana"}], []),
        ([{**TWEET, "user": {"screen_name": "ana"}}], ["x-v1"]),
        ([], []),
    ],
)
def test_a_preset_fits_if_half_of_the_objects_have_its_keys(objects: list[dict[str, object]], names: list[str]) -> None:
    assert [preset.name for preset in recognising.of_objects(objects)] == names


@pytest.mark.parametrize(
    ("columns", "names"),
    [
        (["tweet_id", " TIMESTAMP ", "text", "source"], ["x-archive-csv"]),
        (["tweet_id", "timestamp", "text"], []),
        (["tweet_id", "timestamp", "text", "source", "author"], []),
        (["id", "thread_id", "timestamp", "body", "author"], ["4cat"]),
        (["id", "thread_id", "timestamp", "body", "author", "subject", "subreddit"], ["4cat-reddit"]),
        ([], []),
    ],
)
def test_of_presets_that_fit_columns_the_one_with_the_most_keys_is_taken(columns: list[str], names: list[str]) -> None:
    assert [preset.name for preset in recognising.of_columns(columns)] == names


@pytest.mark.parametrize(
    ("role", "cells", "place"),
    [
        ("reply", {"Reply_To_Username ": ["", "bea"]}, "Reply_To_Username "),
        ("reply", {"in_reply_to_username": [""], "replied_user": ["bea"]}, "replied_user"),
        ("reply", {"in_reply_to_username": ["Bea B"]}, None),
        ("reply", {"in_reply_to_username": ["https://x.example/bea"]}, None),
        ("reply", {"in_reply_to_username": ["", "123"]}, None),
        ("reply", {"in_reply_to_username": ["123", "bea"]}, "in_reply_to_username"),
        ("retweet", {"in_reply_to_username": ["bea"]}, None),
        ("id", {"id": ["1"]}, None),
    ],
)
def test_a_column_of_handles_is_known_by_its_name(role: str, cells: dict[str, list[str]], place: str | None) -> None:
    found = recognising.of_names(role, cells)

    assert (found.value if found is not None else None) == place


@pytest.mark.parametrize(
    ("cells", "place"),
    [
        ({"text": ["@bea"], "Title": ["hi", "of @bea"]}, "Title"),
        ({"title": ["hi"], "subject": ["hi u/bea"]}, "subject"),
        ({"title": ["mail a@b.example"]}, None),
        ({"text": ["@bea"]}, None),
    ],
)
def test_headings_count_where_they_mention_people(cells: dict[str, list[str]], place: str | None) -> None:
    found = recognising.of_headings(cells)

    assert (found.value if found is not None else None) == place


def test_of_columns_that_a_preset_may_mean_the_fullest_is_taken() -> None:
    cells = {"a": ["1", "", ""], "b": ["1", "2", ""], "c": ["", "1", "2"]}
    fullest = recognising.fullest(cells, lambda name: name if name in cells else None)

    assert [fullest(names) for names in ("a|b|c", "d|a", "d")] == ["b", "a", None]


@pytest.mark.parametrize(
    ("option", "cells", "explained"),
    [
        ("author", {"author_id": ["", "7"]}, True),
        ("author", {"author_id": [""]}, False),
        ("author", {"id": ["7"]}, False),
        ("text", {"author_id": ["7"]}, False),
    ],
)
def test_posts_of_x_without_authors_are_explained(option: str, cells: dict[str, list[str]], *, explained: bool) -> None:
    doubt = Doubt(option, "it is not there")

    found = recognising.of_expansions(doubt, cells)

    assert found == doubt or ("expansions=author_id" in found.found and explained)
    assert (found != doubt) is explained


def test_escapes_are_looked_for_in_texts() -> None:
    cells = {"a": ["x\\ny", "z"], "b": ["z"]}

    def are_escaped(**roles: str) -> bool:
        found = {role: Finding(place, Sure.CERTAIN, "") for role, place in roles.items()}
        return recognising.are_escaped(found, cells)

    assert are_escaped(text="a")
    assert not are_escaped(text="b", author="a")
    assert not are_escaped(author="a")
