"""Keys: who has one, for what, and until when. They are in the database of the graph `default`.

A token is shown once, when its key is made. The database keeps its digest, so nobody can read a token there. Whoever
reads keys in the database directly needs no key: operators' commands use these functions without asking for one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from ipaddress import IPv6Address, ip_address
from typing import NamedTuple

import msgspec

import sql
from app.control import tokens
from app.control.audit_events import Action, record
from app.control.callers import NOBODY, Caller, Scope
from app.control.graphs import is_name, require_all
from app.errors import BadRequest, BadState, NotFound
from app.settings import Settings
from app.store.postgres import AsyncConnection, Connection, async_rows, one, rows, scalars

_INSERT = sql.query("control/keys/insert")
_PAGE = sql.query("control/keys/page")
_LOCK = sql.query("control/keys/lock")
_REVOKE = sql.query("control/keys/revoke")
_EXPIRE = sql.query("control/keys/expire")
_LOOKED_UP = sql.query("control/keys/looked_up")
_ANY_USABLE = sql.query("control/keys/any_usable")

LIFETIME = timedelta(days=90)
LONGEST_LIFETIME = timedelta(days=3660)
GRACE = timedelta(hours=24)
"""How long the old token of a rotated key works, unless the caller says otherwise."""
LONGEST_GRACE = timedelta(days=30)
MOST_GRAPHS = 100
"""Graphs that a key may name. A key for more is for all."""

ID = re.compile(rf"[0-9A-Za-z]{{{tokens.ID_CHARACTERS}}}")
_OWNER = re.compile(r"\w[\w.@+-]{0,63}")


class KeyState(StrEnum):
    """Whether a key works."""

    USABLE = "usable"
    EXPIRED = "expired"
    REVOKED = "revoked"


class Key(msgspec.Struct, frozen=True):
    """A key without its token, which nobody can be told again."""

    id: str
    owner: str
    scopes: list[str]
    graphs: list[str] | None
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None

    def state(self, now: datetime) -> KeyState:
        """Whether the key works at this instant."""
        return _state(self.expires_at, self.revoked_at, now)


class Known(msgspec.Struct, frozen=True):
    """What is needed to check a token."""

    id: str
    owner: str
    token_sha256: bytes
    scopes: frozenset[Scope]
    graphs: frozenset[str] | None
    expires_at: datetime | None
    revoked_at: datetime | None

    def state(self, now: datetime) -> KeyState:
        """Whether the key works at this instant."""
        return _state(self.expires_at, self.revoked_at, now)


class Made(NamedTuple):
    """A new key, with the token that is shown now and never again."""

    key: Key
    token: str


class _Looked(msgspec.Struct, frozen=True):
    id: str
    owner: str
    token_sha256: bytes
    scopes: list[str]
    graphs: list[str] | None
    expires_at: datetime | None
    revoked_at: datetime | None


class Wanted(msgspec.Struct, frozen=True):
    """For whom and for what a key is to be. `checked` makes one of what a person wrote."""

    owner: str
    scopes: Sequence[Scope]
    graphs: Sequence[str] | None
    lifetime: timedelta | None
    """None: the key does not expire."""


def checked(
    owner: str, scopes: Iterable[str], graphs: Iterable[str] | None = None, lifetime: timedelta | None = LIFETIME
) -> Wanted:
    """What a person wants of a key. Raises BadRequest."""
    if not _OWNER.fullmatch(owner):
        raise BadRequest("the owner has to be 1 to 64 letters, digits or . @ + - _, with a letter or digit first.")
    known = {each.value for each in Scope}
    chosen = list(dict.fromkeys(scopes))
    if unknown := [each for each in chosen if each not in known]:
        raise BadRequest(f"there is no scope {unknown[0][:40]!r}. Known: {', '.join(Scope)}.")
    if not chosen:
        raise BadRequest(f"a key needs a scope at least: {', '.join(Scope)}.")
    named = None if graphs is None else sorted(set(graphs))
    if named is not None:
        if not 0 < len(named) <= MOST_GRAPHS:
            raise BadRequest(f"a key names 1 to {MOST_GRAPHS} graphs, or none: then it is for all.")
        if wrong := [each for each in named if not is_name(each)]:
            raise BadRequest(f"{wrong[0][:60]!r} is no name of a graph: a-z, 0-9 and - in between, 48 at most.")
    if lifetime is not None and not timedelta() < lifetime <= LONGEST_LIFETIME:
        raise BadRequest(f"a key lasts more than nothing and {LONGEST_LIFETIME.days} days at most, or has no end.")
    return Wanted(owner, [Scope(each) for each in chosen], named, lifetime)


def create(conn: Connection, wanted: Wanted, *, now: datetime, caller: Caller = NOBODY) -> Made:
    """Make a key. An audit event says who made it. Raises BadRequest for a graph that does not exist: the key would be
    good for whatever graph gets the name later."""
    with conn.transaction():
        require_all(conn, wanted.graphs or ())
        made = _insert(conn, wanted, now=now)
        detail = {"owner": wanted.owner, "scopes": list(wanted.scopes), "graphs": wanted.graphs}
        record(conn, caller, Action.KEY_CREATE, made.key.id, detail=detail)
    return made


def _insert(conn: Connection, wanted: Wanted, *, now: datetime) -> Made:
    while True:
        made = tokens.make()
        params = {
            "id": made.id,
            "owner": wanted.owner,
            "token_sha256": tokens.digest(made.token),
            "scopes": [str(scope) for scope in wanted.scopes],
            "graphs": None if wanted.graphs is None else list(wanted.graphs),
            "now": now,
            "expires_at": None if wanted.lifetime is None else now + wanted.lifetime,
        }
        if scalars(conn, _INSERT, params):  # else another key has the id
            return Made(get(conn, made.id), made.token)


def get(conn: Connection, key_id: str) -> Key:
    """One key. Raises NotFound."""
    found = rows(conn, Key, _PAGE, {"id": key_id, "owner": None, "before": None, "limit": 1})
    if not found:
        raise NotFound(f"there is no key {key_id[:20]!r}. `mentiongraph keys list` and GET /keys list all keys.")
    return found[0]


def page(conn: Connection, *, owner: str | None = None, before: str | None = None, limit: int) -> list[Key]:
    """Keys, the newest first: of one owner, made before another key. Raises NotFound for `before`."""
    found = rows(conn, Key, _PAGE, {"id": None, "owner": owner, "before": before, "limit": limit})
    if not found and before is not None:
        get(conn, before)
    return found


def revoke(conn: Connection, key_id: str, *, now: datetime, caller: Caller = NOBODY) -> Key:
    """End a key now. No process takes it five seconds later. A key that was revoked before stays as it is. Raises
    NotFound."""
    with conn.transaction():
        if scalars(conn, _REVOKE, {"id": key_id, "now": now}):
            record(conn, caller, Action.KEY_REVOKE, key_id)
        return get(conn, key_id)


def rotate(
    conn: Connection,
    key_id: str,
    *,
    grace: timedelta,
    lifetime: timedelta | None,
    endless: bool = False,
    now: datetime,
    caller: Caller = NOBODY,
) -> Made:
    """Make a key with the same owner, scopes and graphs, and let the old key expire after `grace`.

    The new key lasts for `lifetime`. Without one it lasts 90 days, or has no end if it is to be `endless` or the old
    key has none. Raises NotFound; BadState for a key that does not work any more; BadRequest.
    """
    if not timedelta() <= grace <= LONGEST_GRACE:
        raise BadRequest(f"the old token works for {LONGEST_GRACE.days} days at most after a rotation.")
    with conn.transaction():
        old = one(conn, Key, _LOCK, {"id": key_id})
        if old is None:
            return Made(get(conn, key_id), "")  # which raises NotFound
        if (state := old.state(now)) is not KeyState.USABLE:
            raise BadState(f"key {key_id} is {state}: only a key that works is rotated. Make a new key.")
        if lifetime is None and old.expires_at is not None and not endless:
            lifetime = LIFETIME
        made = _insert(conn, checked(old.owner, old.scopes, old.graphs, lifetime), now=now)
        scalars(conn, _EXPIRE, {"id": key_id, "at": now + grace})
        record(conn, caller, Action.KEY_ROTATE, key_id, detail={"owner": old.owner, "new": made.key.id})
    return made


def any_usable(conn: Connection, *, now: datetime) -> bool:
    """Whether anybody has a key that works."""
    return scalars(conn, _ANY_USABLE, {"now": now}) == [True]


def verified(conn: Connection, token: str, *, now: datetime) -> Known | None:
    """The key of a token. None: the token is of no key that works."""
    key_id = tokens.id_in(token)
    found = _by_id(rows(conn, _Looked, _LOOKED_UP, {"ids": [key_id]})).get(key_id) if key_id else None
    usable = found is not None and tokens.is_of(token, found.token_sha256) and found.state(now) is KeyState.USABLE
    return found if usable else None


async def looked_up(conn: AsyncConnection, ids: Sequence[str]) -> dict[str, Known]:
    """What there is to know of those of the keys that exist."""
    return _by_id(await async_rows(conn, _Looked, _LOOKED_UP, {"ids": list(ids)}))


def _by_id(found: Iterable[_Looked]) -> dict[str, Known]:
    # A later release may have scopes that this release does not know: to this release they allow nothing.
    known = {each.value for each in Scope}
    return {
        each.id: Known(
            each.id,
            each.owner,
            each.token_sha256,
            frozenset(Scope(scope) for scope in each.scopes if scope in known),
            None if each.graphs is None else frozenset(each.graphs),
            each.expires_at,
            each.revoked_at,
        )
        for each in found
    }


def _state(expires_at: datetime | None, revoked_at: datetime | None, now: datetime) -> KeyState:
    if revoked_at is not None:
        return KeyState.REVOKED
    return KeyState.EXPIRED if expires_at is not None and expires_at <= now else KeyState.USABLE


def needed(settings: Settings) -> bool:
    """Whether requests need a key: by default, wherever other machines can reach the API."""
    if settings.keys == "auto":
        return not is_loopback(settings.published_on or settings.host)
    return settings.keys == "required"


def is_loopback(host: str) -> bool:
    """Whether an address can be reached from this machine alone."""
    try:
        address = ip_address(host.strip().removeprefix("[").removesuffix("]"))
    except ValueError:
        return host.strip().lower() == "localhost"
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return (mapped or address).is_loopback
