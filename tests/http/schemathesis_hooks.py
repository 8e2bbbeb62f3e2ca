"""How schemathesis sends JSON Lines: as the bytes that it made."""

from __future__ import annotations

from typing import Any

import schemathesis


@schemathesis.serializer("application/x-ndjson", "application/jsonl")
def lines(context: Any, value: Any) -> Any:  # noqa: ARG001 (the hook's signature)
    """A string of the schema, or bytes."""
    content = getattr(value, "data", value)
    return content if isinstance(content, bytes) else str(content).encode()
