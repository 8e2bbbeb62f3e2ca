"""A data directory: the ports that it keeps, and what the environment changes for commands that find its stack."""

# pyright: reportPrivateUsage=false

from __future__ import annotations

import signal
import socket
import subprocess
from collections.abc import Generator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from app.settings import Settings
from ops.cli import local
from ops.directory import DataDirectory, Ports
from ops.embedded.children import free_ports
from tests.graphs import apply_all
from tests.system.test_cli import PATIENCE, POSTS, Completed, arguments, environment, running_stack
from tests.uploading import upload


@pytest.fixture
def directory(tmp_path: Path) -> Generator[DataDirectory]:
    taken = DataDirectory(tmp_path / ".mentiongraph")
    taken.take()
    yield taken
    taken.release()


# Ports ----------------------------------------------------------------------------------------------------------------


def test_each_port_is_kept_and_only_a_taken_one_changes(directory: DataDirectory) -> None:
    first, news = directory.server_ports()
    assert (news, directory.server_ports()) == ([], (first, []))
    directory.keep_ports(api=8123)

    with socket.create_server(("127.0.0.1", first.redis)):
        second, news = directory.server_ports()

    assert (second.postgres, second.api) == (first.postgres, 8123)
    assert second.redis != first.redis
    assert [str(first.redis) in line and str(second.redis) in line and "Valkey" in line for line in news] == [True]
    assert directory.server_ports() == (second, [])


def test_the_ports_of_an_earlier_version_are_kept(directory: DataDirectory) -> None:
    ports = free_ports(2)
    (directory.path / "ports.json").write_text(f'{{"postgres": {ports[0]}, "redis": {ports[1]}}}')

    assert directory.server_ports() == (Ports(*ports, api=0), [])


def port_of(directory: DataDirectory, asked: int | None = None, **settings: Any) -> int:
    return local._port_of_api(directory, Settings(**settings), asked)


def test_two_projects_do_not_swap_the_ports_of_their_apis(
    directory: DataDirectory, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = DataDirectory(tmp_path / "other")
    other.logs.mkdir(parents=True)
    [near] = free_ports(1)
    first = port_of(directory, port=near)
    with socket.create_server(("127.0.0.1", first)):
        second = port_of(other, port=near)
    assert first != second

    # Started again, in the other order.
    assert port_of(other, port=near) == second
    assert port_of(directory, port=near) == first
    capsys.readouterr()
    with socket.create_server(("127.0.0.1", second)):
        third = port_of(other, port=near)

    said = " ".join(capsys.readouterr().err.split())
    assert f"Another program listens on port {second}, which the API had in this directory." in said
    assert f"The API now has port {third}." in said


def test_a_port_that_somebody_names_goes_first(directory: DataDirectory, monkeypatch: pytest.MonkeyPatch) -> None:
    kept, named, asked = free_ports(3)
    directory.keep_ports(api=kept)
    assert port_of(directory) == kept
    monkeypatch.setenv("MENTIONGRAPH_PORT", str(named))
    assert port_of(directory, port=named) == named
    assert port_of(directory, asked, port=named) == asked
    assert directory.kept_ports().api == asked


@pytest.mark.system
def test_up_has_its_port_again_or_says_why_not(server_directory: Path) -> None:
    [port] = free_ports(1)
    data = server_directory / "data"
    data.mkdir()
    (data / "ports.json").write_text(msgspec.json.encode(Ports(api=port)).decode())
    with running_stack(server_directory, None) as up:
        assert f"MENTIONGRAPH_PORT={port}\n" in (data / "settings.env").read_text()
        up.send_signal(signal.SIGTERM)
        assert up.wait(PATIENCE) == 0
    with socket.create_server(("127.0.0.1", port)), running_stack(server_directory, None) as up:
        said = (server_directory / "up.log").read_text()
        up.send_signal(signal.SIGTERM)
        assert up.wait(PATIENCE) == 0
    assert f"Another program listens on port {port}, which the API had in this directory." in said


# The environment and a stack nearby -----------------------------------------------------------------------------------


def run_in(place: Path, *words: str, **more: str) -> Completed:
    variables = {f"MENTIONGRAPH_{name}": value for name, value in more.items()}
    return subprocess.run(
        arguments(*words),
        cwd=place,
        env=environment() | variables,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )


@pytest.fixture
def nearby(directory: DataDirectory, settings: Settings) -> Path:
    """A directory in which a stack seems to run, over the test's database."""
    directory.publish(msgspec.structs.replace(settings, archive_below=0.25, stale_after_days=3.0))
    return directory.path.parent


def test_the_environment_wins_over_the_settings_of_a_stack_nearby(nearby: Path, settings: Settings, now: Any) -> None:
    upload(settings, POSTS, received_at=now)
    apply_all(settings, now=now)

    default = run_in(nearby, "decay", "--dry-run")
    changed = run_in(nearby, "decay", "--dry-run", ARCHIVE_BELOW="1000")
    never = run_in(nearby, "decay", "--dry-run", "--json", STALE_AFTER_DAYS="100000")

    assert "not touched for 3 days" in default.stdout, default.stderr
    assert "lighter than 0.25" in default.stdout
    assert "lighter than 1000" in changed.stdout
    assert "not touched for 3 days" in changed.stdout
    assert msgspec.json.decode(never.stdout)["stale"] == 0


def test_a_server_in_the_environment_takes_the_place_of_the_stack_nearby(nearby: Path) -> None:
    [nobody] = free_ports(1)
    elsewhere = f"postgresql://127.0.0.1:{nobody}/none"

    done = run_in(nearby, "decay", "--dry-run", DATABASE_URL=elsewhere)
    named = run_in(nearby, "decay", "--dry-run", "--data", ".mentiongraph", DATABASE_URL=elsewhere)

    assert (done.returncode, str(nobody) in done.stderr) == (5, True)
    assert named.returncode == 0, "the stack that was named wins"


def test_a_stack_nearby_that_does_not_run_is_not_replaced_by_whatever_has_the_default_address(tmp_path: Path) -> None:
    ended = DataDirectory(tmp_path / ".mentiongraph")
    ended.take()
    ended.release()
    [nobody] = free_ports(1)

    refused = run_in(tmp_path, "status", "--json")
    named = run_in(tmp_path, "status", "--api", f"http://127.0.0.1:{nobody}")

    assert refused.returncode == 5
    assert msgspec.json.decode(refused.stdout)["detail"].startswith("Nothing runs over .mentiongraph. Start it with")
    assert str(nobody) in named.stderr, "the server that was named is asked"


def test_a_variable_names_the_directory_for_all_commands(nearby: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    data = str(nearby / ".mentiongraph")
    [nobody] = free_ports(1)

    found = run_in(elsewhere, "decay", "--dry-run", DATA=data)
    option = run_in(elsewhere, "decay", "--dry-run", "--data", "nowhere", DATA=data)
    listed = run_in(elsewhere, "settings", "--json", DATA=data)
    address = run_in(elsewhere, "status", "--api", f"http://127.0.0.1:{nobody}", DATA="nowhere")

    assert "not touched for 3 days" in found.stdout, found.stderr
    assert "nothing runs over nowhere" in option.stderr
    assert "stack" in {each["source"] for each in msgspec.json.decode(listed.stdout)}
    assert str(nobody) in address.stderr, "an option wins over a variable"


def test_a_variable_names_the_api_for_all_commands(nearby: Path) -> None:
    one, two = free_ports(2)
    away = {"API": f"http://127.0.0.1:{one}"}

    asked = run_in(nearby, "status", **away)
    other = run_in(nearby, "status", "--api", f"http://127.0.0.1:{two}", **away)
    stack = run_in(nearby, "status", "--data", "nowhere", **away)
    both = run_in(nearby, "status", DATA="nowhere", **away)

    assert asked.returncode == other.returncode == both.returncode == 5
    assert str(one) in asked.stderr, "not the API of the stack nearby"
    assert str(two) in other.stderr
    assert "nothing runs over nowhere" in stack.stderr, "an option wins over a variable"
    assert str(one) in both.stderr


def test_where_nothing_names_a_server_the_message_says_how_to_name_the_stack(tmp_path: Path) -> None:
    [nobody] = free_ports(1)
    for words in (["status"], ["audit"], ["processes"]):
        said = run_in(tmp_path, *words).stderr
        assert "--data DIR" in said, said
    named = run_in(tmp_path, "audit", DATABASE_URL=f"postgresql://127.0.0.1:{nobody}/none").stderr
    assert "--data" not in named


def test_hints_repeat_what_the_command_was_given(nearby: Path) -> None:
    data = "./.mentiongraph"
    no_batch = run_in(nearby, "replay", "--batch", "7", "--yes", "--data", data).stderr
    varied = run_in(nearby, "replay", "--batch", "7", "--yes", DATA=data).stderr
    assert "`mentiongraph status --data .mentiongraph`" in no_batch
    assert "`mentiongraph status`" in varied


def test_settings_says_where_each_value_comes_from(nearby: Path, settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "level").write_text("debug\n")

    done = run_in(
        nearby,
        "settings",
        "--json",
        "--data",
        ".mentiongraph",
        ARCHIVE_BELOW="1000",
        LOG_LEVEL_FILE=str(tmp_path / "level"),
        NAMESPACE="not-that-of-the-stack",
        DECAY_EVERY="24h",
    )

    found = {each["variable"].removeprefix("MENTIONGRAPH_"): each for each in msgspec.json.decode(done.stdout)}
    shown = {name: (found[name]["value"], found[name]["source"]) for name in found}
    assert shown["ARCHIVE_BELOW"] == ("1000", "environment")
    assert shown["STALE_AFTER_DAYS"] == ("3", "stack")
    assert shown["LOG_LEVEL"] == ("debug", "file")
    assert shown["NAMESPACE"] == (settings.namespace, "stack")
    assert shown["CACHE"] == ("true", "default")
    assert "***@" in shown["DATABASE_URL"][0]
