"""Failures of a request."""

from __future__ import annotations

from typing import ClassVar

from app.errors.problem import MentiongraphError


class BadRequest(MentiongraphError):
    """The request cannot be understood.

    Correct what the detail names: it says which parameter is wrong and which values are allowed.
    """

    code = "bad-request"
    status: int = 400
    exit_code = 2


class InstantTooEarly(MentiongraphError):
    """The graph does not know what it was at this instant.

    Mentions count as made later, and an edge keeps one count and one weight, which hold them. Ask for the instant of
    the last mention, which the detail has, or for a later one. Without an instant, the answer is about now.
    """

    code = "instant-too-early"
    status: int = 409
    exit_code = 4


class HeadTooLarge(MentiongraphError):
    """The head of the request is too large.

    Send fewer or shorter headers, and put what is long into the body.
    """

    code = "head-too-large"
    status: int = 431
    exit_code = 2


class HeadTooSlow(MentiongraphError):
    """The head of the request did not arrive in time.

    Send the request again. MENTIONGRAPH_HEAD_TIMEOUT is the time that a head may take.
    """

    code = "head-too-slow"
    status: int = 408
    exit_code = 5


class CrossSite(MentiongraphError):
    """A page of another site sent the request.

    Send the request from a page of this server, or from a program that is no browser.
    """

    code = "cross-site"
    status: int = 403
    exit_code = 2


class UnknownHost(MentiongraphError):
    """The request is for a host that this server is not.

    Use `localhost` or an address. If people reach the server by this name, add it to MENTIONGRAPH_ALLOWED_HOSTS.
    """

    code = "unknown-host"
    status: int = 421
    exit_code = 2


class NotFound(MentiongraphError):
    """Nothing of this name exists.

    Check the spelling. The detail says where the existing names are listed.
    """

    code = "not-found"
    status: int = 404
    exit_code = 4


class MethodNotAllowed(MentiongraphError):
    """The path does not take this method.

    Use one of the methods in the answer's `Allow` header.
    """

    code = "method-not-allowed"
    status: int = 405
    exit_code = 2


class BadState(MentiongraphError):
    """The present state does not allow this.

    The detail says what is in which state, and what to do or to wait for. `GET /uploads/{upload_id}` and
    `mentiongraph keys list --all` show the states of uploads and keys.
    """

    code = "bad-state"
    status: int = 409
    exit_code = 4


class _Challenged:
    """A request needs a key, or another key. The answer says which scopes would do."""

    exit_code: ClassVar[int] = 8
    challenge: ClassVar[str | None] = None
    """The error code of RFC 6750. None: the request had no key."""
    scopes: str = ""
    """Scopes that would do, with spaces in between."""
    key_id: str | None = None
    """Key of the token, where the token was right and its key works no more."""
    owner: str | None = None
    """Owner of this key."""


class NoKey(_Challenged, MentiongraphError):
    """The request has no key.

    Send `Authorization: Bearer` with the token of a key. For commands, set MENTIONGRAPH_KEY or MENTIONGRAPH_KEY_FILE.
    An operator makes keys with `mentiongraph keys create`.
    """

    code = "no-key"
    status: int = 401


class WrongKey(_Challenged, MentiongraphError):
    """The token is of no key that works.

    Check that the token is whole. If it is, the key was revoked or never existed: ask an operator for another key.
    """

    code = "wrong-key"
    status: int = 401
    challenge = "invalid_token"


class ExpiredKey(_Challenged, MentiongraphError):
    """The key has expired.

    Ask an operator for another key. `mentiongraph keys rotate` replaces a key before it expires.
    """

    code = "expired-key"
    status: int = 401
    challenge = "invalid_token"


class NotAllowed(_Challenged, MentiongraphError):
    """The key does not allow this.

    Use a key that has a scope which the detail names, and that is for this graph.
    """

    code = "not-allowed"
    status: int = 403
    challenge = "insufficient_scope"


class TooManyWrongKeys(MentiongraphError):
    """Too many requests with wrong keys came from this address.

    Correct the key, and try again after the seconds in `Retry-After`.
    """

    code = "too-many-wrong-keys"
    status: int = 429
    exit_code = 8


class GraphExists(MentiongraphError):
    """There is such a graph already.

    Choose another name or database, or use the graph that there is.
    """

    code = "graph-exists"
    status: int = 409
    exit_code = 4


class GraphNotReady(MentiongraphError):
    """The state of the graph does not allow this.

    Look at the state with `GET /graphs/{graph}` or `mentiongraph graphs show`. If a graph stays in the state
    `creating` or `dropping`, create or drop it again.
    """

    code = "graph-not-ready"
    status: int = 409
    exit_code = 4


class KeyInUse(MentiongraphError):
    """The server is still receiving the first request with this Idempotency-Key.

    Send the request again after the seconds in `Retry-After`.
    """

    code = "idempotency-key-in-use"
    status: int = 409
    exit_code = 4


class KeyReused(MentiongraphError):
    """Another request used this Idempotency-Key before.

    Give each new request a key of its own.
    """

    code = "idempotency-key-reused"
    status: int = 422
    exit_code = 2


class ClientGone(MentiongraphError):
    """The client closed the connection before the answer began.

    Nothing: only the server's log shows this problem.
    """

    code = "client-gone"
    status: int = 499
