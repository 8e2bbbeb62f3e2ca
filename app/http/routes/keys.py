"""Keys over HTTP, for `admin` of all graphs: else a key for one graph could make a key for another.

Each key may ask for itself what it allows.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Annotated, Any, TypeVar

import msgspec
from litestar import Request, Response, Router, delete, get, post
from litestar.datastructures import ResponseHeader
from litestar.openapi.spec import OpenAPIType, Schema
from litestar.params import PathParameter, QueryParameter

from app.control import keys
from app.control.callers import Scope
from app.control.graphs import NAME
from app.control.keys import GRACE, LIFETIME, LONGEST_GRACE, LONGEST_LIFETIME, Key, KeyState
from app.errors import BadRequest, BadState, NotFound, UploadCutOff
from app.http import bodies, problems
from app.http.calling import Calling
from app.http.openapi.examples import answering, asking
from app.http.parameters import Limit, next_page, storable
from app.http.services import Injected, Services
from app.store.postgres import Connection

T = TypeVar("T")

PATH = "/keys"
_NOT_STORED = {"Cache-Control": "no-store"}
_ID = "4fQz81Lk"
_KEY: dict[str, Any] = {
    "id": _ID,
    "owner": "ada",
    "scopes": ["graph:read", "uploads:write"],
    "graphs": None,
    "state": "usable",
    "created_at": "2026-01-15T12:00:00Z",
    "expires_at": "2026-04-15T12:00:00Z",
    "revoked_at": None,
}
_SELF: dict[str, Any] = {
    "keys_needed": True,
    "key_id": _ID,
    "owner": "ada",
    "scopes": ["graph:read", "uploads:write"],
    "graphs": None,
    "expires_at": "2026-04-15T12:00:00Z",
}
_MADE: dict[str, Any] = {"token": f"mg_{_ID}_" + "…", "key": _KEY}
_NO_KEY = NotFound(f"there is no key {_ID!r}. `mentiongraph keys list` and GET /keys list all keys.")


class NewKey(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Who gets a key, and for what."""

    owner: str
    scopes: list[str]
    graphs: list[str] | None = None
    """Names of the graphs that the key is for. Null: all graphs."""
    days: float | None = LIFETIME / timedelta(days=1)
    """Days until the key expires. Null: it does not expire."""


class Rotation(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How a key is replaced."""

    grace_hours: float = GRACE / timedelta(hours=1)
    """Hours for which the old token works, too."""
    days: float | None = None
    """Days until the new key expires. Null: 90, or no end if the old key has none."""


class KeyAnswer(msgspec.Struct, frozen=True):
    """A key without its token, which is shown once, when the key is made."""

    id: str
    owner: str
    scopes: list[str]
    graphs: list[str] | None
    """Names of the graphs that the key is for. Null: all graphs."""
    state: KeyState
    created_at: datetime
    expires_at: datetime | None
    """When the key expires. Null: it does not expire."""
    revoked_at: datetime | None

    @classmethod
    def of(cls, key: Key, now: datetime) -> KeyAnswer:
        """The key as it is now."""
        return cls(**msgspec.structs.asdict(key), state=key.state(now))


class KeyMade(msgspec.Struct, frozen=True):
    """A new key with its token, which is shown now and never again."""

    token: str
    key: KeyAnswer


class Self(msgspec.Struct, frozen=True):
    """What whoever sends the request may do."""

    keys_needed: bool
    """Whether the service answers nobody without a key, save on public paths."""
    key_id: str | None
    """Id of the key that came with the request. Null: it came without one, and none is needed."""
    owner: str | None
    """Owner of the key."""
    scopes: list[str]
    """What the request may do. `admin` includes all scopes."""
    graphs: list[str] | None
    """Names of the graphs that the key is for. Null: all graphs."""
    expires_at: datetime | None
    """When the key expires. Null: it does not expire, or there is no key."""


class Keys(msgspec.Struct, frozen=True):
    """A page of keys, the newest first."""

    keys: list[KeyAnswer]
    next: str | None
    """Path of the next page; null on the last page."""


KeyId = Annotated[str, PathParameter(description="Id of the key: the eight characters behind `mg_` in its token.")]
_LOCATION = [ResponseHeader("Location", documentation_only=True, description="Path of the new key.")]


_TEXTS = Schema(type=OpenAPIType.ARRAY, items=Schema(type=OpenAPIType.STRING))
_DAYS = Schema(
    type=[OpenAPIType.NUMBER, OpenAPIType.NULL],
    exclusive_minimum=0,
    maximum=LONGEST_LIFETIME.days,
    description="Days until the key expires. Null: it does not expire.",
)
_NEW_KEY = Schema(
    type=OpenAPIType.OBJECT,
    required=["owner", "scopes"],
    additional_properties=False,
    properties={
        "owner": Schema(
            type=OpenAPIType.STRING,
            pattern=r"^[A-Za-z0-9][A-Za-z0-9.@+_-]{0,63}$",
            description="Whose key it is. Several keys may have one owner, and then share uploads and limits.",
        ),
        "scopes": Schema(
            type=OpenAPIType.ARRAY,
            min_items=1,
            items=Schema(type=OpenAPIType.STRING, enum=list(Scope)),
            description="What the key allows.",
        ),
        "graphs": Schema(
            type=[OpenAPIType.ARRAY, OpenAPIType.NULL],
            min_items=1,
            max_items=keys.MOST_GRAPHS,
            items=Schema(type=OpenAPIType.STRING, pattern=f"^{NAME}$"),
            description="Names of the graphs that the key is for. Null: all graphs.",
        ),
        "days": _DAYS,
    },
)
_ROTATION = Schema(
    type=OpenAPIType.OBJECT,
    additional_properties=False,
    properties={
        "grace_hours": Schema(
            type=OpenAPIType.NUMBER,
            minimum=0,
            maximum=LONGEST_GRACE / timedelta(hours=1),
            description="Hours for which the old token works, too. By default: 24.",
        ),
        "days": _DAYS,
    },
)


@post(
    "/",
    summary="Make a key",
    scope=Scope.ADMIN,
    everywhere=True,
    status_code=201,
    response_description="The key was made. The token is shown now and never again.",
    response_headers=_LOCATION,
    operation_class=asking(_NEW_KEY, {"owner": "ada", "scopes": ["graph:read", "uploads:write"]}, _MADE),
    responses=problems.responses(
        BadRequest("there is no scope 'graph'. Known: graph:read, …"), UploadCutOff, *problems.DATABASE
    ),
)
async def make_key(request: Request[Any, Any, Any], control: Injected, caller: Calling) -> Response[KeyMade]:
    """Makes a key, and shows its token. The service keeps only a digest of the token, so nobody can show it again."""
    asked = await bodies.json_of(request, control.settings, NewKey)
    wanted = keys.checked(asked.owner, asked.scopes, asked.graphs, _lifetime(asked.days))
    made = await _work(control, lambda conn: keys.create(conn, wanted, now=control.clock(), caller=caller))
    return _shown(control, made)


@get(
    "/",
    summary="List keys",
    scope=Scope.ADMIN,
    everywhere=True,
    operation_class=answering({"keys": [_KEY], "next": None}),
    responses=problems.responses(
        BadRequest("query parameter 'limit' has to be a whole number from 1 to 500."), _NO_KEY, *problems.DATABASE
    ),
)
async def list_keys(
    control: Injected,
    owner: Annotated[str | None, QueryParameter(description="Only keys of this owner.")] = None,
    limit: Limit = 50,
    before: Annotated[str | None, QueryParameter(description="Only keys made before this key. `next` has it.")] = None,
) -> Keys:
    """Lists keys, the newest first, also those that expired or were revoked. No token is in the list."""
    found = await _work(
        control, lambda conn: keys.page(conn, owner=storable(owner), before=storable(before), limit=limit + 1)
    )
    page, now = found[:limit], control.clock()
    following = next_page(PATH, owner=owner, limit=limit, before=page[-1].id) if len(found) > limit else None
    return Keys([KeyAnswer.of(each, now) for each in page], following)


@get(
    "/self",
    summary="What may I do?",
    scope=tuple(Scope),
    listed=True,
    operation_class=answering(_SELF),
    responses=problems.responses(),
)
async def get_self(services: Injected, caller: Calling) -> Response[Self]:
    """Says what the key of the request allows. Every key may ask, whatever its scopes and graphs. Where no key is
    needed, everybody may do everything, and the answer says so."""
    return Response(
        Self(
            keys_needed=keys.needed(services.settings),
            key_id=caller.key_id,
            owner=caller.owner,
            scopes=sorted(caller.scopes),
            graphs=None if caller.graphs is None else sorted(caller.graphs),
            expires_at=caller.expires_at,
        ),
        headers=_NOT_STORED,
    )


@get(
    "/{key_id:str}",
    summary="One key",
    scope=Scope.ADMIN,
    everywhere=True,
    operation_class=answering(_KEY),
    responses=problems.responses(_NO_KEY, *problems.DATABASE),
)
async def get_key(control: Injected, key_id: KeyId) -> KeyAnswer:
    """Says whose key it is, what it allows, and whether it works."""
    return KeyAnswer.of(await _work(control, lambda conn: keys.get(conn, _known(key_id))), control.clock())


@delete(
    "/{key_id:str}",
    summary="Revoke a key",
    scope=Scope.ADMIN,
    everywhere=True,
    status_code=200,
    response_description="The key works no more.",
    operation_class=answering({**_KEY, "state": "revoked", "revoked_at": "2026-01-20T08:00:00Z"}),
    responses=problems.responses(_NO_KEY, *problems.DATABASE),
)
async def revoke_key(control: Injected, caller: Calling, key_id: KeyId) -> KeyAnswer:
    """Ends a key. Every process refuses it within five seconds. The key stays in the list, as `revoked`."""
    now = control.clock()
    key = await _work(control, lambda conn: keys.revoke(conn, _known(key_id), now=now, caller=caller))
    return KeyAnswer.of(key, control.clock())


@post(
    "/{key_id:str}/rotate",
    summary="Replace a key",
    scope=Scope.ADMIN,
    everywhere=True,
    status_code=201,
    response_description="A new key was made. The old token works for a while, too.",
    response_headers=_LOCATION,
    operation_class=asking(_ROTATION, {"grace_hours": 24}, _MADE),
    responses=problems.responses(
        BadRequest("the old token works for 30 days at most after a rotation."),
        _NO_KEY,
        BadState(f"key {_ID} is revoked: only a key that works is rotated. Make a new key."),
        UploadCutOff,
        *problems.DATABASE,
    ),
)
async def rotate_key(
    request: Request[Any, Any, Any], control: Injected, caller: Calling, key_id: KeyId
) -> Response[KeyMade]:
    """Makes a key with the same owner, scopes and graphs. The old key expires after the grace time."""
    asked = await bodies.json_of(request, control.settings, Rotation)
    if not 0 <= asked.grace_hours <= LONGEST_GRACE / timedelta(hours=1):
        raise BadRequest(f"'grace_hours' has to be a number from 0 to {LONGEST_GRACE / timedelta(hours=1):g}.")
    grace, lifetime = timedelta(hours=asked.grace_hours), _lifetime(asked.days)
    now = control.clock()

    def rotate(conn: Connection) -> keys.Made:
        return keys.rotate(conn, _known(key_id), grace=grace, lifetime=lifetime, now=now, caller=caller)

    made = await _work(control, rotate)
    return _shown(control, made)


async def _work(control: Services, work: Callable[[Connection], T]) -> T:
    """Do it in one transaction, as commands do."""

    def in_transaction() -> T:
        with control.sync_pool.connection() as conn, conn.transaction():
            return work(conn)

    return await asyncio.to_thread(in_transaction)


def _shown(control: Services, made: keys.Made) -> Response[KeyMade]:
    return Response(
        KeyMade(made.token, KeyAnswer.of(made.key, control.clock())),
        status_code=201,
        headers={"Location": f"{PATH}/{made.key.id}", **_NOT_STORED},
    )


def _lifetime(days: float | None) -> timedelta | None:
    """Raises BadRequest."""
    if days is not None and not 0 < days <= LONGEST_LIFETIME.days:
        raise BadRequest(f"'days' has to be a number above 0, {LONGEST_LIFETIME.days} at most, or null.")
    return None if days is None else timedelta(days=days)


def _known(key_id: str) -> str:
    """Raises NotFound for a text that is no id."""
    if not keys.ID.fullmatch(key_id):
        raise NotFound("there is no key of this id. `mentiongraph keys list` and GET /keys list all keys.")
    return key_id


ROUTER = Router(
    PATH,
    tags=["keys"],
    route_handlers=[list_keys, make_key, get_self, get_key, revoke_key, rotate_key],
)
