"""W3C Trace Context: in which trace a request is, by its headers, and in which trace the answer says it was.

The rules are those of https://www.w3.org/TR/trace-context/: a `traceparent` that is not valid in every detail counts as
none, and then `tracestate` counts as none, too. A valid one is continued: same trace, a new span. Otherwise a trace
begins.
"""

from __future__ import annotations

import hashlib
import re
import secrets
import uuid
from collections.abc import Sequence

import msgspec

SAMPLED = 0x01
"""The flag that says that spans are recorded."""
_KNOWN_FLAGS = 0x03  # sampled; and random, which must be passed on
_TRACEPARENT = re.compile(
    r"(?P<version>[0-9a-f]{2})-(?P<trace>[0-9a-f]{32})-(?P<span>[0-9a-f]{16})-(?P<flags>[0-9a-f]{2})(?P<more>-.*)?"
)
_NO_TRACE, _NO_SPAN = "0" * 32, "0" * 16

_KEY = re.compile(r"[a-z][a-z0-9_\-*/]{0,255}|[a-z0-9][a-z0-9_\-*/]{0,240}@[a-z][a-z0-9_\-*/]{0,13}")
_VALUE = re.compile(r"[\x20-\x2b\x2d-\x3c\x3e-\x7e]{0,255}[\x21-\x2b\x2d-\x3c\x3e-\x7e]")
MOST_MEMBERS = 32
MOST_CHARACTERS = 512
"""Characters of a tracestate that are passed on. More are cut, members over 128 characters first."""
_LONG_MEMBER = 128


class TraceContext(msgspec.Struct, frozen=True):
    """The trace and the span of one request."""

    trace_id: str
    span_id: str
    flags: int = SAMPLED
    parent: str | None = None
    """The sender's span. None: the trace begins with this request."""
    state: str | None = None
    """The sender's tracestate."""

    @property
    def sampled(self) -> bool:
        return bool(self.flags & SAMPLED)

    @property
    def traceparent(self) -> str:
        """The header that continues this trace from the span of this request."""
        return f"00-{self.trace_id}-{self.span_id}-{self.flags:02x}"


def of_request(traceparents: Sequence[str], tracestates: Sequence[str], *, traced: bool) -> TraceContext:
    """The context of a request with these headers. `traced`: whether a trace that begins here is recorded."""
    came = read(traceparents[0]) if len(traceparents) == 1 else None
    if came is None:
        return TraceContext(_made(16), _made(8), SAMPLED if traced else 0)
    state = passed_on(tracestates)
    return TraceContext(came.trace_id, _made(8), came.flags, parent=came.span_id, state=state)


def read(traceparent: str) -> TraceContext | None:
    """What a traceparent says: the trace, and the sender's own span as `span_id`. None: it is not valid."""
    found = _TRACEPARENT.fullmatch(traceparent.strip(" \t"))
    if found is None or found["version"] == "ff" or (found["version"] == "00" and found["more"] is not None):
        return None
    if found["trace"] == _NO_TRACE or found["span"] == _NO_SPAN:
        return None
    return TraceContext(found["trace"], found["span"], int(found["flags"], 16) & _KNOWN_FLAGS)


def passed_on(tracestates: Sequence[str]) -> str | None:
    """The tracestate of these headers as it is passed on. None: there is none, or it is not valid."""
    members = [member.strip(" \t") for header in tracestates for member in header.split(",")]
    members = [member for member in members if member]
    keys = [member.partition("=")[0] for member in members]
    if len(members) > MOST_MEMBERS or len(set(keys)) < len(keys) or not all(map(_is_valid, members)):
        return None
    if len(",".join(members)) > MOST_CHARACTERS:
        members = [member for member in members if len(member) <= _LONG_MEMBER]
    while len(",".join(members)) > MOST_CHARACTERS:
        members.pop()
    return ",".join(members) or None


def _is_valid(member: str) -> bool:
    key, equals, value = member.partition("=")
    return bool(equals and _KEY.fullmatch(key) and _VALUE.fullmatch(value))


def derived(*parts: object, size: int = 8) -> str:
    """An id of `size` bytes in hex that is the same whenever it is made of the same parts: for spans that are made from
    the ledger, perhaps more than once."""
    text = "\0".join(map(str, parts))
    return hashlib.blake2b(text.encode(), digest_size=size, person=b"mentiongraph").hexdigest()


def of_attempt(claim: uuid.UUID) -> str:
    """The span of an attempt to count a batch."""
    return derived("count", claim)


def logged_trace(traceparent: str | None) -> dict[str, str]:
    """The trace of an upload, as log lines name it."""
    found = read(traceparent) if traceparent else None
    return {"trace_id": found.trace_id} if found else {}


def _made(size: int) -> str:
    while True:
        made = secrets.token_hex(size)
        if int(made, 16):
            return made
