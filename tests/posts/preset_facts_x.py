"""Files of X/Twitter and its tools, and what comes out of them."""

from __future__ import annotations

import json
from typing import Any

from app.posts.looking.reading import Given
from tests.posts.preset_files import Fact, lines, pretty, table

TWEET_V1 = {
    "created_at": "Wed Oct 10 20:19:24 +0000 2018",
    "id": 1050118621198921728,
    "id_str": "1050118621198921728",
    "text": "@bea hello to you and @c…",
    "truncated": True,
    "source": "<a>App</a>",
    "in_reply_to_screen_name": "bea",
    "user": {"id": 1, "id_str": "1", "name": "Ana A", "screen_name": "ana", "description": "I am @nobody"},
    "entities": {"user_mentions": [{"screen_name": "bea"}]},
    "extended_tweet": {
        "full_text": "@bea hello to you and @cyd, goodbye",
        "entities": {"user_mentions": [{"screen_name": "bea"}, {"screen_name": "cyd"}]},
    },
}
RETWEET_V1 = {
    "created_at": "Thu Oct 11 08:00:00 +0000 2018",
    "id": 2,
    "id_str": "2",
    "text": "RT @ana: @bea hello to you and @c…",
    "user": {"screen_name": "dov"},
    "retweeted_status": TWEET_V1,
    "entities": {"user_mentions": [{"screen_name": "ana"}, {"screen_name": "bea"}]},
}
QUOTE_V1 = {
    "created_at": "Thu Oct 11 09:00:00 +0000 2018",
    "id": 3,
    "id_str": "3",
    "full_text": "so true https://t.co/x",
    "user": {"screen_name": "eva"},
    "is_quote_status": True,
    "quoted_status": TWEET_V1,
    "entities": {"user_mentions": []},
}
EDGES_V1 = {("ana", "bea"): 1, ("ana", "cyd"): 1, ("dov", "ana"): 1, ("eva", "ana"): 1}
KINDS_V1 = [("ana", "bea", "replies"), ("dov", "ana", "retweets"), ("eva", "ana", "quotes")]

USERS_V2 = [
    {"id": str(number), "username": name, "name": name.title()} for number, name in enumerate(("ana", "bea", "cyd"))
]
POSTS_V2: list[dict[str, Any]] = [
    {
        "id": "10",
        "author_id": "0",
        "created_at": "2021-04-01T15:52:31.000Z",
        "text": "@bea hi @cyd",
        "lang": "en",
        "in_reply_to_user_id": "1",
        "referenced_tweets": [{"type": "replied_to", "id": "9"}],
        "entities": {
            "mentions": [
                {"start": 0, "end": 4, "username": "bea", "id": "1"},
                {"start": 8, "end": 12, "username": "cyd", "id": "2"},
            ]
        },
    },
    {
        "id": "11",
        "author_id": "1",
        "created_at": "2021-04-01T15:52:32.000Z",
        "text": "RT @cyd: a text of mine with @an…",
        "referenced_tweets": [{"type": "retweeted", "id": "8"}],
        "entities": {"mentions": [{"start": 3, "end": 7, "username": "cyd"}]},
    },
    {
        "id": "12",
        "author_id": "2",
        "created_at": "2021-04-01T15:52:33.000Z",
        "text": "look",
        "referenced_tweets": [{"type": "quoted", "id": "10"}],
    },
]
PAGE_V2: dict[str, Any] = {
    "data": POSTS_V2,
    "includes": {
        "users": USERS_V2,
        "tweets": [
            {"id": "8", "author_id": "2", "text": "a text of mine with @ana", "created_at": "2021-04-01T15:00:00.000Z"},
            {"id": "10", "author_id": "0", "text": "@bea hi @cyd", "created_at": "2021-04-01T15:52:31.000Z"},
        ],
    },
    "errors": [
        {"value": "9", "title": "Not Found Error", "resource_type": "tweet", "parameter": "referenced_tweets.id"}
    ],
    "meta": {"newest_id": "12", "oldest_id": "10", "result_count": 3},
    "__twarc": {"url": "https://api.twitter.com/2/tweets/search/all", "version": "2.8.0"},
}
EMPTY_V2 = {"meta": {"result_count": 0}, "__twarc": {"version": "2.8.0"}}
EDGES_V2 = {("ana", "bea"): 1, ("ana", "cyd"): 1, ("bea", "cyd"): 1, ("cyd", "ana"): 1}
KINDS_V2 = [("ana", "bea", "replies"), ("bea", "cyd", "retweets"), ("cyd", "ana", "quotes")]
STREAM_V2 = [
    {
        "data": {key: value for key, value in post.items() if key != "referenced_tweets" or number != 1},
        "includes": PAGE_V2["includes"],
        "matching_rules": [{"id": "1", "tag": "x"}],
    }
    for number, post in enumerate(POSTS_V2)
]

TWARC_CSV = (
    "id,conversation_id,referenced_tweets.replied_to.id,author_id,in_reply_to_user_id,in_reply_to_username,"
    "retweeted_user_id,retweeted_username,quoted_user_id,quoted_username,created_at,text,lang,source,"
    "public_metrics.reply_count,entities.mentions,author.id,author.username,author.name,author.description,"
    "__twarc.retrieved_at"
)
TWINT = (
    "id,conversation_id,created_at,date,time,timezone,user_id,username,name,place,tweet,language,mentions,urls,photos,"
    "replies_count,retweets_count,likes_count,hashtags,cashtags,link,retweet,quote_url,video,thumbnail,near,geo,source,"
    "user_rt_id,user_rt,retweet_id,reply_to,retweet_date,translate,trans_src,trans_dest"
)
RTWEET = (
    "user_id,status_id,created_at,screen_name,text,source,reply_to_status_id,reply_to_user_id,reply_to_screen_name,"
    "is_quote,is_retweet,mentions_user_id,mentions_screen_name,lang,quoted_status_id,quoted_screen_name,"
    "retweet_status_id,retweet_screen_name,name"
)
ACADEMIC = (
    "tweet_id,user_username,text,author_id,created_at,source,conversation_id,lang,possibly_sensitive,in_reply_to_user_id,"
    "user_name,user_description,retweet_count,like_count,sourcetweet_type,sourcetweet_id,sourcetweet_text"
)
ARCHIVE = [
    {
        "tweet": {
            "id_str": "1",
            "id": "1",
            "created_at": "Wed Nov 20 10:00:00 +0000 2019",
            "full_text": "@bea hi, and @cyd",
            "in_reply_to_screen_name": "bea",
            "retweeted": False,
            "entities": {"user_mentions": [{"screen_name": "bea"}, {"screen_name": "cyd"}]},
        }
    },
    {
        "tweet": {
            "id_str": "2",
            "id": "2",
            "created_at": "Wed Nov 20 11:00:00 +0000 2019",
            "full_text": "RT @cyd: long",
            "entities": {"user_mentions": [{"screen_name": "cyd"}]},
        }
    },
]
OLD_ARCHIVE = (
    "tweet_id,in_reply_to_status_id,in_reply_to_user_id,timestamp,source,text,retweeted_status_id,"
    "retweeted_status_user_id,retweeted_status_timestamp,expanded_urls"
)

X = [
    Fact(
        "x-v1",
        "twarc 1, lines",
        lines(TWEET_V1, RETWEET_V1, QUOTE_V1),
        EDGES_V1,
        KINDS_V1,
        ["2018-10-10T20:19:24", "2018-10-11T08:00:00", "2018-10-11T09:00:00"],
        ["1050118621198921728", "2", "3"],
    ),
    Fact(
        "x-v1",
        "a page of search",
        pretty({"statuses": [TWEET_V1, RETWEET_V1, QUOTE_V1], "search_metadata": {"count": 3}}),
        EDGES_V1,
        KINDS_V1,
    ),
    Fact("x-v1", "a list", json.dumps([TWEET_V1, RETWEET_V1, QUOTE_V1]).encode(), EDGES_V1, KINDS_V1),
    Fact(
        "x-v2",
        "twarc 2, pages",
        lines(PAGE_V2, EMPTY_V2),
        EDGES_V2,
        KINDS_V2,
        ["2021-04-01T15:52:31", "2021-04-01T15:52:32", "2021-04-01T15:52:33"],
        ["10", "11", "12"],
    ),
    Fact("x-v2", "one page, pretty-printed", pretty(PAGE_V2), EDGES_V2, KINDS_V2),
    Fact(
        "x-v2",
        "pages, pretty-printed, one after the other",
        pretty(PAGE_V2) + b"\n" + pretty(EMPTY_V2),
        EDGES_V2,
        KINDS_V2,
    ),
    Fact("x-v2", "a list of pages", json.dumps([PAGE_V2, EMPTY_V2]).encode(), EDGES_V2, KINDS_V2),
    Fact("x-v2", "the filtered stream", lines(*STREAM_V2), EDGES_V2, KINDS_V2),
    Fact(
        "twarc-csv",
        "tweets",
        table(
            TWARC_CSV,
            {
                "id": "1",
                "author_id": "0",
                "in_reply_to_user_id": "1",
                "in_reply_to_username": "bea",
                "author.username": "ana",
                "created_at": "2021-04-01T15:52:31.000Z",
                "text": "@bea hi @cyd",
                "entities.mentions": '["@bea", "@cyd"]',
            },
            {
                "id": "2",
                "author_id": "1",
                "retweeted_user_id": "2",
                "retweeted_username": "cyd",
                "author.username": "bea",
                "created_at": "2021-04-01T15:52:32.000Z",
                "text": "RT @cyd: mine with @ana",
            },
            {
                "id": "3",
                "author_id": "2",
                "quoted_username": "ana",
                "author.username": "cyd",
                "created_at": "2021-04-01T15:52:33.000Z",
                "text": "look",
            },
        ),
        EDGES_V2,
        KINDS_V2,
        ids=["1", "2", "3"],
    ),
    Fact(
        "twarc-csv",
        "picked columns, and line ends that the tool escapes",
        table(
            "author.username,created_at,text,retweeted_username",
            {
                "author.username": "ana",
                "created_at": "2021-04-01T15:52:31.000Z",
                "text": "hi @cyd\\n@bea\\r\\n\\t@dov",
            },
            {
                "author.username": "bea",
                "created_at": "2021-04-01T15:52:32.000Z",
                "text": "mine with @ana",
                "retweeted_username": "cyd",
            },
        ),
        {("ana", "cyd"): 1, ("ana", "bea"): 1, ("ana", "dov"): 1, ("bea", "cyd"): 1},
        [("bea", "cyd", "retweets")],
    ),
    Fact(
        "x-v2",
        "a long post",
        lines(
            {
                **POSTS_V2[2],
                "author": USERS_V2[2],
                "text": "@ana long…",
                "entities": {"mentions": [{"username": "ana"}]},
                "note_tweet": {
                    "text": "@ana long, and @bea",
                    "entities": {"mentions": [{"username": "ana"}, {"username": "bea"}]},
                },
            }
        ),
        {("cyd", "ana"): 1, ("cyd", "bea"): 1},
    ),
    Fact(
        "snscrape",
        "lines",
        lines(
            {
                "_type": "snscrape.modules.twitter.Tweet",
                "url": "https://twitter.com/ana/status/1",
                "id": 1,
                "date": "2022-01-05T10:00:00+00:00",
                "rawContent": "@bea hi @cyd",
                "renderedContent": "@bea hi @cyd",
                "user": {"_type": "snscrape.modules.twitter.User", "username": "ana", "id": 1, "displayname": "Ana"},
                "content": "@bea hi @cyd",
                "mentionedUsers": [{"username": "bea"}, {"username": "cyd"}],
                "inReplyToUser": {"username": "bea"},
                "retweetedTweet": None,
                "quotedTweet": None,
            },
            {
                "_type": "snscrape.modules.twitter.Tweet",
                "id": 2,
                "date": "2022-01-05T11:00:00+00:00",
                "rawContent": "look",
                "user": {"username": "cyd"},
                "mentionedUsers": None,
                "inReplyToUser": None,
                "quotedTweet": {"user": {"username": "ana"}, "rawContent": "@bea hi @cyd"},
            },
        ),
        {("ana", "bea"): 1, ("ana", "cyd"): 1, ("cyd", "ana"): 1},
        [("ana", "bea", "replies"), ("cyd", "ana", "quotes")],
        ids=["1", "2"],
    ),
    Fact(
        "twint",
        "CSV",
        table(
            TWINT,
            {
                "id": "1",
                "conversation_id": "1",
                "created_at": "2021-01-05 10:00:00 CET",
                "date": "2021-01-05",
                "time": "10:00:00",
                "timezone": "+0100",
                "user_id": "7",
                "username": "ana",
                "name": "Ana",
                "tweet": "@bea hi",
                "mentions": "[{'screen_name': 'bea', 'name': 'Bea', 'id': '2'}]",
                "retweet": "False",
                "video": "0",
                "reply_to": "[{'screen_name': 'bea', 'name': 'Bea', 'id': '2'}]",
            },
            {
                "id": "2",
                "conversation_id": "2",
                "created_at": "2021-01-05 11:00:00 CET",
                "date": "2021-01-05",
                "time": "11:00:00",
                "user_id": "8",
                "username": "bea",
                "tweet": "nothing for @nobody.example",
                "mentions": "[]",
                "reply_to": "[]",
            },
        ),
        {("ana", "bea"): 1, ("bea", "nobody"): 1},
        [("ana", "bea", "replies")],
        ["2021-01-05T09:00:00", "2021-01-05T10:00:00"],
        ["1", "2"],
    ),
    Fact(
        "twint",
        "CSV with tabs",
        table(
            TWINT,
            {
                "id": "1",
                "conversation_id": "1",
                "created_at": "2021-01-05 10:00:00 UTC",
                "username": "ana",
                "tweet": "hi",
                "mentions": "[{'screen_name': 'bea'}]",
                "reply_to": "[]",
            },
            delimiter="\t",
        ),
        {("ana", "bea"): 1},
    ),
    Fact(
        "twint-json",
        "lines",
        lines(
            {
                "id": 1,
                "conversation_id": "1",
                "created_at": "2021-01-05 10:00:00 UTC",
                "username": "ana",
                "user_id": 7,
                "tweet": "@bea hi",
                "link": "https://twitter.com/ana/status/1",
                "retweet": False,
                "user_rt": "",
                "mentions": [{"screen_name": "bea", "name": "Bea", "id": "2"}],
                "reply_to": [{"screen_name": "bea"}],
            }
        ),
        {("ana", "bea"): 1},
        [("ana", "bea", "replies")],
        ids=["1"],
    ),
    Fact(
        "rtweet",
        "write_as_csv",
        table(
            RTWEET,
            {
                "user_id": "x1",
                "status_id": "x10",
                "created_at": "2020-02-01 10:00:00",
                "screen_name": "ana",
                "text": "@bea hi @cyd",
                "reply_to_screen_name": "bea",
                "mentions_screen_name": "bea cyd",
                "is_retweet": "FALSE",
            },
            {
                "user_id": "x2",
                "status_id": "x11",
                "created_at": "2020-02-01 11:00:00",
                "screen_name": "bea",
                "text": "a text of cyd",
                "mentions_screen_name": "cyd",
                "is_retweet": "TRUE",
                "retweet_screen_name": "cyd",
            },
        ),
        {("ana", "bea"): 1, ("ana", "cyd"): 1, ("bea", "cyd"): 1},
        [("ana", "bea", "replies"), ("bea", "cyd", "retweets")],
        ids=["x10", "x11"],
    ),
    Fact(
        "rtweet",
        "write.csv, where NA is nothing",
        table(
            RTWEET,
            {
                "user_id": "1",
                "status_id": "10",
                "created_at": "2020-02-01 10:00:00",
                "screen_name": "ana",
                "text": "hi @dov",
                "reply_to_screen_name": "NA",
                "mentions_screen_name": "NA",
                "retweet_screen_name": "NA",
                "quoted_screen_name": "NA",
            },
        ),
        {("ana", "dov"): 1},
    ),
    Fact(
        "academictwitter",
        "tidy",
        table(
            ACADEMIC,
            {
                "tweet_id": "1",
                "user_username": "ana",
                "text": "hi @bea",
                "author_id": "7",
                "created_at": "2021-04-01T15:52:31.000Z",
                "lang": "en",
                "sourcetweet_type": "NA",
            },
        ),
        {("ana", "bea"): 1},
        ids=["1"],
    ),
    Fact(
        "x-archive",
        "tweets.js",
        b"window.YTD.tweets.part0 = " + pretty(ARCHIVE),
        {("ana", "bea"): 1, ("ana", "cyd"): 2},
        [("ana", "bea", "replies"), ("ana", "cyd", "retweets")],
        ids=["1", "2"],
        given=Given(author_is="ana"),
    ),
    Fact(
        "x-archive",
        "tweet.js of 2019",
        b"window.YTD.tweet.part0 = " + pretty([each["tweet"] for each in ARCHIVE]),
        {("ana", "bea"): 1, ("ana", "cyd"): 2},
        given=Given(author_is="ana"),
    ),
    Fact(
        "x-archive-csv",
        "tweets.csv",
        table(
            OLD_ARCHIVE,
            {"tweet_id": "1", "timestamp": "2013-11-19 20:00:17 +0000", "source": "App", "text": "RT @bea: good one"},
        ),
        {("ana", "bea"): 1},
        [("ana", "bea", "retweets")],
        given=Given(author_is="ana"),
    ),
    Fact(
        "apify-x",
        "a list",
        json.dumps(
            [
                {
                    "type": "tweet",
                    "id": "1",
                    "url": "https://x.com/ana/status/1",
                    "text": "@bea hi",
                    "fullText": "@bea hi",
                    "createdAt": "Fri Nov 24 17:49:36 +0000 2023",
                    "isReply": True,
                    "inReplyToUsername": "bea",
                    "author": {"userName": "ana", "name": "Ana", "description": "me"},
                    "isRetweet": False,
                    "isQuote": False,
                    "entities": {"user_mentions": [{"screen_name": "bea"}]},
                }
            ]
        ).encode(),
        {("ana", "bea"): 1},
        [("ana", "bea", "replies")],
        ["2023-11-24T17:49:36"],
        ["1"],
    ),
    Fact(
        "sentiment140",
        "no header",
        b'"0","1","Mon Apr 06 22:19:45 PDT 2009","NO_QUERY","ana","@bea caf\xe9"\n',
        {("ana", "bea"): 1},
        instants=["2009-04-07T05:19:45"],
        ids=["1"],
    ),
]
