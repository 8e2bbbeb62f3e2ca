"""Answers that the OpenAPI document shows as examples. A test reads each as the struct that it stands for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from litestar.openapi.spec import Example, OpenAPIMediaType, OpenAPIResponse, Operation, RequestBody, Schema

_ID = "019bc1a4-7a10-7c39-a7d5-4d2c5f0f6b1e"

FORGETTING: dict[str, Any] = {
    "graph": "default",
    "dry_run": False,
    "keep_out": True,
    "mentions": 1312,
    "deltas": 64,
    "payloads": 9,
    "payloads_dropped": 0,
    "rejects": 2,
    "texts": 1,
    "cache_cleared": True,
    "still_held": ["PostgreSQL's write-ahead log before 0/3A2C1F8 holds old rows, until its files are overwritten."],
}
ERASURE: dict[str, Any] = {
    "id": 17,
    "state": "running",
    "keep_out": True,
    "began_at": "2026-01-15T12:00:00.25Z",
    "finished_at": None,
    "step": "payloads",
    "step_done": 40,
    "step_total": 112,
    "moved_at": "2026-01-15T12:00:09.5Z",
    "mentions": 0,
    "deltas": 0,
    "payloads": 9,
    "payloads_dropped": 0,
    "rejects": 0,
    "texts": 0,
}
WARNING: dict[str, Any] = {
    "code": "handles-cut",
    "title": "Handles were cut off",
    "detail": "2 posts end within a handle.",
    "count": 2,
    "lines": [17, 41],
    "profiles": [],
}
UPLOAD: dict[str, Any] = {
    "id": _ID,
    "state": "applying",
    "filename": "posts.csv",
    "options": {
        "columns": {"text": "data", "timestamp": "timestamp", "author": "username"},
        "format": "csv",
        "encoding": "utf-8",
        "delimiter": ",",
        "profile": "twitter",
        "retweets": True,
        "clock": "arrival",
        "priority": "bulk",
        "dry_run": False,
        "max_rejects": {"share": 0.05},
    },
    "again": False,
    "progress": {
        "bytes_total": 25165824,
        "bytes_counted": 16777216,
        "bytes_applied": 8388608,
        "share": 0.5,
        "rows_counted": 134201,
        "rejects_counted": 11,
        "mentions_counted": 100712,
    },
    "rows_received": 201304,
    "rows_accepted": None,
    "rows_rejected": None,
    "rows_repeated": None,
    "rows_applied": 67093,
    "mentions": None,
    "mentions_applied": 50301,
    "batches": {
        "staged": 1,
        "counted": 1,
        "applied": 1,
        "failed": 0,
        "checked": 0,
        "cancelled": 0,
        "retracting": 0,
        "retracted": 0,
    },
    "size_bytes": 25165932,
    "sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "received_by": "mentiongraph api@host:4711",
    "sent_by": {"key_id": "Fq3xT81b", "owner": "grace", "address": "192.0.2.7"},
    "received_at": "2026-01-15T12:00:00Z",
    "sealed_at": "2026-01-15T12:00:00.25Z",
    "finished_at": None,
    "seconds_receiving": 0.25,
    "seconds_applying": None,
    "duplicate_of": None,
    "parent_id": None,
    "member_count": None,
    "members": None,
    "error": None,
    "warnings": [WARNING],
    "purged_at": None,
    "rejects_purged_at": None,
    "rejects_kept": 11,
    "rejects_by_code": {"unreadable_timestamp": 8, "empty_author": 3},
    "links": {
        "upload": f"/uploads/{_ID}",
        "batches": f"/uploads/{_ID}/batches",
        "rejects": f"/uploads/{_ID}/rejects",
        "rejects_csv": f"/uploads/{_ID}/rejects.csv",
        "events": f"/uploads/{_ID}/events",
        "duplicate_of": None,
        "parent": None,
    },
}
PREVIEW: dict[str, Any] = {
    "certain": True,
    "detected": {
        "format": {"value": "csv", "sure": "certain", "reason": "the file does not begin as JSON does"},
        "delimiter": {
            "value": ";",
            "sure": "certain",
            "reason": "rows have 3 fields with a semicolon between them",
        },
        "author": {"value": "Benutzer", "sure": "certain", "reason": "its name is 'Benutzer'"},
        "dates": {"value": "day-first", "sure": "certain", "reason": "'31/12/2023 14:05' can only be read so"},
    },
    "columns": ["Text", "Datum", "Benutzer"],
    "questions": [],
    "rows": [
        {
            "text": "Danke @ada, bis später",
            "at": "2023-12-31T14:05:00.000000Z",
            "author": "grace",
            "mentions": [{"handle": "ada", "kind": "mention", "start": 6, "end": 10}],
        }
    ],
    "rejects": [],
}
UPLOADS = {"uploads": [UPLOAD], "next": f"/uploads?limit=1&before={_ID}"}
BATCHES = {
    "batches": [
        {
            "id": 42,
            "ordinal": 0,
            "state": "applied",
            "first_line": 2,
            "size_bytes": 8388608,
            "attempts": 1,
            "next_attempt_at": None,
            "claimed_until": None,
            "profile": "twitter",
            "profile_version": 1,
            "rows_received": 67101,
            "rows_accepted": 67093,
            "rows_rejected": 8,
            "rows_repeated": None,
            "mentions": 50301,
            "edges": 49822,
            "error": None,
            "staged_at": "2026-01-15T12:00:00.1Z",
            "counted_at": "2026-01-15T12:00:00.4Z",
            "applied_at": "2026-01-15T12:00:00.9Z",
            "warnings": {"handles-cut": {"count": 2, "lines": [17, 41]}},
            "rejects_kept": 8,
            "rejects_by_code": {"unreadable_timestamp": 8},
        }
    ],
    "next": f"/uploads/{_ID}/batches?after=0&limit=1",
}
REJECTS = {
    "rejects": [
        {
            "line": 17,
            "column": "timestamp",
            "value": "yesterday",
            "code": "unreadable_timestamp",
            "message": "The column 'timestamp' (field 2) is 'yesterday'. Write ISO 8601 such as 2024-05-01T12:30:00Z, "
            "or the seconds (9 or 10 digits, with or without a fraction) or milliseconds (13 digits) since 1970.",
            "raw": "hello @ada,yesterday,grace",
        }
    ],
    "next": None,
    "rejected": 1,
    "kept": 1,
    "detail": None,
}
REJECTS_CSV = """\
data,timestamp,username,reject_line,reject_column,reject_code,reject_message,reject_guard
hello @ada,yesterday,grace,17,timestamp,unreadable_timestamp,The timestamp (field 2) is 'yesterday'; …,'
"""
EVENTS = f"""\
retry: 1000

id: 4711
event: state
data: {{"id":4711,"at":"2026-01-15T12:00:00.4Z","batch_id":42,"from_state":"staged","to_state":"counted",\
"process":"mentiongraph worker@host:4712","reason":null}}

event: progress
data: {{"state":"applying","progress":{{"bytes_total":2516593,"bytes_counted":838860,"bytes_applied":0,\
"share":0.1667,"rows_counted":67101,"rejects_counted":8,"mentions_counted":50301}},"rows_received":201304,\
"rows_accepted":null,"rows_rejected":null,"rows_repeated":null,"rows_applied":0,"mentions":null,\
"mentions_applied":0,"batches":{{"staged":2,"counted":1,"applied":0,"failed":0,"checked":0,"cancelled":0,"retracting":0,"retracted":0}}}}

event: warning
data: {{"code":"handles-cut","title":"Handles were cut off","detail":"2 posts end within a handle.","count":2,\
"lines":[17,41],"profiles":[]}}

event: end
data: {{"id":"{_ID}","state":"applied","filename":"posts.csv"}}

"""
HISTORY: dict[str, Any] = {
    "source": "Grace",
    "target": "ada",
    "contributions": [
        {
            "upload_id": _ID,
            "filename": "posts.csv",
            "batch_id": 42,
            "ordinal": 0,
            "first_line": 2,
            "mention_count": 3,
            "first_seen": "2026-01-12T09:30:00Z",
            "last_seen": "2026-01-15T12:00:00Z",
            "applied_at": "2026-01-15T12:00:00.9Z",
            "profile": "twitter",
            "profile_version": 1,
            "retracted": False,
        }
    ],
    "purged": False,
    "next": None,
}
GRAPH: dict[str, Any] = {
    "name": "elections",
    "state": "ready",
    "half_life": "30d",
    "shards": 8,
    "profile": "instagram",
    "days_kept": 35,
    "retention_days": 30.0,
    "quota_bytes": 10737418240,
    "created_at": "2026-01-15T12:00:00Z",
    "links": {"graph": "/graphs/elections", "base": "/graphs/elections"},
}
GRAPH_DETAIL: dict[str, Any] = {**GRAPH, "size_bytes": 96509952, "edges": 268114, "users": 51220, "uploads": 12}
GRAPHS: dict[str, Any] = {"graphs": [GRAPH], "next": None}
LIVE = {"status": "live"}
READY = {"status": "ready", "postgresql": "ready", "redis": "ready", "disk": "enough"}
NOT_READY = {"status": "not ready", "postgresql": "does not answer", "redis": "ready", "disk": "enough"}
CACHE = {
    "state": "ready",
    "since_start": {
        "hits": 48211,
        "not_modified": 970,
        "misses": 3104,
        "stored": 3090,
        "not_stored": 14,
        "damaged": 0,
        "failures": 0,
    },
}
METRICS = """\
# HELP mentiongraph_backlog_bytes Decompressed bytes that wait to be counted. At most 10,000 batches are looked at.
# TYPE mentiongraph_backlog_bytes gauge
mentiongraph_backlog_bytes{graph="default"} 0.0
"""
FLEET = {
    "processes": [
        {
            "role": "scheduler",
            "host": "graph-1",
            "pid": 812,
            "started_at": "2026-01-15T09:12:31Z",
            "seen_at": "2026-01-15T12:00:02Z",
            "ailment": None,
        }
    ],
    "periods": [
        {
            "actor": "decay",
            "every": "1d",
            "start": "2026-01-15T00:00:00Z",
            "claimed_until": None,
            "finished_at": "2026-01-15T00:00:41Z",
            "running": False,
            "next_run": "2026-01-16T00:00:00Z",
        }
    ],
    "graphs": [{"graph": "elections", "ailment": "does not answer"}],
}
CONDITIONS = {
    "graphs": [
        {"graph": "default", "state": "ready", "database": "ready"},
        {"graph": "elections", "state": "ready", "database": "does not answer"},
    ]
}


def answering(example: object) -> type[Operation]:
    """An operation class that shows `example` as the successful answer."""

    @dataclass
    class _Answering(Operation):
        def __post_init__(self) -> None:
            show(self, example)

    return _Answering


def asking(schema: Schema, asked: object, example: object) -> type[Operation]:
    """An operation class that takes a body of JSON such as `asked`, which its handler reads itself, and shows
    `example` as the successful answer."""

    @dataclass
    class _Asking(Operation):
        def __post_init__(self) -> None:
            show(self, example)
            media = OpenAPIMediaType(schema=schema, examples={"body": Example(value=asked)})
            self.request_body = RequestBody(required=bool(schema.required), content={"application/json": media})

    return _Asking


def show(operation: Operation, example: object) -> None:
    """Put the example into the operation's successful JSON answers."""
    for status, response in (operation.responses or {}).items():
        if isinstance(response, OpenAPIResponse) and status.startswith("2"):
            for media in (response.content or {}).values():
                media.example = example
