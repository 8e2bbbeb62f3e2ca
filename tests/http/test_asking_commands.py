"""`mentiongraph rank`, `trending`, `user`, `edge` and `path` against the API, which they say nothing else than."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import click.testing
import msgspec
import pytest

from app.control import keys
from app.control.callers import Scope, of_operating_system
from app.graph.parameters import read_parameters
from app.settings import Settings
from app.store.postgres import Connection
from app.summaries import summarizing
from ops.cli import main
from tests.graphs import apply_all
from tests.http.conftest import Api, serving
from tests.uploading import posts_csv, upload

COMMANDS = (
    ("rank",), ("rank", "mentioning"), ("rank", "edges"), ("trending",),
    ("user", "ada"), ("user", "--prefix", "a"), ("edge", "ada", "grace"), ("path", "ada", "linus"),
)  # fmt: skip


@pytest.fixture
def graph(settings: Settings, now: datetime, api: Api, domain: Connection) -> Api:
    """Ada mentions Grace three times, who mentions Ada twice and Linus; Ada's other mentions are of =Cmd."""
    day = timedelta(days=1)
    posts = [
        ("@grace @grace", now - day, "Ada"),
        ("@GRACE", now - 2 * day, "ada"),
        ("@ada @linus", now - day, "Grace"),
        ("@ada", now - 3 * day, "grace"),
        ("@ada me", now - day, "ada"),
        ("@alan", now - 9 * day, "=cmd"),
        ("@ada", now - day, "=cmd"),
    ]
    upload(settings, posts_csv(posts), received_at=now)
    apply_all(settings, now=now)
    summarizing.tidy(domain, read_parameters(domain), days_kept=settings.days_kept, now=now)
    return api


def ask(api: Api, *words: str, code: int = 0, **variables: str) -> click.testing.Result:
    command = [*words, "--api", f"http://127.0.0.1:{api.port}"]
    done = click.testing.CliRunner().invoke(main, command, env=variables)
    assert done.exit_code == code, done.output
    return done


def table(api: Api, *words: str) -> list[list[str]]:
    """The words of each line of a table."""
    return [line.split() for line in ask(api, *words).stdout.splitlines() if line.strip(" ─")]


def from_csv(api: Api, *words: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(ask(api, *words, "--csv").stdout)))


def from_json(api: Api, *words: str) -> Any:
    return msgspec.json.decode(ask(api, *words, "--json").stdout)


def get(api: Api, path: str, **params: str) -> Any:
    answer = api.http.get(path, params=params)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_users_are_ranked_by_what_they_receive_or_make(graph: Api) -> None:
    ranked = table(graph, "rank")
    assert ranked[0] == ["rank", "user", "mentions", "weight"]
    assert [line[0] for line in ranked[1:]] == ["1", "2", "3", "4"]
    assert {tuple(line[1:]) for line in ranked[1:3]} == {("ada", "3", "3"), ("grace", "3", "3")}
    assert {tuple(line[1:]) for line in ranked[3:]} == {("alan", "1", "1"), ("linus", "1", "1")}
    assert from_json(graph, "rank", "mentioning") == get(graph, "/rankings/mentioning", limit="10")
    assert [line[1] for line in table(graph, "rank", "mentioning", "--limit", "2")[1:]] == [
        user["handle"] for user in get(graph, "/rankings/mentioning", limit="2")["users"]
    ]


def test_edges_are_ranked_by_weight(graph: Api) -> None:
    assert table(graph, "rank", "edges", "--limit", "2") == [
        ["rank", "source", "target", "mentions", "weight"],
        ["1", "ada", "grace", "3", "3"],
        ["2", "grace", "ada", "2", "2"],
    ]
    (heaviest,) = from_csv(graph, "rank", "edges", "--limit", "1")
    assert (heaviest["source"], heaviest["source_spelling"], heaviest["mention_count"]) == ("ada", "Ada", "3")
    later = from_json(graph, "rank", "edges", "--as-of", "2026-01-22T12:00:00Z")
    assert later["edges"][0]["weight"] == pytest.approx(1.5)


def test_who_is_mentioned_more_than_before(graph: Api) -> None:
    found = table(graph, "trending")
    assert found[0] == ["user", "mentions", "before", "growth"]
    assert ["grace", "3", "0", "1.30"] in found
    assert from_json(graph, "trending", "--days", "1") == get(graph, "/rankings/trending", days="1", limit="10")
    assert {each["handle"] for each in from_csv(graph, "trending")} == {"ada", "grace", "linus"}


@pytest.mark.parametrize("handle", ["ada", "@Ada", "＠ADA", " ada "])
def test_a_user_is_shown_with_the_strongest_ties(graph: Api, handle: str) -> None:
    shown = ask(graph, "user", handle).stdout
    lines = [line.split() for line in shown.splitlines()]

    assert ["user", "ada"] in lines
    assert ["mentions", "made", "3", "of", "1", "users,", "weight", "3"] in lines
    assert ["received", "3", "from", "2", "users,", "weight", "3"] in lines
    assert ["of", "oneself", "1"] in lines
    assert ["last", "7", "days", "3", "made,", "3", "received"] in lines
    titles = [line for line in shown.splitlines() if line.startswith(("Mentions", "Is mentioned"))]
    assert titles == ["Mentions most", "Is mentioned most by", "Is mentioned back by"]
    assert ["grace", "3", "2", "2"] in lines
    assert ["grace", "3", "3", "2026-01-14", "12:00:00Z"] in lines


def test_a_user_in_json_is_what_the_api_says(graph: Api) -> None:
    found = from_json(graph, "user", "ada", "--depth", "2", "--self-mentions")

    assert found["user"] == get(graph, "/users/ada")
    assert found["days"] == get(graph, "/users/ada/days")
    for name in ("outgoing", "incoming"):
        assert found[name] == get(graph, f"/users/ada/{name}", self_mentions="true")["mentions"]
    assert found["reciprocal"] == get(graph, "/users/ada/reciprocal")["ties"]
    assert found["ego"] == get(graph, "/users/ada/ego", depth="2", users="500", edges="5000")


def test_a_user_in_csv_has_an_edge_a_line(graph: Api) -> None:
    found = [
        (each["list"], each["source"], each["target"], each["mention_count"])
        for each in from_csv(graph, "user", "ada", "--depth", "1")
    ]
    assert ("outgoing", "ada", "grace", "3") in found
    assert ("incoming", "'=cmd", "ada", "1") in found
    assert [each for each in found if each[0] == "reciprocal"] == [
        ("reciprocal", "ada", "grace", "3"),
        ("reciprocal", "grace", "ada", "2"),
    ]
    assert {each[1:3] for each in found if each[0] == "ego"} == {("ada", "grace"), ("grace", "ada"), ("'=cmd", "ada")}


def test_the_network_around_a_user_says_its_size(graph: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    shown = ask(graph, "user", "linus", "--depth", "2").stdout
    assert "Within 2 steps: 3 users, 3 edges among them" in shown

    monkeypatch.setattr("ops.cli.asking.users.MOST_USERS", 2)
    monkeypatch.setattr("ops.cli.asking.users.MOST_EDGES", 1)
    assert "Did not fit: 1 users, 0 edges" in ask(graph, "user", "linus", "--depth", "2").stderr


def test_users_are_found_by_the_beginning_of_their_handles(graph: Api) -> None:
    assert table(graph, "user", "--prefix", "@A") == [["user", "spelling"], ["ada", "Ada"], ["alan", "alan"]]
    assert [each["handle"] for each in from_csv(graph, "user", "--prefix", "=")] == ["'=cmd"]
    assert [each["handle"] for each in from_json(graph, "user", "--prefix", "", "--limit", "2")["users"]] == [
        "=cmd",
        "ada",
    ]
    assert "No handle begins with 'x'." in ask(graph, "user", "--prefix", "x").stdout


def test_a_list_is_longer_than_a_page(graph: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = from_json(graph, "user", "ada")["incoming"]
    monkeypatch.setattr("ops.cli.asking.questions.PAGE", 1)

    assert len(whole) == 2
    assert from_json(graph, "user", "ada")["incoming"] == whole
    assert from_json(graph, "user", "ada", "--limit", "1")["incoming"] == whole[:1]
    assert len(from_json(graph, "user", "--prefix", "", "--limit", "4")["users"]) == 4
    assert len(from_json(graph, "edge", "ada", "grace", "--lines")["lines"]["lines"]) == 2


def test_an_edge_is_shown_with_where_it_comes_from(graph: Api) -> None:
    shown = table(graph, "edge", "@ADA", "@Grace", "--history", "--lines")

    assert shown[:3] == [
        ["edge", "Ada", "→", "Grace"],
        ["mentions", "3"],
        ["weight", "3", "at", "2026-01-15", "12:00:00Z"],
    ]
    assert ["last", "7", "days", "3"] in shown
    assert any(line[-2:] == ["@grace", "@grace"] for line in shown)
    found = from_json(graph, "edge", "ada", "grace", "--history", "--lines")
    assert found["edge"] == get(graph, "/edges", source="ada", target="grace")
    assert found["days"] == get(graph, "/edges/days", source="ada", target="grace")
    history, lines = (get(graph, f"/edges/ada/grace/{name}") for name in ("history", "lines"))
    assert found["history"] == {"contributions": history["contributions"], "purged": False}
    assert found["lines"] == {"lines": lines["lines"], "unread": [], "purged": False}


def test_an_edge_in_csv_is_one_table(graph: Api) -> None:
    (edge,) = from_csv(graph, "edge", "grace", "ada")
    assert (edge["source"], edge["target"], edge["mention_count"]) == ("Grace", "Ada", "2")
    (batch,) = from_csv(graph, "edge", "grace", "ada", "--history")
    assert (batch["mention_count"], batch["retracted"]) == ("2", "False")
    lines = from_csv(graph, "edge", "grace", "ada", "--lines")
    assert [each["text"] for each in lines] == ["'@ada", "'@ada @linus"]
    assert "one table" in ask(graph, "edge", "grace", "ada", "--history", "--lines", "--csv", code=2).stderr


def test_it_says_which_posts_are_gone(graph: Api, domain: Connection) -> None:
    domain.execute("update batches set payload = null")
    domain.execute("update uploads set purged_at = finished_at")

    for words in (("--lines",), ("--lines", "--csv")):
        told = ask(graph, "edge", "ada", "grace", *words).stderr
        assert "The lines of 3 mentions of batch 1 can't be shown: the payload's retention time is over." in told
        assert "Older uploads may have added mentions" in told


def test_a_ranking_says_what_it_lacks(api: Api, settings: Settings, apply: Callable[[], None], now: datetime) -> None:
    upload(settings, posts_csv([("@bob", now, "ada")]), received_at=now)
    apply()

    for words in (("rank",), ("rank", "--csv"), ("trending",)):
        assert "lacks mentions that were merged since 2026-01-15 12:00:00Z" in ask(api, *words).stderr
    assert ask(api, "rank", "edges").stderr == ""


def test_a_key_may_not_read_uploads(settings: Settings, now: datetime, domain: Connection, graph: Api) -> None:
    assert graph
    wanted = keys.checked("ada", [Scope.GRAPH_READ], None, None)
    token = keys.create(domain, wanted, now=now, caller=of_operating_system()).token
    with serving(msgspec.structs.replace(settings, keys="required"), lambda: now) as closed:
        for words, key, code in (
            (("edge", "ada", "grace"), token, 0), (("user", "ada"), token, 0), (("rank",), token, 0),
            (("edge", "ada", "grace", "--history"), token, 8), (("rank",), "", 8),
        ):  # fmt: skip
            ask(closed, *words, code=code, MENTIONGRAPH_KEY=key)


def test_a_path_is_its_edges(graph: Api) -> None:
    assert table(graph, "path", "@ada", "Linus")[1:] == [
        ["ada", "grace", "3", "3", "2026-01-14", "12:00:00Z"],
        ["grace", "linus", "1", "1", "2026-01-14", "12:00:00Z"],
    ]
    assert from_json(graph, "path", "ada", "linus") == get(graph, "/paths", source="ada", target="linus")
    assert [each["target"] for each in from_csv(graph, "path", "=cmd", "linus")] == ["ada", "grace", "linus"]


def test_there_may_be_no_path(graph: Api) -> None:
    none = "No path of up to 4 steps leads from 'linus' to 'ada'."
    assert ask(graph, "path", "linus", "ada").stdout == f"{none}\n"
    found = ask(graph, "path", "linus", "ada", "--csv")
    assert (found.stdout.count("\n"), found.stderr) == (1, f"{none}\n")
    assert from_json(graph, "path", "=cmd", "linus", "--max-length", "2")["outcome"] == "none"


@pytest.mark.parametrize(
    "words", [("user", "@Adaa"), ("edge", "grace", "Adaa"), ("edge", "adaa", "grace"), ("path", "adaa", "linus")]
)
def test_a_user_who_is_not_there_is_searched_for(graph: Api, words: tuple[str, ...]) -> None:
    told = ask(graph, *words, code=4).stderr

    assert "Nobody called 'adaa' mentions anybody" in told
    assert "searched the graph 'default' for the handle in lower case, without '@'" in told
    assert "Handles that begin with 'ada': ada." in told
    problem = msgspec.json.decode(ask(graph, *words, "--json", code=4).stdout)
    assert (problem["status"], problem["type"].rpartition(":")[2].rpartition("/")[2]) == (404, "not-found")
    assert problem["detail"].endswith("Handles that begin with 'ada': ada.")


def test_nobody_has_a_similar_handle(graph: Api) -> None:
    assert "No handle begins in the same way." in ask(graph, "user", "zoe", code=4).stderr
    assert "Handles that begin with 'a': ada, alan." in ask(graph, "user", "amy", code=4).stderr


def test_an_edge_or_a_graph_may_be_missing(graph: Api) -> None:
    told = ask(graph, "edge", "linus", "ada", code=4).stderr
    assert "'linus' does not mention 'ada'" in told
    assert "searched" not in told
    assert "There is no graph" in ask(graph, "user", "ada", code=4, MENTIONGRAPH_GRAPH="none").stderr


@pytest.mark.parametrize("handle", ["", "@", ".", "..", "a/b", "?prefix=ada", "x\x00"])
def test_a_handle_is_no_part_of_an_address(graph: Api, handle: str) -> None:
    told = ask(graph, "user", handle, code=2 if handle in {"", "@"} else 4).stderr
    assert "is no handle" in told if handle in {"", "@"} else "Nobody called" in told


@pytest.mark.parametrize("words", COMMANDS)
def test_one_format_at_a_time(graph: Api, words: tuple[str, ...]) -> None:
    assert "give one of --csv and --json" in ask(graph, *words, "--csv", "--json", code=2).stderr


def test_a_user_or_a_prefix_is_wanted(graph: Api) -> None:
    for words in (("user",), ("user", "ada", "--prefix", "a")):
        assert "give one of HANDLE and --prefix" in ask(graph, *words, code=2).stderr


@pytest.mark.parametrize("words", COMMANDS[:4])
def test_an_empty_graph_says_so(api: Api, words: tuple[str, ...]) -> None:
    shown = ask(api, *words).stdout
    assert shown == ("No trends were worked out yet.\n" if words == ("trending",) else "Nobody mentions anybody yet.\n")
    assert ask(api, *words, "--csv").stdout.count("\n") == 1


def test_an_instant_may_be_too_early(graph: Api) -> None:
    early = "--as-of", "2026-01-10"
    for words in (
        ("rank",),
        ("user", "ada"),
        ("edge", "ada", "grace"),
        ("path", "ada", "linus"),
        ("export", "-o", "-"),
    ):
        told = ask(graph, *words, *early, code=4).stderr
        assert "The graph does not know what it was at this instant" in told
        assert "or leave out the instant" in told
