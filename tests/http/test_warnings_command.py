"""What `mentiongraph status` and `mentiongraph upload` say of an upload that came in, and of one that failed."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import click.testing
import msgspec

from ops.cli import main
from ops.cli.entries import Entry
from ops.cli.status import listed
from tests.http.conftest import Api
from tests.http.test_receiving import HEADER

REDDIT = HEADER + b"thanks u/bea-c,2026-01-01T00:00:00Z,ana\n"
REJECTED = HEADER + b"@bea,soon,ana\n"


def run(api: Api, *words: str | Path, code: int = 0) -> click.testing.Result:
    done = click.testing.CliRunner().invoke(main, [*map(str, words), "--api", f"http://127.0.0.1:{api.port}"])
    assert done.exit_code == code, done.output
    return done


def test_warnings_go_to_standard_error_and_the_exit_code_stays(
    api: Api, apply: Callable[[], None], tmp_path: Path
) -> None:
    upload_id = api.upload(REDDIT, filename="reddit.csv").json()["id"]
    apply()
    file = tmp_path / "reddit.csv"
    file.write_bytes(REDDIT)

    for words in (("status", upload_id), ("upload", file)):
        done = run(api, *words)
        assert "warning: reddit.csv: no-mentions: The only post mentions nobody" in done.stderr
        assert "(--profile reddit). Line 2.\n" in done.stderr
        assert "warning" not in done.stdout
    found = json.loads(run(api, "status", upload_id, "--json").stdout)
    assert [each["code"] for each in found["warnings"]] == ["no-mentions", "another-profile"]
    entry = msgspec.convert(found, Entry)
    assert [column.header for column in listed([entry], 200).columns][-1] == "warnings"
    in_order = msgspec.structs.replace(entry, warnings=[])
    assert [column.header for column in listed([in_order], 200).columns][-1] == "mentions"


def test_an_upload_whose_every_row_was_rejected_ends_with_an_error(
    api: Api, apply: Callable[[], None], tmp_path: Path
) -> None:
    upload_id = api.upload(REJECTED).json()["id"]
    apply()

    shown = run(api, "status", upload_id, code=1)

    assert "The commonest reason is unreadable_timestamp (1), first on line 2" in " ".join(shown.stdout.split())
    assert "warning" not in shown.stderr
    file = tmp_path / "posts.csv"
    file.write_bytes(REJECTED)
    sent = json.loads(run(api, "upload", "--no-wait", "--json", file).stdout)
    assert (sent["state"], sent["id"] != upload_id) == ("staged", True)


def test_a_file_that_is_not_there_keeps_no_other_from_being_sent(api: Api, tmp_path: Path) -> None:
    file = tmp_path / "posts.csv"
    file.write_bytes(REDDIT)

    done = run(api, "upload", "--no-wait", tmp_path / "missing.csv", file, code=1)

    assert "missing.csv: No such file or directory; it was not sent." in done.stderr
    assert [each["state"] for each in api.http.get("/uploads").json()["uploads"]] == ["staged"]
    assert run(api, "upload", tmp_path / "missing.csv", code=1).stdout == ""
