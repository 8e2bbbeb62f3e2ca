"""Which platform posts are from, where neither the sender nor a preset says so: by links, columns and names. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence

from app.posts.looking.roles import Cells
from app.posts.looking.sniffing import Finding, Sure

_HOSTS = {
    "instagram": r"instagram\.com|threads\.(?:net|com)",
    "tiktok": r"tiktok\.com",
    "youtube": r"youtube\.com|youtu\.be",
    "reddit": r"reddit\.com|redd\.it",
    "telegram": r"t\.me|telegram\.me",
    "weibo": r"weibo\.(?:com|cn)",
    "github": r"github\.com",
    "bluesky": r"bsky\.app",
}
_LINK = re.compile(
    r"https?://(?:[\w-]+\.)*?(?:" + "|".join(f"(?P<{name}>{host})" for name, host in _HOSTS.items()) + r")(?:/|$)"
)
_LINKS = frozenset(("url", "link", "permalink", "post_url", "posturl", "html_url", "webvideourl", "comment_url"))
"""Columns with the link to the post itself; links within posts lead anywhere."""
_COLUMNS = {
    "subreddit": "reddit",
    "subreddit_id": "reddit",
    "authorchannelid": "youtube",
    "author_channel_id": "youtube",
}
_BLUESKY = re.compile(r"[\w-]+\.bsky\.social|did:(?:plc|web):\S+|at://\S+", re.IGNORECASE)
_ACCOUNT = re.compile(r"[^@\s]+@[\w-]+(?:\.[\w-]+)+")
_FEDERATED = re.compile(r"""class=["'][^"']*\bmention\b|(?:^|\s)@\w+@[\w-]+\.\w""")
_ENOUGH = 0.8
_CHECKED = 200


def of(cells: Cells, text: str | None, author: str | None) -> Finding[str] | None:
    """The profile of the platform. `text`, `author`: the columns that have them. None: nothing says which it is."""
    authors = _filled(cells[author]) if author else []
    for name in cells:
        last = re.split(r"[./]", name.strip().casefold())[-1].strip('"')
        if last in _COLUMNS:
            return _finding(_COLUMNS[last], f"there is a column {name!r}")
        if last in _LINKS and name != text and (platform := _of_links(_filled(cells[name]))) is not None:
            return _finding(platform, f"the links in {name!r} lead there")
        if last == "uri" and _share(_BLUESKY, _filled(cells[name])) >= _ENOUGH:
            return _finding("bluesky", f"{name!r} has its addresses")
    if _share(_BLUESKY, authors) >= _ENOUGH:
        return _finding("bluesky", f"authors are called as {authors[0]!r}")
    if text and _share(_ACCOUNT, authors) >= _ENOUGH and any(map(_FEDERATED.search, cells[text][:_CHECKED])):
        return _finding("mastodon", f"authors are called as {authors[0]!r}, and so are those whom they mention")
    return None


def _finding(platform: str, reason: str) -> Finding[str]:
    return Finding(platform, Sure.CERTAIN, reason)


def _filled(held: Sequence[str]) -> list[str]:
    return [cell for cell in held[:_CHECKED] if cell]


def _share(pattern: re.Pattern[str], held: Sequence[str]) -> float:
    return sum(pattern.fullmatch(cell) is not None for cell in held) / len(held) if held else 0.0


def _of_links(held: Sequence[str]) -> str | None:
    found = [link.lastgroup for cell in held if (link := _LINK.match(cell)) is not None]
    return found[0] if found and len(set(found)) == 1 and len(found) >= _ENOUGH * len(held) else None
