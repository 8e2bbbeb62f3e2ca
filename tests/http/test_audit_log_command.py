"""`mentiongraph audit-log`, the commands that it tells of, and commands that meet a limit of their owner."""

from __future__ import annotations

import csv
import io
import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import click.testing
import msgspec
import pytest

from app.control import audit_events
from app.control.audit_events import Action
from app.control.callers import of_operating_system
from app.http import quotas
from app.settings import Settings
from app.store.postgres import Connection
from ops.cli import audit_log, main
from tests.calling import caller
from tests.conftest import until
from tests.http.conftest import Serve
from tests.http.test_quotas import half_an_upload
from tests.http.test_receiving import CSV, states

HOSTILE = "=cmd\x1b[31m\u202e"


@pytest.fixture(autouse=True)
def servers(settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MENTIONGRAPH_DATABASE_URL", settings.database_url)
    monkeypatch.setenv("MENTIONGRAPH_REDIS_URL", settings.redis_url)
    monkeypatch.chdir(tmp_path)


def run(*words: str, code: int = 0) -> click.testing.Result:
    done = click.testing.CliRunner().invoke(main, words)
    assert done.exit_code == code, done.output
    return done


def listed(*words: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in run("audit-log", "--json", *words).stdout.splitlines()]


def test_commands_of_the_operating_system_are_told_with_their_account() -> None:
    run("decay")
    run("purge")
    run("rebuild", "--swap", "--yes")
    run("rebuild", "--compare")
    run("backup", "whole.dump")

    events = listed()
    assert [event["action"] for event in events] == ["data.backup", "graph.rebuild", "data.purge", "graph.decay"]
    assert {event["owner"] for event in events} == {of_operating_system().owner}
    assert events[0]["subject"] == "whole.dump"
    assert events[2]["detail"]["audit_retention_days"] == 400
    assert run("audit-log", "--action", "graph", "--since", "2026-01-01").stdout.count("graph.") == 2


def test_events_come_as_a_table_json_and_csv_page_after_page(conn: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit_log, "PAGE", 3)
    monkeypatch.setattr(audit_log, "IN_A_TABLE", 4)
    for number in range(7):
        audit_events.record(conn, caller("grace"), Action.GRAPH_CREATE, f"g{number}")

    assert [event["subject"] for event in listed()] == [f"g{number}" for number in reversed(range(7))]
    assert len(listed("--limit", "5")) == 5
    rows = list(csv.DictReader(io.StringIO(run("audit-log", "--csv").stdout)))
    assert [row["subject"] for row in rows] == [f"g{number}" for number in reversed(range(7))]
    table = run("audit-log")
    assert (table.stdout.count("graph.create"), "more than 4" in table.stderr) == (4, True)
    assert run("audit-log", "--owner", "ada").stdout == "No such events.\n"
    run("audit-log", "--since", "yesterday", code=2)
    run("audit-log", "--csv", "--json", code=2)


def test_what_strangers_wrote_steers_no_terminal_and_no_spreadsheet(conn: Connection) -> None:
    audit_events.record(conn, caller("grace"), Action.GRAPH_CREATE, HOSTILE)

    for words in ([], ["--json"]):
        assert "\x1b" not in run("audit-log", *words).stdout
        assert "\u202e" not in run("audit-log", *words).stdout
    assert listed()[0]["subject"] == HOSTILE
    assert next(csv.DictReader(io.StringIO(run("audit-log", "--csv").stdout)))["subject"] == f"'{HOSTILE}"


def test_an_upload_waits_for_a_limit_of_its_owner(
    serve: Serve, settings: Settings, domain: Connection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quotas, "_is_here", {"127.0.0.1": False}.get)
    monkeypatch.setattr(quotas, "AGAIN_SECONDS", 1)
    api = serve(msgspec.structs.replace(settings, owner_uploads=1))
    (tmp_path / "posts.csv").write_bytes(CSV)
    words = ["upload", "--no-wait", "--api", f"http://127.0.0.1:{api.port}", "posts.csv"]
    denied = "select 1 from audit_events where outcome = 'denied'"
    with ThreadPoolExecutor(1) as thread:
        with half_an_upload(api, "nobody-named"):
            until(lambda: states(domain) == ["receiving"], within=5, what="another upload arrives")
            waiting = thread.submit(run, *words)
            until(lambda: domain.execute(denied).fetchone(), within=5, what="the command is refused")
        assert "Asks again in 1 s" in waiting.result(timeout=20).stderr
    assert states(domain) == ["aborted", "staged"]
