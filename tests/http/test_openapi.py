"""The OpenAPI document against the running service: whatever it allows is answered as it says."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import msgspec
import pytest

from app.control.callers import Scope
from app.http import keyring
from app.settings import Settings
from app.store.postgres import Connection
from tests.http.conftest import Serve
from tests.http.keyed import client, key
from tests.http.test_receiving import CSV, CSV_TYPE

CONFIG = Path(__file__).with_name("schemathesis.toml")
ROOT = Path(__file__).parents[2]
# The events of an upload that waits have no end, so these are asked of one that is applied. The document describes the
# stream as a text; schemathesis compares each event with that.
EVENTS = """
[[operations]]
include-path = "/uploads/{{upload_id}}/events"
parameters = {{ upload_id = "{upload_id}" }}
checks.response_schema_conformance.enabled = false
"""
EXAMPLES = 2
"""Random requests for each operation, besides those that take every part of the document in turn."""


@pytest.mark.system
@pytest.mark.timeout(300)
def test_schemathesis_finds_nothing(  # noqa: PLR0917 (fixtures)
    serve: Serve,
    settings: Settings,
    domain: Connection,
    now: datetime,
    apply: Callable[[], None],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(keyring, "FAILURES", 1_000_000)  # it sends a wrong key to each route, and wants 401
    api = serve(msgspec.structs.replace(settings, keys="required"))
    made = key(domain, now, Scope.ADMIN)
    with client(api, made) as http:
        upload_id = http.post("/uploads", content=CSV, headers=CSV_TYPE).json()["id"]
    apply()
    config = tmp_path / "schemathesis.toml"
    config.write_text(CONFIG.read_text() + EVENTS.format(upload_id=upload_id))
    program = shutil.which("schemathesis", path=str(Path(sys.executable).parent))
    assert program, "it is in the dev group"

    ran = subprocess.run(
        [
            program,
            f"--config-file={config}",
            "run",
            f"http://127.0.0.1:{api.port}/doc/openapi.json",
            f"--header=Authorization: Bearer {made.token}",
            # It finds the ids of keys in answers, and would revoke its own.
            "--exclude-name=DELETE /keys/{key_id}",
            "--exclude-name=POST /keys/{key_id}/rotate",
            f"--max-examples={EXAMPLES}",
            "--phases=examples,coverage,fuzzing",
            "--continue-on-failure",
            # Threads that parse Python at once fail in CPython 3.11: "AST constructor recursion depth mismatch".
            "--workers=1",
            "--seed=1",
            "--no-color",
            "--request-timeout=20",
        ],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=270,
        check=False,
    )

    assert ran.returncode == 0, ran.stdout + ran.stderr
