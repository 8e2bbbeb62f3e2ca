"""How the command starts and fails, as real processes: what is imported, what hides our packages, failures in JSON."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import click
import msgspec
import pytest

from app.settings import Settings
from mentiongraph import PACKAGES, SHADOWED, version
from ops.cli import COMMANDS, EXIT_CODES, main
from ops.embedded.children import free_ports
from tests.system.test_cli import ROOT, SAMPLE, Completed, environment, run, serving

__all__ = ["serving"]

PATIENCE = 60
# What takes long to import.
HEAVY = {"polars", "numpy", "litestar", "psycopg", "dramatiq", "httpx", "rich", "msgspec", "redis", "structlog"}
REPORT = """
import sys
import mentiongraph
sys.argv = ["mentiongraph", *sys.argv[1:]]
try:
    mentiongraph.main()
except SystemExit as end:
    assert not end.code, end.code
print("imported:", *(name for name in sys.modules if "." not in name), file=sys.stderr)
"""


def python(*words: str, cwd: Path, more: dict[str, str] | None = None) -> Completed:
    return subprocess.run(
        [sys.executable, *words],
        cwd=cwd,
        env=environment() | (more or {}),
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )


@pytest.mark.parametrize(
    ("option", "light"), [("--version", HEAVY | {"click", "importlib.metadata"}), ("--help", HEAVY), ("-h", HEAVY)]
)
def test_version_and_help_import_next_to_nothing(option: str, light: set[str], tmp_path: Path) -> None:
    done = python("-c", REPORT, option, cwd=tmp_path)

    assert done.returncode == 0, done.stderr
    assert "mentiongraph" in done.stdout
    imported = set(done.stderr.partition("imported:")[2].split())
    assert imported & light == set()


def test_the_version_is_that_of_the_distribution() -> None:
    shown = run("--version").stdout

    assert shown == f"mentiongraph, version {version()}\n"
    assert f'\nversion = "{version()}"\n' in (ROOT / "pyproject.toml").read_text()


@pytest.mark.parametrize("name", PACKAGES)
@pytest.mark.parametrize("place", ["PYTHONPATH", "current directory"])
def test_a_package_that_hides_ours_is_named(name: str, place: str, tmp_path: Path) -> None:
    (tmp_path / name).mkdir()
    (tmp_path / name / "__init__.py").touch()
    here = ROOT.parent if place == "PYTHONPATH" else tmp_path
    more = {"PYTHONPATH": str(tmp_path)} if place == "PYTHONPATH" else {}

    done = python("-m", "mentiongraph", "status", cwd=here, more=more)

    assert done.returncode == SHADOWED
    assert SHADOWED in EXIT_CODES
    assert "Traceback" not in done.stderr
    assert f"named {name} hides mentiongraph's own: {tmp_path / name}" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_a_module_that_hides_ours_is_named_and_a_bare_directory_hides_nothing(tmp_path: Path) -> None:
    (tmp_path / "workers").mkdir()
    assert python("-m", "mentiongraph", "--version", cwd=tmp_path).returncode == 0
    (tmp_path / "app.py").touch()

    done = python("-m", "mentiongraph", "--version", cwd=tmp_path)

    assert (done.returncode, f"{tmp_path / 'app.py'}." in done.stderr) == (SHADOWED, True)


# Failures in JSON -----------------------------------------------------------------------------------------------------


def problem(*words: str | Path, settings: Settings | None = None, code: int) -> dict[str, Any]:
    """The problem document that a command with --json prints, as its only line."""
    done = run(*words, "--json", settings=settings)
    assert done.returncode == code, done.stderr
    assert done.stderr, "people are told as well"
    found = msgspec.json.decode(done.stdout)
    assert found.keys() >= {"type", "title", "status", "detail"}
    return found


UPLOAD = "01997f0e-3c1f-7d0a-b5a8-6a1f5a3ce4d2"
FAILING: dict[str, tuple[list[str | Path], int]] = {
    "check": (["nowhere.csv"], 1),
    "migrate": ([], 5),
    "upload": ([SAMPLE], 5),
    "watch": (["nowhere"], 2),
    "status": ([], 5),
    "cancel": ([UPLOAD], 5),
    "retract": ([UPLOAD, "--yes"], 5),
    "audit": ([], 5),
    "replay": (["--failed", "--yes"], 5),
    "decay": ([], 5),
    "purge": ([], 5),
    "rebuild": (["--compare"], 5),
    "compare": (["default", "other"], 5),
    "rank": ([], 5),
    "trending": ([], 5),
    "user": (["ada"], 5),
    "edge": (["ada", "grace"], 5),
    "path": (["ada", "grace"], 5),
    "forget": (["ada", "--yes"], 5),
    "audit-log": ([], 5),
    "processes": ([], 5),
    "top": (["--once"], 5),
    "note": ([UPLOAD, "the panel's second wave"], 5),
    "bulk": (["retract", "--all", "--yes"], 5),
    "settings": (["--data", "nowhere"], 5),
}


NEVER = {"presets"}
"""Commands with --json that ask nobody, so that nothing fails."""


def test_the_commands_that_fail_here_are_all_with_json() -> None:
    commands = {name: main.get_command(click.Context(main), name) for name in COMMANDS}
    assert {name for name, each in commands.items() if each and "json" in {p.name for p in each.params}} - NEVER == set(
        FAILING
    )


@pytest.mark.parametrize("command", FAILING)
def test_a_command_with_json_fails_in_json(command: str) -> None:
    [nobody] = free_ports(1)
    words, code = FAILING[command]
    away = Settings(port=nobody, database_url=f"postgresql://127.0.0.1:{nobody}/none")

    assert problem(command, *words, settings=away, code=code)["type"].startswith("urn:mentiongraph:problem:")


def test_a_command_that_is_written_wrongly_fails_in_json() -> None:
    assert problem("status", "--no-such-option", code=2)["detail"].startswith("No such option")
    assert "before the command" in problem("audit-log", "--graph", "x", code=2)["detail"]
    assert problem("replay", code=2)["type"] == "urn:mentiongraph:problem:bad-request"
    assert run("status", "--no-such-option").stdout == ""
    assert run("check", "--", "--json").stdout == "", "a file's name"


def test_a_setting_that_cannot_be_used_fails_in_json() -> None:
    done = run("settings", "--json", more={"MENTIONGRAPH_PROT": "1"})

    assert done.returncode == 2
    assert "Did you mean MENTIONGRAPH_PORT?" in msgspec.json.decode(done.stdout)["detail"]


@pytest.mark.system
def test_an_upload_that_is_refused_prints_the_problem(serving: Settings, tmp_path: Path) -> None:
    bad, good = tmp_path / "bad.csv", tmp_path / "good.csv"
    bad.write_text("a,b\n1,2\n")
    good.write_text("data,timestamp,username\nhi @ada,2026-01-01T00:00:00Z,grace\n")

    refused = problem("upload", bad, settings=serving, code=3)

    assert (refused["status"], refused["type"]) == (422, "urn:mentiongraph:problem:missing-column")
    both = run("upload", "--json", "--no-wait", bad, good, settings=serving)
    assert both.returncode == 3
    first, second = [msgspec.json.decode(line) for line in both.stdout.splitlines()]
    assert (first["file"], first["type"], second["state"]) == (str(bad), refused["type"], "staged")
