"""Files of other platforms and their tools, and what comes out of them."""

from __future__ import annotations

import json
from typing import Any

from app.posts.looking.reading import Given
from tests.posts.preset_files import Fact, lines, pretty, table

STATUS: dict[str, Any] = {
    "id": "1",
    "created_at": "2023-01-05T10:00:00.000Z",
    "in_reply_to_id": "9",
    "in_reply_to_account_id": "22",
    "uri": "https://here.example/users/ana/statuses/1",
    "url": "https://here.example/@ana/1",
    "reblog": None,
    "content": '<p><span class="h-card"><a href="https://here.example/@bea" class="u-url mention">@<span>bea'
    '</span></a></span> and <span class="h-card"><a href="https://there.example/@cyd" class="u-url mention">@<span>'
    "cyd</span></a></span></p>",
    "account": {"id": "21", "username": "ana", "acct": "ana", "url": "https://here.example/@ana"},
    "mentions": [
        {"id": "22", "username": "bea", "url": "https://here.example/@bea", "acct": "bea"},
        {"id": "23", "username": "cyd", "url": "https://there.example/@cyd", "acct": "cyd@there.example"},
    ],
}
BOOST: dict[str, Any] = {
    "id": "2",
    "created_at": "2023-01-05T11:00:00.000Z",
    "uri": "https://there.example/users/cyd/statuses/2/activity",
    "content": STATUS["content"],
    "account": {"username": "cyd", "acct": "cyd@there.example", "url": "https://there.example/@cyd"},
    "mentions": STATUS["mentions"],
    "reblog": STATUS,
}
ANA, BEA, CYD = "ana@here.example", "bea@here.example", "cyd@there.example"
MASTODON_EDGES = {(ANA, BEA): 1, (ANA, CYD): 1, (CYD, ANA): 1}
MASTODON_KINDS = [(ANA, BEA, "replies"), (CYD, ANA, "retweets")]


def facet(text: str, shown: str, did: str) -> dict[str, Any]:
    start = text.encode().index(shown.encode())
    return {
        "index": {"byteStart": start, "byteEnd": start + len(shown.encode())},
        "features": [{"$type": "app.bsky.richtext.facet#mention", "did": did}],
    }


SKY_TEXT = "👋 @bea.bsky.social hi"
SKY_RECORD = {
    "$type": "app.bsky.feed.post",
    "text": SKY_TEXT,
    "createdAt": "2024-01-05T10:00:00.000Z",
    "facets": [facet(SKY_TEXT, "@bea.bsky.social", "did:plc:bea")],
}
SKY_POST = {
    "uri": "at://did:plc:ana/app.bsky.feed.post/1",
    "cid": "c1",
    "indexedAt": "2024-01-05T10:00:01.000Z",
    "author": {"did": "did:plc:ana", "handle": "ana.example"},
    "record": SKY_RECORD,
}
SKY_QUOTE = {
    "uri": "at://did:plc:bea/app.bsky.feed.post/2",
    "author": {"did": "did:plc:bea", "handle": "bea.bsky.social"},
    "record": {"text": "see", "createdAt": "2024-01-05T11:00:00.000Z"},
    "embed": {"$type": "app.bsky.embed.record#view", "record": {"author": {"handle": "ana.example"}}},
}
SKY_EDGES = {("ana.example", "bea.bsky.social"): 1, ("bea.bsky.social", "ana.example"): 1}


def event(did: str, record: dict[str, Any], collection: str = "app.bsky.feed.post") -> dict[str, Any]:
    return {
        "did": did,
        "time_us": 1725911162329308,
        "kind": "commit",
        "commit": {
            "rev": "3l3",
            "operation": "create",
            "collection": collection,
            "rkey": "3l3",
            "cid": f"c{did}",
            "record": {"$type": collection, "createdAt": "2024-01-05T10:00:00.000Z", **record},
        },
    }


STREAM = [
    event("did:plc:ana", {"text": SKY_TEXT, "facets": SKY_RECORD["facets"]}),
    event(
        "did:plc:dov",
        {
            "text": "yes",
            "reply": {
                "root": {"uri": "at://did:plc:ana/app.bsky.feed.post/1"},
                "parent": {"uri": "at://did:plc:ana/app.bsky.feed.post/1"},
            },
        },
    ),
    event("did:plc:eva", {"subject": {"uri": "at://did:plc:ana/app.bsky.feed.post/1"}}, "app.bsky.feed.like"),
    {
        "did": "did:plc:ana",
        "time_us": 1725911162329309,
        "kind": "identity",
        "identity": {"did": "did:plc:ana", "handle": "ana.example", "seq": 1, "time": "2024-01-05T10:00:00.000Z"},
    },
]

COMMENT = {
    "author": "ana_b",
    "body": "thanks u/bea-c",
    "created_utc": 1700000000.0,
    "id": "k1",
    "name": "t1_k1",
    "parent_id": "t3_p1",
    "subreddit": "python",
}
SUBMISSION = {
    "author": "cyd",
    "title": "ask u/eva",
    "selftext": "for /u/ana_b",
    "created_utc": 1700000100,
    "id": "p1",
    "name": "t3_p1",
    "subreddit": "python",
    "num_comments": 1,
}
REDDIT_EDGES = {("ana_b", "bea-c"): 1, ("cyd", "ana_b"): 1, ("cyd", "eva"): 1}
ANSWER = {"kind": "t1", "data": {**COMMENT, "name": "t1_k2", "author": "bea-c", "body": "u/ana_b no", "replies": ""}}


def listing(*children: Any) -> dict[str, Any]:
    return {"kind": "Listing", "data": {"after": None, "children": list(children)}}


CHAT = {
    "name": "A group",
    "type": "private_supergroup",
    "id": 99,
    "messages": [
        {
            "id": 1,
            "type": "service",
            "date": "2024-01-05T09:00:00",
            "date_unixtime": "1704445200",
            "actor": "Ana",
            "actor_id": "user1",
            "action": "create_group",
            "title": "A group",
            "text": "",
            "text_entities": [],
        },
        {
            "id": 2,
            "type": "message",
            "date": "2024-01-05T11:00:00",
            "date_unixtime": "1704448800",
            "from": "Ana",
            "from_id": "user1",
            "text": ["hi ", {"type": "mention", "text": "@bea_c"}, " and more"],
            "text_entities": [{"type": "plain", "text": "hi "}, {"type": "mention", "text": "@bea_c"}],
        },
        {
            "id": 3,
            "type": "message",
            "date": "2024-01-05T11:01:00",
            "date_unixtime": "1704448860",
            "from": "Bea",
            "from_id": "user2",
            "text": "yes",
            "text_entities": [{"type": "plain", "text": "yes"}],
        },
    ],
}


def comment(number: str, author: str, text: str) -> dict[str, Any]:
    return {
        "kind": "youtube#comment",
        "id": number,
        "snippet": {
            "authorDisplayName": author,
            "authorChannelId": {"value": "UC" + number},
            "textDisplay": text,
            "textOriginal": text,
            "publishedAt": "2024-01-05T10:00:00Z",
            "updatedAt": "2024-01-05T10:00:00Z",
        },
    }


THREAD: dict[str, Any] = {
    "kind": "youtube#commentThread",
    "id": "t1",
    "snippet": {"videoId": "v", "topLevelComment": comment("t1", "@ana-b", "hi @bea.c"), "totalReplyCount": 1},
    "replies": {"comments": [comment("t1.r1", "@bea.c", "@ana-b no")]},
}
TUBE_EDGES = {("ana-b", "bea.c"): 1, ("bea.c", "ana-b"): 1}
WEIBO_SEARCH = (
    "id,bid,user_id,用户昵称,微博正文,头条文章url,发布位置,艾特用户,话题,"
    "转发数,评论数,点赞数,发布时间,发布工具,微博图片url,微博视频url,retweet_id"
)
WEIBO_CRAWLER = (
    "id,bid,正文,头条文章url,原始图片url,视频url,位置,日期,工具,点赞数,评论数,转发数,话题,"
    "@用户,完整日期,是否原创,源用户id,源用户昵称"
)

PLATFORMS = [
    Fact(
        "mastodon",
        "a list, as the API answers",
        json.dumps([STATUS, BOOST]).encode(),
        MASTODON_EDGES,
        MASTODON_KINDS,
        ["2023-01-05T10:00:00", "2023-01-05T11:00:00"],
        [STATUS["uri"], BOOST["uri"]],
    ),
    Fact("mastodon", "lines of Mastodon.py", lines(STATUS, BOOST), MASTODON_EDGES, MASTODON_KINDS),
    Fact("mastodon", "a search", pretty({"accounts": [], "statuses": [STATUS, BOOST], "hashtags": []}), MASTODON_EDGES),
    Fact("mastodon", "a context", pretty({"ancestors": [STATUS], "descendants": [BOOST]}), MASTODON_EDGES),
    Fact(
        "bluesky",
        "getPosts",
        pretty({"posts": [SKY_POST, SKY_QUOTE]}),
        SKY_EDGES,
        [("bea.bsky.social", "ana.example", "quotes")],
        ids=["at://did:plc:ana/app.bsky.feed.post/1", "at://did:plc:bea/app.bsky.feed.post/2"],
    ),
    Fact(
        "bluesky",
        "searchPosts, pages in lines",
        lines({"posts": [SKY_POST], "cursor": "1"}, {"posts": [SKY_QUOTE]}),
        SKY_EDGES,
    ),
    Fact("bluesky", "lines of posts", lines(SKY_POST, SKY_QUOTE), SKY_EDGES),
    Fact(
        "bluesky-feed",
        "getAuthorFeed",
        pretty(
            {
                "feed": [
                    {"post": SKY_POST, "reply": {"parent": {"author": {"handle": "cyd.example"}}}},
                    {"post": SKY_QUOTE},
                ],
                "cursor": "x",
            }
        ),
        {**SKY_EDGES, ("ana.example", "cyd.example"): 1},
        [("bea.bsky.social", "ana.example", "quotes"), ("ana.example", "cyd.example", "replies")],
    ),
    Fact(
        "bluesky-feed",
        "a repost, and a post that is pinned",
        lines(
            {"post": SKY_POST, "reason": {"$type": "app.bsky.feed.defs#reasonPin"}},
            {
                "post": SKY_POST,
                "reason": {
                    "$type": "app.bsky.feed.defs#reasonRepost",
                    "by": {"did": "did:plc:dov", "handle": "dov.example"},
                    "indexedAt": "2024-01-06T10:00:00.000Z",
                },
            },
        ),
        {("ana.example", "bea.bsky.social"): 1, ("dov.example", "ana.example"): 1},
        [("dov.example", "ana.example", "retweets")],
        ids=["at://did:plc:ana/app.bsky.feed.post/1", "at://did:plc:ana/app.bsky.feed.post/1 dov.example"],
    ),
    Fact(
        "mastodon-archive",
        "outbox.json",
        pretty(
            {
                "@context": "https://www.w3.org/ns/activitystreams",
                "id": "outbox.json",
                "type": "OrderedCollection",
                "totalItems": 2,
                "orderedItems": [
                    {
                        "id": "https://home.example/users/ana/statuses/1/activity",
                        "type": "Create",
                        "actor": "https://home.example/users/ana",
                        "published": "2024-01-05T10:00:00Z",
                        "object": {
                            "id": "https://home.example/users/ana/statuses/1",
                            "type": "Note",
                            "inReplyTo": "https://other.example/users/bea/statuses/7",
                            "content": "<p>@<span>bea</span> and @<span>cyd</span></p>",
                            "tag": [
                                {
                                    "type": "Mention",
                                    "href": "https://other.example/users/bea",
                                    "name": "@bea@other.example",
                                },
                                {"type": "Mention", "href": "https://home.example/users/cyd", "name": "@cyd"},
                                {"type": "Hashtag", "name": "#x"},
                            ],
                        },
                    },
                    {
                        "id": "https://home.example/users/ana/statuses/2/activity",
                        "type": "Announce",
                        "actor": "https://home.example/users/ana",
                        "published": "2024-01-06T10:00:00Z",
                        "object": "https://third.example/users/dov/statuses/9",
                    },
                ],
            }
        ),
        {
            ("ana@home.example", "bea@other.example"): 1,
            ("ana@home.example", "cyd@home.example"): 1,
            ("ana@home.example", "dov@third.example"): 1,
        },
        [
            ("ana@home.example", "bea@other.example", "replies"),
            ("ana@home.example", "dov@third.example", "retweets"),
        ],
    ),
    Fact(
        "bluesky-feed",
        "getPostThread",
        pretty({"thread": {"post": SKY_POST, "replies": [{"post": SKY_QUOTE}]}}),
        SKY_EDGES,
    ),
    Fact(
        "bluesky-jetstream",
        "events",
        lines(*STREAM),
        {("ana.example", "bea.bsky.social"): 1, ("did:plc:dov", "ana.example"): 1},
        [("did:plc:dov", "ana.example", "replies")],
        ids=["cdid:plc:ana", "cdid:plc:dov"],
        rejects=["missing_key", "missing_key"],
    ),
    Fact(
        "reddit",
        "lines of both kinds (Pushshift, PRAW)",
        lines(COMMENT, SUBMISSION),
        REDDIT_EDGES,
        instants=["2023-11-14T22:13:20", "2023-11-14T22:15:00"],
        ids=["t1_k1", "t3_p1"],
    ),
    Fact("reddit", "Arctic Shift's API", json.dumps({"data": [COMMENT, SUBMISSION]}).encode(), REDDIT_EDGES),
    Fact(
        "reddit",
        "a listing",
        pretty(listing({"kind": "t1", "data": COMMENT}, {"kind": "t3", "data": SUBMISSION})),
        REDDIT_EDGES,
    ),
    Fact(
        "reddit",
        "a post's page, with answers to answers",
        json.dumps(
            [
                listing({"kind": "t3", "data": SUBMISSION}),
                listing(
                    {"kind": "t1", "data": {**COMMENT, "replies": listing(ANSWER)}},
                    {"kind": "more", "data": {"children": ["x"]}},
                ),
            ]
        ).encode(),
        {**REDDIT_EDGES, ("bea-c", "ana_b"): 1},
        rejects=["missing_key"],
    ),
    Fact(
        "telegram",
        "a chat",
        pretty(CHAT),
        {("ana", "bea_c"): 1},
        instants=["2024-01-05T10:00:00", "2024-01-05T10:01:00"],
        rejects=["missing_key"],
    ),
    Fact(
        "telegram",
        "an account",
        pretty(
            {
                "about": "x",
                "chats": {"about": "y", "list": [CHAT, {"type": "saved_messages", "id": 1, "messages": []}]},
                "left_chats": {"about": "z", "list": [CHAT]},
            }
        ),
        {("ana", "bea_c"): 2},
        rejects=["missing_key"] * 2,
    ),
    Fact(
        "discord",
        "a channel",
        pretty(
            {
                "guild": {"name": "G"},
                "channel": {"name": "general"},
                "messages": [
                    {
                        "id": "1",
                        "type": "Default",
                        "timestamp": "2024-01-05T10:00:00.123+00:00",
                        "content": "hi @Bea",
                        "author": {"id": "5", "name": "ana", "discriminator": "0000", "nickname": "Ana"},
                        "mentions": [{"id": "6", "name": "bea", "nickname": "Bea"}],
                    }
                ],
                "messageCount": 1,
            }
        ),
        {("ana", "bea"): 1},
        ids=["1"],
    ),
    Fact(
        "youtube-comments",
        "pages of threads with answers",
        pretty({"items": [THREAD], "pageInfo": {"totalResults": 1}}),
        TUBE_EDGES,
        ids=["t1", "t1.r1"],
    ),
    Fact("youtube-comments", "lines of threads", lines(THREAD), TUBE_EDGES),
    Fact(
        "youtube-comments",
        "a list of comments",
        json.dumps([comment("c1", "@ana-b", "hi @bea.c"), comment("c2", "@bea.c", "@ana-b no")]).encode(),
        TUBE_EDGES,
    ),
    Fact(
        "youtube-tools",
        "comments",
        table(
            "id,replyCount,likeCount,publishedAt,authorName,text,authorChannelId,authorChannelUrl,isReply,isReplyTo,isReplyToName",
            {
                "id": "c1",
                "publishedAt": "2024-01-05 10:00:00",
                "authorName": "@ana-b",
                "text": "hi @bea.c",
                "isReply": "0",
            },
            {
                "id": "c2",
                "publishedAt": "2024-01-05 10:00:00",
                "authorName": "@bea.c",
                "text": "no",
                "isReply": "1",
                "isReplyToName": "@ana-b",
            },
        ),
        TUBE_EDGES,
        [("bea.c", "ana-b", "replies")],
        ids=["c1", "c2"],
    ),
    Fact(
        "crowdtangle-facebook",
        "pages",
        table(
            "Page Name,User Name,Facebook Id,Page Category,Post Created,"
            "Post Created Date,Post Created Time,Type,URL,Message,Link",
            {
                "Page Name": "Ana's page",
                "User Name": "ana.page",
                "Post Created": "2021-01-15 08:00:02 EST",
                "URL": "https://f/1",
                "Message": "with @bea.page",
            },
        ),
        {("ana.page", "bea.page"): 1},
        instants=["2021-01-15T13:00:02"],
    ),
    Fact(
        "crowdtangle-groups",
        "groups",
        table(
            "Group Name,User Name,Facebook Id,Post Created,Post Created Date,Post Created Time,Type,URL,Message,Link",
            {"Group Name": "A group", "Post Created": "2021-07-15 08:00:02 EDT", "Message": "with @bea.page"},
        ),
        {("a group", "bea.page"): 1},
    ),
    Fact(
        "crowdtangle-instagram",
        "accounts",
        table(
            "Account,User Name,Followers at Posting,Post Created,Type,Total Interactions,Likes,"
            "URL,Link,Photo,Title,Description",
            {
                "Account": "Ana",
                "User Name": "ana.b",
                "Post Created": "2021-01-15 08:00:02 EST",
                "Description": "with @bea.c.",
                "URL": "https://i/1",
            },
        ),
        {("ana.b", "bea.c"): 1},
        ids=["https://i/1"],
    ),
    Fact(
        "apify-instagram",
        "a list",
        json.dumps(
            [
                {
                    "id": "1",
                    "type": "Image",
                    "shortCode": "Cx",
                    "caption": "with @bea.c",
                    "hashtags": [],
                    "mentions": ["bea.c"],
                    "timestamp": "2024-01-05T10:00:00.000Z",
                    "ownerUsername": "ana.b",
                    "ownerFullName": "Ana",
                    "latestComments": [
                        {"id": "2", "text": "@x", "ownerUsername": "y", "timestamp": "2024-01-05T10:00:00.000Z"}
                    ],
                }
            ]
        ).encode(),
        {("ana.b", "bea.c"): 1, ("y", "x"): 1},
        ids=["Cx", "2"],
    ),
    Fact(
        "apify-instagram-csv",
        "CSV",
        table(
            "id,type,shortCode,caption,mentions/0,timestamp,ownerUsername",
            {
                "id": "1",
                "shortCode": "Cx",
                "caption": "with @bea.c",
                "timestamp": "2024-01-05T10:00:00.000Z",
                "ownerUsername": "ana.b",
            },
        ),
        {("ana.b", "bea.c"): 1},
    ),
    Fact(
        "apify-tiktok",
        "a list",
        json.dumps(
            [
                {
                    "id": "1",
                    "text": "with @bea.c",
                    "createTime": 1704448800,
                    "createTimeISO": "2024-01-05T10:00:00.000Z",
                    "authorMeta": {"id": "5", "name": "ana.b", "nickName": "Ana"},
                }
            ]
        ).encode(),
        {("ana.b", "bea.c"): 1},
    ),
    Fact(
        "apify-tiktok-csv",
        "CSV",
        table(
            "authorMeta.name,text,createTimeISO,id",
            {"authorMeta.name": "ana.b", "text": "with @bea.c", "createTimeISO": "2024-01-05T10:00:00.000Z"},
        ),
        {("ana.b", "bea.c"): 1},
    ),
    Fact(
        "tiktok-research",
        "a page of videos",
        pretty(
            {
                "data": {
                    "videos": [
                        {"id": 7, "username": "ana.b", "video_description": "with @bea.c", "create_time": 1704448800}
                    ],
                    "cursor": 1,
                    "has_more": False,
                },
                "error": {"code": "ok"},
            }
        ),
        {("ana.b", "bea.c"): 1},
        instants=["2024-01-05T10:00:00"],
        ids=["7"],
    ),
    Fact(
        "weibo-search",
        "CSV with a mark",
        b"\xef\xbb\xbf"
        + table(
            WEIBO_SEARCH,
            {
                "id": "1",
                "bid": "b",
                "user_id": "5",
                "用户昵称": "张三",
                "微博正文": "支持@北京青年 //@李-四:好",
                "发布时间": "2024-01-05 18:00",
                "艾特用户": "北京青年,李-四",
            },
        ),
        {("张三", "北京青年"): 1, ("张三", "李-四"): 1},
        instants=["2024-01-05T10:00:00"],
        ids=["1"],
    ),
    Fact(
        "weibo-crawler",
        "CSV of one person",
        b"\xef\xbb\xbf"
        + table(
            WEIBO_CRAWLER,
            {
                "id": "1",
                "bid": "b",
                "正文": "转发@北京青年",
                "日期": "2024-01-05",
                "完整日期": "2024-01-05 18:00:00",
                "是否原创": "False",
                "源用户昵称": "李-四",
            },
        ),
        {("张三", "北京青年"): 1, ("张三", "李-四"): 1},
        [("张三", "李-四", "quotes")],
        ["2024-01-05T10:00:00"],
        ["1"],
        given=Given(author_is="张三"),
    ),
    Fact(
        "weibo-crawler-json",
        "JSON of one person",
        json.dumps(
            {
                "user": {"id": "5", "screen_name": "张三"},
                "weibo": [
                    {
                        "user_id": 5,
                        "screen_name": "张三",
                        "id": 1,
                        "bid": "b",
                        "text": "转发@北京青年",
                        "created_at": "2024-01-05",
                        "full_created_at": "2024-01-05 18:00:00",
                        "at_users": "北京青年",
                        "retweet": {"screen_name": "李-四", "text": "好", "id": 2},
                    }
                ],
            },
            ensure_ascii=False,
        ).encode(),
        {("张三", "北京青年"): 1, ("张三", "李-四"): 1},
        [("张三", "李-四", "quotes")],
        ["2024-01-05T10:00:00"],
        ["1"],
    ),
]
