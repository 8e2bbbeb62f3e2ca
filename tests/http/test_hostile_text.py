"""What commands print of files, names and answers that try to steer the terminal."""

from __future__ import annotations

import ast
import io
import json
import threading
from collections.abc import Callable, Generator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import click.testing
import pytest
from rich.text import Text

from ops.cli import console, main, saying
from tests.http.conftest import Api
from tests.test_visible import HOSTILE, ROOT, SIGNS

NAME = f"posts{HOSTILE}\udcff.csv".replace("\r", "\n")
ROWS = (
    f"data,timestamp,username,{HOSTILE}\n"
    f'"hi @bob {HOSTILE}",2026-01-10T11:00:00Z,ann,\n'
    f'"{HOSTILE}",never{HOSTILE},ann,\n'
    f'"x",2026-01-10T11:00:00Z,"{HOSTILE}",\n'
).encode()
STEERING = ("\x1b]", "\x1b[2J", *(SIGNS - {"\x1b", "\r"}))


@pytest.fixture(params=["pipe", "terminal"])
def terminal(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    if request.param == "terminal":
        for each in (console.out, console.err):
            monkeypatch.setattr(each, "_force_terminal", True)
    return request.param == "terminal"


def run(*words: str | Path, terminal: bool = False, environ: dict[str, str] | None = None) -> click.testing.Result:
    """A command, of which no output steers the terminal."""
    done = click.testing.CliRunner().invoke(main, list(map(str, words)), env=environ)
    said = done.stdout + done.stderr
    assert not [sign for sign in STEERING if sign in said], said
    assert terminal or "\x1b" not in said
    return done


@pytest.fixture
def file(tmp_path: Path) -> Path:
    made = tmp_path / NAME
    made.write_bytes(ROWS)
    return made


def test_check_shows_a_hostile_file(file: Path, *, terminal: bool) -> None:
    done = run("check", file, terminal=terminal)
    assert "\\x1b" in done.stdout
    told = json.loads(run("check", "--json", file, terminal=terminal).stdout)
    assert told["file"] == NAME
    assert run("check", "--strict", "--text", HOSTILE, "--timestamp", "no", file, terminal=terminal).exit_code != 0
    assert run("check", file.with_name(f"{NAME}2"), terminal=terminal).exit_code != 0


def test_commands_show_a_hostile_upload(api: Api, apply: Callable[[], None], file: Path, *, terminal: bool) -> None:
    upload_id = api.upload(ROWS, filename=NAME.replace("\udcff", "")).json()["id"]
    apply()
    to = ("--api", f"http://127.0.0.1:{api.port}")
    for words in (
        ("status",), ("status", upload_id), ("status", upload_id, "--json"),
        ("upload", file), ("upload", "--json", file),
        ("upload", file, file.with_name(f"{NAME}2")), ("retract", "--dry-run", upload_id), ("cancel", upload_id),
        ("export", "-o", "-", "--user", HOSTILE), ("export", "-o", file), ("export", "-o", f"{file}.x"),
        ("watch", "--once", file.parent),
        ("rank",), ("rank", "edges"), ("rank", "edges", "--csv"), ("trending",), ("user", "--prefix", ""),
        ("user", HOSTILE), ("user", f"zoe{HOSTILE}"), ("user", "bob"), ("user", "bob", "--csv"),
        ("user", "bob", "--json"),
        ("edge", "ann", "bob", "--lines", "--history"), ("edge", "ann", HOSTILE), ("path", "ann", "bob"),
    ):  # fmt: skip
        run(*words, *to, terminal=terminal)


@pytest.fixture
def hostile_api() -> Generator[str]:
    """The URL of a server that answers everything with text that steers."""

    class Answer(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            problem = {"type": f"urn:{HOSTILE}", "title": HOSTILE, "status": 500, "detail": f"{HOSTILE} \nforged"}
            body = json.dumps(problem).encode() if "uploads" in self.path else HOSTILE.encode()
            self.send_response(500)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = _answer  # noqa: N815 (names of the library)

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Answer) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_commands_show_hostile_answers(hostile_api: str, file: Path) -> None:
    for words in (("status",), ("upload", file), ("upload", file, file), ("export", "-o", "-"), ("status", "--json")):
        done = run(*words, "--api", hostile_api)
        assert done.exit_code != 0
        # No line of an answer looks like a line of this program.
        assert not [line for line in done.stderr.split("\n") if line.startswith("forged")]


def test_usage_and_settings_show_hostile_words(file: Path) -> None:
    for words in (
        (HOSTILE,), ("check", f"--{HOSTILE}"), ("check", "--profile", HOSTILE, file),
        ("check", "--dates", HOSTILE, file), ("status", HOSTILE), ("export", "--since", HOSTILE),
        ("upload", "--api", HOSTILE, file), ("export", "-o", f"x.{HOSTILE}"),
    ):  # fmt: skip
        assert run(*words).exit_code != 0
        assert run(*words, "--json").exit_code != 0
    for value in ("redis://" + HOSTILE, HOSTILE):
        run("settings", environ={"MENTIONGRAPH_NAMESPACE": value})
        run("settings", environ={"MENTIONGRAPH_PORT": value, "MENTIONGRAPH_" + HOSTILE.replace("=", ""): value})


def test_data_is_exact_in_a_pipe_and_escaped_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    data = f"source,target\n{HOSTILE},é\n".encode() + b"\xff\n"
    for is_terminal in (False, True):
        raw = io.BytesIO()
        stream = io.TextIOWrapper(raw, encoding="utf-8")
        monkeypatch.setattr(stream, "isatty", lambda answer=is_terminal: answer)
        monkeypatch.setattr("sys.stdout", stream)
        out = saying.data_out()
        for at in range(len(data)):
            out.write(data[at : at + 1])
        out.flush()
        written = raw.getvalue()
        assert (written == data) is not is_terminal
        if is_terminal:
            assert written.decode().startswith("source,target\n\\x1b]52")
            assert not SIGNS & frozenset(written.decode())


def test_each_layer_of_the_console_escapes_by_itself() -> None:
    """A caller that uses `plain` is safe, and so is one that does not."""
    rendered = "".join(segment.text for segment in console.out.render(Text(HOSTILE)))

    for shown in (console.plain(HOSTILE), rendered):
        assert "\\x1b]52" in shown
        assert not SIGNS & frozenset(shown)


def test_all_output_goes_through_one_place() -> None:
    """Nobody but `saying` writes to standard output or standard error, in what the command line runs."""
    allowed = {("saying.py", "click.echo"), ("saying.py", "sys.stdout.buffer"), ("backup.py", "sys.stdout.buffer")}
    places = [
        *ROOT.glob("ops/cli/*.py"),
        ROOT / "ops/demo/show.py",
        *ROOT.glob("ops/watch/*.py"),
        ROOT / "ops/stack.py",
    ]
    found: set[tuple[str, str]] = set()
    for place in places:
        for node in ast.walk(ast.parse(place.read_text())):
            written = ast.unparse(node) if isinstance(node, ast.Attribute | ast.Name) else ""
            if written in {"print", "click.echo", "click.secho", "sys.stdout.buffer", "sys.stdout.write"} or (
                written in {"sys.stderr.write", "sys.stderr.buffer", "sys.__stdout__", "sys.__stderr__"}
            ):
                found.add((place.name, written))
    assert found <= allowed
