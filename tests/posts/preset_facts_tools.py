"""Files of tools that collect from several platforms, and what comes out of them."""

from __future__ import annotations

from typing import Any

from tests.posts.preset_files import Fact, lines, pretty, table

FIRST_4CAT = {"id": "1", "thread_id": "1", "timestamp": "2024-01-05 10:00:00"}
ZEESCHUIMER: dict[str, Any] = {
    "nav_index": "1:2:3",
    "item_id": "1",
    "timestamp_collected": 1704448800000,
    "last_updated": 1704448800000,
    "source_platform_url": "https://example.org",
    "source_url": "https://example.org",
    "user_agent": "Mozilla/5.0",
    "id": 1,
}
X_RESULT = {
    "__typename": "Tweet",
    "rest_id": "10",
    "core": {"user_results": {"result": {"core": {"screen_name": "ana"}, "legacy": {"description": "me"}}}},
    "legacy": {
        "full_text": "@bea hi @cyd",
        "created_at": "Wed Oct 10 20:19:24 +0000 2018",
        "id_str": "10",
        "in_reply_to_screen_name": "bea",
        "entities": {"user_mentions": [{"screen_name": "bea"}, {"screen_name": "cyd"}]},
    },
}
X_RETWEET: dict[str, Any] = {
    "rest_id": "11",
    "core": {"user_results": {"result": {"legacy": {"screen_name": "dov"}}}},
    "legacy": {
        "full_text": "RT @ana: @bea hi…",
        "created_at": "Wed Oct 10 21:19:24 +0000 2018",
        "entities": {"user_mentions": []},
        "retweeted_status_result": {"result": X_RESULT},
    },
}
X_EDGES = {("ana", "bea"): 1, ("ana", "cyd"): 1, ("dov", "ana"): 1}
TIKTOK = {
    "id": "7",
    "desc": "with @bea.c",
    "createTime": 1704448800,
    "author": {"uniqueId": "ana.b", "nickname": "Ana"},
    "stats": {"diggCount": 1},
    "music": {"title": "x"},
}
INSTAGRAM = {
    "code": "Cx1",
    "taken_at": 1704448800,
    "caption": {"text": "with @bea.c."},
    "user": {"username": "ana.b"},
    "owner": {"username": "ana.b"},
    "media_type": 1,
}
BRANDWATCH = (
    "Query Id,Query Name,Date,Title,Snippet,Url,Domain,Sentiment,Page Type,Language,Account Type,Author,Avatar,"
    "Full Name,Full Text,Hashtags,Mentioned Authors,Reply to,Resource Id,Thread Author,Thread Entry Type"
)
BRANDWATCH_ROWS = (
    {
        "Query Id": "1",
        "Date": "2021-01-15 08:00:02.0",
        "Author": "ana",
        "Full Text": "hi @bea and more",
        "Resource Id": "r1",
        "Mentioned Authors": "@bea, @cyd",
        "Snippet": "hi @be...",
        "Url": "http://twitter.com/ana/statuses/1",
    },
    {
        "Query Id": "1",
        "Date": "2021-01-15 09:00:02.0",
        "Author": "dov",
        "Full Text": "RT @ana hi @bea and more",
        "Resource Id": "r2",
        "Mentioned Authors": "@ana, @bea",
        "Thread Author": "ana",
        "Thread Entry Type": "share",
    },
)
MELTWATER = (
    "Date,Headline,URL,Opening Text,Hit Sentence,Source,Influencer,Country,Subregion,Language,Reach,Sentiment,"
    "Key Phrases,Input Name,Keywords,Tweet Id,Twitter Id,Document Tags"
)
TALKWALKER = (
    "indexed,search_indexed,published,title,content,title_snippet,url,domain_url,lang,post_type,sentiment,"
    "extra_author_attributes.id,extra_author_attributes.name,extra_author_attributes.short_name"
)

TOOLS = [
    Fact(
        "4cat-x",
        "tweets",
        table(
            "id,thread_id,timestamp,unix_timestamp,link,subject,body,author,author_fullname,author_id,is_retweet,retweeted_user,"
            "is_quote_tweet,quoted_user,is_reply,replied_user,hashtags,urls,mentions",
            {
                **FIRST_4CAT,
                "unix_timestamp": "1704448800",
                "body": "@bea hi @cyd",
                "author": "ana",
                "author_id": "7",
                "is_retweet": "no",
                "is_reply": "yes",
                "replied_user": "bea",
                "mentions": "bea,cyd",
            },
            {
                **FIRST_4CAT,
                "id": "2",
                "body": "RT @ana: @bea hi @cyd",
                "author": "dov",
                "is_retweet": "yes",
                "retweeted_user": "ana",
                "mentions": "ana,bea,cyd",
            },
        ),
        X_EDGES,
        [("ana", "bea", "replies"), ("dov", "ana", "retweets")],
        ["2024-01-05T10:00:00"] * 2,
        ["1", "2"],
    ),
    Fact(
        "4cat-x",
        "tweets that Zeeschuimer captured",
        table(
            "collected_from_url,id,thread_id,timestamp,unix_timestamp,link,body,author,author_fullname,author_id,verified,source,"
            "is_retweet,retweeted_user,is_quote_tweet,quote_tweet_id,quote_author,quote_body,is_reply,replied_author,mentions",
            {**FIRST_4CAT, "body": "see", "author": "ana", "quote_author": "bea", "replied_author": ""},
        ),
        {("ana", "bea"): 1},
        [("ana", "bea", "quotes")],
    ),
    Fact(
        "4cat-tiktok",
        "videos",
        table(
            "collected_from_url,id,thread_id,author,author_full,author_followers,body,timestamp,unix_timestamp,tiktok_url",
            {**FIRST_4CAT, "author": "ana.b", "author_full": "Ana", "body": "with @bea.c."},
        ),
        {("ana.b", "bea.c"): 1},
    ),
    Fact(
        "4cat-instagram",
        "posts",
        table(
            "collected_from_url,id,timestamp,thread_id,parent_id,url,body,author_id,author,author_fullname,verified,media_type",
            {**FIRST_4CAT, "author": "ana.b", "body": "with @bea.c.", "media_type": "photo"},
        ),
        {("ana.b", "bea.c"): 1},
    ),
    Fact(
        "4cat-threads",
        "posts",
        table(
            "collected_from_url,id,thread_id,url,body,timestamp,author,author_is_verified,image_url,likes,reposts,replies,quotes",
            {**FIRST_4CAT, "author": "ana.b", "body": "with @bea.c."},
        ),
        {("ana.b", "bea.c"): 1},
    ),
    Fact(
        "4cat-telegram",
        "messages",
        table(
            "id,thread_id,chat,author,author_username,author_name,author_is_bot,body,is_reply,reply_to,timestamp,unix_timestamp",
            {**FIRST_4CAT, "id": "c-1", "chat": "c", "author": "712", "author_username": "ana_b", "body": "hi @bea_c"},
            {**FIRST_4CAT, "id": "c-2", "chat": "c", "author": "713", "author_username": "", "body": "hi @bea_c"},
        ),
        {("ana_b", "bea_c"): 1},
        ids=["c-1"],
        rejects=["empty_author"],
    ),
    Fact(
        "4cat-bluesky",
        "posts",
        table(
            "collected_at,query,rank,id,thread_id,created_at,author,author_id,body,link,quoted_post,quoted_user,replied_to_post,"
            "replied_to_user,mentions,timestamp",
            {
                "id": "at://did:plc:a/app.bsky.feed.post/1",
                "thread_id": "at://x",
                "created_at": "2024-01-05T10:00:00+00:00",
                "author": "ana.bsky.social",
                "author_id": "did:plc:a",
                "body": "hi @bea.bsky.social",
                "timestamp": "1704448800",
                "mentions": "bea.bsky.social",
                "replied_to_user": "cyd.example",
            },
        ),
        {("ana.bsky.social", "bea.bsky.social"): 1, ("ana.bsky.social", "cyd.example"): 1},
        [("ana.bsky.social", "cyd.example", "replies")],
        ["2024-01-05T10:00:00"],
    ),
    Fact(
        "4cat-truth-gab",
        "truths",
        table(
            "collected_from_url,id,created_at,body,url,account_id,account_username,account_display_name,mentions,thread_id,timestamp",
            {
                **FIRST_4CAT,
                "account_username": "ana",
                "account_display_name": "A",
                "body": "hi @bea",
                "mentions": "bea",
            },
        ),
        {("ana", "bea"): 1},
    ),
    Fact(
        "4cat",
        "another platform",
        table(
            "id,thread_id,timestamp,subject,body,author,country_code",
            {**FIRST_4CAT, "author": "ana", "body": "hi @bea"},
            {**FIRST_4CAT, "author": "ana", "body": "hi @bea, in another thread"},
        ),
        {("ana", "bea"): 2},
    ),
    Fact(
        "4cat-reddit",
        "posts and comments",
        table(
            "id,thread_id,timestamp,unix_timestamp,subreddit,subject,body,author,score,num_comments",
            {**FIRST_4CAT, "subreddit": "x", "subject": "ask u/bea-c", "body": "and /u/cyd_d", "author": "ana_b"},
        ),
        {("ana_b", "bea-c"): 1, ("ana_b", "cyd_d"): 1},
        ids=["1"],
    ),
    Fact(
        "4cat",
        "a server in another zone",
        table(
            "id,thread_id,timestamp,unix_timestamp,body,author,country_code",
            {
                **FIRST_4CAT,
                "timestamp": "2024-01-05 11:00:00",
                "unix_timestamp": "1704448800",
                "author": "ana",
                "body": "hi @bea",
            },
        ),
        {("ana", "bea"): 1},
        instants=["2024-01-05T10:00:00"],
    ),
    Fact(
        "zeeschuimer-x",
        "tweets",
        lines(
            {**ZEESCHUIMER, "source_platform": "twitter.com", "data": X_RESULT},
            {**ZEESCHUIMER, "source_platform": "twitter.com", "data": X_RETWEET},
        ),
        X_EDGES,
        [("ana", "bea", "replies"), ("dov", "ana", "retweets")],
        ids=["10", "11"],
    ),
    Fact(
        "zeeschuimer-x",
        "4CAT's NDJSON of them",
        lines({**X_RESULT, "__import_meta": ZEESCHUIMER}, {**X_RETWEET, "__import_meta": ZEESCHUIMER}),
        X_EDGES,
    ),
    Fact(
        "zeeschuimer-tiktok",
        "videos",
        lines({**ZEESCHUIMER, "source_platform": "tiktok.com", "data": TIKTOK}),
        {("ana.b", "bea.c"): 1},
        instants=["2024-01-05T10:00:00"],
        ids=["7"],
    ),
    Fact(
        "zeeschuimer-tiktok",
        "4CAT's NDJSON of them",
        lines({**TIKTOK, "__import_meta": ZEESCHUIMER}),
        {("ana.b", "bea.c"): 1},
    ),
    Fact(
        "zeeschuimer-tiktok-comments",
        "comments",
        lines(
            {
                **ZEESCHUIMER,
                "source_platform": "tiktok-comments",
                "data": {
                    "cid": "9",
                    "aweme_id": "7",
                    "text": "@bea.c yes",
                    "create_time": 1704448800,
                    "reply_id": "0",
                    "user": {"uid": "5", "unique_id": "ana.b"},
                },
            }
        ),
        {("ana.b", "bea.c"): 1},
        ids=["9"],
    ),
    Fact(
        "zeeschuimer-instagram",
        "posts",
        lines(
            {**ZEESCHUIMER, "source_platform": "instagram.com", "data": INSTAGRAM},
            {**ZEESCHUIMER, "source_platform": "instagram.com", "data": {**INSTAGRAM, "code": "Cx2", "caption": None}},
        ),
        {("ana.b", "bea.c"): 1},
        ids=["Cx1", "Cx2"],
    ),
    Fact(
        "zeeschuimer-instagram",
        "posts of old",
        lines(
            {
                **ZEESCHUIMER,
                "source_platform": "instagram.com",
                "data": {
                    "shortcode": "Cx3",
                    "taken_at_timestamp": 1704448800,
                    "owner": {"username": "ana.b"},
                    "edge_media_to_caption": {"edges": [{"node": {"text": "with @bea.c"}}]},
                },
            }
        ),
        {("ana.b", "bea.c"): 1},
        ids=["Cx3"],
    ),
    Fact(
        "brandwatch",
        "mentions behind a preamble",
        (
            b"Report:,Bulk Mentions Download\nBrand:,Mine\nFrom:,Thu Oct 01 00:00:00 UTC 2020\n"
            b"To:,Fri Oct 02 2020\nLabel:,\n\n" + table(BRANDWATCH, *BRANDWATCH_ROWS)
        ),
        {("ana", "bea"): 1, ("ana", "cyd"): 1, ("dov", "ana"): 1},
        [("dov", "ana", "retweets")],
        ["2021-01-15T08:00:02", "2021-01-15T09:00:02"],
        ["r1", "r2"],
    ),
    Fact(
        "meltwater",
        "UTF-16 with tabs",
        table(
            MELTWATER,
            {
                "Date": "15-Jan-2021 08:00AM",
                "Headline": "",
                "Hit Sentence": "hi @bea",
                "Influencer": "@ana",
                "Source": "Twitter",
                "Tweet Id": "1",
                "URL": "http://twitter.com/ana/statuses/1",
            },
            delimiter="\t",
        )
        .decode()
        .encode("utf-16"),
        {("ana", "bea"): 1},
        instants=["2021-01-15T08:00:00"],
        ids=["1"],
    ),
    Fact(
        "talkwalker",
        "CSV",
        table(
            TALKWALKER,
            {
                "published": "1417999319393",
                "content": "hi @bea",
                "url": "http://twitter.com/ana/statuses/1",
                "extra_author_attributes.name": "Ana A",
                "extra_author_attributes.short_name": "ana",
            },
            delimiter=";",
        ),
        {("ana", "bea"): 1},
        instants=["2014-12-08T00:41:59.393000"],
    ),
    Fact(
        "talkwalker-api",
        "a page of results",
        pretty(
            {
                "status_code": "0",
                "request": "GET",
                "pagination": {"total": 1},
                "result_content": {
                    "data": [
                        {
                            "data": {
                                "url": "http://twitter.com/ana/statuses/1",
                                "published": 1417999319393,
                                "content": "hi @bea",
                                "extra_author_attributes": {"name": "Ana A", "short_name": "ana"},
                            }
                        }
                    ]
                },
            }
        ),
        {("ana", "bea"): 1},
    ),
]
