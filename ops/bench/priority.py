"""How long an urgent upload takes while a big one is being worked on.

    python -m ops.bench.priority                # 5,000,000 rows in bulk, then about 1 MB of urgent ones

The urgent file is sent when the first batches of the big one are applied or counted. Prints when each was applied.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import httpx

from ops import processes
from ops.bench.end_to_end import POLL_SECONDS, running_stack, say
from ops.bench.generate import generate

URGENT_ROWS = 8_000


def main() -> int:
    parser = argparse.ArgumentParser(description="How long an urgent upload takes while a big one is worked on.")
    parser.add_argument("--rows", type=int, default=5_000_000)
    options = parser.parse_args()
    urgent = b"".join(generate(URGENT_ROWS, 2))
    with tempfile.TemporaryDirectory(prefix="mentiongraph-bench-") as directory:
        Path(directory).chmod(0o755)
        with (
            running_stack(Path(directory) / "data", None) as stack,
            httpx.Client(base_url=processes.url_of_api(stack.settings), timeout=600) as http,
        ):
            say(f"sending {options.rows:,} rows in bulk …")
            bulk = _send(http, generate(options.rows, 1), "bulk")
            sealed = time.perf_counter()
            _wait(http, bulk, lambda entry: entry["progress"]["bytes_counted"] > 0)
            began = time.perf_counter()
            _wait(http, _send(http, [urgent], "urgent"), _is_applied)
            took = time.perf_counter() - began
            share = _entry(http, bulk)["progress"]["share"]
            _wait(http, bulk, _is_applied)
            whole = time.perf_counter() - sealed
    print(f"urgent: {len(urgent):,} bytes, {URGENT_ROWS:,} rows, applied {took:.2f} s after its first byte")
    print(f"bulk: {options.rows:,} rows, at {share:.0%} then, applied {whole:.1f} s after it was sealed")
    return 0


def _send(http: httpx.Client, body: Iterable[bytes], priority: str) -> str:
    answer = http.post(
        "/uploads", params={"priority": priority}, content=iter(body), headers={"Content-Type": "text/csv"}
    )
    return str(answer.raise_for_status().json()["id"])


def _entry(http: httpx.Client, upload: str) -> dict[str, Any]:
    entry: dict[str, Any] = http.get(f"/uploads/{upload}").raise_for_status().json()
    if entry["state"] == "failed":
        raise SystemExit(f"upload {upload} failed: {entry['error']}")
    return entry


def _is_applied(entry: dict[str, Any]) -> bool:
    return entry["state"] == "applied"


def _wait(http: httpx.Client, upload: str, condition: Callable[[dict[str, Any]], bool]) -> None:
    while not condition(_entry(http, upload)):
        time.sleep(POLL_SECONDS)


if __name__ == "__main__":
    sys.exit(main())
