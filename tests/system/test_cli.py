"""The command line as real processes: what it says, what it changes, and how it ends."""

from __future__ import annotations

import inspect
import io
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import msgspec
import psycopg
import pytest
from click.testing import CliRunner
from psycopg import sql
from rich.console import Console

from app import errors
from app import settings as app_settings
from app.errors import MentiongraphError, Problem, ServerFailed
from app.ledger import transitions
from app.settings import Settings
from app.store.broker import redis_client
from app.store.postgres import Connection
from ops.cli import COMMANDS, EXIT_CODES, main
from ops.cli.console import PIPED_WIDTH
from ops.cli.entries import Entry
from ops.cli.status import listed
from ops.directory import DataDirectory, DirectoryInUse, choose_port
from ops.embedded.children import free_ports
from tests.conftest import Addresses, until
from tests.graphs import apply_all
from tests.system.test_cli_watch import ENTRY
from tests.system.test_embedded import processes
from tests.system.test_other_users import assert_closed
from tests.uploading import upload

ROOT = Path(__file__).parents[2]
SAMPLE = ROOT / "ops" / "demo" / "sample.csv"
POSTS = b"data,timestamp,username\nhi @ada,2026-01-01T00:00:00Z,grace\n@ada @alan,2026-01-02T00:00:00Z,grace\n"
PATIENCE = 60

Completed = subprocess.CompletedProcess[str]


def arguments(*words: str | Path) -> list[str]:
    return [sys.executable, "-m", "ops.cli", *map(str, words)]


def environment(settings: Settings | None = None) -> dict[str, str]:
    # pytest-xdist sets COLUMNS.
    ours = (app_settings.PREFIX, "COLUMNS")
    clean = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    return clean | (app_settings.environment(settings) if settings else {})


def run(
    *words: str | Path, settings: Settings | None = None, stdin: str = "", more: dict[str, str] | None = None
) -> Completed:
    """Run a command to its end. No command may show a traceback."""
    done = subprocess.run(
        arguments(*words),
        cwd=ROOT,
        env=environment(settings) | (more or {}),
        input=stdin,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert "Traceback" not in done.stderr, done.stderr
    return done


def answer(*words: str | Path, settings: Settings | None = None, code: int = 0) -> Any:
    """What a command prints as JSON."""
    done = run(*words, "--json", settings=settings)
    assert done.returncode == code, done.stderr
    return msgspec.json.decode(done.stdout)


@pytest.fixture
def empty_dsn(addresses: Addresses) -> Generator[str]:
    """The URL of a database without any schema, gone after the test."""
    name = sql.Identifier(f"empty_{uuid4().hex}")
    with psycopg.connect(addresses.postgres, autocommit=True) as maintenance:
        maintenance.execute(sql.SQL("create database {}").format(name))
        yield urlsplit(addresses.postgres)._replace(path=f"/{name.as_string().strip(chr(34))}").geturl()
        maintenance.execute(sql.SQL("drop database {} with (force)").format(name))


def test_help_names_every_command_and_exit_code() -> None:
    done = run("--help")
    assert done.returncode == 0
    for name, entry in COMMANDS.items():
        assert f"  {name} " in done.stdout
        assert entry.summary in done.stdout
    for _, kind in inspect.getmembers(errors, inspect.isclass):
        if issubclass(kind, MentiongraphError):
            assert kind.exit_code in EXIT_CODES, kind


@pytest.mark.parametrize("command", COMMANDS)
def test_help_of_a_command_teaches(command: str) -> None:
    shown = CliRunner().invoke(main, [command, "--help"])
    assert shown.exit_code == 0
    assert "Examples:" in shown.output
    assert f"mentiongraph {command}" in shown.output


def test_settings_lists_every_variable_but_no_password() -> None:
    done = run("settings", more={"MENTIONGRAPH_DATABASE_URL": "postgresql://me:secret@db/graph", "COLUMNS": "200"})
    assert done.returncode == 0
    for row in app_settings.describe():
        assert row.variable in done.stdout
        assert row.meaning.split()[0] in done.stdout
    assert "me:***@db" in done.stdout
    assert "secret" not in done.stdout


@pytest.mark.parametrize(
    ("command", "setting", "value"),
    [
        ("settings", "PORT", "eighty"),
        ("scheduler", "REDIS_URL", "http://localhost"),
        ("worker", "REDIS_URL", "redis://localhost:port"),
        ("audit", "DATABASE_URL", "nonsense"),
    ],
)
def test_a_setting_that_cannot_be_used(command: str, setting: str, value: str) -> None:
    done = run(command, more={app_settings.PREFIX + setting: value})
    assert done.returncode == 2
    assert "setting" in done.stderr


def test_migrate_makes_a_database_usable(empty_dsn: str) -> None:
    settings = Settings(database_url=empty_dsn)
    for command in ("audit", "serve"):
        refused = run(command, settings=settings)
        assert refused.returncode == 5
        assert "mentiongraph migrate" in refused.stderr
    assert "applied 0001" in run("migrate", settings=settings).stdout
    again = run("migrate", settings=settings)
    assert (again.returncode, again.stdout) == (0, "")
    assert answer("audit", settings=settings)["exact"] is True


def test_servers_that_are_away(settings: Settings) -> None:
    (closed,) = free_ports(1)
    away = msgspec.structs.replace(settings, database_url=f"postgresql://127.0.0.1:{closed}/x", port=closed)
    commands: list[list[str | Path]] = [
        ["audit"],
        ["migrate"],
        ["purge"],
        ["rebuild", "--compare"],
        ["status"],
        ["upload", SAMPLE],
        ["cancel", str(uuid4())],
        ["retract", str(uuid4())],
    ]
    for command in commands:
        done = run(*command, settings=away)
        assert done.returncode == 5, done.stderr
        assert str(closed) in done.stderr
        assert len(done.stderr.strip().splitlines()) <= 2


def test_audit_says_whether_the_graph_is_exact(settings: Settings, conn: Connection, now: datetime) -> None:
    upload(settings, POSTS, received_at=now)
    apply_all(settings, now=now)
    exact = run("audit", settings=settings)
    assert exact.returncode == 0
    assert exact.stdout.strip().endswith("exact")
    conn.execute("update edges set mention_count = mention_count + 1 where mention_count = 1")
    assert answer("audit", settings=settings, code=1)["difference"] == 1
    found = answer("audit", "--sample", "10", settings=settings, code=1)["weights"]
    assert (found["sampled"], found["differing_counts"]) == (2, 1)
    assert answer("audit", "--sample", "0", settings=settings, code=1)["weights"] is None
    assert "NOT exact" in run("audit", settings=settings).stdout


def failed_batch(settings: Settings, conn: Connection, now: datetime) -> tuple[str, int]:
    """An upload whose only batch has failed for good; its id and the batch's."""
    upload_id = upload(settings, POSTS, received_at=now)
    row = conn.execute("select id from batches where upload_id = %s", [upload_id]).fetchone()
    assert row is not None
    once = msgspec.structs.replace(settings, max_attempts=1)
    claim = transitions.claim(conn, row[0], settings=once, now=now)
    assert claim is not None
    problem = Problem(type="urn:test", title="It broke", status=500, detail="a \x1b[31mred\x1b[0m herring")
    assert transitions.fail(conn, claim, problem, settings=once, now=now)
    return str(upload_id), row[0]


def state(conn: Connection, batch: int) -> str:
    row = conn.execute("select state from batches where id = %s", [batch]).fetchone()
    assert row is not None
    return row[0]


def bells(settings: Settings) -> int:
    with redis_client(settings.redis_url) as connection:
        return int(connection.llen(f"{settings.namespace}:bulk"))  # pyright: ignore[reportArgumentType]


def test_replay_of_all_that_failed(settings: Settings, conn: Connection, now: datetime) -> None:
    _, batch = failed_batch(settings, conn, now)
    shown = run("replay", "--failed", "--dry-run", settings=settings)
    assert shown.returncode == 0
    assert "It broke" in shown.stdout
    assert "\x1b" not in shown.stdout
    assert run("replay", "--failed", stdin="n\n", settings=settings).returncode == 1
    assert state(conn, batch) == "failed"
    assert run("replay", "--failed", "--yes", settings=settings).returncode == 0
    assert state(conn, batch) == "staged"
    assert "Nothing to replay" in run("replay", "--failed", "--yes", settings=settings).stdout


def test_replay_of_some(settings: Settings, conn: Connection, now: datetime) -> None:
    upload_id, batch = failed_batch(settings, conn, now)
    done = answer("replay", "--upload", upload_id, settings=settings)
    assert (done["replayed"], done["rung"]) == ([batch], True)
    assert bells(settings) == 1
    apply_all(settings, now=now + timedelta(days=36500))
    assert answer("audit", settings=settings)["mentions_in_edges"] == 3
    assert run("replay", "--batch", str(batch), settings=settings).returncode == 4
    again = run("replay", "--upload", upload_id, settings=settings)
    assert (again.returncode, again.stdout) == (4, "")
    assert "there is nothing to replay" in again.stderr
    assert run("replay", "--upload", str(uuid4()), settings=settings).returncode == 4


def test_replay_of_what_was_purged_has_not_succeeded(settings: Settings, conn: Connection, now: datetime) -> None:
    upload_id, _ = failed_batch(settings, conn, now)
    conn.execute("UPDATE batches SET payload = NULL")
    done = run("replay", "--upload", upload_id, settings=settings)
    assert done.returncode == 4
    assert "None of them can be replayed: send the files again." in done.stdout


def test_replay_while_redis_is_away(settings: Settings, conn: Connection, now: datetime) -> None:
    _, batch = failed_batch(settings, conn, now)
    (closed,) = free_ports(1)
    away = msgspec.structs.replace(settings, redis_url=f"redis://127.0.0.1:{closed}/0", enqueue_timeout=0.0)
    done = run("replay", "--batch", str(batch), settings=away)
    assert done.returncode == 0
    assert "sweeper" in done.stderr
    assert state(conn, batch) == "staged"


def test_replay_wants_to_know_which(settings: Settings) -> None:
    assert run("replay", settings=settings).returncode == 2
    assert run("replay", "--failed", "--batch", "1", settings=settings).returncode == 2


def test_decay_first_says_and_then_does(settings: Settings, now: datetime) -> None:
    upload(settings, POSTS, received_at=now)
    apply_all(settings, now=now)
    # One edge weighs 2, the other 1, and years have passed since.
    assert answer("decay", "--dry-run", settings=settings) == {"edges": 2, "stale": 2, "to_archive": 2}
    assert "Nothing was changed" in run("decay", "--dry-run", settings=settings).stdout
    assert answer("decay", settings=settings)["archived"] == 2
    found = answer("audit", settings=settings)
    assert (found["exact"], found["mentions_in_archive"]) == (True, 3)


def test_purge_first_says_and_then_does(settings: Settings, conn: Connection, now: datetime) -> None:
    upload_id = upload(settings, POSTS, received_at=now)
    apply_all(settings, now=now)
    conn.execute("update uploads set finished_at = now() - interval '31 days'")
    assert answer("purge", "--dry-run", settings=settings) == {
        "payloads": 1,
        "deltas": 1,
        "rejects": 0,
        "uploads": 0,
        "audit_events": 0,
        "dry_run": True,
    }
    assert answer("purge", settings=settings)["payloads"] == 1
    assert "0 payloads" in run("purge", settings=settings).stdout
    found = answer("audit", settings=settings)
    assert (found["exact"], found["weights"]["purged"]) == (True, 2)
    refused = run("rebuild", "--compare", settings=settings)
    assert (refused.returncode, str(upload_id) in refused.stderr) == (4, True)


def test_rebuild_compares_and_then_puts_right(settings: Settings, conn: Connection, now: datetime) -> None:
    upload(settings, POSTS, received_at=now)
    apply_all(settings, now=now)
    assert answer("rebuild", "--compare", settings=settings)["same"] is True
    conn.execute("update edges set mention_count = 5 where mention_count = 1")
    found = answer("rebuild", "--compare", settings=settings, code=1)
    assert (found["differing_counts"], found["missing"], found["surplus"]) == (1, 0, 0)
    assert [(each["source"], each["found_count"], each["wanted_count"]) for each in found["differences"]] == [
        ("grace", 5, 1)
    ]
    assert "NOT the same" in run("rebuild", "--compare", settings=settings).stdout
    assert run("rebuild", "--swap", settings=settings, stdin="n\n").returncode == 1
    assert answer("audit", settings=settings, code=1)["difference"] == 4
    assert answer("rebuild", "--swap", "--yes", settings=settings) == {"batches": 1, "swapped": 2}
    assert answer("audit", settings=settings)["exact"] is True


def test_rebuild_wants_to_know_what_for_and_a_quiet_graph(settings: Settings, now: datetime) -> None:
    assert run("rebuild", settings=settings).returncode == 2
    assert run("rebuild", "--swap", "--compare", settings=settings).returncode == 2
    upload(settings, POSTS, received_at=now)
    assert run("rebuild", "--swap", "--yes", settings=settings).returncode == 4
    assert answer("rebuild", "--compare", settings=settings)["edges"] == 0


@pytest.fixture
def serving(settings: Settings) -> Generator[Settings]:
    """The API as a process, on the test's database; no worker."""
    (port,) = free_ports(1)
    settings = msgspec.structs.replace(settings, port=port)
    process = subprocess.Popen(
        arguments("serve"),
        cwd=ROOT,
        env=environment(settings),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        until(lambda: run("status", settings=settings).returncode == 0, within=PATIENCE, what="the API answers")
        yield settings
    finally:
        process.terminate()
        process.wait(PATIENCE)


@pytest.mark.system
def test_cancel_and_retract(serving: Settings, conn: Connection, tmp_path: Path) -> None:
    file = tmp_path / "posts.csv"
    file.write_bytes(POSTS)
    staged = answer("upload", file, "--no-wait", settings=serving)["id"]
    assert run("retract", "--yes", staged, settings=serving).returncode == 4
    assert answer("cancel", staged, settings=serving)["state"] == "cancelled"
    assert run("cancel", staged, settings=serving).returncode == 4
    sent = answer("upload", file, "--no-wait", settings=serving)["id"]
    apply_all(serving, now=datetime.now(UTC))
    assert run("cancel", sent, settings=serving).returncode == 4
    assert answer("retract", "--dry-run", sent, settings=serving)["mentions"] == 3
    assert "would be taken out" in run("retract", "--dry-run", sent, settings=serving).stdout
    assert run("retract", sent, settings=serving, stdin="n\n").returncode == 1
    assert answer("status", sent, settings=serving)["state"] == "applied"
    assert answer("retract", "--yes", "--no-wait", sent, settings=serving)["state"] == "retracting"
    apply_all(serving, now=datetime.now(UTC))
    assert answer("status", sent, "--watch", settings=serving)["state"] == "retracted"
    assert run("retract", "--yes", str(uuid4()), settings=serving).returncode == 4
    assert conn.execute("select count(*) from edges").fetchone() == (0,)


@pytest.mark.system
def test_upload_takes_every_option(serving: Settings, tmp_path: Path) -> None:
    file = tmp_path / "posts.jsonl"
    file.write_bytes(b'{"data": "RT @ada: hi", "timestamp": 1768478700, "username": "grace"}\n')
    words = ("--no-wait", "--dry-run", "--no-retweets", "--max-rejects", "5%", "--idempotency-key", "a key")
    sent = answer("upload", file, *words, settings=serving)
    assert sent["options"]["format"] == "jsonl"
    assert sent["options"]["dry_run"] is True
    assert sent["options"]["retweets"] == "none"
    assert sent["options"]["max_rejects"] == {"share": 0.05}
    assert answer("upload", file, *words, settings=serving)["id"] == sent["id"]
    assert run("upload", file, "--no-wait", "--idempotency-key", "a key", settings=serving).returncode == 2
    assert run("upload", file, file, "--idempotency-key", "k", settings=serving).returncode == 2
    table = tmp_path / "posts.csv"
    table.write_bytes(POSTS.replace(b",", b"\t").decode().encode("utf-16"))
    read = answer("upload", table, "--no-wait", "--delimiter", "tab", "--encoding", "utf-16", settings=serving)
    assert (read["options"]["delimiter"], read["options"]["encoding"]) == ("\t", "utf-16")


@pytest.mark.system
def test_watching_follows_the_events_to_their_end(serving: Settings, tmp_path: Path) -> None:
    file = tmp_path / "posts.csv"
    file.write_bytes(POSTS)
    sent = answer("upload", file, "--no-wait", settings=serving)["id"]
    with subprocess.Popen(
        arguments("status", sent, "--watch", "--json"),
        cwd=ROOT,
        env=environment(serving),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as watching:
        assert watching.stderr is not None
        assert "staged" in watching.stderr.readline()
        apply_all(serving, now=datetime.now(UTC))
        shown, _ = watching.communicate(timeout=PATIENCE)
    assert watching.returncode == 0
    assert msgspec.json.decode(shown)["state"] == "applied"


def test_a_list_of_uploads_fits_a_terminal_and_shows_ids_whole() -> None:
    entries = [
        msgspec.convert(
            {
                **ENTRY,
                "filename": name,
                "rows_received": rows,
                "progress": {**ENTRY["progress"], "rejects_counted": rows or 0},
            },
            Entry,
        )
        for name, rows in [(None, None), ("posts-of-a-year-and-more.csv", 12_345_678)]
    ]
    for width in (80, 100, 120, PIPED_WIDTH):
        console = Console(width=width, file=io.StringIO())
        with console.capture() as captured:
            console.print(listed(entries, width))
        lines = [line for line in captured.get().splitlines() if ENTRY["id"] in line]
        assert len(lines) == 2
        assert all("applying 50 %" in line for line in lines)
        assert "12,345,678" in lines[1]
        assert ("posts-of-a-year-and-more.csv" in lines[1]) == (width == PIPED_WIDTH)


def test_what_goes_into_a_pipe_is_not_wrapped_and_has_no_blanks_behind_it() -> None:
    done = run("settings")
    assert all(line == line.rstrip() for line in done.stdout.splitlines())
    assert any(len(line) > 150 for line in done.stdout.splitlines())


@contextmanager
def running_stack(
    directory: Path, port: int | None, more: dict[str, str] | None = None
) -> Generator[subprocess.Popen[bytes]]:
    """`mentiongraph up`, once it says that everything runs; killed at the end if it still runs."""
    log = directory / "up.log"
    with log.open("wb") as output:
        at = ("--port", str(port)) if port is not None else ()
        command = arguments("up", "--data", directory / "data", *at, "--workers", "1")
        process = subprocess.Popen(command, cwd=ROOT, env=environment() | (more or {}), stdout=output, stderr=output)
    try:
        until(
            lambda: process.poll() is not None or "Everything runs" in log.read_text(),
            within=PATIENCE,
            what="up says that everything runs",
        )
        assert process.poll() is None, log.read_text()
        yield process
    finally:
        process.kill()
        process.wait()
        # Its children end by themselves, and write to the directory until then.
        until(lambda: not processes(str(directory)), within=PATIENCE, what="every process is gone")


@pytest.mark.system
def test_up_keeps_data_and_leaves_no_process(server_directory: Path) -> None:
    data = ("--data", server_directory / "data")
    (port,) = free_ports(1)
    with running_stack(server_directory, port) as up:
        assert_closed(server_directory / "data", up.pid)
        sent = answer("upload", SAMPLE, *data)
        assert (sent["state"], sent["rows_received"]) == ("applied", 4000)
        again = run("upload", SAMPLE, *data)
        assert (again.returncode, sent["id"] in again.stdout) == (0, True)
        refused = run("upload", "-", *data, stdin="a,b\n1,2\n")
        assert refused.returncode == 3
        assert answer("status", sent["id"], *data)["state"] == "applied"
        assert sent["id"] in run("status", *data).stdout
        assert run("status", str(uuid4()), *data).returncode == 4
        assert run("up", *data).returncode == 6
        up.send_signal(signal.SIGINT)
        assert up.wait(PATIENCE) == 0
    assert not processes(str(server_directory))
    assert run("status", *data).returncode == 5
    assert run("demo", *data).returncode == 6
    with running_stack(server_directory, port) as up:
        found = answer("audit", *data)
        assert (found["exact"], found["mentions_in_edges"]) == (True, sent["mentions"])
        up.kill()
        up.wait()
        until(lambda: not processes(str(server_directory)), within=PATIENCE, what="every process is gone")


@pytest.mark.system
def test_up_says_what_to_do_with_data_of_another_postgresql(server_directory: Path) -> None:
    """As root, too, where the data may be elsewhere."""
    data = server_directory / "data"
    (data / "postgres").mkdir(parents=True)
    (data / "postgres" / "PG_VERSION").write_text("17\n")

    done = run("up", "--data", data)

    assert done.returncode == 6
    assert f"mentiongraph backup mentions.dump --data {data}" in done.stderr
    assert f"mentiongraph restore mentions.dump --data {data}-new" in done.stderr


@pytest.mark.system
def test_demo(server_directory: Path) -> None:
    done = run("demo", "--exit", "--data", server_directory / "demo", more={"COLUMNS": "100"})
    assert done.returncode == 0, done.stderr
    for words in ("3,976 applied, 24 rejected", "The strongest", "unreadable_timestamp", "http://127.0.0.1"):
        assert words in done.stdout
    assert "curl" not in done.stdout
    assert not processes(str(server_directory))


def test_a_demo_deletes_a_demo_and_nothing_else(tmp_path: Path) -> None:
    directory = DataDirectory(tmp_path)
    directory.take()
    directory.make_fresh_demo()
    (tmp_path / "postgres").mkdir()
    (tmp_path / "notes.txt").touch()
    directory.make_fresh_demo()
    assert not (tmp_path / "postgres").exists()
    assert (tmp_path / "notes.txt").exists()
    (tmp_path / "demo").unlink()
    with pytest.raises(DirectoryInUse):
        directory.make_fresh_demo()
    directory.release()


def test_the_port_wanted_or_one_that_is_free() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        chosen = choose_port("127.0.0.1", port, insist=False, patience=0)
        assert chosen != port
        with pytest.raises(ServerFailed, match=str(port)):
            choose_port("127.0.0.1", port, insist=True, patience=0)
    assert choose_port("127.0.0.1", port, insist=True, patience=0) == port
