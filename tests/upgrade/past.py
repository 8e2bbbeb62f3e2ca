"""The past of a small database: uploads in every state, made by the code as it is, with a clock that can be set.

`Past.live` leaves work of every kind under way. What it leaves is what an upgrade must cope with.
"""

from __future__ import annotations

import threading
from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from uuid import UUID

import httpx
import msgspec

from app.errors import Problem
from app.graph import counting, decay, merging, withdrawal
from app.graph.parameters import read_parameters
from app.graph.users import UserIds
from app.ledger import limits, retention, transitions
from app.settings import Settings
from app.store import postgres
from app.store.postgres import Connection
from tests.conftest import until
from tests.graphs import apply_all
from tests.uploading import posts_csv, upload

BEGAN = datetime(2026, 9, 14, 9, tzinfo=UTC)
DAY = timedelta(days=1)
LAST = BEGAN + 74 * DAY
"""The instant at which a database with this past is dumped."""
KEY = "sent-before-the-upgrade"
"""The Idempotency-Key of keyed.csv."""

_BATCH_BYTES = 400
_HALF_OF_THE_SHARDS = 4
_COMMON = ("ada", "bob", "cy", "dee", "eve")
_BAD_ROWS = b"@bob,never,ada\n@cy,,ada\n@ada,2026-11-01T00:00:00Z,\n"


def content(name: str, at: datetime, *, rows: int = 16) -> bytes:
    """Posts about people that every upload knows, and about some that only this one knows."""
    posts: list[tuple[str, datetime, str]] = []
    for number in range(rows):
        author = f"{name}{number % 7}" if number % 2 else _COMMON[number % 5]
        mentioned = f"@{_COMMON[number % 3]} and @{name}{number * 3 % 11}, {number} of {name}"
        posts.append((mentioned, at - timedelta(hours=number), author))
    return posts_csv(posts)


class Past:
    """Uploads over HTTP, at an instant that `clock` tells; workers' work in this process."""

    def __init__(self, settings: Settings, http: httpx.Client | None = None) -> None:
        self.settings = msgspec.structs.replace(settings, batch_bytes=_BATCH_BYTES)
        self.contents: dict[str, bytes] = {}
        """By file name, what was uploaded."""
        self.now = BEGAN
        self._http = http

    def clock(self) -> datetime:
        return self.now

    def connect_to(self, http: httpx.Client) -> None:
        """Upload through this client. The API must use `settings` and `clock`."""
        self._http = http

    def send(self, name: str, body: bytes, *, key: str | None = None, **params: str) -> httpx.Response:
        """Upload a file of this name."""
        assert self._http is not None
        self.contents[name] = body
        headers = {"Content-Type": "text/csv"} | ({"Idempotency-Key": key} if key else {})
        return self._http.post("/uploads", content=body, headers=headers, params={"filename": name, **params})

    def _send_in_batches(self, name: str, body: bytes) -> UUID:
        """Upload a file so that it becomes several batches. Over HTTP a small file arrives at once and becomes one."""
        self.contents[name] = body
        return upload(self.settings, body, received_at=self.now, filename=name)

    def live(self) -> None:
        """Live through eleven weeks."""
        with postgres.connect(self.settings.database_url, role="past") as conn:
            self._be_old(conn)
            self._finish_in_every_way(conn)
            self._leave_work(conn)

    def apply_all(self) -> None:
        """Do what is due, as workers would."""
        apply_all(self.settings, now=self.now)
        with postgres.connect(self.settings.database_url, role="past") as conn:
            decided = limits.undecided(conn)
            for each in decided:
                limits.decide(conn, each, now=self.now)
        if decided:
            apply_all(self.settings, now=self.now)

    def _applied(self, name: str, body: bytes, **params: str) -> UUID:
        answer = self.send(name, body, **params)
        assert answer.status_code == httpx.codes.ACCEPTED, answer.text
        self.apply_all()
        return UUID(answer.json()["id"])

    def _be_old(self, conn: Connection) -> None:
        """An upload whose edges were archived and whose payloads were purged."""
        self._applied("oldest.csv", content("oldest", self.now))
        self.now = BEGAN + 56 * DAY
        self._decay(conn)
        purged = retention.purge(conn, settings=self.settings, now=self.now)
        assert purged.payloads, purged
        assert purged.deltas, purged

    def _finish_in_every_way(self, conn: Connection) -> None:
        parameters = read_parameters(conn)
        self.now = BEGAN + 57 * DAY
        first = content("first", self.now, rows=40)
        self._send_in_batches("first.csv", first)
        self.apply_all()
        self.send("duplicate.csv", first)
        self._applied("returning.csv", content("oldest", self.now, rows=5))
        self._applied("rejects.csv", content("rejects", self.now) + _BAD_ROWS)
        self._applied("old_posts.csv", content("old_posts", self.now - 70 * DAY), clock="event")
        self.now = BEGAN + 58 * DAY
        self._applied("checked.csv", content("checked", self.now), dry_run="true")
        self._applied("limited.csv", content("limited", self.now) + _BAD_ROWS, max_rejects="2")
        assert self.send("aborted.csv", b"data,timestamp,username\n").status_code == httpx.codes.UNPROCESSABLE_ENTITY
        cancelled = self.send("cancelled.csv", content("cancelled", self.now)).json()["id"]
        withdrawal.cancel(conn, cancelled, parameters, now=self.now)
        retracted = self._applied("retracted.csv", content("retracted", self.now))
        withdrawal.retract(conn, retracted, parameters, now=self.now)
        self.apply_all()
        self.now = BEGAN + 59 * DAY
        failed = self._send_in_batches("failed.csv", content("failed", self.now))
        self._fail_a_batch(conn, failed)
        self.apply_all()
        self.send("keyed.csv", content("keyed", self.now), key=KEY)
        self.apply_all()
        self.now = BEGAN + 66 * DAY
        self._decay(conn)

    def _leave_work(self, conn: Connection) -> None:
        """Half of a retraction, half of a cancellation, half of a merge, an upload whose limit of rejects nobody has
        looked at, a decay run, and batches that nobody has counted."""
        parameters = read_parameters(conn)
        self.now = LAST
        retracting = self._applied("retracting.csv", content("retracting", self.now))
        cancelling = self.send("cancelling.csv", content("cancelling", self.now)).json()["id"]
        self.send("applying.csv", content("applying", self.now))
        self.send("held.csv", content("held", self.now) + _BAD_ROWS, max_rejects="9")
        self._count(conn)
        self._merge_half(conn)
        withdrawal.cancel(conn, cancelling, parameters, now=self.now)
        withdrawal.retract(conn, retracting, parameters, now=self.now)
        self.send("staged.csv", content("staged", self.now))
        assert decay.begin(conn, settings=self.settings, now=self.now) is not None

    @contextmanager
    def receiving(self, conn: Connection) -> Generator[None]:
        """Half of receiving.csv has arrived and is staged. The rest arrives after the block."""
        body, rest = content("receiving", self.now), threading.Event()
        half = len(body) // 2

        def pieces() -> Iterator[bytes]:
            yield body[:half]
            rest.wait()
            yield body[half:]

        def send() -> None:
            assert self._http is not None
            params = {"filename": "receiving.csv"}
            self._http.post("/uploads", content=pieces(), headers={"Content-Type": "text/csv"}, params=params)

        self.contents["receiving.csv"] = body
        with ThreadPoolExecutor(1) as client:
            sent = client.submit(send)
            try:
                until(
                    lambda: conn.execute(
                        "SELECT FROM uploads JOIN batches ON upload_id = uploads.id WHERE uploads.state = 'receiving'"
                    ).fetchall(),
                    within=20,
                    what="half of it is staged",
                )
                yield
            finally:
                rest.set()
            sent.result()

    def _decay(self, conn: Connection) -> None:
        run = decay.begin(conn, settings=self.settings, now=self.now)
        assert run is not None
        assert decay.work(conn, run, read_parameters(conn), clock=self.clock)

    def _fail_a_batch(self, conn: Connection, upload_id: UUID) -> None:
        once = msgspec.structs.replace(self.settings, max_attempts=1)
        [batch] = postgres.scalars(conn, "SELECT max(id) FROM batches WHERE upload_id = %(id)s", {"id": upload_id})
        claim = transitions.claim(conn, batch, settings=once, now=self.now)
        assert claim is not None
        problem = Problem(
            type="urn:mentiongraph:problem:internal-error",
            title="Something went wrong",
            status=500,
            detail="Made to fail, for the test of an upgrade.",
        )
        assert transitions.fail(conn, claim, problem, settings=once, now=self.now)

    def _count(self, conn: Connection) -> None:
        """Count every staged batch; merge nothing."""
        parameters = read_parameters(conn)
        user_ids = UserIds(bits=parameters.handle_bits, memory=1000)
        for batch in postgres.scalars(conn, "SELECT id FROM batches WHERE state = 'staged' ORDER BY id"):
            claim = transitions.claim(conn, batch, settings=self.settings, now=self.now)
            assert claim is not None
            counting.count_batch(conn, claim, parameters, user_ids, now=self.now, days_kept=self.settings.days_kept)

    def _merge_half(self, conn: Connection) -> None:
        """Merge what the first half of the shards has."""
        for shard in range(_HALF_OF_THE_SHARDS):
            while merging.merge_shard(conn, shard, read_parameters(conn), most_edges=1000, now=self.now):
                pass
