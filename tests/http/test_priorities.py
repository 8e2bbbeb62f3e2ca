"""An urgent upload does not wait behind a bulk one."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import msgspec
import pytest

from app.settings import Settings
from ops import processes
from ops.embedded.children import Child
from tests.conftest import until
from tests.http.conftest import Serve
from tests.http.test_receiving import HEADER, bells, rows


@pytest.mark.system
def test_an_urgent_upload_overtakes_a_big_bulk_one(serve: Serve, settings: Settings, tmp_path: Path) -> None:
    settings = msgspec.structs.replace(settings, batch_bytes=20_000, worker_processes=1, worker_threads=1)
    api = serve(settings)
    taken = api.upload(HEADER + rows(100_000))
    bulk, parts = taken.headers["location"], taken.json()["batches"]["staged"]
    assert parts > 5
    until(lambda: bells(settings) == parts, within=30, what="the bulk upload's bells")
    urgent = api.upload(HEADER + rows(5), priority="urgent").headers["location"]
    command = processes.worker(settings, patience=2)
    worker = Child("worker", command.argv, env=command.env, cwd=tmp_path, log=tmp_path / "log", grace=5)
    worker.start()
    try:
        for path in (urgent, bulk):
            until(lambda path=path: api.http.get(path).json()["finished_at"], within=60, what=f"{path} is finished")
    finally:
        worker.stop()

    finished = {path: api.http.get(path).json() for path in (urgent, bulk)}
    assert {entry["state"] for entry in finished.values()} == {"applied"}
    at = {path: datetime.fromisoformat(entry["finished_at"]) for path, entry in finished.items()}
    assert at[urgent] < at[bulk]
