"""The physical lines that made an edge."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import httpx
import msgspec
import pytest
from hypothesis import HealthCheck, given, strategies
from hypothesis import settings as examples

from app.graph.parameters import async_read_parameters
from app.reads.lines import START, lines_of
from app.reads.users import find_users
from app.settings import Settings
from app.store import postgres
from app.store.postgres import Connection
from tests.http.conftest import Api, Serve
from tests.http.test_receiving import HEADER
from tests.http.test_uploads import follow
from tests.identified import Row, ids_csv, upload_ids

ProblemOf = Callable[[httpx.Response], dict[str, Any]]
PATH = "/edges/ada/bob/lines"


def rows(*texts: str, author: str = "Ada") -> bytes:
    return HEADER + b"".join(b'"%s",2026-01-02T11:00:00Z,%s\n' % (each.encode(), author.encode()) for each in texts)


def lines(api: Api, path: str = PATH) -> list[dict[str, Any]]:
    return api.http.get(path).json()["lines"]


def test_the_lines_that_made_an_edge(api: Api, domain: Connection, apply: Callable[[], None]) -> None:
    sent = api.upload(
        rows("hi", "thanks @Bob!", "@cy, and @bob, @bob") + b"@bob,never,ada\n@bob,2026-01-02T11:00:00Z,cy\n",
        filename="one.csv",
    ).json()
    apply()

    answer = api.http.get("/edges/@ADA/Bob/lines").json()

    [(batch_id,)] = domain.execute("select id from batches").fetchall()
    common = {
        "upload_id": sent["id"],
        "filename": "one.csv",
        "batch_id": batch_id,
        "at": "2026-01-02T11:00:00Z",
        "cut_before": False,
        "cut_after": False,
        "repeated": False,
        "retracted": False,
    }
    assert answer == {
        "source": "Ada",
        "target": "Bob",
        "lines": [
            common
            | {
                "line": 4,
                "text": "@cy, and @bob, @bob",
                "mention_count": 2,
                "mentions": [
                    {"handle": "bob", "kind": "mention", "start": 9, "end": 13},
                    {"handle": "bob", "kind": "mention", "start": 15, "end": 19},
                ],
            },
            common
            | {
                "line": 3,
                "text": "thanks @Bob!",
                "mention_count": 1,
                "mentions": [{"handle": "Bob", "kind": "mention", "start": 7, "end": 11}],
            },
        ],
        "unread": [],
        "purged": False,
        "next": None,
    }


def test_of_a_long_text_the_part_around_the_mention_is_shown(api: Api, apply: Callable[[], None]) -> None:
    api.upload(rows("x" * 1000 + " @bob " + "y" * 1000, "x" * 1000 + " @bob", "@bob " + "y" * 1000))
    apply()

    begins, ends, middle = lines(api)

    assert [(each["cut_before"], each["cut_after"]) for each in (middle, ends, begins)] == [
        (True, True),
        (True, False),
        (False, True),
    ]
    for each in (middle, ends, begins):
        [mark] = each["mentions"]
        assert len(each["text"]) == 400
        assert each["text"][mark["start"] : mark["end"]] == "@bob"


@pytest.mark.parametrize(
    ("text", "marked"),
    [
        ("write to me@bob.example or @bob", [27]),
        ("see https://social.example/@bob and @bob", [36]),
        ("@bobby @bob_ @bob", [13]),
        ("＠bob", [0]),
        ("مرحبا @bob 你好", [6]),
    ],
)
def test_the_mark_is_on_the_mention(api: Api, apply: Callable[[], None], text: str, marked: list[int]) -> None:
    api.upload(rows(text))
    apply()

    [line] = lines(api)

    assert [each["start"] for each in line["mentions"]] == marked
    assert line["mention_count"] == len(marked)


def test_a_mention_that_only_a_column_names_has_no_place(api: Api, apply: Callable[[], None]) -> None:
    content = b"data,timestamp,username,to\nhello,2026-01-02T11:00:00Z,ada,bob\n"
    api.upload(content, reply="to")
    apply()

    [line] = lines(api)

    assert line["mentions"] == [{"handle": "bob", "kind": "reply", "start": None, "end": None}]


def test_a_repeated_post_is_said_to_be_one(
    api: Api, settings: Settings, now: datetime, apply: Callable[[], None]
) -> None:
    for name, ids in (("one.csv", "12"), ("two.csv", "233")):
        upload_ids(settings, ids_csv([Row("@bob", now, "ada", each) for each in ids]), received_at=now, filename=name)
        apply()

    found = [(each["filename"], each["line"], each["repeated"]) for each in lines(api)]

    assert found == [
        ("two.csv", 4, True),
        ("two.csv", 3, False),
        ("two.csv", 2, True),
        ("one.csv", 3, False),
        ("one.csv", 2, False),
    ]
    assert api.http.get("/edges?source=ada&target=bob").json()["mention_count"] == 3


def test_lines_of_what_was_taken_out_again_are_marked(api: Api, apply: Callable[[], None]) -> None:
    api.upload(rows("@bob"), filename="stays.csv")
    gone = api.upload(rows("oh @bob"), filename="goes.csv").headers["location"]
    apply()
    api.http.post(f"{gone}/retract")
    apply()

    assert [(each["filename"], each["retracted"]) for each in lines(api)] == [("goes.csv", True), ("stays.csv", False)]


@pytest.mark.parametrize(("owner", "shown"), [(None, ["bea", "ann"]), ("ann", ["ann"]), ("bea", ["bea"]), ("", [])])
def test_for_an_owner_there_are_no_lines_of_others(  # noqa: PLR0917 (fixtures)
    api: Api, settings: Settings, domain: Connection, apply: Callable[[], None], owner: str | None, shown: list[str]
) -> None:
    for name in ("ann", "bea"):
        sent = api.upload(rows(f"@bob, by {name}"), filename=name).json()
        domain.execute("update uploads set owner = %s where id = %s", [name, sent["id"]])
    apply()

    async def read() -> list[str | None]:
        async with postgres.async_pool(settings.database_url, role="test", size=1, statement_timeout=30) as pool:
            async with pool.connection() as conn:
                parameters = await async_read_parameters(conn)
                source, target = await find_users(conn, ["ada", "bob"], parameters)
            found = await lines_of(pool, source, target, parameters, before=START, limit=9, owner=owner)
            return [each.contribution.filename for each in found.lines]

    assert asyncio.run(read()) == shown


def test_it_says_which_lines_are_gone(api: Api, domain: Connection, apply: Callable[[], None]) -> None:
    for name in ("erased", "purged", "unknown_profile"):
        api.upload(rows(f"@bob {name}"), filename=name)
    apply()
    change = "update batches as b set {} from uploads as u where u.id = b.upload_id and u.filename = %s"
    domain.execute(change.format("payload = null, erased_at = now()").encode(), ["erased"])
    domain.execute(change.format("payload = null").encode(), ["purged"])
    domain.execute(change.format("profile_version = 99").encode(), ["unknown_profile"])
    domain.execute("update uploads set purged_at = finished_at where filename = 'purged'")

    answer = api.http.get(PATH).json()

    assert answer["lines"] == []
    assert answer["purged"] is True
    assert [(each["filename"], each["why"], each["mention_count"]) for each in answer["unread"]] == [
        (name, name, 1) for name in ("unknown_profile", "purged", "erased")
    ]


def test_lines_come_in_pages_of_a_bounded_number_of_bytes(
    serve: Serve, settings: Settings, apply: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.reads.lines.BYTES_A_PAGE", 3000)
    api = serve(msgspec.structs.replace(settings, batch_bytes=2000))
    api.upload(rows(*(f"@bob {number}" for number in range(300))))
    apply()

    first = api.http.get(f"{PATH}?limit=500").json()
    found = follow(api, f"{PATH}?limit=7", "lines")

    assert 0 < len(first["lines"]) < 300
    assert first["next"] is not None
    assert [each["line"] for each in found] == list(range(301, 1, -1))


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/edges/zoe/bob/lines", 404),
        ("/edges/ada/%20/lines", 400),
        (f"{PATH}?cursor=x", 400),
        (f"{PATH}?cursor={'f' * 32}", 200),
        (f"{PATH}?cursor=7{'f' * 31}", 200),
        (f"{PATH}?limit=0", 400),
    ],
)
def test_what_cannot_be_answered(
    api: Api, problem_of: ProblemOf, apply: Callable[[], None], path: str, status: int
) -> None:
    api.upload(rows("@bob"))
    apply()

    answer = api.http.get(path)

    assert answer.status_code == status
    if status != 200:
        problem_of(answer)


# All lines together ---------------------------------------------------------------------------------------------------


class Post(NamedTuple):
    author: str
    text: str
    id: str | None


POSTS = strategies.lists(
    strategies.builds(
        Post,
        author=strategies.sampled_from(["ada", "Bob", "cy"]),
        text=strategies.lists(
            strategies.sampled_from(["@ada", "@Ada", "@bob", "@cy", "RT", "x@ada.example", "https://x.example/@bob"]),
            max_size=4,
        ).map(" ".join),
        id=strategies.sampled_from([None, None, "1", "2", "3"]),
    ),
    min_size=1,
    max_size=12,
)
UPLOADS = strategies.lists(strategies.tuples(POSTS, strategies.booleans()), min_size=1, max_size=3)
EMPTIED = "truncate uploads, batches, rejects, deltas, edges, post_ids, post_repeats, users, top_edges cascade"


@examples(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(sent=UPLOADS, limit=strategies.integers(1, 4))
def test_the_mentions_of_all_lines_are_those_of_the_edge(  # noqa: PLR0917 (fixtures)
    api: Api,
    settings: Settings,
    domain: Connection,
    now: datetime,
    apply: Callable[[], None],
    sent: list[tuple[list[Post], bool]],
    limit: int,
) -> None:
    domain.execute(EMPTIED)
    small = msgspec.structs.replace(settings, batch_bytes=200)
    withdrawn = list[Any]()
    for number, (posts, goes) in enumerate(sent):
        content = ids_csv([Row(post.text, now + timedelta(minutes=number), post.author, post.id) for post in posts])
        upload_id = upload_ids(small, content, received_at=now, again=True)
        withdrawn += [upload_id] if goes else []
        apply()
    for upload_id in withdrawn:
        api.http.post(f"/uploads/{upload_id}/retract")
        apply()

    edges = domain.execute(
        "select s.handle, t.handle, e.mention_count from edges as e "
        "join users as s on s.id = e.source_id join users as t on t.id = e.target_id"
    ).fetchall()
    found = Counter[tuple[str, str]]()
    for source in ("ada", "bob", "cy"):
        for target in ("ada", "bob", "cy"):
            path = f"/edges/{source}/{target}/lines?limit={limit}"
            if api.http.get(path).status_code != 404:
                seen = follow(api, path, "lines")
                assert len({(each["batch_id"], each["line"]) for each in seen}) == len(seen)
                counted = [each for each in seen if not each["repeated"] and not each["retracted"]]
                found[source, target] += sum(each["mention_count"] for each in counted)
    assert +found == {(source, target): count for source, target, count in edges}
