"""Shapes of JSON: what is read of a text that is cut off, and what the posts of each kind of page are joined with."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from app.posts.looking import shapes
from app.posts.looking.shapes import Packing, Unpacker

# From text to objects -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "begins"),
    [
        ("[{}]", 0),
        ("hello [", 0),
        ("window.YTD.tweets.part0 = [{}]", len("window.YTD.tweets.part0 = ")),
        ("\n const posts = {}", len("\n const posts = ")),
    ],
)
def test_json_begins_behind_an_assignment(text: str, begins: int) -> None:
    assert shapes.behind_assignment(text) == begins


def test_lines_are_objects_where_they_hold_one() -> None:
    assert shapes.of_lines('{"a": 1}\n\n  \n[2]\n{"a"\n{"a": 3}') == [{"a": 1}, {"a": 3}]


@pytest.mark.parametrize(
    ("text", "final", "found"),
    [
        ('[{"a": 1}, {"a": 2}]', True, [1, 2]),
        (' [ 5, {"a": 1}, [{"a": 2}]]', True, [1]),
        ('[{"a": 1}, {"a": 2, "b": "x', False, [1, 2]),
        ('[{"a": 1}, {"a": 2, "b": "x', True, [1]),
        ('[{"a": 1}, {"a', False, [1]),
        ('[{"a": 1}, [{"a": 2}, ', False, [1]),
        ("[", False, []),
    ],
)
def test_the_first_elements_of_a_list_are_read_as_far_as_it_goes(text: str, final: bool, found: list[int]) -> None:
    assert [each["a"] for each in shapes.elements(text, final=final)] == found


def test_objects_may_stand_one_behind_the_other() -> None:
    assert shapes.objects('{"a":\n1}{"a": 2}\n', final=True) == [{"a": 1}, {"a": 2}]


@pytest.mark.parametrize(
    ("text", "closed"),
    [
        ('[1, 2, {"a": "[{,"', "[1, 2]"),
        ('[1, {"a"', "[1]"),
        ('{"a": [1, {"b": 2}, "x', '{"a": [1, {"b": 2}]}'),
        ('{"a": {"b": 1}', '{"a": {"b": 1}}'),
        ('{"a": "x"', ""),
        ('{"a": 1} ] {"b": [2]', '{"a": 1}'),
    ],
)
def test_a_text_that_is_cut_off_is_closed_behind_its_last_whole_element(text: str, closed: str) -> None:
    assert shapes.closed(text) == closed


# Columns --------------------------------------------------------------------------------------------------------------


def test_paths_lead_to_scalars_through_four_keys() -> None:
    deep = {"a": {"b": {"c": {"d": 1, "e": {"f": 2}}}}}
    other = {"x": "hi", "y": 1.5, "is": True, "none": None, "list": ["z"], "a.b": 3, "empty": {}}

    cells = shapes.cells([deep, other])

    assert list(cells) == ["a.b.c.d", "x", "y", '"a.b"']
    assert len(cells) == 4


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("hi", "hi"),
        (7, "7"),
        (None, ""),
        (["see ", {"type": "link", "text": "a.example"}, "!"], "see a.example!"),
        ({"type": "bold", "text": "hi"}, "hi"),
        ({"type": "bold"}, ""),
    ],
)
def test_a_text_in_parts_is_shown_as_one(value: object, shown: str) -> None:
    assert shapes.cells([{"text": value}])["text"] == [shown]


@pytest.mark.parametrize(
    ("objects", "are_columns"),
    [
        ([{"a": {"0": 1, "1": 2}, "b": {"0": 3, "1": 4}}], True),
        ([{"a": {"0": 1}}], False),
        ([{"a": {"0": 1}, "b": {"1": 1}}], False),
        ([{"a": {"0": 1}, "b": {"0": 1}, "c": 1}], False),
        ([{"a": {}, "b": {}}], False),
        ([{"a": {"x": 1}, "b": {"x": 2}}], False),
        ([{"a": 1, "b": 2}], False),
        ([{"a": {"0": 1}, "b": {"0": 2}}, {"a": {"0": 1}, "b": {"0": 2}}], False),
        ([{"columns": ["a"], "data": [[1]]}], True),
        ([{"columns": ["a"], "data": [[1]], "index": [0]}], True),
        ([{"columns": ["a"]}], False),
        ([{"columns": "a", "data": [[1]]}], False),
        ([{}], False),
        ([], False),
    ],
)
def test_an_object_may_be_a_table_by_its_columns(objects: list[dict[str, Any]], *, are_columns: bool) -> None:
    assert shapes.are_columns(objects) is are_columns


# Pages ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("packing", "plain"),
    [
        (Packing(), True),
        (Packing(handles={"did:plc:a": "ana.example"}), True),
        (Packing(rows="posts[]"), False),
        (Packing(below="replies[]"), False),
        (Packing(join="servers"), False),
    ],
)
def test_a_file_whose_objects_are_posts_needs_no_unpacking(packing: Packing, *, plain: bool) -> None:
    assert packing.plain is plain


@pytest.mark.parametrize(
    ("rows", "page", "posts"),
    [
        (None, {"a": 1}, [{"a": 1}]),
        (None, {"meta": {}}, [{"meta": {}}]),
        ("posts[]", {"posts": [{"a": 1}, 5]}, [{"a": 1}, 5]),
        ("posts[]", {"posts": []}, []),
        ("posts[]", {"posts": "x"}, None),
        ("posts[]", {"other": 1}, None),
        ("posts[]", {"errors": [{"title": "gone"}]}, []),
        ("data[]|data", {"data": {"a": 1}}, [{"a": 1}]),
        ("thread", {"thread": "gone"}, None),
        ("a[]|b[]", {"b": [{"n": 2}], "a": [{"n": 1}]}, [{"n": 1}, {"n": 2}]),
    ],
)
def test_posts_stand_where_the_packing_says(rows: str | None, page: dict[str, Any], posts: list[Any] | None) -> None:
    assert Unpacker(Packing(rows=rows)).posts(page) == posts


def test_answers_follow_their_posts() -> None:
    thread = {"posts": [{"id": 1, "replies": [{"id": 2, "replies": [{"id": 3}]}, {"id": 4}]}, {"id": 5}]}

    posts = Unpacker(Packing(rows="posts[]", below="replies[]")).posts(thread)

    assert posts is not None
    assert [each["id"] for each in posts] == [1, 2, 3, 4, 5]


def joined(join: str, post: object, page: dict[str, Any] | None = None, handles: dict[str, str] | None = None) -> Any:
    """A post, as it is joined with what stands around it."""
    packing = Packing(rows="posts[]", join=join, handles=handles or {})
    posts = Unpacker(packing).posts({**(page or {}), "posts": [copy.deepcopy(post)]})
    assert posts is not None
    [found] = posts
    return found


@pytest.mark.parametrize("join", shapes.JOINS)
@pytest.mark.parametrize("post", [5, "x", [{}]])
def test_what_is_no_post_stays_as_it_is(join: str, post: object) -> None:
    assert joined(join, post, {"includes": {"users": [{"id": "7"}]}}) == post


# X/Twitter ------------------------------------------------------------------------------------------------------------

ANA, BEA = {"id": "7", "username": "ana"}, {"id": 8, "username": "bea"}
INCLUDES = {"users": ["x", ANA, BEA], "tweets": [5, {"id": "1", "author_id": "7"}, {"id": "2"}]}


@pytest.mark.parametrize(
    ("post", "more"),
    [
        ({"author_id": "7"}, {"author": ANA}),
        ({"author_id": 8}, {"author": BEA}),
        ({"author_id": "9"}, {}),
        ({"author_id": "7", "author": {"username": "eve"}}, {}),
        ({"in_reply_to_user_id": "8"}, {"in_reply_to_user": BEA}),
        ({"in_reply_to_user_id": "9"}, {}),
        ({"in_reply_to_user_id": "8", "in_reply_to_user": {"username": "eve"}}, {}),
        ({"referenced_tweets": "gone"}, {}),
        ({"referenced_tweets": [{"id": "1"}]}, {"referenced_tweets": [{"id": "1", "author": ANA}]}),
        ({"referenced_tweets": [{"id": "2"}, {"id": "3"}, 5]}, {}),
        ({"referenced_tweets": [{"id": "1", "author": BEA}]}, {}),
    ],
)
def test_posts_of_x_are_joined_with_users(post: dict[str, Any], more: dict[str, Any]) -> None:
    assert joined("includes", post, {"includes": INCLUDES}) == {**post, **more}


@pytest.mark.parametrize("page", [{}, {"includes": []}, {"includes": {}}, {"includes": {"users": {"7": ANA}}}])
def test_a_page_of_x_may_have_no_users(page: dict[str, Any]) -> None:
    assert joined("includes", {"author_id": "7"}, page) == {"author_id": "7"}


# Mastodon -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("account", "acct"),
    [
        ({"acct": "ana", "url": "https://m.example/@ana"}, "ana@m.example"),
        ({"acct": "ana", "uri": "https://m.example/users/ana"}, "ana@m.example"),
        ({"acct": "ana", "url": "https://m.example/@ana", "uri": "https://else.example/"}, "ana@m.example"),
        ({"acct": "ana@other.example", "url": "https://m.example/@ana"}, "ana@other.example"),
        ({"acct": "", "url": "https://m.example/"}, ""),
        ({"acct": 7, "url": "https://m.example/"}, 7),
        ({"acct": "ana"}, "ana"),
        ({"acct": "ana", "url": 7}, "ana"),
        ({"acct": "ana", "url": "ftp://m.example/@ana"}, "ana"),
        ({"acct": "ana", "url": "https:///@ana"}, "ana"),
        ({"acct": "ana", "url": "https://[/@ana"}, "ana"),
    ],
)
def test_an_account_of_the_server_that_answered_gets_its_server(account: dict[str, Any], acct: object) -> None:
    assert joined("servers", {"account": account})["account"]["acct"] == acct
    assert joined("servers", {"mentions": ["x", account]})["mentions"] == ["x", {**account, "acct": acct}]


@pytest.mark.parametrize(
    ("status", "answered"),
    [
        ({"in_reply_to_account_id": "8", "mentions": [5, {"id": "7"}, {"id": "8", "acct": "b@m"}]}, "b@m"),
        ({"in_reply_to_account_id": "9", "mentions": [{"id": "8", "acct": "b@m"}]}, None),
        ({"in_reply_to_account_id": None, "mentions": [{"acct": "b@m"}]}, None),
    ],
)  # fmt: skip
def test_a_status_answers_whom_it_mentions_by_number(status: dict[str, Any], answered: str | None) -> None:
    assert joined("servers", status).get("in_reply_to_acct") == answered


CREATE = {"type": "Create", "actor": "https://m.example/users/ana", "id": "activity", "published": "2024-01-01"}
NOTE = {"id": "note", "content": "hi", "inReplyTo": "https://n.example/@bea/1"}


def test_a_note_of_an_archive_is_a_post() -> None:
    post = joined("people", {**CREATE, "object": NOTE})

    assert (post["acct"], post["content"], post["id"]) == ("ana@m.example", "hi", "note")
    assert (post["answered"], post["mentioned"], post["published"]) == ("bea@n.example", [], "2024-01-01")
    assert joined("people", {**CREATE, "object": {"content": "hi"}})["id"] == "activity"


@pytest.mark.parametrize(
    ("tag", "mentioned"),
    [
        ({"type": "Mention", "name": "@bea@n.example", "href": "https://else.example/@bea"}, ["bea@n.example"]),
        ({"type": "Mention", "name": "@bea", "href": "https://n.example/users/bea"}, ["bea@n.example"]),
        ({"type": "Mention", "name": "@bea", "href": "https://n.example/"}, ["bea"]),
        ({"type": "Mention", "href": "https://n.example/@bea"}, ["bea@n.example"]),
        ({"type": "Mention", "name": None, "href": 7}, [None]),
        ({"type": "Hashtag", "name": "#bea"}, []),
        ("bea", []),
    ],
)
def test_a_note_mentions_whom_its_tags_name(tag: object, mentioned: list[str | None]) -> None:
    assert joined("people", {**CREATE, "object": {**NOTE, "tag": [tag]}})["mentioned"] == mentioned


@pytest.mark.parametrize("repeated", ["https://n.example/users/bea/statuses/1", {"id": "https://n.example/@bea/1"}])
def test_an_announcement_repeats_a_post_of_somebody(repeated: object) -> None:
    post = joined("people", {**CREATE, "type": "Announce", "object": repeated})

    assert (post["acct"], post["reblogged"]) == ("ana@m.example", "bea@n.example")
    assert "published" in post


@pytest.mark.parametrize("activity", [{"type": "Like", "object": NOTE}, {"object": "https://n.example/@bea/1"}])
def test_an_activity_that_is_no_post_has_no_date(activity: dict[str, Any]) -> None:
    post = joined("people", {**CREATE, **activity})

    assert not post.keys() & {"published", "content", "answered", "mentioned"}


# Bluesky --------------------------------------------------------------------------------------------------------------

HANDLES = {"did:plc:a": "ana.example", "did:plc:b": "bea.example"}


@pytest.mark.parametrize(("did", "found"), [("did:plc:a", "ana.example"), ("did:plc:x", "did:plc:x"), (5, 5), ([], [])])
def test_accounts_get_handles_in_place_of_dids(did: object, found: object) -> None:
    features = {"facets": [{"features": [{"did": did}, "x"]}], "text": "hi"}

    post = joined("handles", {"did": did, "commit": {"record": features}}, handles=HANDLES)

    assert post["did"] == found
    assert post["commit"]["record"]["facets"] == [{"features": [{"did": found}, "x"]}]


@pytest.mark.parametrize(
    ("parent", "more"),
    [
        ({"uri": "at://did:plc:b/app.bsky.feed.post/1"}, {"did": "bea.example"}),
        ({"uri": "at://did:plc:x/app.bsky.feed.post/1"}, {"did": "did:plc:x"}),
        ({"uri": "https://did:plc:b/1"}, {}),
        ({"uri": "b"}, {}),
        ({"uri": 5}, {}),
    ],
)
def test_a_post_that_is_answered_has_the_handle_of_its_author(parent: dict[str, Any], more: dict[str, Any]) -> None:
    post = joined("handles", {"commit": {"record": {"reply": {"parent": parent}}}}, handles=HANDLES)

    assert post["commit"]["record"]["reply"]["parent"] == {**parent, **more}


def test_an_answer_to_what_is_no_object_stays_as_it_is() -> None:
    post = {"commit": {"record": {"text": "hi", "reply": {"parent": "gone"}}}}

    assert joined("handles", post) == post


@pytest.mark.parametrize(
    ("commit", "dated"),
    [
        ({"record": {"text": "hi", "createdAt": "2024-01-01"}}, True),
        ({"record": {"subject": "did:plc:a", "createdAt": "2024-01-01"}}, False),
        ({"record": {"text": None, "createdAt": "2024-01-01"}}, False),
        ({"record": "createdAt"}, True),
        ("createdAt", True),
    ],
)
def test_an_event_without_text_is_no_post(commit: Any, *, dated: bool) -> None:
    assert ("createdAt" in str(joined("handles", {"commit": commit}))) is dated


def facet(begin: object, end: object) -> dict[str, Any]:
    return {"index": {"byteStart": begin, "byteEnd": end}, "features": [{"did": "did:plc:b"}]}


@pytest.mark.parametrize(
    ("facets", "handles"),
    [
        ([facet(4, 16)], {"did:plc:b": "bea.example"}),
        ([facet(4, 8)], {}),
        ([facet(0, 16)], {}),
        ([facet(4, None)], {}),
        ([facet(None, 16)], {}),
        ([facet("4", 16)], {}),
        ([facet(4, "16")], {}),
        ([facet(0, 3), facet(4, 16), facet(5, 16)], {"did:plc:b": "bea.example"}),
        (["x"], {}),
    ],
)
def test_a_mention_names_the_handle_of_its_did(facets: list[Any], handles: dict[str, str]) -> None:
    event = {"commit": {"record": {"text": "é: @Bea.example", "facets": facets}}}

    assert shapes.handles_of([event]) == handles


@pytest.mark.parametrize(
    ("identity", "handles"),
    [
        ({"did": "did:plc:a", "handle": "Ana.example"}, {"did:plc:a": "ana.example"}),
        ({"did": "did:plc:a", "handle": ""}, {}),
        ({"did": "did:plc:a"}, {}),
        ({"did": 5, "handle": "ana.example"}, {}),
        ({"handle": "ana.example"}, {}),
        ("did:plc:a", {}),
        (None, {}),
    ],
)
def test_an_identity_event_names_the_handle_of_its_did(identity: object, handles: dict[str, str]) -> None:
    assert shapes.handles_of([{"identity": identity}]) == handles


REPOST = {"by": {"handle": "ana.example"}}


@pytest.mark.parametrize(
    ("item", "more"),
    [
        (
            {"post": {"uri": "at://x"}, "reason": REPOST},
            {"reposted": {"uri": "at://x"}, "reason": {**REPOST, "uri": "at://x ana.example"}},
        ),
        ({"post": "gone", "reason": REPOST}, {"reposted": "gone", "reason": {**REPOST, "uri": " ana.example"}}),
        ({"post": {"uri": "at://x"}, "reason": {**REPOST, "uri": "at://y"}}, {"reposted": {"uri": "at://x"}}),
        ({"post": {"uri": "at://x"}, "reason": {"pinned": True}}, {}),
        ({"post": {"uri": "at://x"}, "reason": "pin"}, {}),
        ({"post": {"uri": "at://x"}}, {}),
    ],
)
def test_a_repost_has_an_id_of_its_own(item: dict[str, Any], more: dict[str, Any]) -> None:
    assert joined("reposts", item) == {**item, **more}
