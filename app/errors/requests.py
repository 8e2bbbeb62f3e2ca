"""Failures of a request."""

from __future__ import annotations

from app.errors.problem import MentiongraphError


class BadRequest(MentiongraphError):
    """The request cannot be understood.

    Correct what the detail names: it says which parameter is wrong and which values are allowed.
    """

    code = "bad-request"
    status: int = 400
    exit_code = 2


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
    """The state of the upload or batch does not allow this.

    Look at the state with `GET /uploads/{upload_id}`. The detail says which states allow the request.
    """

    code = "bad-state"
    status: int = 409
    exit_code = 4


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
