"""Files as people have them, sent as people send them: each file of tests/field/ over HTTP, into the graph."""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.graphs import edges
from tests.http.conftest import Api

Connection = psycopg.Connection[Any]
FOLDER = Path(__file__).parents[1] / "field"
FACTS: list[dict[str, Any]] = tomllib.loads((FOLDER / "facts.toml").read_text("utf-8"))["file"]


def params_of(fact: dict[str, Any]) -> dict[str, str]:
    """The options of a fact as a request has them."""
    options: dict[str, Any] = fact.get("options", {})
    return {
        "format" if name == "layout" else name: str(value).lower() if isinstance(value, bool) else str(value)
        for name, value in options.items()
    }


@pytest.mark.parametrize("fact", FACTS, ids=lambda fact: f"{fact['name']} {fact.get('options', '')}")
def test_a_file_comes_in_right(
    api: Api, conn: Connection, apply: Callable[[], None], now: datetime, fact: dict[str, Any]
) -> None:
    answer = api.http.post(
        "/uploads",
        content=(FOLDER / fact["name"]).read_bytes(),
        params=params_of(fact),
        headers={"Content-Type": "application/octet-stream"},
    )

    assert answer.status_code == 202, answer.text
    apply()
    found = {edge: held.mention_count for edge, held in edges(conn, now).items()}
    assert found == {(source, target): mentions for source, target, mentions in fact["edges"]}


def test_two_exports_that_overlap_count_a_post_once(
    api: Api, conn: Connection, apply: Callable[[], None], now: datetime
) -> None:
    for name in ("42-day1.csv", "42-day2.csv"):
        assert api.upload((FOLDER / name).read_bytes(), id="id").status_code == 202
        apply()

    found = {edge: held.mention_count for edge, held in edges(conn, now).items()}
    assert found == {("dup_a", "dup_b"): 2, ("dup_a", "dup_c"): 1}
    assert [upload["rows_repeated"] for upload in api.http.get("/uploads").json()["uploads"]] == [2, 0]


def test_what_was_detected_is_kept_with_the_upload(api: Api) -> None:
    options = api.upload((FOLDER / "16-excel-de.csv").read_bytes()).json()["options"]

    assert options["delimiter"] == ";"
    assert options["columns"] == {"text": "Text", "timestamp": "Datum", "author": "Benutzer"}
    assert options["detected"]["dates"]["value"] == "day-first"
    assert "31/12/2023" in options["detected"]["dates"]["reason"]
    assert options["given"] == {}


def test_a_file_that_is_not_certain_is_refused_with_the_options_to_give(
    api: Api, problem_of: Callable[[Any], dict[str, Any]]
) -> None:
    answer = api.upload(b"text,date,who\nhi @bea,01/02/2024 10:00,ana\nyes @cyd,03/04/2024 10:00,ana\n", author="who")

    problem = problem_of(answer)
    assert answer.status_code == 422
    assert "`dates=…`" in problem["detail"]
    assert "`--dates …`" in problem["detail"]
    assert "day-first" in problem["detail"]
    again = api.upload(
        b"text,date,who\nhi @bea,01/02/2024 10:00,ana\nyes @cyd,03/04/2024 10:00,ana\n", author="who", dates="day-first"
    )
    assert again.status_code == 202, again.text


@pytest.mark.parametrize("name", ["01-twitter-v11.jsonl", "16-excel-de.csv", "26-array.json"])
def test_a_preview_shows_the_first_posts_and_stores_nothing(api: Api, conn: Connection, name: str) -> None:
    answer = api.http.post("/uploads/preview", content=(FOLDER / name).read_bytes())

    assert answer.status_code == 200, answer.text
    preview = answer.json()
    assert preview["certain"]
    assert preview["questions"] == []
    for row in preview["rows"]:
        for mark in row["mentions"]:
            if mark["start"] is not None:
                assert row["text"][mark["start"] : mark["end"]].lstrip("@").lower() == mark["handle"].lower()
    assert conn.execute("SELECT count(*) FROM uploads").fetchone() == (0,)


def test_a_preview_asks_what_an_upload_would_ask(api: Api) -> None:
    preview = api.http.post("/uploads/preview", content=b"a,b\n1,2\n").json()

    assert not preview["certain"]
    assert preview["rows"] == []
    assert {question["option"] for question in preview["questions"]} >= {"text", "timestamp", "author"}
    assert {question["command_line"] for question in preview["questions"]} >= {"--text", "--timestamp", "--author"}


def test_a_preview_reads_the_first_mebibyte_only(api: Api) -> None:
    body = b"data,timestamp,username\n" + b"hi @bob,2024-01-01,ann\n" * 500_000

    preview = api.http.post("/uploads/preview", content=body[: 2 << 20]).json()

    assert preview["certain"]
    assert len(preview["rows"]) == 10


def test_weights_that_are_not_read_are_told_of(api: Api, apply: Callable[[], None]) -> None:
    body = b"source,target,weight,timestamp\nana,bea,5,2024-01-01\nbea,ana,2,2024-01-01\n"
    sent = api.upload(body, author="source", mentions="target").json()
    apply()

    warnings = api.http.get(f"/uploads/{sent['id']}").json()["warnings"]
    assert [(each["code"], "'weight'" in each["detail"]) for each in warnings] == [("weights-ignored", True)]


def test_a_preview_marks_the_mention_and_not_the_name_before_it(api: Api) -> None:
    body = "data,timestamp,username\nbea BEA and İ: ask @bea你好 (and ＠Cyd),2024-01-01,ana\n"
    row = api.http.post("/uploads/preview", content=body.encode()).json()["rows"][0]

    assert [row["text"][mark["start"] : mark["end"]] for mark in row["mentions"]] == ["@bea", "＠Cyd"]
