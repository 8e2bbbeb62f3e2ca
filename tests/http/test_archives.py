"""Zips, workbooks and Parquet over HTTP: what becomes of them in the ledger, and what is refused and how."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping

from app.store.postgres import Connection
from tests.http.conftest import Api

HEADER = b"data,timestamp,username\n"
ONE = HEADER + b"hi @bob,2026-01-15T11:00:00Z,ada\n"
TWO = HEADER + b"hi @ada,2026-01-15T11:05:00Z,bob\nhi @eve,2026-01-15T11:06:00Z,bob\n"
THREE = b'{"data":"@ada","timestamp":"2026-01-15T12:00:00Z","username":"eve"}\n'


def zipped(files: Mapping[str, bytes], *, method: int = zipfile.ZIP_DEFLATED) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return out.getvalue()


def states(conn: Connection) -> list[tuple[str | None, str]]:
    return [tuple(row) for row in conn.execute("select filename, state from uploads order by id")]  # type: ignore[misc]


def test_a_zip_of_several_files_is_one_upload_a_file(api: Api, domain: Connection) -> None:
    answer = api.upload(zipped({"a.csv": ONE, "b/two.csv": TWO, "README.txt": b"Posts of ours.", "c.jsonl": THREE}))
    assert answer.status_code == 202, answer.text
    entry = answer.json()
    assert (entry["state"], entry["member_count"], entry["rows_received"]) == ("staged", 3, 4)
    assert [(each["filename"], each["rows_received"]) for each in entry["members"]] == [
        ("a.csv", 1),
        ("b/two.csv", 2),
        ("c.jsonl", 1),
    ]
    assert "README.txt" in entry["options"]["detected"]["container"]["reason"]
    assert states(domain)[1:] == [("a.csv", "staged"), ("b/two.csv", "staged"), ("c.jsonl", "staged")]
