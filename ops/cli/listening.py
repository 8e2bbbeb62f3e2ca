"""An upload's Server-Sent Events (WHATWG HTML, 9.2) as a client reads them."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from http import HTTPStatus

import httpx
import msgspec

SILENCE_SECONDS = 60.0
"""The API says something every 15 s: one that is silent for longer is gone."""


class Event(msgspec.Struct, frozen=True):
    """One event; `number` is what to go on from, where it has one."""

    name: str
    data: bytes
    number: int | None


class NoEvents(Exception):
    """The API has no events to listen to: not at all (`for_good`), or not now."""

    def __init__(self, *, for_good: bool) -> None:
        super().__init__("no events")
        self.for_good = for_good


def listen(http: httpx.Client, upload: uuid.UUID, last: int) -> Iterator[Event]:
    """The upload's events after one, as they come, until the API ends them. Raises NoEvents, httpx.TransportError."""
    headers = {"Accept": "text/event-stream"} | ({"Last-Event-ID": str(last)} if last else {})
    timeout = httpx.Timeout(SILENCE_SECONDS)
    with http.stream("GET", f"/uploads/{upload}/events", headers=headers, timeout=timeout) as answer:
        kind = answer.headers.get("Content-Type", "").partition(";")[0]
        if answer.status_code != HTTPStatus.OK or kind != "text/event-stream":
            raise NoEvents(for_good=answer.status_code < HTTPStatus.INTERNAL_SERVER_ERROR)
        yield from events(answer.iter_lines())


def events(lines: Iterator[str]) -> Iterator[Event]:
    """The events in a stream's lines. One that is cut off is none."""
    name, data, number = "message", list[str](), None
    for line in lines:
        if not line:
            if data:
                yield Event(name, "\n".join(data).encode(), number)
            name, data, number = "message", [], None
            continue
        field, _, value = line.partition(":")
        value = value.removeprefix(" ")
        match field:
            case "event":
                name = value
            case "data":
                data.append(value)
            case "id" if value.isdecimal():
                number = int(value)
            case _:
                pass  # a comment, or a field that is not known
