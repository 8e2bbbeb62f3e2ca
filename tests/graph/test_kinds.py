"""What kind a mention is: from its text, and from what columns say of the post."""

from __future__ import annotations

from collections.abc import Set
from typing import NamedTuple

import pytest

from app.posts.looking.reading import Given
from app.posts.options import Retweets
from tests.posts.pure import read

AT = "2024-01-01"


class Fact(NamedTuple):
    name: str
    columns: str
    row: str
    given: Given
    edges: dict[tuple[str, str], int]
    kinds: Set[tuple[str, str, str]] = frozenset()


def replies(*targets: str) -> set[tuple[str, str, str]]:
    return {("ana", target, "replies") for target in targets}


OLD = "data,timestamp,username"
REPLY, QUOTE, RETWEET = Given(reply="to"), Given(quote="to"), Given(retweet="to", retweets=Retweets.AUTHOR)
TO = f"{OLD},to"
FACTS = [
    Fact("a mention", OLD, f"hi @bea,{AT},ana", Given(), {("ana", "bea"): 1}),
    Fact("two of one", OLD, f"hi @bea @BEA,{AT},ana", Given(), {("ana", "bea"): 2}),
    Fact(
        "an answer begins with a handle",
        OLD,
        f"@bea hi @cyd,{AT},ana",
        Given(),
        {("ana", "bea"): 1, ("ana", "cyd"): 1},
        replies("bea"),
    ),
    Fact("or with a full stop and a handle", OLD, f".@bea hi,{AT},ana", Given(), {("ana", "bea"): 1}, replies("bea")),
    Fact(
        "a retweet, with its text",
        OLD,
        f"RT @bea: hi @cyd,{AT},ana",
        Given(),
        {("ana", "bea"): 1, ("ana", "cyd"): 1},
        {("ana", "bea", "retweets")},
    ),
    Fact(
        "a retweet, for its author",
        OLD,
        f"RT @bea: hi @cyd,{AT},ana",
        Given(retweets=Retweets.AUTHOR),
        {("ana", "bea"): 1},
        {("ana", "bea", "retweets")},
    ),
    Fact("a retweet, for nothing", OLD, f"RT @bea: hi @cyd,{AT},ana", Given(retweets=Retweets.NONE), {}),
    Fact("a column of answers", TO, f"yes,{AT},ana,bea", REPLY, {("ana", "bea"): 1}, replies("bea")),
    Fact(
        "a column of answers, and the text",
        TO,
        f"@bea yes @bea,{AT},ana,@Bea",
        REPLY,
        {("ana", "bea"): 2},
        replies("bea"),
    ),
    Fact(
        "a column decides, not the text",
        TO,
        f"@bea yes,{AT},ana,cyd",
        REPLY,
        {("ana", "bea"): 1, ("ana", "cyd"): 1},
        replies("cyd"),
    ),
    Fact("a column of answers that is empty", TO, f"@bea yes,{AT},ana,", REPLY, {("ana", "bea"): 1}),
    Fact("a column of answers with a sign alone", TO, f"hi @bea,{AT},ana,@", REPLY, {("ana", "bea"): 1}),
    Fact("a column of answers with nothing in it", TO, f"hi @bea,{AT},ana,NA", REPLY, {("ana", "bea"): 1}),
    Fact("an answer to oneself is no mention", TO, f"and then,{AT},ana,Ana", REPLY, {}),
    Fact(
        "but one that names oneself is", TO, f"@ana and then,{AT},ana,ana", REPLY, {("ana", "ana"): 1}, replies("ana")
    ),
    Fact(
        "a list of answered people",
        TO,
        f"yes,{AT},ana,\"[{{'screen_name': 'bea'}}, {{'screen_name': 'cyd'}}]\"",
        REPLY,
        {("ana", "bea"): 1},
        replies("bea"),
    ),
    Fact(
        "a column of quotes",
        TO,
        f"look at this @cyd,{AT},ana,bea",
        QUOTE,
        {("ana", "bea"): 1, ("ana", "cyd"): 1},
        {("ana", "bea", "quotes")},
    ),
    Fact(
        "a column of retweets",
        TO,
        f"a text of others @cyd,{AT},ana,bea",
        RETWEET,
        {("ana", "bea"): 1},
        {("ana", "bea", "retweets")},
    ),
    Fact("a column of retweets that is empty", TO, f"hi @cyd,{AT},ana,", RETWEET, {("ana", "cyd"): 1}),
    Fact(
        "a column of retweets and RT",
        TO,
        f"RT @cyd: hi,{AT},ana,bea",
        RETWEET,
        {("ana", "bea"): 1},
        {("ana", "bea", "retweets")},
    ),
    Fact(
        "retweets by their text ignore the column",
        TO,
        f"hi @cyd,{AT},ana,bea",
        Given(retweet="to", retweets=Retweets.TEXT),
        {("ana", "cyd"): 1},
    ),
    Fact(
        "mentions in a column, by blanks",
        f"{OLD},m",
        f"hi,{AT},ana,@bea cyd",
        Given(mentions="m"),
        {("ana", "bea"): 1, ("ana", "cyd"): 1},
    ),
    Fact(
        "by semicolons", f"{OLD},m", f"hi,{AT},ana,bea;cyd", Given(mentions="m"), {("ana", "bea"): 1, ("ana", "cyd"): 1}
    ),
    Fact(
        "as JSON",
        f"{OLD},m",
        f'hi,{AT},ana,"[""bea"", ""cyd""]"',
        Given(mentions="m"),
        {("ana", "bea"): 1, ("ana", "cyd"): 1},
    ),
    Fact(
        "the column wins over the text", f"{OLD},m", f"hi @dov,{AT},ana,bea", Given(mentions="m"), {("ana", "bea"): 1}
    ),
    Fact(
        "but an empty cell leaves it to the text",
        f"{OLD},m",
        f"hi @dov,{AT},ana,[]",
        Given(mentions="m"),
        {("ana", "dov"): 1},
    ),
    Fact(
        "a list and an answer",
        f"{OLD},m,to",
        f"hi,{AT},ana,bea,bea",
        Given(mentions="m", reply="to"),
        {("ana", "bea"): 1},
        replies("bea"),
    ),
    Fact(
        "edges",
        "source,target,created_at",
        f"ana,bea,{AT}\nana,bea,{AT}\nbea,ana,{AT}",
        Given(author="source", mentions="target"),
        {("ana", "bea"): 2, ("bea", "ana"): 1},
    ),
    Fact(
        "edges, with a weight beside",
        "from;to;weight;when",
        f"ana;bea;3;{AT}",
        Given(author="from", mentions="to", timestamp="when"),
        {("ana", "bea"): 1},
    ),
    Fact("one author", "text,date", f"hi @bea,{AT}", Given(author_is="@Ana"), {("ana", "bea"): 1}),
    Fact("one author, whatever a column says", OLD, f"hi @bea,{AT},zed", Given(author_is="ana"), {("ana", "bea"): 1}),
    Fact("one author and mentions", "date,m", f"{AT},bea", Given(author_is="ana", mentions="m"), {("ana", "bea"): 1}),
]


@pytest.mark.parametrize("fact", FACTS, ids=lambda fact: fact.name)
def test_a_mention_is_of_its_kind(fact: Fact) -> None:
    found = read(f"{fact.columns}\n{fact.row}\n".encode(), fact.given)
    assert found.edges == fact.edges
    assert found.kinds == fact.kinds
    assert found.rejects == []
    assert found.counted.mentions == sum(fact.edges.values())


def test_posts_stay_in_order_whether_a_column_or_their_text_says_whom_they_mention() -> None:
    posts = f"{OLD},m\nhi,{AT},ana,BEA\nRT @bea: hi @cy…,{AT},zed,\n"
    counted = read(posts.encode(), Given(mentions="m")).counted
    assert counted.users.rows() == [("ana", "ana"), ("zed", "zed"), ("bea", "BEA")]
    assert counted.first_cut == [1]


def test_kinds_of_json_are_those_of_csv() -> None:
    line = b'{"text":"hi @cyd","at":"2024-01-01","by":{"n":"ana"},"m":[{"n":"bea"}],"to":{"n":"dov"},"q":{"n":"eva"}}\n'
    given = Given(text="text", timestamp="at", author="by.n", mentions="m[].n", reply="to.n", quote="q.n")
    found = read(line, given)
    assert found.edges == {("ana", "bea"): 1, ("ana", "dov"): 1, ("ana", "eva"): 1}
    assert found.kinds == {("ana", "dov", "replies"), ("ana", "eva", "quotes")}
