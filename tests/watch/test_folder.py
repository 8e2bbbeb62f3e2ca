"""Which files of a folder are complete, by a clock that the test moves; what is remembered; what is sent."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from ops.watch.body import Body, Changed, digest, move
from ops.watch.folder import Folder, Found, is_being_written, is_unfinished
from ops.watch.memory import FILE, MANY, Memory

SETTLE = 5.0


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def names(folder: Folder) -> list[str]:
    return [found.name for found in folder.look()]


def found_in(root: Path, name: str) -> Found:
    folder = Folder(root, settle=0)
    return next(found for found in folder.look() if found.name == name)


def test_a_file_is_complete_once_it_stands_still(tmp_path: Path, clock: Clock) -> None:
    folder = Folder(tmp_path, settle=SETTLE, clock=clock)
    file = tmp_path / "a.csv"
    file.write_bytes(b"1")
    os.utime(file, ns=(0, 0))  # an old time proves nothing: programs set it while they write

    for seconds, content in ((0, b"1"), (4, b"12"), (8, b"123"), (12.9, b"123")):
        clock.now = seconds
        file.write_bytes(content)
        os.utime(file, ns=(0, 0))
        assert names(folder) == []
        assert [found.name for found in folder.incomplete] == ["a.csv"]
    clock.now = 13
    assert names(folder) == ["a.csv"]
    file.write_bytes(b"abc")
    assert names(folder) == [], "a file that changes is another one"


@pytest.mark.parametrize("before", ["a.csv.part", ".a.csv.x7Yz", "Unconfirmed 1.crdownload", "~$a.csv", "A.TMP"])
def test_a_name_for_unfinished_files_is_left_alone_until_it_is_gone(tmp_path: Path, clock: Clock, before: str) -> None:
    folder = Folder(tmp_path, settle=SETTLE, clock=clock)
    (tmp_path / before).write_bytes(b"1")
    clock.now = 100
    assert names(folder) == []
    assert folder.incomplete == []

    (tmp_path / before).rename(tmp_path / "a.csv")

    assert names(folder) == ["a.csv"], "who renames it says that it is complete"


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has leases")
def test_a_file_that_was_renamed_while_somebody_writes_it_has_to_stand_still(tmp_path: Path, clock: Clock) -> None:
    folder = Folder(tmp_path, settle=SETTLE, clock=clock)
    with (tmp_path / "a.part").open("wb") as file:
        assert names(folder) == []
        file.write(b"1")
        file.flush()
        (tmp_path / "a.part").rename(tmp_path / "a.csv")
        assert names(folder) == []
        descriptor = os.open(tmp_path / "a.csv", os.O_RDONLY)
        assert is_being_written(descriptor)
    assert is_being_written(descriptor) is False
    os.close(descriptor)


def test_which_files_are_looked_at(tmp_path: Path) -> None:
    for name in ("a.csv", "b.jsonl", "in/c.csv", "in/.git/d.csv", ".hidden/e.csv", "taken/done/f.csv"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"1")
    (tmp_path / "in" / "circle").symlink_to(tmp_path)
    (tmp_path / "gone.csv").symlink_to(tmp_path / "nothing")
    os.mkfifo(tmp_path / "pipe.csv")

    assert sorted(names(Folder(tmp_path, settle=0))) == ["a.csv", "b.jsonl"]
    assert names(Folder(tmp_path, settle=0, patterns=["*.csv", "*.xlsx"])) == ["a.csv"]
    deep = Folder(tmp_path, settle=0, recursive=True, apart=[tmp_path / "taken"], patterns=["*.csv"])
    assert sorted(names(deep)) == ["a.csv", "in/c.csv"]


def test_names_of_real_files_are_not_taken_for_unfinished() -> None:
    assert not any(map(is_unfinished, ["part.csv", "tmp.csv", "a.parts.csv", "a.csv.gz", "Bücher 1.xlsx", "download"]))


def test_a_folder_that_is_gone_raises(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        Folder(tmp_path / "nothing", settle=0).look()


def test_what_is_remembered(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(b"1")
    a = found_in(tmp_path, "a.csv")
    memory = Memory(tmp_path / FILE, "http://one")
    memory.note(a, "unfinished", upload="u1", sha256=digest(a.path), options={"clock": "event"})
    memory.note(a, "applied", upload="u1", sha256=digest(a.path))

    again, other = Memory(tmp_path / FILE, "http://one"), Memory(tmp_path / FILE, "http://other")

    record = again.of(a)
    assert record is not None
    assert (record.state, record.upload) == ("applied", "u1")
    assert again.latest_upload() == "u1"
    assert other.of(a) is None
    assert again.of(a._replace(size=2)) is None
    assert again.of(a._replace(mtime_ns=2)) is None
    assert again.earlier(a._replace(mtime_ns=2)) == record


def test_a_memory_that_was_cut_off_is_used_as_far_as_it_goes(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(b"1")
    a = found_in(tmp_path, "a.csv")
    Memory(tmp_path / FILE, "http://one").note(a, "applied")
    with (tmp_path / FILE).open("ab") as file:
        file.write(b'{"api":"http://o')

    Memory(tmp_path / FILE, "http://one").note(a._replace(name="b.csv"), "applied")

    assert len(Memory(tmp_path / FILE, "http://one")) == 2


def test_a_memory_does_not_grow_without_end(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(b"1")
    a = found_in(tmp_path, "a.csv")
    memory = Memory(tmp_path / FILE, "http://one")
    memory.note(a._replace(name="gone.csv"), "applied")
    for number in range(MANY + 1):
        memory.note(a, "applied", upload=str(number))
        memory.tidy()

    assert len((tmp_path / FILE).read_bytes().splitlines()) < 10
    assert len(memory) == 1
    assert Memory(tmp_path / FILE, "http://one").of(a) == memory.of(a)


def test_a_memory_that_cannot_be_written_is_no_failure(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(b"1")
    a = found_in(tmp_path, "a.csv")
    memory = Memory(tmp_path / "nothing" / FILE, "http://one")
    memory.note(a, "applied")

    assert isinstance(memory.trouble, FileNotFoundError)
    assert memory.of(a) is not None


def test_a_file_that_changes_while_it_is_read_never_ends(tmp_path: Path) -> None:
    file = tmp_path / "a.csv"
    file.write_bytes(bytes(300 << 10))
    a = found_in(tmp_path, "a.csv")

    def reading(body: Body) -> Iterator[bytes]:
        yield from body

    with Body.of(a) as body:
        assert b"".join(reading(body)) == file.read_bytes()
        assert body.sha256 == digest(file)
    with Body.of(a) as body:
        chunks = reading(body)
        next(chunks)
        with file.open("ab") as more:
            more.write(b"1")
        with pytest.raises(Changed):
            list(chunks)
    with pytest.raises(Changed), Body.of(a) as body:
        pytest.fail("it changed before it was opened")


def test_moving_replaces_no_file(tmp_path: Path) -> None:
    for _ in range(3):
        (tmp_path / "a.csv").write_bytes(b"1")
        move(found_in(tmp_path, "a.csv"), tmp_path / "done")
    (tmp_path / "a.csv").write_bytes(b"1")
    a = found_in(tmp_path, "a.csv")
    (tmp_path / "a.csv").write_bytes(b"another")
    move(a, tmp_path / "done")

    assert sorted(path.name for path in (tmp_path / "done").iterdir()) == ["a-2.csv", "a-3.csv", "a.csv"]
    assert (tmp_path / "a.csv").read_bytes() == b"another"
