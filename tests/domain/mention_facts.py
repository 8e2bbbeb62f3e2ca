"""The `twitter` rule as facts: text, and the handles it mentions.

CONFORMANCE restates the 26 cases of twitter-text's public suite (conformance/extract.yml, `mentions` and
`mentions_with_indices`); LISTS the ones about lists, with what twitter-text's extractMentions answers for them.
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
