"""`mentiongraph check`: what an upload would come to, without a server."""

from __future__ import annotations

import bz2
import csv
import gzip
import json
from pathlib import Path
from typing import Any

from app.graph.profiles import PROFILES
from app.posts.looking.presets import BY_NAME
from tests.posts.workbooks import row, text, workbook, zipped
from tests.system.test_cli import POSTS, SAMPLE, answer, run

REJECTED = b"data,timestamp,username\nhi @ada,never,grace\n@alan,2026-01-02T00:00:00Z,grace\nRT @x: hi,2026-01-02,ada\n"


def check(tmp_path: Path, content: bytes, *words: str, name: str = "posts.csv", code: int = 0) -> Any:
    """What `check` says of a file of this content."""
    (tmp_path / name).write_bytes(content)
    return answer("check", tmp_path / name, *words, code=code)


def test_check_reads_and_counts_without_a_server(tmp_path: Path) -> None:
    found = check(tmp_path, REJECTED)
    assert found.pop("preview")["certain"]
    assert found == {
        "file": "posts.csv",
        "rows_received": 3,
        "rows_accepted": 2,
        "rows_rejected": 1,
        "mentions": 2,
        "edges": 2,
        "users": 4,
        "rejects": {
            "unreadable_timestamp": {
                "count": 1,
                "lines": [2],
                "message": found["rejects"]["unreadable_timestamp"]["message"],
            }
        },
        "refused": None,
        "warnings": [],
    }
    assert "unreadable_timestamp" in run("check", tmp_path / "posts.csv").stdout
    assert check(tmp_path, REJECTED, "--no-retweets")["mentions"] == 1
    assert check(tmp_path, REJECTED, "--strict", code=1)["rows_rejected"] == 1
    assert check(tmp_path, POSTS, "--strict")["rows_rejected"] == 0
    assert run("check", "-", stdin=POSTS.decode()).returncode == 0


def test_check_reads_what_an_upload_reads(tmp_path: Path) -> None:
    wanted = check(tmp_path, POSTS)["mentions"]
    assert check(tmp_path, gzip.compress(POSTS), name="posts.csv.gz")["mentions"] == wanted
    assert check(tmp_path, POSTS.decode().encode("utf-16"), "--encoding", "utf-16")["mentions"] == wanted
    assert check(tmp_path, POSTS.replace(b",", b"\t"), "--delimiter", "tab")["mentions"] == wanted
    assert check(tmp_path, POSTS.replace(b",", b";"), "--delimiter", "auto")["mentions"] == wanted
    assert check(tmp_path, bz2.compress(POSTS), name="posts.csv.bz2")["mentions"] == wanted
    assert check(tmp_path, zipped({"posts.csv": POSTS}), name="posts.zip")["mentions"] == wanted
    cells = [row(*map(text, line)) for line in csv.reader(POSTS.decode().splitlines())]
    assert check(tmp_path, workbook(*cells), "--sheet", "Posts", name="posts.xlsx")["mentions"] == wanted
    assert check(tmp_path, workbook(*cells), "--sheet", "No", code=3)["refused"]["type"].endswith("no-such-sheet")
    line = b'{"text": "@ada", "timestamp": 1768478700, "username": "grace"}\n'
    assert check(tmp_path, line, "--text", "text", name="posts.jsonl")["mentions"] == 1


def test_check_shows_how_the_file_is_read_and_its_first_posts(tmp_path: Path) -> None:
    export = b"Author;When;Text\nada;15.01.2026 11:00;hi @bob\nbob;16.01.2026 11:00;@ada @cy yes\n"

    preview = check(tmp_path, export)["preview"]

    found = {name: (each["value"], each["sure"]) for name, each in preview["detected"].items()}
    assert (
        found.items()
        >= {
            "delimiter": (";", "certain"),
            "author": ("Author", "certain"),
            "dates": ("day-first", "certain"),
        }.items()
    )
    assert [(each["author"], each["at"][:16]) for each in preview["rows"]] == [
        ("ada", "2026-01-15T11:00"),
        ("bob", "2026-01-16T11:00"),
    ]
    marks = [[(mark["handle"], mark["kind"]) for mark in each["mentions"]] for each in preview["rows"]]
    assert marks == [[("bob", "mention")], [("ada", "reply"), ("cy", "mention")]]
    for each in preview["rows"]:
        for mark in each["mentions"]:
            assert each["text"][mark["start"] : mark["end"]].lstrip("@") == mark["handle"]
    shown = run("check", tmp_path / "posts.csv").stdout
    for words in ("day-first", "'15.01.2026 11:00' can only be read so", "ada (reply), cy"):
        assert words in shown


def test_check_asks_what_it_cannot_know(tmp_path: Path) -> None:
    export = b"data,timestamp,username\nhi @bob,1/2/2026,ada\n"

    found = check(tmp_path, export, code=3)

    assert found["refused"]["type"].endswith("unclear-file")
    assert "--dates" in found["refused"]["detail"]
    assert "--dates" in run("check", tmp_path / "posts.csv").stdout
    assert check(tmp_path, export, "--dates", "month-first")["preview"]["rows"][0]["at"].startswith("2026-01-02")


def test_presets_lists_what_can_be_named(tmp_path: Path) -> None:
    found = answer("presets")
    names = {kind: [each["name"] for each in found[kind]] for kind in ("presets", "profiles")}
    assert names == {"presets": list(BY_NAME), "profiles": list(PROFILES)}
    shown = run("presets").stdout
    assert all(f" {name} " in shown for each in names.values() for name in each)
    (tmp_path / "posts.csv").write_bytes(POSTS)
    refused = run("check", tmp_path / "posts.csv", "--preset", "mystery")
    assert refused.returncode == 2
    assert "twarc-csv" in refused.stderr


def test_check_counts_each_file_of_a_zip(tmp_path: Path) -> None:
    (tmp_path / "two.zip").write_bytes(zipped({"a.csv": POSTS, "b.csv": b"foo,bar\n1,2\n", "c.csv": POSTS}))
    ran = run("check", "--json", tmp_path / "two.zip")
    found = [json.loads(line) for line in ran.stdout.splitlines()]
    assert ran.returncode == 3
    assert [(each["file"], each["refused"] is None) for each in found] == [
        ("two.zip/a.csv", True),
        ("two.zip/b.csv", False),
        ("two.zip/c.csv", True),
    ]


def test_check_says_what_would_be_refused(tmp_path: Path) -> None:
    assert check(tmp_path, b"a,b\n1,2\n", code=3)["refused"]["type"].endswith("missing-column")
    assert check(tmp_path, b"data,timestamp,username\n\n", code=3)["refused"]["type"].endswith("no-rows")
    assert check(tmp_path, POSTS, name="cut.csv.gz", code=3)["refused"]["type"].endswith("undecodable-body")
    found = check(tmp_path, REJECTED, "--max-rejects", "10%", code=3)
    assert found["refused"]["type"].endswith("too-many-rejects")
    assert found["rows_rejected"] == 1
    assert check(tmp_path, REJECTED, "--max-rejects", "1")["refused"] is None
    assert run("check", tmp_path / "posts.csv", "--max-rejects", "many").returncode == 2
    assert run("check", tmp_path / "posts.csv", "--profile", "nobody").returncode == 2


def test_rejects_of_check_are_repaired_and_read(tmp_path: Path) -> None:
    repair = tmp_path / "repair.csv"
    check(tmp_path, REJECTED, "--rejects", str(repair))
    repaired = repair.read_bytes().replace(b"never", b"2026-01-02T00:00:00Z", 1)
    assert check(tmp_path, repaired, "--strict", name="repaired.csv")["mentions"] == 1
    assert run("check", SAMPLE, SAMPLE, "--rejects", repair).returncode == 2
