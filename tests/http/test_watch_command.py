"""`mentiongraph watch` as a process, against the API."""

from __future__ import annotations

import json
import signal
import subprocess
import threading
from collections.abc import Callable, Generator
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path
from typing import IO, Any

import pytest

from app.settings import Settings
from ops.embedded.children import free_ports
from ops.watch.memory import FILE
from tests.conftest import until
from tests.http.conftest import Api, serving
from tests.http.test_receiving import HEADER
from tests.system.test_cli import arguments, environment

Apply = Callable[[], None]
PATIENCE = 30
Start = Callable[..., "Watch"]


class Watch:
    """A running command, and the lines that it has printed so far."""

    def __init__(self, *words: str | Path) -> None:
        self.process = subprocess.Popen(
            arguments("watch", *words), env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        self.out: list[str] = []
        self.err: list[str] = []
        self._readers = [
            threading.Thread(target=self._read, args=(self.process.stdout, self.out)),
            threading.Thread(target=self._read, args=(self.process.stderr, self.err)),
        ]
        for reader in self._readers:
            reader.start()

    @staticmethod
    def _read(stream: IO[str], lines: list[str]) -> None:
        with stream:
            lines.extend(iter(stream.readline, ""))

    def told(self) -> dict[str, Any]:
        """What became of each file, as --json has it."""
        return {told["file"]: told for told in map(json.loads, self.out)}

    def end(self, *, stop: bool = False) -> int:
        """The exit code, once the command has ended."""
        if stop:
            self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(PATIENCE)
        for reader in self._readers:
            reader.join(PATIENCE)
        assert not any("Traceback" in line for line in self.err), self.err
        return code


@pytest.fixture
def start() -> Generator[Start]:
    with ExitStack() as stack:

        def begin(*words: str | Path) -> Watch:
            watch = Watch(*words)
            stack.callback(lambda: watch.process.poll() is None and watch.end(stop=True))
            return watch

        yield begin


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "in"
    made.mkdir()
    return made


def posts(author: str) -> bytes:
    return HEADER + f"hi @bob,2026-01-10T11:00:00Z,{author}\n".encode()


def applied(watch: Watch, apply: Apply, *files: str) -> Callable[[], bool]:
    """A condition: the command has told what became of these files, while the work goes on."""

    def told() -> bool:
        apply()
        assert watch.process.poll() is None, watch.err
        return set(files) <= set(watch.told())

    return told


def uploads(api: Api, *states: str) -> int:
    found = [each["state"] for each in api.http.get("/uploads").json()["uploads"]]
    return sum(not states or state in states for state in found)


def test_what_appears_is_taken_in_once(api: Api, apply: Apply, start: Start, folder: Path) -> None:
    url = f"http://127.0.0.1:{api.port}"
    (folder / "there.csv").write_bytes(posts("ada"))
    with (folder / "slow.csv").open("wb") as slow:
        slow.write(HEADER)
        slow.flush()
        watch = start("--json", "--settle", "0.2", "--api", url, folder)
        until(applied(watch, apply, "there.csv"), within=PATIENCE, what="what was there")
        (folder / "rows.csv.part").write_bytes(posts("cy"))
        (folder / "no.csv").write_bytes(b"nonsense,more\n1,2\n")
        (folder / "some.csv").write_bytes(posts("dee") + b"hi @bob,tomorrow,eve\n")
        until(applied(watch, apply, "no.csv", "some.csv"), within=PATIENCE, what="what came")
        assert set(watch.told()) == {"there.csv", "no.csv", "some.csv"}, "the others are being written"
        (folder / "rows.csv.part").rename(folder / "rows.csv")
        slow.write(posts("eve").removeprefix(HEADER))
    until(applied(watch, apply, "rows.csv", "slow.csv"), within=PATIENCE, what="what was finished")
    (folder / "no.csv").write_bytes(posts("flo"))
    until(lambda: applied(watch, apply)() and watch.told()["no.csv"]["state"] == "applied", within=PATIENCE, what="it")

    assert watch.end(stop=True) == 0
    assert len(watch.out) == 6
    assert json.loads(next(line for line in watch.out if "refused" in line))["error"]["type"].endswith("missing-column")
    told = watch.told()
    assert {name: (each["state"], each["rows_accepted"], each["rows_rejected"]) for name, each in told.items()} == {
        **dict.fromkeys(("there.csv", "rows.csv", "slow.csv", "no.csv"), ("applied", 1, 0)),
        "some.csv": ("applied", 1, 1),
    }
    assert uploads(api, "applied") == 5


def test_a_restart_sends_nothing_again(api: Api, apply: Apply, start: Start, folder: Path) -> None:
    words = ("--once", "--settle", "0.1", "--no-wait", "--api", f"http://127.0.0.1:{api.port}", folder)
    for author in ("ada", "cy"):
        (folder / f"{author}.csv").write_bytes(posts(author))
    first = start(*words)
    assert first.end() == 0
    assert sorted(line.partition(" (")[0] for line in first.out) == ["ada.csv: staged", "cy.csv: staged"]
    apply()

    second = start(*words)
    assert second.end() == 0
    assert sorted(line.partition(" (")[0] for line in second.out) == [
        f"{name}.csv: applied, 1 rows accepted, 0 rejected, 1 mentions" for name in ("ada", "cy")
    ], "an earlier process did not see the end"
    third = start(*words)
    assert third.end() == 0
    assert third.out == []
    (folder / FILE).unlink()
    fourth = start(*words)
    assert fourth.end() == 0
    assert all("applied before, since the same bytes came earlier" in line for line in fourth.out)
    assert len(fourth.out) == uploads(api, "applied") == 2


def test_an_api_that_is_away_is_waited_for(
    settings: Settings, now: datetime, apply: Apply, start: Start, folder: Path
) -> None:
    (port,) = free_ports(1)
    url = f"http://127.0.0.1:{port}"
    (folder / "a.csv").write_bytes(posts("ada"))
    watch = start("--json", "--settle", "0", "--api", url, folder)
    until(lambda: any("cannot be reached" in line for line in watch.err), within=PATIENCE, what="it says so")
    once = start("--once", "--settle", "0", "--api", url, folder)
    assert once.end() == 5

    with serving(settings, lambda: now, port=port):
        until(applied(watch, apply, "a.csv"), within=PATIENCE, what="the file is applied")
    with serving(settings, lambda: now, port=port) as api:
        (folder / "b.csv").write_bytes(posts("bea"))
        until(applied(watch, apply, "b.csv"), within=PATIENCE, what="the next file is applied")
        assert uploads(api) == 2

    assert watch.end(stop=True) == 0
    assert "The API answers again.\n" in watch.err


def test_what_is_left_alone_and_what_is_moved(api: Api, apply: Apply, start: Start, folder: Path) -> None:
    url = f"http://127.0.0.1:{api.port}"
    words = ("--json", "--settle", "0.1", "--api", url, "--recursive", "--pattern", "*.csv", "--new-only")
    (folder / "old.csv").write_bytes(posts("ada"))
    watch = start(*words, "--move-to", folder / "taken", folder)
    until((folder / FILE).exists, within=PATIENCE, what="it watches")
    (folder / "deep").mkdir()
    (folder / "deep" / "a.csv").write_bytes(posts("cy"))
    (folder / "notes.txt").write_bytes(b"mine")
    (folder / "no.csv").write_bytes(b"nonsense\n1\n")
    until(applied(watch, apply, "deep/a.csv", "no.csv"), within=PATIENCE, what="the new files")
    moved = [folder / "taken" / "done" / "deep" / "a.csv", folder / "taken" / "failed" / "no.csv"]
    until(lambda: all(path.exists() for path in moved), within=PATIENCE, what="they are moved")
    assert watch.end(stop=True) == 0

    again = start(*words, "--once", "--move-to", folder / "taken", folder)
    assert again.end() == 0
    assert again.out == []
    assert sorted(path.name for path in folder.iterdir()) == [FILE, "deep", "notes.txt", "old.csv", "taken"]


def test_another_service_at_the_address_gets_all_files(
    api: Api, apply: Apply, start: Start, folder: Path, domain: Any
) -> None:
    words = ("--once", "--settle", "0", "--no-wait", "--api", f"http://127.0.0.1:{api.port}", folder)
    (folder / "a.csv").write_bytes(posts("ada"))
    assert start(*words).end() == 0
    apply()
    assert start(*words).end() == 0, "it sees that the upload was applied"
    domain.execute("truncate uploads cascade")

    watch = start(*words)

    assert watch.end() == 0
    assert watch.err == ["The API does not know the uploads of earlier files, so all files are sent again.\n"]
    assert uploads(api) == 1


def test_exit_codes_of_once(api: Api, start: Start, folder: Path) -> None:
    words = ("--once", "--settle", "0", "--api", f"http://127.0.0.1:{api.port}", folder)
    (folder / "no.csv").write_bytes(b"nonsense\n1\n")

    assert start(*words).end() == 3
    assert start(*words).end() == 0, "it was told before"
    assert start("--retry", *words).end() == 3
    assert start("--text", "nonsense", *words).end() == 3, "other options may help"
