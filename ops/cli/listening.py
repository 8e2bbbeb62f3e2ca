"""This module reads an upload's Server-Sent Events (WHATWG HTML, 9.2) for a client."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from http import HTTPStatus

import httpx
import msgspec

SILENCE_SECONDS = 60.0
"""Seconds of silence after which the API counts as gone. The API sends something every 15 s."""


class Event(msgspec.Struct, frozen=True):
    """One event. A client can continue after the event's `number`, if the event has a number."""

    name: str
    data: bytes
    number: int | None


class NoEvents(Exception):
    """The API offers no events: never (`for_good`), or not now."""

    def __init__(self, *, for_good: bool) -> None:
        super().__init__("no events")
        self.for_good = for_good


def listen(http: httpx.Client, upload: uuid.UUID, last: int) -> Iterator[Event]:
    """Yields the upload's events after the event number `last`, as the events come, until the API ends the stream.

    Raises NoEvents and httpx.TransportError.
    """
    headers = {"Accept": "text/event-stream"} | ({"Last-Event-ID": str(last)} if last else {})
    timeout = httpx.Timeout(SILENCE_SECONDS)
    with http.stream("GET", f"/uploads/{upload}/events", headers=headers, timeout=timeout) as answer:
        kind = answer.headers.get("Content-Type", "").partition(";")[0]
        if answer.status_code != HTTPStatus.OK or kind != "text/event-stream":
            raise NoEvents(for_good=answer.status_code < HTTPStatus.INTERNAL_SERVER_ERROR)
        yield from events(answer.iter_lines())


def events(lines: Iterator[str]) -> Iterator[Event]:
    """Yields the events in a stream's lines, without an event that is cut off."""
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
                pass  # the line is a comment or an unknown field
