"""Presets: where text, instant and author stand in the files of the tools and services that people use. Pure data.

A preset is one row. A file's first objects, or its header, tell which preset fits. Of several fitting presets the one
with most `keys` is meant. A column of CSV is named as the header has it, a value of JSON by its path
(app/posts/json/paths.py). `a|b` is b where there is no a. app/posts/looking/recognising.py finds the preset of a file.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

import msgspec

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
    heading: str | None = None
    """What belongs before the text, such as a title."""
    timestamp: str
    author: str
    """Empty: no column says who wrote a post."""
    id: str | None = None
    """What tells posts apart, whatever file they come in."""
    id_scope: str | None = None
    """Within what ids tell posts apart. None: within the profile's platform."""
    mentions: str | None = None
    """Who is mentioned, where the source says so itself; else the profile finds the mentions in the text."""
    reply: str | None = None
    retweet: str | None = None
    quote: str | None = None
    """Whom the post answers, repeats, quotes."""
    profile: str = "twitter"
    retweets: Retweets = Retweets.TEXT
    rows: str | None = None
    """The path to the posts in a page. None: shapes.PAGES has it."""
    below: str | None = None
    """The path from a post to further posts within it."""
    join: str | None = None
    """What has to be joined to each post: see shapes.JOINS."""
    dates: DateOrder | None = None
    timezone: str | None = None
    """The zone of instants that name none. None: UTC."""
    columns: tuple[str, ...] = ()
    """The columns of a file that has no header."""
    escaped: bool = False
    """Whether line ends within texts are written as a backslash and a letter."""
    note: str = ""
    """What a person should know."""


_J, _C = Shape.JSON, Shape.CSV
_AUTHOR = Retweets.AUTHOR
_4CAT = ("id", "thread_id", "timestamp", "body", "author")
_4CAT_INSTANT = "unix_timestamp|timestamp"
"""The other column may be in the zone of the server."""
_X_USER = "core.user_results.result.core.screen_name", "core.user_results.result.legacy.screen_name"
_X_NOTE = "note_tweet.note_tweet_results.result"
_X_MENTIONS = "legacy.entities.user_mentions[].screen_name"
_X_RETWEET = "legacy.retweeted_status_result.result"
_NO_OWNER = "The archive does not name its owner: say who it is with `author_is`."


def _below(before: str, *names: str) -> str:
    return "|".join(f"{before}.{name}" for name in names)


def _either(*names: str) -> str:
    """As Zeeschuimer has it, in `data`, or as 4CAT does, which unpacks it."""
    return "|".join(f"{before}{name}" for before in ("data.", "") for name in names)


PRESETS: tuple[Preset, ...] = (
    # X/Twitter
    Preset(
        name="x-v1", title="X/Twitter API v1.1, twarc 1, Hydrator", shape=_J,
        keys=("user.screen_name", "created_at", "id_str|id", "extended_tweet.full_text|full_text|text"),
        text="extended_tweet.full_text|full_text|text", timestamp="created_at", author="user.screen_name",
        id="id_str|id",
        mentions="extended_tweet.entities.user_mentions[].screen_name|entities.user_mentions[].screen_name",
        reply="in_reply_to_screen_name", retweet="retweeted_status.user.screen_name",
        quote="quoted_status.user.screen_name", retweets=_AUTHOR,
    ),
    Preset(
        name="x-v2", title="X/Twitter API v2, twarc 2 (lines, flattened or not, or pages)", shape=_J,
        keys=("author_id", "author.username", "created_at", "text"), text="note_tweet.text|text",
        timestamp="created_at", author="author.username", id="id",
        mentions="note_tweet.entities.mentions[].username|entities.mentions[].username",
        reply="in_reply_to_user.username", retweet="referenced_tweets[type=retweeted].author.username",
        quote="referenced_tweets[type=quoted].author.username", retweets=_AUTHOR, join="includes",
    ),
    Preset(
        name="twarc-csv", title="twarc-csv", shape=_C, keys=("author.username", "created_at", "text"), text="text",
        timestamp="created_at", author="author.username", id="id", escaped=True,
        reply="in_reply_to_username|in_reply_to_user.username", retweet="retweeted_username|retweeted_user.username",
        quote="quoted_username|quoted_user.username", retweets=_AUTHOR,
    ),
    Preset(
        name="snscrape", title="snscrape (Twitter)", shape=_J, keys=("user.username", "date", "rawContent|content"),
        text="rawContent|content", timestamp="date", author="user.username", id="id",
        mentions="mentionedUsers[].username", reply="inReplyToUser.username", retweet="retweetedTweet.user.username",
        quote="quotedTweet.user.username", retweets=_AUTHOR,
    ),
    Preset(
        name="twint", title="twint (CSV)", shape=_C,
        keys=("conversation_id", "created_at", "username", "tweet", "user_rt", "reply_to"), text="tweet",
        timestamp="created_at", author="username", id="id", mentions="mentions", reply="reply_to", retweet="user_rt",
        retweets=_AUTHOR,
    ),
    Preset(
        name="twint-json", title="twint (JSON)", shape=_J,
        keys=("conversation_id", "created_at", "username", "tweet", "link"), text="tweet", timestamp="created_at",
        author="username", id="id", mentions="mentions[].screen_name", reply="reply_to[].screen_name",
        retweet="user_rt", retweets=_AUTHOR,
    ),
    Preset(
        name="rtweet", title="rtweet (R, CSV)", shape=_C,
        keys=("status_id", "created_at", "screen_name", "text", "mentions_screen_name"), text="text",
        timestamp="created_at", author="screen_name", id="status_id", mentions="mentions_screen_name",
        reply="reply_to_screen_name", retweet="retweet_screen_name", quote="quoted_screen_name", retweets=_AUTHOR,
    ),
    Preset(
        name="academictwitter", title="academictwitteR (R, tidy CSV)", shape=_C,
        keys=("tweet_id", "user_username", "created_at", "text"), text="text", timestamp="created_at",
        author="user_username", id="tweet_id", retweets=_AUTHOR,
    ),
    Preset(
        name="x-archive", title="A person's own X/Twitter archive (tweets.js)", shape=_J,
        keys=("tweet.full_text|full_text", "tweet.created_at|created_at", "tweet.id_str|id_str"),
        no_keys=("user.screen_name", "author"), text="tweet.full_text|full_text",
        timestamp="tweet.created_at|created_at", author="", id="tweet.id_str|id_str",
        mentions="tweet.entities.user_mentions[].screen_name|entities.user_mentions[].screen_name",
        reply="tweet.in_reply_to_screen_name|in_reply_to_screen_name", retweets=_AUTHOR, note=_NO_OWNER,
    ),
    Preset(
        name="x-archive-csv", title="A person's own Twitter archive of old (tweets.csv)", shape=_C,
        keys=("tweet_id", "timestamp", "text", "source"), no_keys=("username", "author", "user_username"), text="text",
        timestamp="timestamp", author="", id="tweet_id", retweets=_AUTHOR, note=_NO_OWNER,
    ),
    Preset(
        name="apify-x", title="Apify (X/Twitter)", shape=_J,
        keys=("author.userName", "createdAt", "fullText|text", "id"), text="fullText|text", timestamp="createdAt",
        author="author.userName", id="id", mentions="entities.user_mentions[].screen_name",
        reply="inReplyToUsername", retweet="retweet.author.userName|retweeted_tweet.author.userName",
        quote="quote.author.userName|quoted_tweet.author.userName", retweets=_AUTHOR,
    ),
    Preset(
        name="sentiment140", title="Sentiment140", shape=_C, keys=(), text="text", timestamp="date", author="user",
        id="ids", columns=("target", "ids", "date", "flag", "user", "text"), note="The file has no header.",
    ),
    # Tools for several platforms
    Preset(
        name="4cat", title="4CAT (other platforms)", shape=_C, keys=_4CAT, text="body",
        heading="subject|title", timestamp=_4CAT_INSTANT,
        author="author", mentions="mentions",
        note="The columns do not name the platform: say `profile` where mentions are not written as on X/Twitter. "
        "Ids are those of a thread, or of a board: they tell no posts apart.",
    ),
    Preset(
        name="4cat-reddit", title="4CAT (Reddit)", shape=_C, keys=(*_4CAT, "subject", "subreddit"), text="body",
        heading="subject", timestamp=_4CAT_INSTANT, author="author", id="id", id_scope="4cat-reddit", profile="reddit",
    ),
    Preset(
        name="4cat-x", title="4CAT (X/Twitter)", shape=_C, keys=(*_4CAT, "is_retweet", "retweeted_user"), text="body",
        timestamp=_4CAT_INSTANT, author="author", id="id", reply="replied_user|replied_author",
        retweet="retweeted_user", quote="quoted_user|quote_author", retweets=_AUTHOR,
    ),
    Preset(
        name="4cat-tiktok", title="4CAT (TikTok)", shape=_C, keys=(*_4CAT, "author_full", "tiktok_url|comment_url"),
        text="body", timestamp=_4CAT_INSTANT, author="author", id="id", profile="tiktok",
    ),
    Preset(
        name="4cat-instagram", title="4CAT (Instagram)", shape=_C, keys=(*_4CAT, "author_fullname", "media_type"),
        text="body", timestamp=_4CAT_INSTANT, author="author", id="id", profile="instagram",
    ),
    Preset(
        name="4cat-threads", title="4CAT (Threads)", shape=_C, keys=(*_4CAT, "author_is_verified", "reposts"),
        text="body", timestamp=_4CAT_INSTANT, author="author", id="id", profile="instagram",
    ),
    Preset(
        name="4cat-telegram", title="4CAT (Telegram)", shape=_C, keys=(*_4CAT, "author_username", "chat"), text="body",
        timestamp=_4CAT_INSTANT, author="author_username", id="id", profile="telegram",
        note="Accounts without a user name are rejected: numbers are no names.",
    ),
    Preset(
        name="4cat-bluesky", title="4CAT (Bluesky)", shape=_C, keys=(*_4CAT, "created_at", "replied_to_user"),
        text="body", timestamp=_4CAT_INSTANT, author="author", id="id", mentions="mentions", reply="replied_to_user",
        quote="quoted_user", profile="bluesky",
    ),
    Preset(
        name="4cat-truth-gab", title="4CAT (Truth Social, Gab)", shape=_C,
        keys=("id", "thread_id", "timestamp", "body", "account_username", "account_display_name"), text="body",
        timestamp=_4CAT_INSTANT, author="account_username", id="id", mentions="mentions", profile="mastodon",
    ),
    Preset(
        name="zeeschuimer-tiktok", title="Zeeschuimer, 4CAT NDJSON (TikTok)", shape=_J,
        keys=(_either("desc"), _either("author.uniqueId"), _either("createTime"), "source_platform|__import_meta"),
        text=_either("desc"), timestamp=_either("createTime"), author=_either("author.uniqueId"), id=_either("id"),
        profile="tiktok",
    ),
    Preset(
        name="zeeschuimer-tiktok-comments", title="Zeeschuimer, 4CAT NDJSON (TikTok comments)", shape=_J,
        keys=(_either("cid"), _either("text"), _either("user.unique_id"), _either("create_time")),
        text=_either("text"), timestamp=_either("create_time"), author=_either("user.unique_id"), id=_either("cid"),
        profile="tiktok",
    ),
    Preset(
        name="zeeschuimer-instagram", title="Zeeschuimer, 4CAT NDJSON (Instagram, Threads)", shape=_J,
        keys=(
            _either("taken_at", "taken_at_timestamp"), _either("user.username", "owner.username"),
            _either("code", "shortcode"), "source_platform|__import_meta",
        ),
        text=_either("caption.text", "edge_media_to_caption.edges[].node.text"),
        timestamp=_either("taken_at", "taken_at_timestamp"), author=_either("user.username", "owner.username"),
        id=_either("code", "shortcode"), profile="instagram",
    ),
    Preset(
        name="zeeschuimer-x", title="Zeeschuimer, 4CAT NDJSON (X/Twitter)", shape=_J,
        keys=(_either("legacy.full_text"), _either("legacy.created_at"), "source_platform|__import_meta"),
        text=_either(f"{_X_NOTE}.text", "legacy.full_text"),
        timestamp=_either("legacy.created_at"), author=_either(*_X_USER), id=_either("rest_id", "legacy.id_str"),
        mentions=_either(f"{_X_NOTE}.entity_set.user_mentions[].screen_name", _X_MENTIONS),
        reply=_either("legacy.in_reply_to_screen_name"),
        retweet=_either(*(f"{_X_RETWEET}.{user}" for user in _X_USER)),
        quote=_either(*(f"quoted_status_result.result.{user}" for user in _X_USER)), retweets=_AUTHOR,
    ),
    Preset(
        name="meltwater", title="Meltwater", shape=_C, keys=("Date", "Headline", "Hit Sentence", "Influencer"),
        text="Hit Sentence", timestamp="Date", author="Twitter Screen Name|Influencer",
        id="Tweet Id|Document ID|URL", retweets=_AUTHOR,
        id_scope="meltwater",
    ),
    Preset(
        name="brandwatch", title="Brandwatch", shape=_C, keys=("Query Id", "Date", "Author", "Full Text|Snippet"),
        text="Full Text|Snippet", timestamp="Date", author="Author", id="Resource Id|Url",
        mentions="Mentioned Authors", retweets=_AUTHOR,
        id_scope="brandwatch",
    ),
    Preset(
        name="talkwalker", title="Talkwalker", shape=_C,
        keys=("published", "content", "extra_author_attributes.short_name"), text="content", timestamp="published",
        author="extra_author_attributes.short_name", id="url", retweets=_AUTHOR,
        id_scope="talkwalker",
    ),
    Preset(
        name="talkwalker-api", title="Talkwalker's API", shape=_J,
        keys=("published", "content", "extra_author_attributes.name|extra_author_attributes.short_name"),
        text="content", timestamp="published",
        author="extra_author_attributes.short_name|extra_author_attributes.name", id="url", retweets=_AUTHOR,
        rows="result_content.data[].data",
        id_scope="talkwalker",
    ),
    # Other platforms
    Preset(
        name="mastodon", title="Mastodon API statuses", shape=_J, keys=("content", "created_at", "account.acct"),
        text="content", timestamp="created_at", author="account.acct", id="uri|url|id", mentions="mentions[].acct",
        reply="in_reply_to_acct", retweet="reblog.account.acct", quote="quote.quoted_status.account.acct",
        retweets=_AUTHOR, profile="mastodon", join="servers",
    ),
    Preset(
        name="mastodon-archive", title="A person's own archive of Mastodon (outbox.json)", shape=_J,
        keys=("type", "actor", "published", "object"), text="content", timestamp="published", author="acct", id="id",
        mentions="mentioned[]", reply="answered", retweet="reblogged", retweets=_AUTHOR, profile="mastodon",
        rows="orderedItems[]", join="people", note="What is no post, such as a like, is a reject.",
    ),
    Preset(
        name="bluesky", title="Bluesky getPosts, searchPosts and threads", shape=_J,
        keys=("author.handle", "record.text", "record.createdAt"), text="record.text", timestamp="record.createdAt",
        author="author.handle", id="uri", quote="embed.record.author.handle|embed.record.record.author.handle",
        profile="bluesky",
    ),
    Preset(
        name="bluesky-feed", title="Bluesky getAuthorFeed, getTimeline and getPostThread", shape=_J,
        keys=("post.author.handle", "post.record.text", "post.record.createdAt"), text="post.record.text",
        timestamp="reason.indexedAt|post.record.createdAt", author="reason.by.handle|post.author.handle",
        id="reason.uri|post.uri", reply="reply.parent.author.handle", retweet="reposted.author.handle",
        retweets=_AUTHOR, profile="bluesky", below="replies[]", join="reposts",
        quote="post.embed.record.author.handle|post.embed.record.record.author.handle",
    ),
    Preset(
        name="bluesky-jetstream", title="Bluesky Jetstream", shape=_J, keys=("did", "time_us", "kind|commit"),
        text="commit.record.text", timestamp="commit.record.createdAt", author="did", id="commit.cid",
        mentions="commit.record.facets[].features[].did", reply="commit.record.reply.parent.did",
        quote="commit.record.embed.record.did|commit.record.embed.record.record.did",
        profile="bluesky", join="handles",
        note="People are DIDs, but those whose handles the first MiB names. What is no post is a reject.",
    ),
    Preset(
        name="reddit", title="Reddit comments and posts (API, PRAW, Pushshift, Arctic Shift)", shape=_J,
        keys=("body|selftext", "author", "created_utc"), text="body|selftext", heading="title", timestamp="created_utc",
        author="author", id="name|permalink", profile="reddit", below="replies.data.children[].data",
    ),
    Preset(
        name="telegram", title="Telegram Desktop's export (JSON)", shape=_J, keys=("type", "date", "from_id", "id"),
        text="text", timestamp="date_unixtime|date", author="from", id=None, profile="telegram",
        note="The export has authors' names as they are displayed, not their user names. Service messages are rejects.",
    ),
    Preset(
        name="discord", title="DiscordChatExporter (JSON)", shape=_J,
        keys=("author.name", "author.discriminator|author.nickname", "content", "timestamp", "type"), text="content",
        timestamp="timestamp", author="author.name", id="id", mentions="mentions[].name", profile="word",
        id_scope="discord",
    ),
    Preset(
        name="youtube-comments", title="YouTube Data API comments and comment threads", shape=_J,
        keys=(
            _below("snippet.topLevelComment", "snippet.authorDisplayName") + "|snippet.authorDisplayName",
            _below("snippet.topLevelComment", "snippet.publishedAt") + "|snippet.publishedAt",
        ),
        text=_below("snippet.topLevelComment.snippet", "textOriginal", "textDisplay")
        + "|snippet.textOriginal|snippet.textDisplay",
        timestamp="snippet.topLevelComment.snippet.publishedAt|snippet.publishedAt",
        author="snippet.topLevelComment.snippet.authorDisplayName|snippet.authorDisplayName",
        id="snippet.topLevelComment.id|id", profile="youtube", below="replies.comments[]",
    ),
    Preset(
        name="youtube-tools", title="YouTube Data Tools (comments)", shape=_C,
        keys=("publishedAt", "authorName", "text", "authorChannelId"), text="text", timestamp="publishedAt",
        author="authorName", id="id", reply="isReplyToName", profile="youtube",
    ),
    Preset(
        name="crowdtangle-facebook", title="CrowdTangle (Facebook pages)", shape=_C,
        keys=("Page Name", "User Name", "Post Created", "Message"), text="Message", timestamp="Post Created",
        author="User Name", id="URL", profile="instagram",
    ),
    Preset(
        name="crowdtangle-groups", title="CrowdTangle (Facebook groups)", shape=_C,
        keys=("Group Name", "User Name", "Post Created", "Message"), text="Message", timestamp="Post Created",
        author="Group Name", id="URL", profile="instagram",
    ),
    Preset(
        name="crowdtangle-instagram", title="CrowdTangle (Instagram)", shape=_C,
        keys=("Account", "User Name", "Post Created", "Description"), no_keys=("Page Name", "Group Name"),
        text="Description", timestamp="Post Created", author="User Name", id="URL", profile="instagram",
    ),
    Preset(
        name="apify-instagram", title="Apify (Instagram)", shape=_J,
        keys=("ownerUsername", "timestamp", "caption|text", "id"), text="caption|text", timestamp="timestamp",
        author="ownerUsername", id="shortCode|id", profile="instagram", below="latestComments[]|replies[]",
    ),
    Preset(
        name="apify-instagram-csv", title="Apify (Instagram, CSV)", shape=_C,
        keys=("ownerUsername", "timestamp", "caption|text"), text="caption|text", timestamp="timestamp",
        author="ownerUsername", id="shortCode|id", profile="instagram",
    ),
    Preset(
        name="apify-tiktok", title="Apify (TikTok)", shape=_J, keys=("authorMeta.name", "text", "createTimeISO"),
        text="text", timestamp="createTimeISO", author="authorMeta.name", id="id", profile="tiktok",
    ),
    Preset(
        name="apify-tiktok-csv", title="Apify (TikTok, CSV)", shape=_C,
        keys=("authorMeta.name|authorMeta/name", "text", "createTimeISO"), text="text", timestamp="createTimeISO",
        author="authorMeta.name|authorMeta/name", id="id", profile="tiktok",
    ),
    Preset(
        name="tiktok-research", title="TikTok's Research API", shape=_J,
        keys=("username", "video_description", "create_time"), text="video_description", timestamp="create_time",
        author="username", id="id", profile="tiktok", rows="data.videos[]",
    ),
    Preset(
        name="weibo-search", title="weibo-search", shape=_C, keys=("微博正文", "发布时间", "用户昵称"), text="微博正文",
        timestamp="发布时间", author="用户昵称", id="id|bid", profile="weibo", timezone="Asia/Shanghai",
    ),
    Preset(
        name="weibo-crawler", title="weibo-crawler (CSV)", shape=_C, keys=("bid", "正文", "完整日期|日期"), text="正文",
        timestamp="完整日期|日期", author="", id="id", quote="源用户昵称", profile="weibo", timezone="Asia/Shanghai",
        note="The file is of one person and does not name them: say who it is with `author_is`.",
    ),
    Preset(
        name="weibo-crawler-json", title="weibo-crawler (JSON)", shape=_J,
        keys=("screen_name", "text", "created_at", "bid"), text="text", timestamp="full_created_at|created_at",
        author="screen_name", id="id", quote="retweet.screen_name", profile="weibo", timezone="Asia/Shanghai",
        rows="weibo[]",
    ),
)  # fmt: skip

BY_NAME: Mapping[str, Preset] = {preset.name: preset for preset in PRESETS}
