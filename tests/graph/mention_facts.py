"""The rules of the profiles as facts: text, and the handles it mentions.

For `twitter`, CONFORMANCE restates the 26 cases of twitter-text's public suite (conformance/extract.yml, `mentions` and
`mentions_with_indices`); LISTS the ones about lists, with what twitter-text's extractMentions answers for them.

MASTODON follows Mastodon's MENTION_RE (app/models/account.rb). BLUESKY starts with those in the tests of Bluesky's
detection of facets (packages/api/tests/rich-text-detection.test.ts); the others follow the syntax of handles.
"""

from __future__ import annotations

Facts = list[tuple[str, list[str]]]

CONFORMANCE: Facts = [
    ("@username reply", ["username"]),
    ("mention @username", ["username"]),
    ("mention @username in the middle", ["username"]),
    ("mention @user_name", ["user_name"]),
    ("mention @12345", ["12345"]),
    ("mention @username1 @username2", ["username1", "username2"]),
    ("の@usernameに到着を待っている", ["username"]),
    ("Current Status: @_@ (cc: @username)", ["username"]),
    ("@aliceìnheiro something something", []),
    ("@username email me @test@example.com", ["username"]),
    ("@http://twitter.com", []),
    ("@username\n@mention", ["username", "mention"]),
    ("RT@username RT:@mention RT @test", ["username", "mention", "test"]),
    ("rt@username rt:@mention rt @test", ["username", "mention", "test"]),
    ("Rt@username Rt:@mention Rt @test", ["username", "mention", "test"]),
    ("rT@username rT:@mention rT @test", ["username", "mention", "test"]),
    ("f!@kn", []),
    ("f@@kn", []),
    ("f#@kn", []),
    ("f$@kn", []),
    ("f%@kn", []),
    ("f&@kn", []),
    ("f*@kn", []),
    ("@username yo!", ["username"]),
    ("username @username", ["username"]),
    ("の@usernameに到着を待っている", ["username"]),
]

LISTS: Facts = [
    ("@username/list-name is a great list!", []),
    ("Hey @username, check out out @otheruser/list_name-01!", ["username"]),
    ("の@username/list_name-01に到着を待っている", []),
    ("@username/7list-name is a great list!", ["username"]),
    ("@a/b-@c d", []),
    ("@a/b @c", ["c"]),
    ("@a/@b", ["a", "b"]),
]

FURTHER: Facts = [
    ("", []),
    ("no sign", []),
    ("@", []),
    ("@ nobody", []),
    ("mail someone@example.com", []),
    ("＠wide and @narrow", ["wide", "narrow"]),
    ("@a @b @c,@d;@e", ["a", "b", "c", "d", "e"]),
    ("@a\t@b\r\n@c", ["a", "b", "c"]),
    ("@Same @same @SAME", ["Same", "same", "SAME"]),
    (".@dotted (@bracketed) [@square] '@quoted' \"@double\" -@dashed /@slashed", [
        "dotted", "bracketed", "square", "quoted", "double", "dashed", "slashed",
    ]),
    ("@abcdefghijklmnopqrstuvwxyz", ["abcdefghijklmnopqrst"]),
    ("@abcdefghijklmnopqrst@x", []),
    ("@abcdefghijklmnopqrstu@x", ["abcdefghijklmnopqrst"]),
    ("@abcdefghijklmnopqrstuÉ", ["abcdefghijklmnopqrst"]),
    ("@a@b", []),
    ("@a＠b", []),
    ("@aé@b", ["b"]),
    ("@a://@b", ["b"]),
    ("@a: //x @b", ["a", "b"]),
    ("@aж @bß @c\u0301 @dÿ @eŁ @f× @g÷", ["a", "f", "g"]),
    ("xRT@a", []),
    ("-RT@a +rt@b ~rT@c .Rt@d", []),
    ("!RT@a #rt@b", ["a", "b"]),
    ("f@RT@b", ["b"]),
    ("@RT@b", []),
    ("RT@RT @x", ["RT", "x"]),
    ("RT@RT@x", []),
    ("ART:@a", ["a"]),
    ("👍@thumb👍@up", ["thumb", "up"]),
    ("@user's @user. @user: @user-name", ["user", "user", "user", "user"]),
]  # fmt: skip

MASTODON: Facts = [
    ("", []),
    ("@", []),
    ("@alice Hey how are you?", ["alice"]),
    ("Hello to @alice from me", ["alice"]),
    ("@alice@example.com", ["alice@example.com"]),
    ("Hello to @alice@example.com from me", ["alice@example.com"]),
    ("@alice@example.com.", ["alice@example.com"]),
    ("Hello @alice.", ["alice"]),
    ("@alice.smith @alice-smith @a.-b @_a_ @a.", ["alice.smith", "alice-smith", "a.-b", "_a_", "a"]),
    ("@.alice @-alice", []),
    ("(@alice) [@bob], '@carl' \"@dora\":@emil", ["alice", "bob", "carl", "dora", "emil"]),
    ("mail alice@example.com", []),
    ("https://example.com/@alice https://example.com/@alice@example.org", []),
    ("https://example.com/?by=@alice", []),
    ("é@alice の@alice 1@alice _@alice e\u0301@alice", []),
    ("👍@alice👍", ["alice"]),
    ("@@alice", ["alice"]),
    ("@alice@bob@carl", ["alice@bob"]),
    ("@alice@ @bob", ["alice", "bob"]),
    ("@alice@-x", ["alice"]),
    ("@alice@bücher.example", ["alice@bücher.example"]),
    ("@alice@a.-b--c.", ["alice@a.-b--c"]),
    ("@alice/@bob", ["alice"]),
    ("@alicé @ж", ["alic"]),
    ("@Alice@Example.COM", ["Alice@Example.COM"]),
    ("＠alice", []),
    ("@a@b.c\n@d@e.f", ["a@b.c", "d@e.f"]),
    ("RT @alice: RT@bob", ["alice"]),
    ("@" + "a" * 320, ["a" * 320]),
    ("@" + "a" * 321 + " @b", ["b"]),
]

BLUESKY: Facts = [
    ("no mention", []),
    ("@handle.com middle end", ["handle.com"]),
    ("start @handle.com end", ["handle.com"]),
    ("start middle @handle.com", ["handle.com"]),
    ("@handle.com @handle.com @handle.com", ["handle.com"] * 3),
    ("@full123-chars.test", ["full123-chars.test"]),
    ("not@right", []),
    ("@handle.com!@#$chars", ["handle.com"]),
    ("@handle.com\n@handle.com", ["handle.com"] * 2),
    ("parenthetical (@handle.com)", ["handle.com"]),
    ("👨‍👩‍👧‍👧 @handle.com 👨‍👩‍👧‍👧", ["handle.com"]),
    ("", []),
    ("@", []),
    ("@alice", []),
    (
        "@alice.bsky.social. @bob.bsky.social, @carl.bsky.social's",
        ["alice.bsky.social", "bob.bsky.social", "carl.bsky.social"],
    ),
    ("@Alice.Bsky.Social", ["Alice.Bsky.Social"]),
    ("@a.co @8.cn @1.2.x", ["a.co", "8.cn", "1.2.x"]),
    ("@jay.4u @127.0.0.1", []),
    ("@xn--ls8h.test", ["xn--ls8h.test"]),
    ("@a-.com @-a.com @a.-com @a..com @.a.com", []),
    ("@a.com- @a.com..", ["a.com", "a.com"]),
    ("@a.com_b @a.com._b @a_b.com", []),
    ("@a.comé", ["a.com"]),
    ("[@a.com] ,@a.com x@a.com @@a.com", []),
    ("@a.com@b.com", ["a.com"]),
    ("https://example.com/@a.com", []),
    ("＠a.com", []),
    ("@" + "a" * 63 + ".com @" + "a" * 64 + ".com", ["a" * 63 + ".com"]),
    ("@" + "a." * 125 + "com @b.com", ["a." * 125 + "com", "b.com"]),
    ("@" + "a." * 126 + "com @b.com", ["b.com"]),
]

WORD: Facts = [
    ("", []),
    ("@", []),
    ("@a mail b@c.d x@@e", ["a", "c", "e"]),
    ("@größe @и_1 @の", ["größe", "и_1", "の"]),
    ("@a-b @c.d @e's", ["a", "c", "e"]),
    ("@a@b/@c", ["a", "b", "c"]),
    ("@e\u0301x", ["e\u0301x"]),
    ("@👍 @ a ＠b", []),
    ("@Same @same", ["Same", "same"]),
    ("@" + "x" * 321 + "@" + "y" * 320, ["y" * 320]),
]

RETWEETS = ["RT @a", "rt @a: @b", "  Rt\t@a @b", "\nRT  @a", "RT ＠a"]
OTHERS = ["RT@a", "RT: @a", "see RT @a", "RT x @a", "ART @a", "RT", "@a RT @b", "RT\u200b@a", ".RT @a"]
"""Posts that are no retweets."""

# Instagram Help Center (usernames: letters, digits, full stops and underscores, up to 30 of them); Meta's developer
# documentation of mentions. A full stop at the end belongs to the sentence.
INSTAGRAM: Facts = [
    ("", []),
    ("@", []),
    ("with @bea.c and @cyd_._d at @the.place.", ["bea.c", "cyd_._d", "the.place"]),
    ("@ana.b_1 @x.y.z!", ["ana.b_1", "x.y.z"]),
    ("mail me@site.example (@ok) @..", ["ok"]),
    ("@" + "a" * 30 + " @" + "b" * 31, ["a" * 30]),
    ("＠wide", ["wide"]),
    ("@a...", ["a"]),
    ("@.a @_a_ @1", [".a", "_a_", "1"]),
    ("写真 by@ana 写真@bea、@cyd。", ["bea", "cyd"]),
    ("@ana-bea @dov's, @eva:@fay", ["ana", "dov", "eva", "fay"]),
    ("@@ana a@b@c", []),
    ("@anaé", ["ana"]),
    ("👍@ana👍 #@bea /@cyd", ["ana", "bea", "cyd"]),
    ("@Ana @ana", ["Ana", "ana"]),
]
# TikTok Support, "Changing your username": letters, digits, underscores and full stops, none of these last; the app
# takes 2 to 24 of them.
TIKTOK: Facts = [
    ("@tok.d_1. @" + "a" * 24 + " @" + "b" * 25, ["tok.d_1", "a" * 24]),
    ("@a @ab @a. (@cd) x@ef.gh", ["ab", "cd"]),
    ("duet with@ana ＠bea_", ["bea_"]),
]
# YouTube Help, "Handle naming guidelines": 3 to 30 characters; letters and digits of many scripts, underscores,
# hyphens, full stops and Latin middle dots, none of these marks first or last.
YOUTUBE: Facts = [
    ("", []),
    ("@", []),
    ("@ab @abc. hi @señor·x-", ["abc", "señor·x"]),
    ("@日本語チャンネル", ["日本語チャンネル"]),
    ("mail a@bcd.example @-abc @a.b_c", ["a.b_c"]),
    ("@" + "a" * 30 + " @" + "b" * 31, ["a" * 30]),
    ("@канал_1, @قناة-عربي!", ["канал_1", "قناة-عربي"]),
    ("@abc-_. @abc's (@abd) @@abe", ["abc", "abc", "abd"]),
    ("@e\u0301cole @\u0301abc", ["e\u0301cole"]),
    ("＠wide", []),
    ("@Ana-B @ana-b", ["Ana-B", "ana-b"]),
]
# reddit/snudown, src/autolink.c (sd_autolink__username): u/name or /u/name, with no letter, digit or slash before it;
# names as Reddit makes them: 3 to 20 letters, digits, underscores and hyphens.
REDDIT: Facts = [
    ("", []),
    ("u/", []),
    ("thanks u/bea-c and /u/cyd, see r/python", ["bea-c", "cyd"]),
    ("U/Ana_B no, menu/item, u/ab", ["Ana_B"]),
    ("(u/abc) `u/code`", ["abc"]),
    ("[u/abc](/u/abd) *u/abe* u/abf's", ["abc", "abd", "abe", "abf"]),
    ("u/" + "a" * 20 + " u/" + "b" * 21, ["a" * 20]),
    ("//u/abc au/abc 1u/abc _u/abc", []),
    ("u/_-_ u/-a- u/abc/u/abd", ["_-_", "-a-", "abc"]),
    ("@abc", []),
    ("```\nu/abc\n```\nu/abd", ["abd"]),
    ("u/abé u/abc\u00e9", ["abc"]),
]
# Telegram FAQ ("What can I use as my username?"): a to z, 0 to 9 and underscores, at least 5 of them; Telegram Desktop
# (lib_ui, text entities): the first is a letter. Names of 4 are sold on fragment.com. Up to 32.
TELEGRAM: Facts = [
    ("", []),
    ("@", []),
    ("@ann @t_bot (@user5) @1abcd me@mail.example", ["t_bot", "user5"]),
    ("@abcd @" + "a" * 32 + " @" + "b" * 33, ["abcd", "a" * 32]),
    ("@_abcd @abcd_ @abcd.", ["abcd_", "abcd"]),
    ("t.me/@abcd /@abcd x@abcd @abcd@efgh", ["abcd"]),
    ("привет@abcd, @имяя", ["abcd"]),
    ("@AbCd ＠abcd", ["AbCd"]),
]
# Weibo Help Center (nicknames): 4 to 30 characters, Chinese characters counting two; Chinese characters, letters,
# digits, _ and -. What follows a nickname is a blank, a colon or other punctuation.
WEIBO: Facts = [
    ("", []),
    ("@", []),
    ("支持 @北京青年 //@张三:转发微博//@李-四：好@王五", ["北京青年", "张三", "李-四", "王五"]),
    ("回复@小明_1:谢谢 a@b.example", ["小明_1"]),
    ("@北京青年，@张三。@李四！@王五？（@赵六）【@孙七】", ["北京青年", "张三", "李四", "王五", "赵六", "孙七"]),
    ("＠北京青年 @Ana_B-c @123", ["北京青年", "Ana_B-c", "123"]),
    ("@@北京 x@北京", []),
    ("@" + "北" * 30 + " @" + "京" * 31, ["北" * 30]),
    ("http://t.cn/RabcdE @张三", ["张三"]),
]
# GitHub Docs, "Basic writing and formatting syntax" (mentions, teams), and the rule of the form in which an account is
# made: letters, digits and single hyphens, up to 39, none of the hyphens first or last. Code is never linked.
GITHUB: Facts = [
    ("", []),
    ("@", []),
    ("@bea and @org/team, x@y.example @ann-b- @ok.", ["bea", "ann-b", "ok"]),
    ("see `@code`\n```\n@no\n```\n@yes", ["yes"]),
    ("@a--b @-a @a_b @a-b_c1_ @a_b_c", ["a_b", "a-b_c1"]),
    ("@" + "a" * 39 + " @" + "b" * 40, ["a" * 39]),
    ("(@ana) [@bea] *@cyd*: @dov's, /cc @eva", ["ana", "bea", "cyd", "dov", "eva"]),
    ("git@github.com:org/repo.git @@ana", []),
    ("@dependabot[bot] @Ana", ["dependabot", "Ana"]),
    ("@org/team-name and @org", ["org"]),
]

IN_URLS = [
    "see https://www.youtube.com/@chan_a/videos",
    "https://medium.com/@writer_b/post-1",
    "https://social.example/@person_c/1 and http://a.example/?u=@query_h&x=1",
    "https://example.org/map/@41.40",
    "youtube.com/@chan_a",
    "https://www.reddit.com/u/somebody/comments",
    "https://user:pass@host.example/x and ftp://ana_b@host.example",
    "HTTPS://A.EXAMPLE/@ABCD https://a.example:8080/@abcd https://[::1]/@abcd https://1.2.3.4/@abcd",
    "(https://a.example/@abcd) [x](https://a.example/@abcd) <https://a.example/@abcd>",
    "https://bücher.example/@abcd https://a.example/ü/@abcd https://пример.example/д/@abcd",
    "http://a.example/@abcd,@efgh https://a.example/#@abcd https://a.example/x?u=u/abcd&y=@abcd#z",
    "//cdn.example/@abcd old.reddit.com/u/abcd www.reddit.com/user/abcd t.me/abcd",
]
BEHIND_URLS = [
    "https://a.example/x {}",
    "(https://a.example/@abcd) {}",
    "https://a.example/@abcd\n{}",
    "a.example/@abcd {}",
]
"""A URL does not hide the mention behind it."""
CUT = [
    ("RT @bea: a long text that ends with @cyd_lon…", ["bea"], True),
    ("RT @bea: a long text that ends with @cyd_lo...", ["bea"], True),
    ("RT @bea: a long text that ends with @…", ["bea"], False),
    ("RT @bea: it goes on @cyd_lo… https://t.example/x", ["bea"], True),
    ("@bea " + "x" * 100 + " @cyd_l…", ["bea"], True),
    ("waiting for @bea...", ["bea"], False),
    ("@bea… what?", ["bea"], False),
]
LOCAL = [
    ("ana@one.example", "@bea @cyd@two.example", ["bea@one.example", "cyd@two.example"]),
    ("ana", "@bea", ["bea"]),
    (
        "ana@here.example",
        '<a href="https://social.example/@bea" class="u-url mention">@<span>bea</span></a> '
        '<a href="https://here.example/tags/x" class="mention hashtag">#x</a> '
        '<a href="https://other.example/users/cyd" class="mention">@cyd</a>',
        ["bea@social.example", "cyd@other.example"],
    ),
]
