"""What becomes of bad input, as facts: the bytes behind the header, the posts read from them and the rejects.

The header is on line 1, so the first byte stands on line 2.
"""

from __future__ import annotations

from typing import NamedTuple

T = b",2024-05-01,"


class Fact(NamedTuple):
    name: str
    body: bytes
    posts: list[tuple[str, str]]
    """Text and author's spelling."""
    rejects: list[tuple[int, str | None, str]]
    """Physical line, column, reason."""


FACTS = [
    Fact("nothing", b"", [], []),
    Fact("only line ends", b"\n\r\n\r\n\n", [], []),
    Fact("no line end at the end", b"a" + T + b"x\nb" + T + b"y", [("a", "x"), ("b", "y")], []),
    Fact(
        "empty lines are no rows",
        b"\na" + T + b"x\n\n\nb,,y\n\n",
        [("a", "x")],
        [(6, "timestamp", "unreadable_timestamp")],
    ),
    Fact("CR LF", b"a" + T + b"x\r\nb\r\nc" + T + b"y\r\n", [("a", "x"), ("c", "y")], [(3, None, "too_few_fields")]),
    Fact("lone CR", b"a" + T + b"x\rb\rc" + T + b"y\r", [("a", "x"), ("c", "y")], [(3, None, "too_few_fields")]),
    Fact(
        "all line ends",
        b"a\rb\r\nc\nd" + T + b"x\r\r\n\ne",
        [("d", "x")],
        [
            (2, None, "too_few_fields"),
            (3, None, "too_few_fields"),
            (4, None, "too_few_fields"),
            (8, None, "too_few_fields"),
        ],
    ),
    Fact(
        "line ends in quotes count as lines",
        b'"a\r\nb\rc\nd"' + T + b"x\nbad\n",
        [("a\r\nb\rc\nd", "x")],
        [(6, None, "too_few_fields")],
    ),
    Fact("delimiters in quotes", b'"a,b"' + T + b'"x,y"\n', [("a,b", "x,y")], []),
    Fact("quotes in quotes", b'"say ""hi"""' + T + b'"x""y"\n""""' + T + b"x\n", [('say "hi"', 'x"y'), ('"', "x")], []),
    Fact("an empty text is a post", b'""' + T + b"x\n" + T + b"y\n", [("", "x"), ("", "y")], []),
    Fact("every field quoted", b'"a","2024-05-01","x"\r\n', [("a", "x")], []),
    Fact(
        "stray quotes are literals",
        b'5" nail' + T + b'x\n5"" nail' + T + b'y\nx" "' + T + b'z"\n "q"' + T + b"x\n",
        [('5" nail', "x"), ('5"" nail', "y"), ('x" "', 'z"'), (' "q"', "x")],
        [],
    ),
    Fact(
        "stray quotes beside quoted fields",
        b'5" x' + T + b'y\n"a\n""b"' + T + b'"x"\n5"' + T + b"z\n",
        [('5" x', "y"), ('a\n"b', "x"), ('5"', "z")],
        [],
    ),
    Fact(
        "malformed quote",
        b"a" + T + b'x\n"b"c' + T + b"y\nd" + T + b"z\n",
        [("a", "x"), ("d", "z")],
        [(3, None, "malformed_quote")],
    ),
    Fact(
        "malformed quote, good lines before and behind",
        b'"a\nb"' + T + b'x\n"b" ' + T + b'y\n"d\ne"' + T + b"z\n",
        [("a\nb", "x"), ("d\ne", "z")],
        [(4, None, "malformed_quote")],
    ),
    Fact(
        "unclosed quote",
        b"a" + T + b'x\n"b' + T + b"y\nc" + T + b"z\nd" + T + b"w\n",
        [("a", "x"), ("c", "z"), ("d", "w")],
        [(3, None, "unclosed_quote")],
    ),
    Fact(
        "unclosed quote closed badly by a later row",
        b'"a' + T + b'x\n"b"' + T + b"y\nc" + T + b"z\n",
        [("b", "y"), ("c", "z")],
        [(2, None, "unclosed_quote")],
    ),
    Fact("unclosed quote at the very end", b"a" + T + b'x\n"', [("a", "x")], [(3, None, "unclosed_quote")]),
    Fact(
        "unclosed quote within CR LF", b'"a' + T + b"x\r\nb" + T + b"y\r\n", [("b", "y")], [(2, None, "unclosed_quote")]
    ),
    Fact(
        "an unclosed field in a row that spans lines",
        b'"a\nb","c\n"d"' + T + b"x\n",
        [("d", "x")],
        [(2, None, "unclosed_quote"), (3, None, "unclosed_quote")],
    ),
    Fact(
        "too few and too many",
        b"a,b\na,b,c,d\na" + T + b"x\n",
        [("a", "x")],
        [(2, None, "too_few_fields"), (3, None, "too_many_fields")],
    ),
    Fact("a text of 2 MB", b"x" * (2 << 20) + T + b"x\nb" + T + b"y\n", [("b", "y")], [(2, None, "row_too_long")]),
    Fact(
        "a quoted text of 2 MB",
        b'"' + b"x\n" * (1 << 20) + b'"' + T + b"x\nb" + T + b"y\n",
        [("b", "y")],
        [(2, None, "row_too_long")],
    ),
    Fact("a row of exactly 1 MiB", b"x" * ((1 << 20) - 13) + T + b"x\n", [("x" * ((1 << 20) - 13), "x")], []),
    Fact(
        "invalid UTF-8",
        b"a\xff" + T + b"x\nb,2024\xe9,x\nc" + T + b"\xe9\nd" + T + "é\n".encode(),
        [("d", "é")],
        [(2, "text", "invalid_utf8"), (3, "timestamp", "invalid_utf8"), (4, "author", "invalid_utf8")],
    ),
    Fact(
        "a character cut by the delimiter",
        b"a\xc3" + T + b"\xa9\nb" + T + b"x\n",
        [("b", "x")],
        [(2, "text", "invalid_utf8")],
    ),
    Fact(
        "surrogates and overlong forms",
        b"\xed\xa0\x80" + T + b"x\n\xc0\x80" + T + b"x\n",
        [],
        [(2, "text", "invalid_utf8"), (3, "text", "invalid_utf8")],
    ),
    Fact("the replacement character is text", "\ufffd".encode() + T + b"x\n", [("\ufffd", "x")], []),
    Fact(
        "NUL",
        b"a\0b" + T + b"x\nc,2024-05-01\0,x\nd" + T + b"x\0\ne" + T + b"y\n",
        [("e", "y")],
        [(2, "text", "nul_byte"), (3, "timestamp", "nul_byte"), (4, "author", "nul_byte")],
    ),
    Fact(
        "no author",
        b"a" + T + b"\nb" + T + b"  \nc" + T + b'""\nd' + T + b"@\ne" + T + "＠ \n".encode(),
        [],
        [(line, "author", "empty_author") for line in range(2, 7)],
    ),
    Fact(
        "authors are trimmed",
        b"a" + T + b" x \nb" + T + b"@Y\nc" + T + "＠z\n".encode() + b"d" + T + b'" @ W"\n' + b"e" + T + b"Ann Lee\n",
        [("a", "x"), ("b", "Y"), ("c", "z"), ("d", "W"), ("e", "Ann Lee")],
        [],
    ),
    Fact(
        "an author of 10,000 characters",
        b"a" + T + b"x" * 10_000 + b"\nb" + T + b"y\n",
        [("b", "y")],
        [(2, "author", "author_too_long")],
    ),
    Fact(
        "320 characters are an author, 321 are none",
        b"a" + T + "é".encode() * 320 + b"\nb" + T + b"x" * 321 + b"\n",
        [("a", "é" * 320)],
        [(3, "author", "author_too_long")],
    ),
    Fact(
        "control characters",
        b"a" + T + b"x\ty\nb" + T + b"x\x07\nc" + T + "x\u0085y\n".encode() + b"d" + T + b'"x\ny"\n',
        [],
        [
            (2, "author", "author_invalid"),
            (3, "author", "author_invalid"),
            (4, "author", "author_invalid"),
            (5, "author", "author_invalid"),
        ],
    ),
    Fact("two mention signs", b"a" + T + b"@@x\n", [], [(2, "author", "author_invalid")]),
    Fact(
        "timestamps",
        b'a,,x\nb,yesterday,x\nc,2024-02-30,x\nd,2024-05-01T24:00,x\ne, 2024-05-01 ,x\nf,"2024-05-01",x\n',
        [("e", "x"), ("f", "x")],
        [(line, "timestamp", "unreadable_timestamp") for line in range(2, 6)],
    ),
    Fact(
        "of several reasons the first",
        b"\xff,never,\n\0,never,\na,never,\na,never,x\n",
        [],
        [
            (2, "text", "invalid_utf8"),
            (3, "text", "nul_byte"),
            (4, "author", "empty_author"),
            (5, "timestamp", "unreadable_timestamp"),
        ],
    ),
]

LOOKED_AT: list[Fact] = [
    Fact(
        "placeholders are no authors",
        b"a" + T + b"NULL\nb" + T + b" @[deleted]\nc" + T + b"nanette\n",
        [("c", "nanette")],
        [(2, "author", "placeholder_author"), (3, "author", "placeholder_author")],
    ),
    Fact(
        "instants with two meanings",
        b"a,01/02/2024,x\nb,2024-05-01 10:00 CST,x\nc,5 May 2024,x\n",
        [("c", "x")],
        [(2, "timestamp", "ambiguous_timestamp"), (3, "timestamp", "ambiguous_timestamp")],
    ),
]
"""Of files that were looked at before they are read: any spelling of an instant is read, placeholders are refused."""
