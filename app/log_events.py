"""Every event of the logs, with what it means. docs/reference/log-events.md is made from this and from the calls."""

from __future__ import annotations

MEANING: dict[str, str] = {}
