"""What shape a JSON text has: objects a line, lists, pages of posts; and the posts that an object holds. Pure.

An API answers pages: objects that hold posts in a list, sometimes with the authors beside. A Packing says where the
posts of such a file are, what stands below them, and what has to be joined to them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, TypeAlias
from urllib.parse import urlsplit

import msgspec

from app.posts.json import paths
from app.posts.json.paths import Path

Post: TypeAlias = dict[str, Any]

_MOST_PATHS = 10_000
"""Paths that are looked at: each is compared with the names of columns."""
SAMPLE = 200
"""Objects of a file that are looked at."""
PAGES = (
    "data[]|data", "posts[]", "feed[]", "messages[]", "chats.list[].messages[]|left_chats.list[].messages[]", "items[]",
    "statuses[]", "ancestors[]|descendants[]", "results[]", "comments[]", "tweets[]", "data.children[].data",
    "children[].data", "thread", "thread.replies[]", "records[]", "hits[]", "hits.hits[]._source", "rows[]",
    "data.posts[]", "data.items[]", "data.comments[]", "data.videos[]", "result[]", "response[]", "entries[]",
)  # fmt: skip
"""Where pages have their posts. Every way of a path is followed."""
_NO_POSTS = ("meta", "errors", "pagination", "cursor", "paging")
"""Keys of a page that has no post."""
_ASSIGNED = re.compile(r"\s*(?:(?:window|var|let|const)[.\s]?)?[\w.$\[\]\"']{1,80}\s*=\s*(?=[\[{])")
"""How a person's own archive of X/Twitter begins: a script that holds a list."""


class Packing(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Where the posts of a file's objects are."""

    rows: str | None = None
    """The path to the posts in a page. None: each object is a post."""
    below: str | None = None
    """The path from a post to further posts: answers within it, at any depth."""
    join: str | None = None
    """What has to be joined to each post: one of JOINS."""
    handles: dict[str, str] = {}
    """By DID the handle, as far as the file's beginning names it."""

    @property
    def plain(self) -> bool:
        return self.rows is None and self.below is None and self.join is None


# From text to objects -------------------------------------------------------------------------------------------------


def behind_assignment(text: str) -> int:
    """Where JSON begins in a text that may be a script that assigns it."""
    found = _ASSIGNED.match(text)
    return found.end() if found else 0


def decoded(text: str) -> object:
    """The JSON value; None where there is none."""
    try:
        return msgspec.json.decode(text.encode())
    except (msgspec.MsgspecError, UnicodeEncodeError, RecursionError):
        return None


def of_lines(text: str) -> list[Post]:
    found = (decoded(line) for line in islice(text.split("\n"), SAMPLE) if line.strip())
    return [each for each in found if isinstance(each, dict)]


def elements(text: str, *, final: bool) -> list[Post]:
    """The first objects of the list that the text begins with."""
    return list(islice(_values(text[text.find("[") + 1 :], final=final), SAMPLE))


def objects(text: str, *, final: bool) -> list[Post]:
    """The first objects of a text in which one follows the other, each on several lines."""
    return list(islice(_values(text, final=final), SAMPLE))


def _values(text: str, *, final: bool) -> Iterator[Post]:
    """The objects that follow each other; the last one, where it is cut off, as far as it goes."""
    decoder = json.JSONDecoder()
    space = re.compile(r"[\s,]*")
    at = 0
    while True:
        found = space.match(text, at)
        at = found.end() if found else at
        try:
            element, at = decoder.raw_decode(text, at)
        except (ValueError, RecursionError):
            if not final and text[at : at + 1] == "{" and isinstance(rest := decoded(closed(text[at:])), dict):
                yield rest
            return
        if isinstance(element, dict):
            yield element


_MARKS = re.compile(r'"(?:[^"\\]|\\.)*"|[\[\]{},]', re.DOTALL)


def closed(text: str) -> str:
    """A JSON text that is cut off, up to its last whole element, and with all its brackets closed."""
    open_brackets: list[str] = []
    end, needed = 0, ""
    for mark in _MARKS.finditer(text):
        sign = mark[0]
        if sign in "[{":
            open_brackets.append("]" if sign == "[" else "}")
        elif sign in "]}":
            if not open_brackets:
                break
            open_brackets.pop()
            end, needed = mark.end(), "".join(reversed(open_brackets))
        elif sign == ",":
            end, needed = mark.start(), "".join(reversed(open_brackets))
    return text[:end] + needed


class _Cells(Mapping[str, Sequence[str]]):
    def __init__(self, leaves: Sequence[str], posts: Sequence[Post]) -> None:
        self._leaves, self._posts = leaves, posts

    def __getitem__(self, place: str) -> Sequence[str]:
        path = paths.parse(place)
        return [", ".join(map(_shown, paths.values(path, each))).strip() for each in self._posts]

    def __iter__(self) -> Iterator[str]:
        return iter(self._leaves)

    def __len__(self) -> int:
        return len(self._leaves)


def cells(posts: Sequence[Post]) -> Mapping[str, Sequence[str]]:
    """By path what posts hold, as text; of paths that are not asked for by name, those to scalars."""
    leaves = dict.fromkeys(path for each in posts[:50] for path in islice(_leaves(each), _MOST_PATHS))
    return _Cells(list(islice(leaves, _MOST_PATHS)), posts)


def _shown(value: object) -> str:
    """A value for a person; of a text in parts, as Telegram has it, the text."""
    if isinstance(value, list):
        return "".join(map(_shown, value))
    return str(value.get("text", "")) if isinstance(value, dict) else str(value)


def _leaves(found: object, before: str = "", depth: int = 0) -> Iterator[str]:
    """Paths to the scalars of an object."""
    if not isinstance(found, dict) or depth > 3:  # noqa: PLR2004
        return
    for key, value in found.items():
        path = paths.show(paths.literal(key))
        if isinstance(value, dict):
            yield from _leaves(value, f"{before}{path}.", depth + 1)
        elif isinstance(value, str | int | float) and not isinstance(value, bool):
            yield before + path


def are_columns(found: Sequence[Post]) -> bool:
    """Whether the one object holds a table by its columns, as pandas writes it unless it is told otherwise."""
    if len(found) != 1:
        return False
    values = list(found[0].values())
    by_row = [set(value) for value in values if isinstance(value, dict)]
    if len(values) > 1 and len(by_row) == len(values) and by_row[0] and all(each == by_row[0] for each in by_row):
        return all(key.isdigit() for key in by_row[0])
    return {"columns", "data"} <= found[0].keys() and isinstance(found[0]["columns"], list)


# From pages to posts --------------------------------------------------------------------------------------------------


class Unpacker:
    """The posts in the objects of a file."""

    def __init__(self, packing: Packing) -> None:
        self._rows = None if packing.rows is None else paths.parse(packing.rows)
        self._below = None if packing.below is None else paths.parse(packing.below)
        self._join = JOINS[packing.join] if packing.join else None
        self._handles = packing.handles

    def posts(self, page: Post) -> list[Any] | None:
        """The posts of an object, in its order; None: it is no page."""
        found = [page] if self._rows is None else _every_way(self._rows, page)
        if not found and not self._is_empty_page(page):
            return None
        if self._below is not None:
            found = [each for post in found for each in _with_below(post, self._below)]
        if self._join is not None:
            found = self._join(found, page, self._handles)
        return found

    def _is_empty_page(self, page: Post) -> bool:
        """Whether it has the place of posts, and none there; or says of an answer that it has none."""
        if self._rows is None:
            return False
        first = {way[0].key for way in self._rows.ways}
        return any(isinstance(page.get(key), list | dict) for key in first) or any(key in page for key in _NO_POSTS)


def _every_way(rows: Path, page: Any) -> list[Any]:  # noqa: ANN401 (JSON)
    found: list[Any] = []
    for way in rows.ways:
        reached = paths.values(Path((way,)), page)
        found += reached if way[-1].every else [each for each in reached if isinstance(each, dict)]
    return found


def _with_below(post: Any, below: Path) -> Iterator[Any]:  # noqa: ANN401 (JSON)
    waiting = [post]
    while waiting:
        yield (each := waiting.pop(0))
        waiting = [*_every_way(below, each), *waiting]


def _with_includes(posts: list[Any], page: Post, _handles: Mapping[str, str]) -> list[Any]:
    """Posts of X/Twitter's API v2, with the users that the page's `includes` has."""
    includes = page.get("includes")
    if not isinstance(includes, dict):
        return posts
    users = {str(each.get("id")): each for each in _listed(includes.get("users")) if isinstance(each, dict)}
    others = {str(each.get("id")): each for each in _listed(includes.get("tweets")) if isinstance(each, dict)}
    return [_joined(post, users, others) if isinstance(post, dict) else post for post in posts]


def _listed(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _joined(post: Post, users: Mapping[str, Any], others: Mapping[str, Any]) -> Post:
    whole = dict(post)
    if "author" not in whole and (author := users.get(str(whole.get("author_id")))):
        whole["author"] = author
    if "in_reply_to_user" not in whole and (user := users.get(str(whole.get("in_reply_to_user_id")))):
        whole["in_reply_to_user"] = user
    references = whole.get("referenced_tweets")
    if isinstance(references, list):
        whole["referenced_tweets"] = [_referenced(each, users, others) for each in references]
    return whole


def _referenced(reference: Any, users: Mapping[str, Any], others: Mapping[str, Any]) -> Any:  # noqa: ANN401 (JSON)
    if not isinstance(reference, dict) or "author" in reference:
        return reference
    other = others.get(str(reference.get("id"))) or {}
    author = users.get(str(other.get("author_id")))
    return {**reference, "author": author} if author else reference


def _with_servers(posts: list[Any], _page: Post, _handles: Mapping[str, str]) -> list[Any]:
    """Statuses of Mastodon: accounts of the server that answered have no server in their names, but in their links."""
    for post in posts:
        if not isinstance(post, dict):
            continue
        for account in (account for path in _ACCOUNTS for account in paths.values(path, post)):
            if isinstance(account, dict):
                _add_server(account)
        answered = post.get("in_reply_to_account_id")
        for account in paths.values(_MENTIONED, post) if answered is not None else ():
            if isinstance(account, dict) and account.get("id") == answered:
                post["in_reply_to_acct"] = account.get("acct")
    return posts


_ACCOUNTS = tuple(
    paths.parse(text) for text in ("account", "mentions[]", "reblog.account", "quote.quoted_status.account")
)
_MENTIONED = paths.parse("mentions[]")


def _add_server(account: Post) -> None:
    name, link = account.get("acct"), account.get("url") or account.get("uri")
    if isinstance(name, str) and name and "@" not in name and isinstance(link, str):
        server = _server_of(link)
        if server:
            account["acct"] = f"{name}@{server}"


def _server_of(link: str) -> str | None:
    """The server that a link leads to, if it is one of the web and can be read."""
    try:
        return urlsplit(link).hostname if link.startswith("http") else None
    except ValueError:
        return None


def _with_handles(posts: list[Any], _page: Post, handles: Mapping[str, str]) -> list[Any]:
    """Events of Bluesky's Jetstream, with handles in place of the DIDs of which the file's beginning names them."""
    for post in posts:
        if not isinstance(post, dict):
            continue
        if isinstance(did := post.get("did"), str):
            post["did"] = handles.get(did, did)
        for feature in paths.values(_FEATURES, post):
            if isinstance(feature, dict) and isinstance(did := feature.get("did"), str):
                feature["did"] = handles.get(did, did)
        for other in (other for path in _LINKED for other in paths.values(path, post)):
            if isinstance(other, dict) and isinstance(link := other.get("uri"), str) and link.startswith("at://"):
                did = link.split("/")[2]
                other["did"] = handles.get(did, did)
        record = post["commit"].get("record") if isinstance(post.get("commit"), dict) else None
        if isinstance(record, dict) and not isinstance(record.get("text"), str):
            record.pop("createdAt", None)  # a like, a repost, a follow: no post
    return posts


_FACETS = paths.parse("commit.record.facets[]")
_TEXT, _DID = paths.parse("commit.record.text"), paths.parse("features[].did")
_PLACE = paths.parse("index.byteStart"), paths.parse("index.byteEnd")
_FEATURES = paths.parse("commit.record.facets[].features[]")
_LINKED = tuple(
    paths.parse(f"commit.record.{text}") for text in ("reply.parent", "embed.record", "embed.record.record")
)


def _are_numbers(found: Sequence[object]) -> bool:
    return len(found) == 2 and all(isinstance(each, int) for each in found)  # noqa: PLR2004


def handles_of(events: Sequence[Post]) -> dict[str, str]:
    """By DID the handle: from identity events, and from mentions, which have the handle in the text."""
    found: dict[str, str] = {}
    for event in events:
        text = "".join(map(str, paths.values(_TEXT, event)[:1])).encode("utf-8", "replace")
        for facet in paths.values(_FACETS, event):
            begin, end = (paths.values(path, facet)[:1] for path in _PLACE)
            shown = text[begin[0] : end[0]].decode("utf-8", "replace") if _are_numbers(begin + end) else ""
            if re.fullmatch(r"@[A-Za-z0-9.-]+\.[A-Za-z0-9-]+", shown):
                for did in paths.values(_DID, facet):
                    found.setdefault(str(did), shown[1:].lower())
    for event in events:
        identity = event.get("identity")
        if isinstance(identity, dict) and isinstance(identity.get("did"), str) and identity.get("handle"):
            found[identity["did"]] = str(identity["handle"]).lower()
    return found


def _with_reposts(items: list[Any], _page: Post, _handles: Mapping[str, str]) -> list[Any]:
    """Items of a feed of Bluesky: a repost has an id of its own, and `reposted`: the post that it repeats."""
    for item in items:
        reason = item.get("reason") if isinstance(item, dict) else None
        if isinstance(reason, dict) and isinstance(by := reason.get("by"), dict):
            post = item.get("post")
            item["reposted"] = post
            reason.setdefault("uri", f"{post.get('uri') if isinstance(post, dict) else ''} {by.get('handle')}")
    return items


def _with_people(activities: list[Any], _page: Post, _handles: Mapping[str, str]) -> list[Any]:
    """Activities of a person's own archive of Mastodon, with people as user@server; they are links in the archive."""
    for each in activities:
        if not isinstance(each, dict):
            continue
        found = each.get("object")
        each["acct"] = _person(each.get("actor"))
        if each.get("type") == "Announce":
            each["reblogged"] = _person(found.get("id") if isinstance(found, dict) else found)
        elif each.get("type") == "Create" and isinstance(found, dict):
            each["content"], each["id"] = found.get("content"), found.get("id") or each.get("id")
            each["answered"] = _person(found.get("inReplyTo"))
            tags = (tag for tag in _listed(found.get("tag")) if isinstance(tag, dict) and tag.get("type") == "Mention")
            each["mentioned"] = [_mentioned(tag) for tag in tags]
        else:
            each.pop("published", None)  # a like, a follow: no post
    return activities


def _mentioned(tag: Post) -> str | None:
    name = str(tag.get("name") or "").removeprefix("@")
    return name if "@" in name else _person(tag.get("href")) or name or None


_PERSON = re.compile(r"https?://(?P<server>[^/]+)/(?:@|users/|u/|profile/)(?P<name>[\w.-]+)(?=[/?#]|$)")
"""How Mastodon and its like link to people, and to their posts."""


def _person(link: object) -> str | None:
    found = _PERSON.match(link) if isinstance(link, str) else None
    return f"{found['name']}@{found['server']}" if found else None


JOINS = {
    "includes": _with_includes,
    "servers": _with_servers,
    "handles": _with_handles,
    "reposts": _with_reposts,
    "people": _with_people,
}
