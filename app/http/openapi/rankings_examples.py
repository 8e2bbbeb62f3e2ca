"""Rankings and days that the OpenAPI document shows as examples."""

from __future__ import annotations

from typing import Any

_AS_OF = "2026-01-15T12:00:00Z"

EDGE_RANKING: dict[str, Any] = {
    "as_of": _AS_OF,
    "stale_since": None,
    "edges": [
        {
            "source": "grace",
            "source_spelling": "Grace",
            "target": "ada",
            "target_spelling": "ada",
            "mention_count": 3,
            "weight": 2.7143,
            "first_seen": "2026-01-12T09:30:00Z",
            "last_seen": "2026-01-15T12:00:00Z",
        }
    ],
}
USER_RANKING: dict[str, Any] = {
    "as_of": _AS_OF,
    "stale_since": "2026-01-15T11:59:58.2Z",
    "users": [{"handle": "ada", "spelling": "ada", "mentions": 3127, "weight": 842.1193}],
}
TRENDING: dict[str, Any] = {
    "days": 7,
    "until": "2026-01-15",
    "worked_out_at": "2026-01-15T11:58:00Z",
    "stale_since": None,
    "users": [{"handle": "ada", "spelling": "ada", "mentions": 190, "mentions_before": 40, "growth": 4.0}],
}
EDGE_DAYS: dict[str, Any] = {
    "source": "Grace",
    "target": "ada",
    "as_of": _AS_OF,
    "stale_since": None,
    "days_from": "2025-12-12",
    "last_7_days": 3,
    "previous_7_days": 1,
    "days": [{"day": "2026-01-14", "mentions": 0}, {"day": "2026-01-15", "mentions": 2}],
}
USER_DAYS: dict[str, Any] = {
    "user": "Grace",
    "as_of": _AS_OF,
    "stale_since": None,
    "days_from": "2025-12-12",
    "made_last_7_days": 9,
    "made_previous_7_days": 4,
    "received_last_7_days": 2,
    "received_previous_7_days": 2,
    "days": [{"day": "2026-01-14", "made": 1, "received": 0}, {"day": "2026-01-15", "made": 3, "received": 2}],
}
GRAPH_DAYS: dict[str, Any] = {
    "as_of": _AS_OF,
    "stale_since": None,
    "days_from": "2025-12-12",
    "last_7_days": 1071,
    "previous_7_days": 998,
    "days": [{"day": "2026-01-14", "mentions": 148}, {"day": "2026-01-15", "mentions": 96}],
}
