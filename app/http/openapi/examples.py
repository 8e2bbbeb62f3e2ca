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
    "note": "Second delivery; the first one lacked November",
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
            "line": 2,
            "text": "Danke @ada, bis später",
            "at": "2023-12-31T14:05:00.000000Z",
            "author": "grace",
            "mentions": [{"handle": "ada", "kind": "mention", "start": 6, "end": 10}],
        }
    ],
    "rejects": [],
    "cells": [["Danke @ada, bis später", "31/12/2023 14:05", "grace"]],
    "counted": {"bytes": 48, "rows": 1, "rejected": 0, "mentioning": 1, "mentions": 1, "whole": True},
}
FORECAST: dict[str, Any] = {
    "upload_id": _ID,
    "action": "cancel",
    "state": "applying",
    "batches": 12,
    "batches_not_counted": 2,
    "batches_taken_out": 9,
    "rows_taken_out": 434806,
    "mentions_taken_out": 485571,
    "edges_gone": 21308,
    "edges_weaker": 140112,
    "users_gone": None,
    "exact": False,
    "posts_handed_over": False,
    "detail": "The numbers of edges are estimated from a sample.",
}
REPLAY_FORECAST: dict[str, Any] = {
    "upload_id": _ID,
    "batch_id": None,
    "action": "replay",
    "batches": 2,
    "rows": 134201,
    "batches_purged": 0,
}
BULK: dict[str, Any] = {
    "action": "retract",
    "matching": 4,
    "unknown": 0,
    "fits": 2,
    "with_zip": 0,
    "unfit": 2,
    "done": 1,
    "refused": 1,
    "uploads": [
        {"id": _ID, "outcome": "done", "detail": None},
        {
            "id": "019bc0f2-11d3-7b02-9c52-0a8f6f2f1c77",
            "outcome": "refused",
            "detail": "upload 019bc0f2-11d3-7b02-9c52-0a8f6f2f1c77 is retracting: only an applied or failed one is "
            "retracted.",
        },
    ],
    "next": None,
}
BULK_FORECAST: dict[str, Any] = {
    "matching": 4,
    "unknown": 0,
    "cancel": {"fits": 1, "with_zip": 0, "unfit": 3},
    "retract": {"fits": 2, "with_zip": 0, "unfit": 2},
    "replay": {"fits": 0, "with_zip": 0, "unfit": 4},
}
COUNTS = {
    "total": 214,
    "states": {
        "receiving": 1,
        "staged": 1,
        "applying": 1,
        "applied": 187,
        "failed": 3,
        "checking": 0,
        "checked": 0,
        "cancelling": 0,
        "cancelled": 6,
        "aborted": 5,
        "duplicate": 6,
        "retracting": 0,
        "retracted": 4,
    },
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
LINES: dict[str, Any] = {
    "source": "Grace",
    "target": "ada",
    "lines": [
        {
            "upload_id": _ID,
            "filename": "posts.csv",
            "batch_id": 42,
            "line": 4431,
            "at": "2026-01-15T11:42:00Z",
            "text": "It runs again. Thanks @ada!",
            "cut_before": False,
            "cut_after": False,
            "mention_count": 1,
            "mentions": [{"handle": "ada", "kind": "mention", "start": 22, "end": 26}],
            "repeated": False,
            "retracted": False,
        }
    ],
    "unread": [],
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
_COMPARED: dict[str, Any] = {
    "mentions_in_edges": 2901344,
    "mentions_in_archive": 84529,
    "mentions_pending": 198333,
    "mentions_in_summaries": 2985873,
    "mentions_unsummarized": 0,
    "received_unlike_made": 0,
    "mentions_in_ledger": 3184206,
    "edges_archived_and_not": 0,
    "edges_without_users": 0,
    "batches_with_lost_rejects": 0,
    "orphaned_deltas": 0,
    "batches_unlike_their_deltas": 0,
    "batches_unlike_their_ids": 0,
    "batches_left_counted": 0,
    "uploads_missing_batches": 0,
    "uploads_finished_early": 0,
    "uploads_left_unfinished": 0,
    "uploads_unlike_their_batches": 0,
    "weights": {
        "sampled": 200,
        "purged": 0,
        "differing_counts": 0,
        "differing_weights": 0,
        "largest_deviation": 2.2e-16,
        "users": 200,
        "differing_users": 0,
    },
}
_AUDIT: dict[str, Any] = {
    "state": "done",
    "sample": 200,
    "asked_at": "2026-01-15T12:00:00Z",
    "asked_by": {"key_id": "4fQz81Lk", "owner": "ada", "address": "192.0.2.7"},
    "began_at": "2026-01-15T12:00:00.1Z",
    "finished_at": "2026-01-15T12:00:04Z",
    "process": "mentiongraph worker@graph-1:812",
    "result": {"exact": True, "difference": 0, "summary_difference": 0, "compared": _COMPARED},
    "error": None,
}
AUDITS: dict[str, Any] = {"unfinished": None, "last": _AUDIT}
AUDITS_ASKED: dict[str, Any] = {
    "unfinished": {
        **_AUDIT,
        "state": "waiting",
        "began_at": None,
        "finished_at": None,
        "process": None,
        "result": None,
    },
    "last": None,
}
SETTINGS: dict[str, Any] = {
    "settings": [
        {
            "group": "Servers",
            "name": "database_url",
            "variable": "MENTIONGRAPH_DATABASE_URL",
            "value": "postgresql://mentiongraph:***@postgres:5432/mentiongraph",
            "default": "postgresql://localhost:5432/mentiongraph",
            "differs": True,
            "unit": "",
            "wanted": "text",
            "meaning": "Address of PostgreSQL: a URL or connection string as libpq takes it.",
        }
    ]
}
QUEUES: dict[str, Any] = {
    "as_of": "2026-01-15T12:00:00Z",
    "staged": [
        {
            "priority": "urgent",
            "batches": 1,
            "batches_claimed": 1,
            "bytes": 4194304,
            "oldest": "2026-01-15T11:59:59Z",
            "seconds": 1.0,
        },
        {
            "priority": "bulk",
            "batches": 10,
            "batches_claimed": 2,
            "bytes": 79691776,
            "oldest": "2026-01-15T11:58:41Z",
            "seconds": 79.0,
        },
    ],
    "unmerged": {
        "batches": 3,
        "bytes": 25165824,
        "oldest": "2026-01-15T11:59:57Z",
        "deltas": 21,
        "mentions": 198333,
    },
    "max_backlog_bytes": 68719476736,
    "applied": {"uploads": 994, "median_seconds": 0.8, "p99_seconds": 4.1},
    "messages": {"bulk": 9, "soon": 0, "urgent": 0, "maintenance": 0},
}
DECAY: dict[str, Any] = {
    "half_life": "7d",
    "stale_after_days": 28.0,
    "archive_below": 0.06,
    "every": "1d",
    "archived_edges": 84529,
    "written_down_today": 318204,
    "archived_today": 12911,
    "runs": [
        {
            "as_of": "2026-01-15T00:00:03Z",
            "archive_below": 0.06,
            "started_at": "2026-01-15T00:00:03Z",
            "finished_at": "2026-01-15T00:00:44Z",
            "written_down": 318204,
            "archived": 12911,
            "ranges_looked_at": 512,
        }
    ],
}
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


def asking(schema: Schema, asked: object, answer: object, *, dry_run: object = None) -> type[Operation]:
    """An operation class for a body of JSON, which the handler reads itself, that shows `answer`. `dry_run`: as in
    `answering`."""

    @dataclass
    class _Asking(Operation):
        def __post_init__(self) -> None:
            show(self, answer)
            if dry_run is not None:
                show(self, dry_run, status="200")
            media = OpenAPIMediaType(schema=schema, examples={"body": Example(value=asked)})
            self.request_body = RequestBody(
                required=bool(schema.required or schema.all_of), content={"application/json": media}
            )

    return _Asking


def answering(example: object, *, dry_run: object = None) -> type[Operation]:
    """An operation class that shows `example` as the successful answer. `dry_run`: the answer with status 200, if it is
    another one."""

    @dataclass
    class _Answering(Operation):
        def __post_init__(self) -> None:
            show(self, example)
            if dry_run is not None:
                show(self, dry_run, status="200")

    return _Answering


def show(operation: Operation, example: object, *, status: str = "2") -> None:
    """Put the example into the operation's successful JSON answers, or those with this status."""
    for found, response in (operation.responses or {}).items():
        if isinstance(response, OpenAPIResponse) and found.startswith(status):
            for media in (response.content or {}).values():
                media.example = example
