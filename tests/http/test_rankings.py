"""Rankings and days over HTTP, against a plain count; and that they say how stale they are."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any, NamedTuple

import httpx
import pytest

from app.graph import withdrawal
from app.graph.parameters import read_parameters
from app.posts.options import Clock, Options
from app.settings import Settings
from app.store.postgres import Connection
from app.summaries import summarizing
from tests import summing
from tests.graphs import apply_all
from tests.http.conftest import Api
from tests.summing import Mention
from tests.uploading import posts_csv, upload

ProblemOf = Callable[[httpx.Response], dict[str, Any]]
HALF_LIFE = timedelta(days=7)
USERS = [f"user{number}" for number in range(30)]


class Known(NamedTuple):
    """What was sent, mention by mention, and not taken out again."""

    mentions: list[Mention]

    def edges(self, at: datetime) -> dict[tuple[str, str], float]:
        """Weights of edges between two."""
        found = defaultdict[tuple[str, str], float](float)
        for each in self.mentions:
            if each.source != each.target:
                found[each.source, each.target] += 2.0 ** -((at - each.weighed) / HALF_LIFE)
        return found


def get(api: Api, path: str, **params: object) -> Any:
    answer = api.http.get(path, params={name: str(value) for name, value in params.items()} or None)
    assert answer.status_code == 200, answer.text
    return answer.json()


def send(settings: Settings, mentions: list[tuple[str, str, datetime]], now: datetime, clock: Clock) -> list[Mention]:
    content = posts_csv([(f"@{target}", at, source) for source, target, at in mentions])
    upload(settings, content, options=Options(clock=clock), received_at=now, again=True)
    return [
        Mention(source, target, at, min(at, now) if clock is Clock.EVENT else now, now)
        for source, target, at in mentions
    ]


@pytest.fixture
def known(settings: Settings, domain: Connection, now: datetime) -> Known:
    """A graph made of several uploads, one of which was retracted."""
    chance = random.Random(5)
    kept = list[Mention]()
    for number in range(5):
        received = now - timedelta(days=chance.randrange(12))
        made = [
            (
                USERS[int(chance.paretovariate(0.7)) % len(USERS)],
                USERS[int(chance.paretovariate(0.5)) % len(USERS)],
                received - timedelta(hours=chance.randrange(24 * 30)),
            )
            for _ in range(120)
        ]
        sent = send(settings, made, received, list(Clock)[number % 2])
        apply_all(settings, now=received)
        if number == 2:
            [newest] = domain.execute("SELECT id FROM uploads ORDER BY id DESC LIMIT 1").fetchall()
            withdrawal.retract(domain, newest[0], read_parameters(domain), now=received)
        else:
            kept += sent
    apply_all(settings, now=now)
    summarizing.tidy(domain, read_parameters(domain), days_kept=settings.days_kept, now=now)
    return Known(kept)


def test_rankings_are_those_of_a_plain_count(api: Api, known: Known, now: datetime) -> None:
    for at in (now, now + timedelta(seconds=1), now + timedelta(days=20)):
        the_strongest_ties(api, known, at)
        the_heaviest_users(api, known, at, "mentioning", 0)
        the_heaviest_users(api, known, at, "mentioned", 1)


def the_strongest_ties(api: Api, known: Known, at: datetime) -> None:
    wanted = known.edges(at)

    found = get(api, "/rankings/edges", limit=1000, as_of=at.isoformat())

    weights = [edge["weight"] for edge in found["edges"]]
    assert weights == pytest.approx(sorted(wanted.values(), reverse=True))
    assert {(edge["source"], edge["target"]): edge["weight"] for edge in found["edges"]} == pytest.approx(dict(wanted))
    assert found["stale_since"] is None
    first = get(api, "/rankings/edges", limit=7, as_of=at.isoformat())
    assert first["edges"] == found["edges"][:7]


def the_heaviest_users(api: Api, known: Known, at: datetime, path: str, side: int) -> None:
    wanted = {
        user: (each[side], each[side + 3])
        for user, each in summing.totals(known.mentions, at, HALF_LIFE).items()
        if each[side]
    }

    found = get(api, f"/rankings/{path}", limit=1000, as_of=at.isoformat())

    assert [user["weight"] for user in found["users"]] == pytest.approx(
        sorted((each for _, each in wanted.values()), reverse=True)
    )
    assert {user["handle"]: user["mentions"] for user in found["users"]} == {
        user: mentions for user, (mentions, _) in wanted.items()
    }
    assert {user["handle"]: user["weight"] for user in found["users"]} == pytest.approx(
        {user: each for user, (_, each) in wanted.items()}
    )
    assert found["stale_since"] is None
    assert get(api, f"/rankings/{path}", limit=3, as_of=at.isoformat())["users"] == found["users"][:3]


def period(known: Known, until: date, days: int) -> dict[str, int]:
    """How often each user is mentioned in so many days."""
    first = until - timedelta(days=days - 1)
    found = defaultdict[str, int](int)
    for (user, side, day), number in summing.user_days(known.mentions, first).items():
        if side == 1 and day <= until:
            found[user] += number
    return found


def test_who_is_trending(api: Api, known: Known, now: datetime) -> None:
    for days in (1, 7, 14):
        trending(api, known, now, days)


def trending(api: Api, known: Known, now: datetime, days: int) -> None:
    recent = period(known, now.date(), days)
    before = period(known, now.date() - timedelta(days=days), days)
    wanted = {
        user: (recent[user], before[user], (recent[user] + 10) / (before[user] + 10))
        for user in recent
        if recent[user] > before[user]
    }

    found = get(api, "/rankings/trending", days=days, limit=1000)

    assert {
        user["handle"]: (user["mentions"], user["mentions_before"], user["growth"]) for user in found["users"]
    } == wanted
    growths = [user["growth"] for user in found["users"]]
    assert growths == sorted(growths, reverse=True)
    assert (found["until"], found["stale_since"]) == ("2026-01-15", None)


def test_users_and_edges_by_day(api: Api, known: Known, now: datetime) -> None:
    a_user_by_day(api, known, now)
    edges_by_day(api, known, now)
    days_that_are_not_kept(api, known, now)


def a_user_by_day(api: Api, known: Known, now: datetime) -> None:
    first = now.date() - timedelta(days=34)
    by_day = summing.user_days(known.mentions, first)
    user = max(USERS, key=lambda user: sum(n for (each, _, _), n in by_day.items() if each == user))

    found = get(api, f"/users/@{user.upper()}/days", days=366)

    assert found["days"] == [
        {"day": day.isoformat(), "made": by_day[user, 0, day], "received": by_day[user, 1, day]}
        for day in (first + timedelta(days=number) for number in range(35))
    ]
    made = [day["made"] for day in found["days"]]
    assert (found["made_last_7_days"], found["made_previous_7_days"]) == (sum(made[-7:]), sum(made[-14:-7]))
    assert sum(made) > 10
    assert get(api, f"/users/{user}/days", days=3)["days"] == found["days"][-3:]
    earlier = get(api, f"/users/{user}/days", days=3, as_of=(now - timedelta(days=5)).isoformat())
    assert earlier["days"] == found["days"][-8:-5]


def edges_by_day(api: Api, known: Known, now: datetime) -> None:
    first = now.date() - timedelta(days=34)
    by_day = summing.edge_days(known.mentions, first)
    mentioned = defaultdict[tuple[str, str], int](int)
    for (source, target, _), number in by_day.items():
        mentioned[source, target] += number
    for source, target in sorted(mentioned, key=mentioned.__getitem__)[-4:]:
        found = get(api, "/edges/days", source=source, target=f"@{target}", days=35)

        assert found["days"] == [
            {"day": day.isoformat(), "mentions": by_day[source, target, day]}
            for day in (first + timedelta(days=number) for number in range(35))
        ]
        week = sum(day["mentions"] for day in found["days"][-7:])
        assert found["last_7_days"] == week
    nobody = get(api, "/edges/days", source="user0", target="user0", days=1)
    assert [day["mentions"] for day in nobody["days"]] == [by_day["user0", "user0", now.date()]]


def days_that_are_not_kept(api: Api, known: Known, now: datetime) -> None:
    source = known.mentions[0].source
    long_ago = get(api, f"/users/{source}/days", as_of=(now - timedelta(days=33)).isoformat())

    assert [day["day"] for day in long_ago["days"]] == ["2025-12-12", "2025-12-13"]
    assert (long_ago["made_last_7_days"], long_ago["received_previous_7_days"]) == (None, None)
    assert get(api, f"/users/{source}/days", as_of="2020-01-01T00:00:00Z")["days"] == []
    assert get(api, f"/users/{source}/days", as_of="0001-01-01T00:00:00Z")["days"] == []


def test_what_is_merged_and_not_summarized_makes_them_stale(
    api: Api, settings: Settings, apply: Callable[[], None], domain: Connection, now: datetime
) -> None:
    def stale() -> list[datetime | None]:
        paths = ["/rankings/mentioned", "/rankings/mentioning", "/rankings/trending", "/users/ada/days"]
        found = [get(api, path)["stale_since"] for path in [*paths, "/edges/days?source=ada&target=bob"]]
        return [each and datetime.fromisoformat(each).astimezone(UTC) for each in found]

    send(settings, [("ada", "bob", now)], now, Clock.ARRIVAL)
    apply()
    assert stale() == [now] * 5
    assert get(api, "/rankings/mentioned")["users"] == []
    assert [edge["target"] for edge in get(api, "/rankings/edges")["edges"]] == ["bob"]

    parameters = read_parameters(domain)
    summarizing.summarize(domain, parameters, days_kept=settings.days_kept, now=now)
    mentioned, mentioning, trending, *by_day = stale()
    assert (mentioned, mentioning, by_day) == (None, None, [None, None])
    assert trending is not None
    assert now <= trending < now + timedelta(minutes=1)
    assert [user["handle"] for user in get(api, "/rankings/mentioned")["users"]] == ["bob"]

    summarizing.tidy(domain, parameters, days_kept=settings.days_kept, now=now)
    assert stale() == [None] * 5


def test_an_empty_graph_has_empty_rankings(api: Api) -> None:
    assert get(api, "/rankings/edges")["edges"] == []
    assert get(api, "/rankings/mentioned")["users"] == []
    assert get(api, "/rankings/trending") == {
        "days": 7,
        "until": None,
        "worked_out_at": None,
        "stale_since": None,
        "users": [],
    }


def test_where_days_are_not_told_apart_there_are_none(api: Api, settings: Settings, domain: Connection) -> None:
    now = datetime(2026, 1, 15, 12, tzinfo=UTC)
    send(settings, [("ada", "bob", now)], now, Clock.ARRIVAL)
    domain.execute("UPDATE summaries SET ended_at = now()")
    off = Settings(database_url=settings.database_url, days_kept=0)
    apply_all(off, now=now)
    summarizing.tidy(domain, read_parameters(domain), days_kept=0, now=now)

    found = get(api, "/users/ada/days")

    assert (found["days"], found["days_from"], found["made_last_7_days"]) == ([], None, None)
    assert get(api, "/rankings/trending")["users"] == []


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/rankings/edges?limit=1001", 400),
        ("/rankings/mentioned?limit=0", 400),
        ("/rankings/trending?days=3", 400),
        ("/edges/days?source=nobody&target=nobody", 404),
        ("/edges/days?source=ada", 400),
        ("/users/nobody/days", 404),
        ("/users/@/days", 400),
        ("/users/ada/days?days=367", 400),
        ("/users/ada/days?as_of=yesterday", 400),
    ],
)
def test_what_is_wrong_is_said(api: Api, problem_of: ProblemOf, path: str, status: int) -> None:
    answer = api.http.get(path)

    assert answer.status_code == status
    assert problem_of(answer)["detail"]
