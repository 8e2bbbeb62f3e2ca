"""Answers about users and edges that the OpenAPI document shows as examples."""

from __future__ import annotations

from typing import Any

_AS_OF = "2026-01-15T12:00:00Z"
_CURSOR = "4005b6ae7d566cf47fffffffffffffff"

EDGE = {
    "source": "Grace",
    "target": "ada",
    "as_of": _AS_OF,
    "mention_count": 3,
    "weight": 2.7143,
    "first_seen": "2026-01-12T09:30:00Z",
    "last_seen": "2026-01-15T12:00:00Z",
    "archived_at": None,
    "links": {"source": "/users/grace", "target": "/users/ada"},
}
USER = {
    "handle": "grace",
    "spelling": "Grace",
    "as_of": _AS_OF,
    "mentioned_users": 12,
    "mentions_made": 31,
    "weight_made": 18.2071,
    "mentioning_users": 4,
    "mentions_received": 9,
    "weight_received": 5.5024,
    "self_mentions": 1,
    "links": {
        "user": "/users/grace",
        "outgoing": "/users/grace/outgoing",
        "incoming": "/users/grace/incoming",
        "reciprocal": "/users/grace/reciprocal",
        "ego": "/users/grace/ego",
    },
}
USERS = {
    "users": [{"handle": "grace", "spelling": "Grace", "link": "/users/grace"}],
    "next": "/users?prefix=gra&limit=1&after=grace",
}
MENTIONS = {
    "user": "Grace",
    "as_of": _AS_OF,
    "mentions": [
        {
            "handle": "ada",
            "spelling": "ada",
            "mention_count": 3,
            "weight": 2.7143,
            "first_seen": "2026-01-12T09:30:00Z",
            "last_seen": "2026-01-15T12:00:00Z",
            "archived_at": None,
        }
    ],
    "next": f"/users/grace/outgoing?limit=1&cursor={_CURSOR}&as_of=2026-01-15T12%3A00%3A00Z",
}
TIES = {
    "user": "Grace",
    "as_of": _AS_OF,
    "ties": [
        {
            "handle": "ada",
            "spelling": "ada",
            "weight": 1.8114,
            "made": {
                "mention_count": 3,
                "weight": 2.7143,
                "last_seen": "2026-01-15T12:00:00Z",
                "archived_at": None,
            },
            "received": {
                "mention_count": 2,
                "weight": 1.8114,
                "last_seen": "2026-01-14T08:15:00Z",
                "archived_at": None,
            },
        }
    ],
    "next": None,
}
_GRACE_TO_ADA: dict[str, Any] = {
    "source": "grace",
    "target": "ada",
    "mention_count": 3,
    "weight": 2.7143,
    "first_seen": "2026-01-12T09:30:00Z",
    "last_seen": "2026-01-15T12:00:00Z",
    "archived_at": None,
}
_GRACE = {"mentions_made": 31, "mentions_received": 9, "weight_made": 18.2071, "weight_received": 5.5024}
_ADA = {"mentions_made": 7, "mentions_received": 3127, "weight_made": 3.9012, "weight_received": 842.1193}
EGO = {
    "user": "Grace",
    "as_of": _AS_OF,
    "depth": 1,
    "users": [
        {"handle": "grace", "spelling": "Grace", "distance": 0, "weight": None, **_GRACE},
        {"handle": "ada", "spelling": "ada", "distance": 1, "weight": 4.5257, **_ADA},
    ],
    "edges": [_GRACE_TO_ADA],
    "cut": {"users": 13, "edges": 1, "not_followed": []},
}
NETWORK: dict[str, Any] = {
    "as_of": _AS_OF,
    "stale_since": None,
    "users": [
        {"handle": "grace", "spelling": "Grace", **_GRACE},
        {"handle": "ada", "spelling": "ada", **_ADA},
    ],
    "edges": [_GRACE_TO_ADA],
    "cut": {"users": 111, "edges": 1275},
    "looked_at": 1276,
    "is_all": True,
    "edges_in_graph": 1276,
    "edges_estimated": False,
}
HISTOGRAM: dict[str, Any] = {
    "buckets": [
        {"least": 1, "most": 1, "edges": 610},
        {"least": 2, "most": 2, "edges": 271},
        {"least": 6, "most": 7, "edges": 48},
    ],
    "sampled": 1.0,
}
PATH = {
    "source": "Grace",
    "target": "ada",
    "as_of": _AS_OF,
    "outcome": "found",
    "length": 1,
    "users": [{"handle": "grace", "spelling": "Grace"}, {"handle": "ada", "spelling": "ada"}],
    "edges": [_GRACE_TO_ADA],
    "visited": 2,
    "detail": "grace → ada",
}

COMPARISON: dict[str, Any] = {
    "with": "spring",
    "as_of": "2026-01-15T12:00:00Z",
    "users": {"both": 412, "left_only": 96, "right_only": 31, "jaccard": 0.7643784786641929},
    "ties": {"both": 903, "left_only": 1207, "right_only": 388, "jaccard": 0.3614891913530825},
    "user_lists": {
        "both": [
            {
                "handle": "ada",
                "mentions_received_left": 9,
                "mentions_received_right": 4,
                "weight_received_left": 2.714,
                "weight_received_right": 3.2,
                "rank_left": 3,
                "rank_right": 1,
                "weight_rank_left": 2,
                "weight_rank_right": 2,
                "rank_change": 2,
                "weight_rank_change": 0,
            }
        ],
        "left_only": [],
        "right_only": [],
    },
    "tie_lists": {
        "both": [],
        "left_only": [
            {
                "source": "grace",
                "target": "ada",
                "mention_count_left": 3,
                "mention_count_right": None,
                "weight_left": 2.714,
                "weight_right": None,
            }
        ],
        "right_only": [],
    },
}
