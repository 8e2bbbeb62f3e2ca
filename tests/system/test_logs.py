"""Logs of child processes: bounded while the child runs, whole, and written to the end whatever happens to whom."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from app.settings import Settings
from ops import processes
from ops.embedded import children
from ops.embedded.children import Child, EmbeddedServerError
from ops.embedded.logwriter import shown
from tests.conftest import until
from tests.test_visible import HOSTILE

PATIENCE = 60
LIMIT = 10_000
LINES = 5000
# Lines of many lengths, by a process and by one that it forks, each of which counts its own.
TALK = f"""
import os, time
name = "child" if os.fork() else "grandchild"
for number in range({LINES}):
    if name == "child" and number == {LINES - 1}:
        os.wait()
    os.write(number % 2 + 1, f"{{name}} {{number}} {{'x' * (number % 50)}}\\n".encode())
if name == "grandchild":
    os._exit(0)
"""
# Goes on for a while after it was asked to end.
LINGER = """
import os, signal, time
def end(*_):
    for number in range(2000):
        print(f"last {number}", flush=True)
    print("bye", flush=True)
    os._exit(0)
signal.signal(signal.SIGTERM, end)
print("ready", flush=True)
time.sleep(600)
"""
LAUNCHER = """
import sys
from pathlib import Path
from ops.embedded import children
children.LOG_LIMIT = 10_000
child = children.Child("talker", [sys.executable, "-c", sys.argv[2]], log=Path(sys.argv[1]), grace=30)
child.start()
sys.stdout.write("started\\n")
sys.stdout.flush()
child.wait()
"""


@pytest.fixture
def log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(children, "LOG_LIMIT", LIMIT)
    return tmp_path / "child.log"


def all_lines(log: Path) -> list[str]:
    """From the oldest to the newest."""
    files = sorted(log.parent.glob(f"{log.name}.*"), key=lambda file: -int(file.suffix[1:]))
    return "".join(file.read_text() for file in [*files, log]).splitlines()


def ends_with(log: Path, start: str) -> bool:
    """Whether the last line begins so."""
    with contextlib.suppress(FileNotFoundError):  # for a moment, while the next file begins
        return log.read_text().rpartition("\n")[0].rpartition("\n")[2].startswith(start)
    return False


def test_no_line_is_lost_or_cut_while_files_follow_each_other(log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(children, "LOGS_KEPT", 1000)
    child = Child("talker", [sys.executable, "-c", TALK], log=log)
    child.start()
    assert child.wait(PATIENCE) == 0
    child.stop()

    lines = all_lines(log)
    for name in ("child", "grandchild"):
        assert [line for line in lines if line.startswith(f"{name} ")] == [
            f"{name} {number} {'x' * (number % 50)}" for number in range(LINES)
        ]
    assert len(lines) == 2 * LINES
    sizes = [file.stat().st_size for file in log.parent.iterdir()]
    assert len(sizes) > 10
    assert max(sizes) <= LIMIT


def test_what_steers_a_terminal_is_escaped_in_whole_lines_and_in_the_last_one(log: Path) -> None:
    said = f"a{HOSTILE}é"
    child = Child(
        "talker",
        [sys.executable, "-c", "import os, sys; os.write(1, os.fsencode(sys.argv[1]))", f"{said}\n{said}"],
        log=log,
    )
    child.start()
    assert child.wait(PATIENCE) == 0
    child.stop()

    lines = log.read_bytes().split(b"\n")
    assert lines == [shown(said.encode())] * 2
    assert b"\x1b" not in lines[0]


def test_a_log_is_bounded_while_its_child_runs(log: Path) -> None:
    child = Child("talker", [sys.executable, "-c", TALK + "time.sleep(600)"], log=log)
    child.start()
    until(lambda: ends_with(log, f"child {LINES - 1} "), within=PATIENCE, what="the last line is there")

    assert child.alive
    names = {file.name for file in log.parent.iterdir()}
    assert names == {"child.log", "child.log.1", "child.log.2", "child.log.3"}
    assert sum(file.stat().st_size for file in log.parent.iterdir()) <= 4 * LIMIT
    child.kill()


def test_a_log_outlives_its_launcher_to_the_childs_last_word(log: Path) -> None:
    launcher = subprocess.Popen(
        [sys.executable, "-c", LAUNCHER, str(log), LINGER], stdout=subprocess.PIPE, cwd=Path(__file__).parents[2]
    )
    with launcher:
        assert launcher.stdout is not None
        assert launcher.stdout.readline() == b"started\n"
        until(lambda: "ready" in log.read_text(), within=PATIENCE, what="the child runs")
        launcher.kill()

    until(lambda: ends_with(log, "bye"), within=PATIENCE, what="the child's last word")
    assert all_lines(log) == ["ready", *(f"last {number}" for number in range(2000)), "bye"]


def test_a_log_that_somebody_removed_begins_anew(log: Path) -> None:
    go = log.parent / "go"
    wait = f"while not os.path.exists({str(go)!r}): time.sleep(0.02)"
    talk = f"import os, time\nprint('one', flush=True)\n{wait}\nprint('two')"
    child = Child("talker", [sys.executable, "-c", talk], log=log)
    child.start()
    until(lambda: "one" in log.read_text(), within=PATIENCE, what="the first line")

    log.unlink()
    go.touch()

    assert child.wait(PATIENCE) == 0
    child.stop()
    assert log.read_text() == "two\n"


def test_what_a_child_said_before_it_failed_is_in_the_error(log: Path) -> None:
    child = Child("talker", [sys.executable, "-c", "print('my last words', end='')"], log=log, ready=lambda: False)

    with pytest.raises(EmbeddedServerError, match="my last words"):
        child.start()


def test_every_line_of_a_worker_is_json_the_first_one_too(settings: Settings, tmp_path: Path) -> None:
    command = processes.worker(msgspec.structs.replace(settings, log_json=True, worker_processes=1))
    lines = tmp_path / "stderr"
    with lines.open("w") as written:
        process = subprocess.Popen(command.argv, env=command.env, stdout=subprocess.DEVNULL, stderr=written)
        try:
            until(lambda: "ready for action" in lines.read_text(), within=PATIENCE, what="the worker is ready")
        finally:
            process.terminate()
            process.wait(PATIENCE)
    events = [json.loads(line)["event"] for line in lines.read_text().splitlines()]
    assert [event for event in events if "is booting up" in event]
