"""An honest client of the API: it asks again until it has a definite answer, and keeps a record of what it was told."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from http import HTTPStatus
from typing import Any, NamedTuple

import httpx

CONNECT_SECONDS = 2.0
ANSWER_SECONDS = 30.0
PAUSE_SECONDS = 0.4
PASSING = {HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY, HTTPStatus.TOO_MANY_REQUESTS}
KEY_IN_USE = "idempotency-key-in-use"
ASK_AGAIN = ("upload-cut-off", KEY_IN_USE)
"""Refusals that say so themselves."""

Body = Callable[[], bytes | Iterable[bytes]]


class Attempt(NamedTuple):
    """One request that did not come to an answer, or not to a definite one."""

    began: float
    ended: float
    what: str


class Answer(NamedTuple):
    """A definite one. `before`: attempts before it whose outcome is unknown."""

    status: int
    document: dict[str, Any]
    before: int

    @property
    def good(self) -> bool:
        return HTTPStatus.OK <= self.status < HTTPStatus.MULTIPLE_CHOICES

    @property
    def problem(self) -> str:
        return str(self.document.get("type", "")).rpartition(":")[2]


class Failures:
    """The attempts of all clients that failed."""

    def __init__(self) -> None:
        self.attempts: list[Attempt] = []
        self.tried = 0
        self._lock = threading.Lock()

    def note(self, began: float, failure: str | None) -> None:
        with self._lock:
            self.tried += 1
            if failure is not None:
                self.attempts.append(Attempt(began, time.time(), failure))


class Client:
    """For one thread. After a failure it turns to the other API."""

    def __init__(self, urls: Sequence[str], failures: Failures, seed: str, closing: threading.Event) -> None:
        self._urls = urls
        self._failures = failures
        self._random = random.Random(seed)
        self._closing = closing
        self._http = httpx.Client(timeout=httpx.Timeout(ANSWER_SECONDS, connect=CONNECT_SECONDS))
        self._url = self._random.choice(urls)

    def ask(
        self,
        method: str,
        path: str,
        *,
        body: Body | None = None,
        params: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        unless: str = "",
    ) -> Answer | None:
        """The definite answer. None: the run was given up before there was one. `unless`: a refusal that asks for
        another attempt, and is no failure here."""
        before = 0
        while not self._closing.is_set():
            began = time.time()
            try:
                response = self._http.request(
                    method, self._url + path, content=body() if body else None, params=params, headers=headers
                )
            except httpx.TransportError as error:
                failure = type(error).__name__
            else:
                answer = Answer(response.status_code, _document(response), before)
                failure = _indefinite(answer)
                if failure is None:
                    self._failures.note(began, None)
                    return answer
            self._failures.note(began, None if unless and unless in failure else failure)
            before += 1
            self._url = self._random.choice(self._urls)
            self._closing.wait(PAUSE_SECONDS)
        return None

    def cut_off(self, path: str, content: bytes, *, params: Mapping[str, str], headers: Mapping[str, str]) -> None:
        """Send a part of a body, and hang up."""

        def part() -> Iterable[bytes]:
            yield content[: len(content) // 2]
            raise _HungUp

        try:
            self._http.post(self._url + path, content=part(), params=params, headers=headers)
        except (_HungUp, httpx.TransportError):
            self._url = self._random.choice(self._urls)

    def close(self) -> None:
        self._http.close()


class _HungUp(Exception):
    pass


def _indefinite(answer: Answer) -> str | None:
    """Why the answer says nothing for good, if so."""
    if answer.status >= HTTPStatus.INTERNAL_SERVER_ERROR or answer.status in PASSING or answer.problem in ASK_AGAIN:
        return f"{answer.status} {answer.problem}"
    return None


def _document(response: httpx.Response) -> dict[str, Any]:
    try:
        found = response.json()
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
