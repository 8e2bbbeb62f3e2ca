"""This module is a client of the HTTP API. The client sends bodies, follows uploads and reads the ledger."""

from __future__ import annotations

import ssl
import time
import uuid
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import TypeVar

import httpx
import msgspec

from app import errors
from app.errors import PROBLEM_TYPE_PREFIX, MentiongraphError, Problem
from ops import processes
from ops.cli import options, trust
from ops.cli.entries import Entry, Sent, Step
from ops.cli.listening import NoEvents, listen
from ops.cli.saying import say

T = TypeVar("T")

_MEDIA_TYPE = "application/octet-stream"
"""The Content-Type of every file: the file's bytes say what the file is."""

CONNECT_TIMEOUT = 5.0
ANSWER_TIMEOUT = 300.0
"""Seconds for one read or write. Sealing a big file takes a while, and a busy database takes long to answer."""
AWAY_PATIENCE = 30.0
"""Seconds for which following an upload waits for an API that restarts."""
LIMIT_PATIENCE = 120.0
"""Seconds for which a command waits for a limit of its owner. What is used up for the day is not waited for."""
FIRST_PAUSE, LONGEST_PAUSE = 0.1, 1.0
_OK, _BAD_REQUEST, _SERVER_ERROR = 200, 400, 500
_AWAY = frozenset({502, 503, 504})
_REFUSALS = frozenset({401, 403, 404})
"""Statuses that refuse an upload as much as a question about uploads."""


class ApiProblem(MentiongraphError):
    """The API refused."""

    def __init__(self, problem: Problem, exit_code: int) -> None:
        super().__init__(problem.detail)
        self.code = problem.type.removeprefix(PROBLEM_TYPE_PREFIX)
        self.exit_code = exit_code  # pyright: ignore[reportAttributeAccessIssue] (each answer has its own exit code)
        self._problem = problem
        self.retry_after: int | None = None
        """Seconds after which the API asks to send the request again. None: it does not say."""

    @property
    def title(self) -> str:
        return self._problem.title

    def problem(self) -> Problem:
        return self._problem


class ApiAway(MentiongraphError):
    """The API cannot be reached."""

    code = "api-away"
    exit_code = 5


class Patience:
    """Waits where a limit of an owner is reached, as long as the API asks for, and `LIMIT_PATIENCE` seconds in all."""

    def __init__(self) -> None:
        self._left = LIMIT_PATIENCE

    def waited(self, problem: Exception) -> bool:
        """Wait, if a wait helps. Returns whether to send the request again."""
        if not isinstance(problem, ApiProblem) or problem.code != errors.LimitReached.code:
            return False
        seconds = problem.retry_after
        if seconds is None or seconds > self._left:
            return False
        say(f"{problem.title}: {problem.detail} Asks again in {seconds} s.", err=True)
        self._left -= seconds
        time.sleep(seconds)
        return True


class _Bearer(httpx.Auth):
    """Sends a token to the address that it is for, and to no other."""

    def __init__(self, url: str, token: str) -> None:
        self._origin = _origin(httpx.URL(url))
        self._token = token

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response]:
        """Adds the header."""
        if _origin(request.url) == self._origin:
            request.headers["Authorization"] = f"Bearer {self._token}"
        yield request


def _origin(url: httpx.URL) -> tuple[str, str, int | None]:
    return url.scheme, url.host, url.port


class _Ready(msgspec.Struct, frozen=True):
    disk: str = ""


class _Uploads(msgspec.Struct, frozen=True):
    uploads: list[Entry]


class Client:
    """A client of one API. The client is a context manager. Its methods raise ApiProblem and ApiAway."""

    def __init__(self, url: str, key: str | None = None, *, verify: ssl.SSLContext | bool = True) -> None:
        """`verify`: what the certificate of an https:// URL is verified with; see ops.cli.trust."""
        self.url = url.rstrip("/")
        self._service = self.url.partition("/graphs/")[0]
        """The URL of the whole service, whichever graph the client is for."""
        self._may_send = key is None and "/graphs/" not in self.url
        """Whether nothing is known that would refuse an upload before its body is read."""
        self._http = httpx.Client(
            base_url=self.url,
            auth=None if key is None else _Bearer(self.url, key),
            timeout=httpx.Timeout(ANSWER_TIMEOUT, connect=CONNECT_TIMEOUT),
            trust_env=False,
            verify=verify,
        )

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._http.close()

    def send(
        self, body: Iterable[bytes], *, params: Mapping[str, str], encoding: str | None, key: str | None = None
    ) -> Sent:
        """POST a file.

        `encoding` says how the file is already compressed. None: the file is not compressed. `key` is the
        Idempotency-Key.
        """
        self._ask_whether_to_send()
        headers = {"Content-Type": _MEDIA_TYPE}
        headers |= {"Content-Encoding": encoding} if encoding else {}
        headers |= {"Idempotency-Key": f'"{key}"'} if key else {}
        try:
            answer = self._http.post("/uploads", content=body, params=dict(params), headers=headers)
        except (httpx.ReadError, httpx.WriteError, httpx.RemoteProtocolError) as error:
            raise ApiAway(
                f"the API at {self.url} closed the connection before it answered ({error}). "
                f"`{options.hinted('status')}` shows whether the upload arrived. You can send the file again, because "
                "the same bytes are applied only once."
            ) from error
        except httpx.TransportError as error:
            raise self._away(error) from error
        entry = _decoded(answer, Entry)
        return Sent(entry, earlier=answer.status_code == _OK)

    def _ask_whether_to_send(self) -> None:
        """Find out, once, whether the API knows the graph and takes the key.

        The API refuses an upload before it reads the body. The HTTP library sends all of the body before it reads the
        answer, though, so that the file would be sent in vain.
        """
        if self._may_send:
            return
        try:
            self.recent(1)
        except ApiProblem as problem:
            if problem.problem().status in _REFUSALS:
                raise
        except ApiAway:
            return  # the upload itself says so, or finds the API back
        self._may_send = True

    def entry(self, upload: uuid.UUID | str) -> Entry:
        """Returns the entry of one upload."""
        return self.get(f"/uploads/{upload}", Entry)

    def recent(self, limit: int) -> list[Entry]:
        """Returns the latest uploads, with the newest first."""
        return self.get("/uploads", _Uploads, limit=limit).uploads

    def shortage(self) -> str | None:
        """Why the service takes no uploads and lets batches wait. None: it has room, or does not say."""
        try:
            disk = self.get(f"{self._service}/health/ready", _Ready).disk
        except (ApiAway, ApiProblem):
            return None
        return None if disk in {"enough", "unknown", ""} else disk

    def withdraw(self, upload: uuid.UUID, verb: str) -> Entry:
        """`cancel` or `retract` an upload.

        Returns the entry of the upload, whose withdrawal may still be under way.
        """
        try:
            answer = self._http.post(f"/uploads/{upload}/{verb}")
        except httpx.TransportError as error:
            raise self._away(error) from error
        return _decoded(answer, Entry)

    def follow(self, upload: uuid.UUID, seen: Callable[[Step], None]) -> Entry:
        """Wait until the upload is finished. `seen` is called with each change.

        The client listens to the upload's events. If the API has no events, or no room for one more listener, the
        client polls the API. The client waits up to `AWAY_PATIENCE` seconds for an API that is away, or whose
        PostgreSQL is.
        """
        listening, last, heard = True, 0, time.monotonic()
        patience = Patience()
        pause = FIRST_PAUSE
        while True:
            try:
                entry = self.entry(upload)
                seen(Step.of(entry))
                if entry.finished:
                    return entry
                heard = time.monotonic()
                if listening:
                    for event in listen(self._http, upload, last):
                        heard, pause = time.monotonic(), FIRST_PAUSE
                        last = event.number or last
                        if event.name == "end":
                            entry = _json(event.data, Entry, f"{self.url}/uploads/{upload}/events")
                            seen(Step.of(entry))
                            return entry
                        if event.name == "progress":
                            seen(_json(event.data, Step, f"{self.url}/uploads/{upload}/events"))
            except NoEvents as none:
                listening = not none.for_good
            except (ApiProblem, ApiAway, httpx.TransportError) as error:
                goes_on = patience.waited(error) or (_passes(error) and time.monotonic() - heard <= AWAY_PATIENCE)
                if not goes_on:
                    raise self._away(error) if isinstance(error, httpx.TransportError) else error from error
            time.sleep(pause)
            pause = min(LONGEST_PAUSE, pause * 1.3)

    def get(self, path: str, kind: type[T], **params: str | int) -> T:
        """GET a path, and return the JSON answer as a `kind`."""
        try:
            answer = self._http.get(path, params=params)
        except httpx.TransportError as error:
            raise self._away(error) from error
        return _decoded(answer, kind)

    def metrics(self) -> str:
        """Returns the metrics of the whole service, in Prometheus' text format."""
        try:
            answer = self._http.get(f"{self._service}/metrics")
        except httpx.TransportError as error:
            raise self._away(error) from error
        _require_here(answer)
        if answer.status_code >= _BAD_REQUEST:
            raise _refused(answer)
        return answer.text

    @contextmanager
    def download(self, path: str, params: Sequence[tuple[str, str]]) -> Generator[httpx.Response]:
        """Open a file of the API, which the caller reads while the block runs."""
        try:
            with self._http.stream("GET", path, params=list(params), headers={"Accept-Encoding": "identity"}) as answer:
                _require_here(answer)
                if answer.status_code >= _BAD_REQUEST:
                    answer.read()
                    raise _refused(answer)
                yield answer
        except httpx.TransportError as error:
            raise self._away(error) from error

    def _away(self, error: httpx.TransportError) -> MentiongraphError:
        if isinstance(error, httpx.UnsupportedProtocol):
            return errors.BadRequest(f"--api: {self.url} is no HTTP URL. Give a URL such as http://127.0.0.1:8000.")
        if "CERTIFICATE_VERIFY_FAILED" in str(error):
            return ApiAway(
                f"the API at {self.url} has a certificate that is not believed ({error}). Give the name that the "
                "certificate has. If your own authority issued it, name the authority's certificate in "
                "MENTIONGRAPH_CA_FILE."
            )
        return ApiAway(
            f"the API at {self.url} cannot be reached ({error}). Start the API with `mentiongraph up`. If it runs, "
            "name the directory of its data with --data DIR, or its address with --api URL."
        )


def client_of(api: str | None, data: Path | None, *, graph: bool = True) -> Client:
    """A client of the API that the options or the settings name: for the chosen graph, or without `graph` for all."""
    api, data = options.api_or_data(api, data)
    settings = options.settings(data, nearby=api is None)
    url = api or processes.url_of_api(settings)
    key = options.key(data if api is None else None, nearby=api is None)
    if key is not None:
        trust.require_private(url, settings)
    base = options.api_of_graph(url) if graph else url
    return Client(base, key, verify=trust.verified_by(url, settings, own=api is None))


def _passes(error: Exception) -> bool:
    """Whether the API, or the server behind the API, is away for a while: the same request may succeed soon."""
    return not isinstance(error, ApiProblem) or error.problem().status in _AWAY


def _require_here(answer: httpx.Response) -> None:
    """Raises ApiAway if the API is elsewhere: a key or a file goes to no address that nobody named."""
    if answer.has_redirect_location:
        place = answer.headers["location"][:200]
        raise ApiAway(f"{answer.url} leads to {place}. Name the API's own address with --api, such as https://….")


def _decoded(answer: httpx.Response, kind: type[T]) -> T:
    _require_here(answer)
    if answer.status_code < _BAD_REQUEST:
        return _json(answer.content, kind, str(answer.url))
    raise _refused(answer)


def _refused(answer: httpx.Response) -> ApiProblem:
    try:
        problem = msgspec.json.decode(answer.content, type=Problem)
    except msgspec.MsgspecError:
        problem = Problem(
            type="about:blank",
            title="The API failed",
            status=answer.status_code,
            detail=f"{answer.url} answered: {answer.text[:200]}",
        )
    refused = ApiProblem(problem, _exit_code(problem))
    after = answer.headers.get("retry-after", "")
    refused.retry_after = int(after) if after.isascii() and after.isdigit() else None
    return refused


def _json(content: bytes, kind: type[T], url: str) -> T:
    try:
        return msgspec.json.decode(content, type=kind)
    except msgspec.MsgspecError as error:
        raise ApiAway(
            f"the answer from {url} is not one of this version's API ({error}). Check that the address leads to an API "
            "of the same version as this command."
        ) from error


def _exit_code(problem: Problem) -> int:
    """Returns the exit code of the error with the problem's code.

    Without such an error, the status decides. A client error is a refusal, and another error is a failure.
    """
    code = problem.type.removeprefix(PROBLEM_TYPE_PREFIX)
    known = {kind.code: kind.exit_code for kind in MentiongraphError.__subclasses__()}
    if code in known and code != MentiongraphError.code:
        return known[code]
    return errors.UploadRefused.exit_code if problem.status < _SERVER_ERROR else MentiongraphError.exit_code
