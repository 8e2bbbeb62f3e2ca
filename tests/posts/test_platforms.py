"""Which platform a file of no preset is from: links, columns and names have to say so in most of their cells."""

from __future__ import annotations

import pytest

from app.posts.looking import platforms

REDDIT, YOUTUBE = "https://www.reddit.com/r/x", "https://youtu.be/x"
FEDERATED = '<a class="mention">@bea</a>'


def most(cell: str, other: str = "x") -> list[str]:
    """Cells of which just enough are alike. Empty cells count neither way."""
    return ["", *[cell] * 4, other]


def half(cell: str, other: str = "x") -> list[str]:
    return [*[cell] * 3, other, other]


@pytest.mark.parametrize(
    ("cells", "platform"),
    [
        ({"Subreddit ": ["python"]}, "reddit"),
        ({'item."subreddit"': ["python"]}, "reddit"),
        ({"snippet/authorChannelId": ["UC1"]}, "youtube"),
        ({"my subreddit": ["python"]}, None),
        ({"url": most(REDDIT)}, "reddit"),
        ({"post.permalink": most(REDDIT, "")}, "reddit"),
        ({"url": half(REDDIT)}, None),
        ({"url": most(REDDIT, YOUTUBE)}, None),
        ({"url": ["", ""]}, None),
        ({"url": ["https://news.example/reddit.com"]}, None),
        ({"elsewhere": most(REDDIT)}, None),
        ({"uri": most("at://did:plc:x/app.bsky.feed.post/1")}, "bluesky"),
        ({"uri": half("at://did:plc:x/app.bsky.feed.post/1")}, None),
        ({"uri": []}, None),
        ({"other": most("at://did:plc:x/app.bsky.feed.post/1")}, None),
        ({"author": most("ana.bsky.social")}, "bluesky"),
        ({"author": half("ana.bsky.social")}, None),
        ({"author": most("ana@x.example"), "text": ["hi", FEDERATED]}, "mastodon"),
        ({"author": most("ana@x.example"), "text": ["hi @bea@y.example"]}, "mastodon"),
        ({"author": most("ana@x.example"), "text": ["hi @bea"]}, None),
        ({"author": half("ana@x.example"), "text": [FEDERATED]}, None),
        ({"author": most("ana"), "text": [FEDERATED]}, None),
        ({"author": [""], "text": [FEDERATED]}, None),
        ({"text": most(REDDIT)}, None),
    ],
)
def test_a_platform_is_found_by_most_cells(cells: dict[str, list[str]], platform: str | None) -> None:
    text, author = (name if name in cells else None for name in ("text", "author"))

    found = platforms.of(cells, text, author)

    assert (found.value if found is not None else None) == platform


def test_links_that_are_the_texts_lead_anywhere() -> None:
    assert platforms.of({"url": most(REDDIT)}, "url", None) is None


def test_where_no_text_is_known_addresses_of_authors_are_those_of_mail() -> None:
    assert platforms.of({"author": most("ana@x.example"), "text": [FEDERATED]}, None, "author") is None
