"""Presets: where text, instant and author stand in the files of the tools and services that people use. Pure data.

A preset is one row. `recognise` names the preset of a file by what its first objects, or its header, hold. Where the
files of several presets look alike, the one with more `keys` is meant. A column of CSV is named as the header has it;
a value of JSON by its path (app/posts/paths.py). `a|b` is b where there is no a.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from enum import StrEnum
from typing import Any

import msgspec

from app.posts import paths
from app.posts.options import DateOrder, Retweets


class Shape(StrEnum):
    """What a preset's files are."""

    JSON = "json"
    """Objects: one a line, a list of them, or pages with a list in each."""
    CSV = "csv"


class Preset(msgspec.Struct, frozen=True, kw_only=True):
    """One source of files."""

    name: str
    title: str
    """The tool or service, for people."""
    shape: Shape
    keys: tuple[str, ...]
    """Paths, or columns, that every such file has."""
    no_keys: tuple[str, ...] = ()
    """Paths, or columns, that no such file has."""
    text: str
    timestamp: str
    author: str
    id: str | None = None
    """What tells posts apart, whatever file they come in."""
    mentions: str | None = None
    """Who is mentioned, where the source says so itself; else the profile finds the mentions in the text."""
    reply: str | None = None
    retweet: str | None = None
    quote: str | None = None
    """Whom the post answers, repeats, quotes."""
    profile: str = "twitter"
    retweets: Retweets = Retweets.TEXT
    rows: str | None = None
    """The key of the list of posts in a page."""
    dates: DateOrder | None = None
    columns: tuple[str, ...] = ()
    """The columns of a file that has no header."""
    note: str = ""
    """What a person should know."""


_J, _C = Shape.JSON, Shape.CSV

PRESETS: tuple[Preset, ...] = (
    Preset(
        name="x-v1", title="X/Twitter API v1.1, twarc 1", shape=_J,
        keys=("user.screen_name", "created_at", "id_str|id"),
        text="extended_tweet.full_text|full_text|text", timestamp="created_at", author="user.screen_name",
        id="id_str|id", mentions="entities.user_mentions[].screen_name", reply="in_reply_to_screen_name",
        retweet="retweeted_status.user.screen_name", quote="quoted_status.user.screen_name", retweets=Retweets.AUTHOR,
    ),
    Preset(
        name="x-v2", title="X/Twitter API v2, twarc 2 (lines, or pages with `includes`)", shape=_J,
        keys=("author_id", "author.username", "created_at", "text"), text="note_tweet.text|text",
        timestamp="created_at",
        author="author.username", id="id", mentions="entities.mentions[].username",
        reply="in_reply_to_user.username", retweet="referenced_tweets[type=retweeted].author.username",
        quote="referenced_tweets[type=quoted].author.username", retweets=Retweets.AUTHOR, rows="data",
    ),
    Preset(
        name="twarc-csv", title="twarc-csv", shape=_C, keys=("author.username", "created_at", "text", "author_id"),
        text="text", timestamp="created_at", author="author.username", id="id",
        reply="in_reply_to_username|in_reply_to_user.username", retweet="retweeted_username|retweeted_user.username",
        quote="quoted_username|quoted_user.username", retweets=Retweets.AUTHOR,
    ),
    Preset(
        name="snscrape", title="snscrape (Twitter)", shape=_J, keys=("user.username", "date", "rawContent|content"),
        text="rawContent|content", timestamp="date", author="user.username", id="id",
        mentions="mentionedUsers[].username", reply="inReplyToUser.username", retweet="retweetedTweet.user.username",
        quote="quotedTweet.user.username", retweets=Retweets.AUTHOR,
    ),
    Preset(
        name="4cat", title="4CAT", shape=_C, keys=("thread_id", "timestamp", "body", "author"), text="body",
        timestamp="timestamp|unix_timestamp", author="author", id="id", reply="replied_user",
        retweet="retweeted_user", quote="quoted_user", retweets=Retweets.AUTHOR,
        note="The profile depends on the platform: it is read from the links in the file.",
    ),
    Preset(
        name="zeeschuimer-tiktok", title="Zeeschuimer (TikTok)", shape=_J,
        keys=("source_platform", "data.desc", "data.author.uniqueId", "data.createTime"), text="data.desc",
        timestamp="data.createTime", author="data.author.uniqueId", id="data.id", profile="tiktok",
    ),
    Preset(
        name="zeeschuimer-instagram", title="Zeeschuimer (Instagram, Threads)", shape=_J,
        keys=("source_platform", "data.taken_at", "data.user.username"), text="data.caption.text",
        timestamp="data.taken_at", author="data.user.username", id="data.id", profile="instagram",
    ),
    Preset(
        name="zeeschuimer-x", title="Zeeschuimer (X/Twitter)", shape=_J,
        keys=("source_platform", "data.legacy.full_text", "data.legacy.created_at"),
        text="data.note_tweet.note_tweet_results.result.text|data.legacy.full_text", timestamp="data.legacy.created_at",
        author="data.core.user_results.result.core.screen_name|data.core.user_results.result.legacy.screen_name",
        id="data.rest_id|data.legacy.id_str", mentions="data.legacy.entities.user_mentions[].screen_name",
        reply="data.legacy.in_reply_to_screen_name",
        retweet="data.legacy.retweeted_status_result.result.core.user_results.result.core.screen_name"
        "|data.legacy.retweeted_status_result.result.core.user_results.result.legacy.screen_name",
        retweets=Retweets.AUTHOR,
    ),
    Preset(
        name="mastodon", title="Mastodon API statuses", shape=_J, keys=("content", "created_at", "account.acct"),
        text="content", timestamp="created_at", author="account.acct", id="uri|url|id", mentions="mentions[].acct",
        retweet="reblog.account.acct", retweets=Retweets.AUTHOR, profile="mastodon",
    ),
    Preset(
        name="bluesky", title="Bluesky getPosts, searchPosts and feeds", shape=_J,
        keys=("author.handle", "record.text", "record.createdAt"), text="record.text", timestamp="record.createdAt",
        author="author.handle", id="uri", profile="bluesky", rows="posts",
    ),
    Preset(
        name="bluesky-feed", title="Bluesky getAuthorFeed and getTimeline", shape=_J,
        keys=("post.author.handle", "post.record.text", "post.record.createdAt"), text="post.record.text",
        timestamp="post.record.createdAt", author="post.author.handle", id="post.uri",
        reply="reply.parent.author.handle", profile="bluesky", rows="feed",
    ),
    Preset(
        name="bluesky-jetstream", title="Bluesky Jetstream", shape=_J,
        keys=("did", "time_us", "commit.record.text", "commit.record.createdAt"), text="commit.record.text",
        timestamp="commit.record.createdAt", author="did", id="commit.cid", profile="bluesky",
        note="Authors are DIDs, but those whose handles the file's identity events name.",
    ),
    Preset(
        name="reddit-comments", title="Reddit comments (API, Pushshift, Arctic Shift)", shape=_J,
        keys=("body", "author", "created_utc"), text="body", timestamp="created_utc", author="author", id="name|id",
        profile="reddit",
    ),
    Preset(
        name="reddit-posts", title="Reddit posts (API, Pushshift, Arctic Shift)", shape=_J,
        keys=("title", "author", "created_utc", "selftext"), text="selftext", timestamp="created_utc", author="author",
        id="name|id", profile="reddit",
    ),
    Preset(
        name="telegram", title="Telegram Desktop's export (JSON)", shape=_J, keys=("type", "date_unixtime", "from_id"),
        text="text", timestamp="date_unixtime|date", author="from", id="id", profile="telegram", rows="messages",
        note="The export has the authors' names as they are displayed, not their user names.",
    ),
    Preset(
        name="youtube-comments", title="YouTube Data API comment threads", shape=_J,
        keys=("snippet.topLevelComment.snippet.authorDisplayName", "snippet.topLevelComment.snippet.publishedAt"),
        text="snippet.topLevelComment.snippet.textOriginal|snippet.topLevelComment.snippet.textDisplay",
        timestamp="snippet.topLevelComment.snippet.publishedAt",
        author="snippet.topLevelComment.snippet.authorDisplayName", id="snippet.topLevelComment.id|id",
        profile="youtube", rows="items",
    ),
    Preset(
        name="youtube-tools", title="YouTube Data Tools (comments)", shape=_C,
        keys=("publishedAt", "authorName", "text", "authorChannelId"), text="text", timestamp="publishedAt",
        author="authorName", id="id", profile="youtube",
    ),
    Preset(
        name="crowdtangle-facebook", title="CrowdTangle (Facebook)", shape=_C,
        keys=("Page Name|Group Name", "User Name", "Post Created", "Message"), text="Message", timestamp="Post Created",
        author="User Name", id="URL", profile="instagram",
    ),
    Preset(
        name="crowdtangle-instagram", title="CrowdTangle (Instagram)", shape=_C,
        keys=("Account", "User Name", "Post Created", "Description"), text="Description", timestamp="Post Created",
        author="User Name", id="URL", profile="instagram",
    ),
    Preset(
        name="meltwater", title="Meltwater", shape=_C, keys=("Date", "Headline", "Hit Sentence", "Influencer"),
        text="Hit Sentence", timestamp="Date", author="Twitter Screen Name|User Profile Url|Influencer",
        id="Document ID|URL",
    ),
    Preset(
        name="brandwatch", title="Brandwatch", shape=_C, keys=("Query Id", "Date", "Author", "Full Text|Snippet"),
        text="Full Text|Snippet", timestamp="Date", author="Author", id="Resource Id|Url", mentions="Mentioned Authors",
        reply="Reply to|Thread Author", retweets=Retweets.TEXT,
    ),
    Preset(
        name="talkwalker", title="Talkwalker", shape=_C,
        keys=("published", "content", "extra_author_attributes.short_name"), text="content", timestamp="published",
        author="extra_author_attributes.short_name|extra_author_attributes.name", id="url",
    ),
    Preset(
        name="weibo-crawler", title="Weibo exports with English column names", shape=_C,
        keys=("screen_name", "text", "created_at"), no_keys=("user.screen_name",), text="text", timestamp="created_at",
        author="screen_name", id="id|bid", profile="weibo",
    ),
    Preset(
        name="weibo", title="Weibo exports with Chinese column names", shape=_C,
        keys=("微博正文", "发布时间", "用户昵称"), text="微博正文", timestamp="发布时间",
        author="用户昵称", id="id|bid|微博id",
        profile="weibo",
    ),
    Preset(
        name="sentiment140", title="Sentiment140", shape=_C, keys=(), text="text", timestamp="date", author="user",
        id="ids", columns=("target", "ids", "date", "flag", "user", "text"),
        note="The file has no header; it is Latin-1.",
    ),
    Preset(
        name="x-archive", title="A person's own X/Twitter archive (tweets.js)", shape=_J,
        keys=("tweet.full_text", "tweet.created_at", "tweet.id_str"), text="tweet.full_text",
        timestamp="tweet.created_at", author="", id="tweet.id_str",
        mentions="tweet.entities.user_mentions[].screen_name",
        reply="tweet.in_reply_to_screen_name", retweets=Retweets.AUTHOR,
        note="The archive does not name its owner: say who it is with `author_is`.",
    ),
    Preset(
        name="x-archive-csv", title="A person's own Twitter archive of old (tweets.csv)", shape=_C,
        keys=("tweet_id", "timestamp", "text", "source"), no_keys=("username", "author"), text="text",
        timestamp="timestamp", author="", id="tweet_id", retweets=Retweets.AUTHOR,
        note="The archive does not name its owner: say who it is with `author_is`.",
    ),
)  # fmt: skip

BY_NAME: Mapping[str, Preset] = {preset.name: preset for preset in PRESETS}


def of_objects(objects: Sequence[Mapping[str, Any]]) -> Preset | None:
    """The preset of a file whose first posts are these; None if none, or not every one, looks like it."""
    fitting = [each for each in PRESETS if each.shape is Shape.JSON and objects and _all_fit(each, objects)]
    return _closest(fitting)


def of_columns(columns: Collection[str]) -> Preset | None:
    """The preset of a CSV file with these columns; None if there is none."""
    found = {name.strip().casefold() for name in columns}
    fitting = [
        each
        for each in PRESETS
        if each.shape is Shape.CSV
        and each.keys
        and all(any(name.casefold() in found for name in key.split("|")) for key in each.keys)
        and not any(name.casefold() in found for name in each.no_keys)
    ]
    return _closest(fitting)


def _closest(fitting: list[Preset]) -> Preset | None:
    return max(fitting, key=lambda preset: len(preset.keys), default=None)


ENOUGH = 0.5
"""The share of a file's first objects that have to look like a preset's: a stream may hold other things as well."""


def _all_fit(preset: Preset, objects: Sequence[Mapping[str, Any]]) -> bool:
    wanted = [paths.parse(key) for key in preset.keys]
    fitting = sum(all(paths.values(path, each) for path in wanted) for each in objects)
    return fitting >= max(1, ENOUGH * len(objects))
