"""Answers in Redis: all of them go, since only their digests say what they are about."""

from __future__ import annotations

import redis

from app.settings import Settings
from app.store.redis_client import redis_client

AT_ONCE = 500
"""Values that one command deletes."""


def clear(settings: Settings) -> bool:
    """Delete every cached answer. False: Redis did not answer, and the answers expire by themselves."""
    # A namespace may hold what a pattern would read as something else.
    pattern = "".join(f"\\{sign}" if sign in "*?[]\\" else sign for sign in settings.namespace) + ":cache:*"
    try:
        with redis_client(settings.redis_url) as client:
            keys = client.keys(pattern)
            for start in range(0, len(keys), AT_ONCE):
                client.delete(*keys[start : start + AT_ONCE])
    except redis.RedisError:
        return False
    return True
