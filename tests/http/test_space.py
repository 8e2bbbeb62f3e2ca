"""No room: uploads are refused or stop with 507, and nothing is lost; everything else goes on."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

import httpx
import msgspec
import pytest

from app.ledger import retention, space
from app.proofs.audit import audit
from app.settings import Settings
from app.store import postgres
from app.store.postgres import Connection
from tests.conftest import until
from tests.graphs import apply_all
from tests.http.conftest import Serve
from tests.http.test_receiving import request_head, states
from tests.http.test_warnings_command import run

ProblemOf = Callable[[httpx.Response], dict[str, Any]]
HEADER = b"data,timestamp,username\n"
CSV = HEADER + b"hi @bob,2026-01-15T11:00:00Z,ada\n"
MIB = 1 << 20
RUNS_OUT = """
CREATE FUNCTION run_out() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'could not extend file: No space left on device' USING ERRCODE = 'disk_full';
END;
$$
"""


def random_posts(size: int, seed: int) -> bytes:
    """A CSV of about so many bytes that no compression makes much smaller."""
    noise = random.Random(seed)
    return HEADER + b"".join(
        b"@bob %s,2026-01-15T11:00:00Z,ada\n" % noise.randbytes(1000).hex().encode() for _ in range(size // 2000)
    )


def database_bytes(conn: Connection) -> int:
    found: int = postgres.scalars(conn, "SELECT pg_database_size(current_database())")[0]
    return found


@pytest.fixture(autouse=True)
def looking(monkeypatch: pytest.MonkeyPatch) -> None:
    """The database is asked each time."""
    monkeypatch.setattr(space, "LOOK_SECONDS", 0.0)


def test_below_the_free_space_uploads_are_refused_and_reads_go_on(
    serve: Serve, settings: Settings, domain: Connection, problem_of: ProblemOf, tmp_path: Path
) -> None:
    enough = serve(msgspec.structs.replace(settings, database_directory=str(tmp_path), min_free_bytes=1))
    earlier = enough.upload(CSV)
    assert earlier.status_code == 202
    short = serve(msgspec.structs.replace(settings, database_directory=str(tmp_path), min_free_bytes=2**60))

    refused = short.upload(CSV, again="true")

    problem = problem_of(refused)
    assert (refused.status_code, problem["type"]) == (507, "urn:mentiongraph:problem:no-space")
    assert "MENTIONGRAPH_MIN_FREE_BYTES" in problem["detail"]
    assert "purge" in problem["detail"]
    assert refused.headers["retry-after"] == "60"
    assert postgres.scalars(domain, "SELECT count(*) FROM uploads") == [1]
    apply_all(settings, now=datetime.now(UTC))
    assert short.http.get(f"/uploads/{earlier.json()['id']}").json()["state"] == "applied"
    assert short.http.get("/users/ada").status_code == 200
    ready = short.http.get("/health/ready")
    assert (ready.status_code, ready.json()["status"]) == (200, "ready")
    assert "MENTIONGRAPH_MIN_FREE_BYTES" in ready.json()["disk"]
    assert enough.http.get("/health/ready").json()["disk"] == "enough"


def test_a_directory_that_cannot_be_seen_sets_no_bound(serve: Serve, settings: Settings) -> None:
    api = serve(msgspec.structs.replace(settings, database_directory="/nowhere", min_free_bytes=2**60))

    assert api.upload(CSV).status_code == 202
    assert api.http.get("/health/ready").json()["disk"] == "unknown"


@pytest.mark.parametrize("again", ["false", "true"])
def test_a_running_upload_stops_at_its_next_batch(
    serve: Serve, settings: Settings, domain: Connection, problem_of: ProblemOf, again: str
) -> None:
    most = database_bytes(domain) + 2 * MIB
    api = serve(msgspec.structs.replace(settings, batch_bytes=MIB, max_database_bytes=most))

    stopped = api.upload(random_posts(12 * MIB, 1), again=again)

    problem = problem_of(stopped)
    assert (stopped.status_code, problem["type"]) == (507, "urn:mentiongraph:problem:no-space")
    entry = api.http.get(f"/uploads/{problem['upload']}").json()
    assert (entry["state"], entry["error"]["type"]) == ("aborted", "urn:mentiongraph:problem:no-space")
    assert postgres.scalars(domain, "SELECT count(*) FROM batches") == [0]
    assert database_bytes(domain) < most + 8 * MIB
    assert audit(domain).exact


def test_a_zip_that_is_still_being_received_stops(serve: Serve, settings: Settings, domain: Connection) -> None:
    """A zip is unpacked when all of it is there. Its first bytes find room, and later ones do not."""
    most = database_bytes(domain) + 2 * MIB
    api = serve(msgspec.structs.replace(settings, max_database_bytes=most))
    with api.connect() as client:
        client.sendall(request_head(length=100 * MIB) + b"PK\3\4" + bytes(MIB))
        until(lambda: states(domain) == ["receiving"], within=10, what="it is received")
        domain.execute("create table more as select repeat(md5(i::text), 9) from generate_series(1, 20000) as i")
        client.sendall(bytes(MIB))
        assert client.recv(12) == b"HTTP/1.1 507"


def test_room_that_a_purge_left_inside_of_files_is_room(
    serve: Serve, settings: Settings, domain: Connection, now: datetime
) -> None:
    wide = serve(msgspec.structs.replace(settings, batch_bytes=MIB))
    assert wide.upload(random_posts(6 * MIB, 2)).status_code == 202
    apply_all(settings, now=now)
    assert wide.upload(random_posts(MIB, 3)).status_code == 202  # at the end of the file, so the file stays as long
    most = database_bytes(domain) - MIB
    api = serve(msgspec.structs.replace(settings, max_database_bytes=most))
    assert api.upload(CSV).status_code == 507

    retention.purge(domain, settings=msgspec.structs.replace(settings, retention_days=1e-9), now=now.replace(year=2027))
    domain.execute("vacuum batches")

    assert database_bytes(domain) > most
    assert api.upload(CSV).status_code == 202


def test_a_full_disk_is_answered_with_507(
    serve: Serve, settings: Settings, domain: Connection, problem_of: ProblemOf
) -> None:
    domain.execute(RUNS_OUT)
    domain.execute("create trigger full_disk before insert on batches for each row execute function run_out()")
    api = serve(msgspec.structs.replace(settings, database_patience=0.1))

    refused = api.upload(CSV)

    problem = problem_of(refused)
    assert (refused.status_code, problem["type"]) == (507, "urn:mentiongraph:problem:no-space")
    assert postgres.scalars(domain, "SELECT state FROM uploads") == ["aborted"]
    assert api.upload(CSV).status_code == 507
    assert postgres.scalars(domain, "SELECT count(*) FROM uploads") == [1]  # the second was refused at once


def test_no_room_for_temporary_files_is_answered_with_507(
    serve: Serve, settings: Settings, domain: Connection, problem_of: ProblemOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    """/dev/full is a disk without room."""

    def on_full_disk(**_: object) -> IO[bytes]:
        return Path("/dev/full").open("r+b", buffering=0)

    monkeypatch.setattr("tempfile.TemporaryFile", on_full_disk)
    api = serve(settings)

    refused = api.upload(b"PK\x03\x04" + bytes(100_000))

    assert (refused.status_code, problem_of(refused)["type"]) == (507, "urn:mentiongraph:problem:no-space")
    assert postgres.scalars(domain, "SELECT error ->> 'status' FROM uploads") == ["507"]


def test_the_command_line_says_it(serve: Serve, settings: Settings, tmp_path: Path) -> None:
    api = serve(msgspec.structs.replace(settings, database_directory=str(tmp_path), min_free_bytes=2**60))
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "posts.csv").write_bytes(CSV)

    shown = run(api, "status")
    refused = run(api, "upload", folder / "posts.csv", code=5)
    watched = run(api, "watch", "--once", "--settle", "0", folder, code=5)

    assert "No room: the disk of the database has" in shown.stderr
    assert "no room for more data" in refused.stderr
    assert "no room for more data" in watched.stderr
    assert "refused" not in watched.stdout


def test_rejects_say_how_many_of_them_are_kept(serve: Serve, settings: Settings) -> None:
    few = msgspec.structs.replace(settings, rejects_kept=2)
    api = serve(few)
    sent = api.upload(CSV + 5 * b"@bob,never,ada\n").json()
    apply_all(few, now=datetime.now(UTC))
    base = f"/uploads/{sent['id']}"

    entry = api.http.get(base).json()
    listed = api.http.get(f"{base}/rejects").json()
    file = api.http.get(f"{base}/rejects.csv")
    [batch] = api.http.get(f"{base}/batches").json()["batches"]

    assert (entry["rows_received"], entry["rows_applied"], entry["rows_rejected"]) == (6, 1, 5)
    assert (entry["rejects_kept"], entry["rejects_by_code"]) == (2, {"unreadable_timestamp": 5})
    assert (batch["rejects_kept"], batch["rejects_by_code"]) == (2, {"unreadable_timestamp": 5})
    assert (listed["rejected"], listed["kept"], len(listed["rejects"])) == (5, 2, 2)
    assert "2 of 5 rejected rows are kept" in listed["detail"]
    assert f"rejects-{sent['id']}-2-of-5.csv" in file.headers["content-disposition"]
    lines = file.text.splitlines()
    assert len(lines) == 3
    assert "2 of 5 rejected rows are kept" in lines[1]
    assert "2 of them kept; to repair:" in " ".join(run(api, "status", sent["id"]).stdout.split())
    again = api.upload(file.content).json()
    apply_all(few, now=datetime.now(UTC))
    assert api.http.get(f"/uploads/{again['id']}").json()["rows_rejected"] == 2
