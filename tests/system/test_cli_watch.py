"""Following an upload: through its events, or by asking where an API has none."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any
from uuid import UUID

import msgspec

from ops.cli.client import Client

ENTRY: dict[str, Any] = {
    "id": "0199c5b2-0000-7000-8000-000000000000",
    "state": "applying",
    "filename": None,
    "progress": {
        "bytes_total": 100,
        "bytes_counted": 100,
        "share": 0.5,
        "rows_counted": 1,
        "rejects_counted": 0,
        "mentions_counted": 1,
    },
    "batches": {"staged": 1, "counted": 0, "applied": 0, "failed": 0},
    "rows_received": 1,
    "rows_accepted": 1,
    "rows_rejected": 0,
    "rows_applied": 0,
    "mentions": 1,
    "mentions_applied": 0,
    "size_bytes": 1,
    "received_at": "2026-01-15T12:00:00Z",
    "finished_at": None,
    "duplicate_of": None,
    "error": None,
}
APPLIED = {**ENTRY, "state": "applied", "finished_at": "2026-01-15T12:01:00Z"}


def test_watching_polls_an_api_without_events() -> None:
    asked = list[str]()

    class Answers(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            found = self.path.count("/") == 2
            self.send_response(200 if found else 404)
            self.end_headers()
            entry = APPLIED if len(asked) > 3 else ENTRY
            self.wfile.write(msgspec.json.encode(entry) if found else b"{}")

        def log_message(self, format: str, *args: object) -> None: ...

    with HTTPServer(("127.0.0.1", 0), Answers) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            with Client(f"http://127.0.0.1:{server.server_port}") as client:
                assert client.follow(UUID(ENTRY["id"]), lambda step: None).state == "applied"  # noqa: ARG005
        finally:
            server.shutdown()
            thread.join()
    entry, events = f"/uploads/{ENTRY['id']}", f"/uploads/{ENTRY['id']}/events"
    assert asked == [entry, events, entry, entry]


def test_watching_waits_for_an_api_whose_database_is_away() -> None:
    asked = list[str]()

    class Answers(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            if len(asked) == 1:
                problem = {"type": "urn:mentiongraph:problem:database-unavailable", "title": "x", "status": 503}
                self.send_response(503)
                self.end_headers()
                self.wfile.write(msgspec.json.encode({**problem, "detail": "PostgreSQL is away."}))
                return
            self.send_response(200)
            self.end_headers()
            self.wfile.write(msgspec.json.encode(APPLIED))

        def log_message(self, format: str, *args: object) -> None: ...

    with HTTPServer(("127.0.0.1", 0), Answers) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            with Client(f"http://127.0.0.1:{server.server_port}") as client:
                assert client.follow(UUID(ENTRY["id"]), lambda step: None).state == "applied"  # noqa: ARG005
        finally:
            server.shutdown()
            thread.join()
    assert len(asked) == 2


def test_watching_goes_on_where_the_events_broke_off() -> None:
    heard = list[str | None]()

    class Answers(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            if not self.path.endswith("/events"):
                self.end_headers()
                self.wfile.write(msgspec.json.encode(ENTRY))
                return
            heard.append(self.headers["Last-Event-ID"])
            self.send_header("Content-Type", "text/event-stream")
            self.end_headers()
            self.wfile.write(b"retry: 1000\n\n: nothing new\n\nid: 7\nevent: state\ndata: {}\n\n")
            if len(heard) == 2:
                self.wfile.write(b"event: end\ndata: " + msgspec.json.encode(APPLIED) + b"\n\n")

        def log_message(self, format: str, *args: object) -> None: ...

    with HTTPServer(("127.0.0.1", 0), Answers) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            with Client(f"http://127.0.0.1:{server.server_port}") as client:
                assert client.follow(UUID(ENTRY["id"]), lambda step: None).state == "applied"  # noqa: ARG005
        finally:
            server.shutdown()
            thread.join()
    assert heard == [None, "7"]
