"""The OpenAPI document against the running service: whatever it allows is answered as it says."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from tests.http.conftest import Api
from tests.http.test_receiving import CSV

CONFIG = Path(__file__).with_name("schemathesis.toml")
ROOT = Path(__file__).parents[2]
EXAMPLES = 5
"""Random requests for each operation, besides those that take every part of the document in turn."""


def test_schemathesis_finds_nothing(api: Api, apply: Callable[[], None], tmp_path: Path) -> None:
    api.upload(CSV)
    apply()
    program = shutil.which("schemathesis", path=str(Path(sys.executable).parent))
    assert program, "it is in the dev group"

    ran = subprocess.run(
        [
            program,
            f"--config-file={CONFIG}",
            "run",
            f"http://127.0.0.1:{api.port}/doc/openapi.json",
            f"--max-examples={EXAMPLES}",
            "--phases=examples,coverage,fuzzing",
            "--continue-on-failure",
            # Several threads that parse Python at once fail in Python 3.11: "AST constructor recursion depth mismatch".
            "--workers=1",
            "--seed=1",
            "--no-color",
            # A stream of events of an upload that waits has no end.
            "--exclude-path=/uploads/{upload_id}/events",
        ],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )

    assert ran.returncode == 0, ran.stdout + ran.stderr
