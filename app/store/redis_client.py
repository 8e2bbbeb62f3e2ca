"""From a URL to a client of Redis: of one server, or of the master that Sentinels name.

Time-outs are short, and this module retries nothing, because not every command of ours may be sent twice. The caller
knows what a failure means. `Sentinels` replaces the part of redis-py that does not survive a fail-over.
"""

from __future__ import annotations

import asyncio
import re
import ssl
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple, NoReturn
from urllib.parse import parse_qsl, unquote

import redis
from redis import asyncio as asyncio_redis
from redis.asyncio import connection as asyncio_connection
from redis.asyncio import retry as asyncio_retry
from redis.asyncio import sentinel as asyncio_sentinel
from redis.backoff import NoBackoff
from redis.connection import Connection, SSLConnection, UnixDomainSocketConnection
from redis.maint_notifications import MaintNotificationsConfig
from redis.retry import AbstractRetry, Retry
from redis.sentinel import MasterNotFoundError, SentinelConnectionPool

from app.errors import BadSetting

SOCKET_TIMEOUT = 3.0
CONNECT_TIMEOUT = 1.0
SENTINEL_TIMEOUT = 0.5
HEALTH_CHECK_INTERVAL = 10
SERVER_PORT = 6379
SENTINEL_PORT = 26379

_SCHEMES = "redis://, rediss://, unix://, sentinel:// or sentinels://"
_OF_ANY = ("db", "protocol")
_OF_TLS = ("ssl_ca_certs", "ssl_certfile", "ssl_keyfile", "ssl_cert_reqs", "ssl_check_hostname")
_OF_SENTINELS = ("sentinel_username", "sentinel_password")
_PARAMETERS = {
    "redis": _OF_ANY,
    "rediss": _OF_ANY + _OF_TLS,
    "unix": _OF_ANY,
    "sentinel": _OF_ANY + _OF_SENTINELS,
    "sentinels": _OF_ANY + _OF_SENTINELS + _OF_TLS,
}

_KINDS: dict[str, type[Connection] | type[UnixDomainSocketConnection]] = {
    "redis": Connection,
    "rediss": SSLConnection,
    "unix": UnixDomainSocketConnection,
}
_ASYNC_KINDS: dict[str, type[asyncio_connection.AbstractConnection]] = {
    "redis": asyncio_connection.Connection,
    "rediss": asyncio_connection.SSLConnection,
    "unix": asyncio_connection.UnixDomainSocketConnection,
}


class Address(NamedTuple):
    host: str
    port: int


class _Server(NamedTuple):
    """One server, and the options of a connection to that server."""

    scheme: str
    options: dict[str, Any]


class _Watched(NamedTuple):
    """The master of a service, and the options of a connection to the master."""

    service: str
    sentinels: Sentinels
    options: dict[str, Any]


class _Url(NamedTuple):
    scheme: str
    user: str
    """User and password, as they stand in the URL."""
    hosts: str
    path: str
    query: str


def redis_client(url: str) -> redis.Redis:
    """A client of the server at `url`, or of the master that Sentinels name. Connects to nothing yet.

    - `redis://[user:password@]host[:port][/db]`, `rediss://…` for TLS;
    - `unix://[user:password@]/path`;
    - `sentinel://[user:password@]host[:port],host[:port]…/service`, user and password being the servers'; `sentinels://…`
      for TLS to Sentinels and servers alike. For the Sentinels: `sentinel_username=`, `sentinel_password=`.

    Every form: `db=`, `protocol=` (2 or 3, of RESP). With TLS, named as redis-py names them: `ssl_ca_certs=`,
    `ssl_certfile=`, `ssl_keyfile=` (files), `ssl_cert_reqs=` (required, optional, none), `ssl_check_hostname=` (true,
    false). Raises BadSetting for anything else; a message never shows what may be a password.
    """
    place = _place(url, SOCKET_TIMEOUT, CONNECT_TIMEOUT, Retry(NoBackoff(), 0))
    if isinstance(place, _Watched):
        return redis.Redis.from_pool(SentinelConnectionPool(place.service, place.sentinels, **place.options))
    # Their types are too narrow.
    pool = redis.ConnectionPool(connection_class=_KINDS[place.scheme], **place.options)  # pyright: ignore[reportArgumentType]
    return redis.Redis.from_pool(pool)


def async_redis_client(url: str, *, timeout: float, replicas: bool = False) -> asyncio_redis.Redis:
    """The client for an event loop, with a time-out in seconds. Connects to nothing yet. See `redis_client`.

    With `replicas`, and Sentinels in the URL, it connects to a replica, and to the master where there is none.
    """
    place = _place(url, timeout, CONNECT_TIMEOUT, asyncio_retry.Retry(NoBackoff(), 0))
    if isinstance(place, _Watched):
        sentinels: Any = _AsyncSentinels(place.sentinels)
        pool = asyncio_sentinel.SentinelConnectionPool(
            place.service, sentinels, is_master=not replicas, **place.options
        )
    else:
        pool = asyncio_redis.ConnectionPool(connection_class=_ASYNC_KINDS[place.scheme], **place.options)
    return asyncio_redis.Redis.from_pool(pool)


def forget_master(client: redis.Redis) -> None:
    """After a failure: close the idle connections, which lead to the same server, and ask another Sentinel next."""
    pool = client.connection_pool
    with suppress(redis.RedisError):
        pool.disconnect(inuse_connections=False)
    if isinstance(pool, SentinelConnectionPool):
        pool.sentinel_manager.distrust()


async def async_forget_master(client: asyncio_redis.Redis) -> None:
    """`forget_master` for an event loop. Commands under way on these connections fail."""
    pool = client.connection_pool
    with suppress(Exception):  # of any kind, where a connection is in use
        await pool.disconnect()
    if isinstance(pool, asyncio_sentinel.SentinelConnectionPool):
        pool.sentinel_manager.distrust()


class Sentinels:
    """Asks the Sentinels where the master is: first the Sentinel that answered last, then the others.

    This replaces redis-py's own class. There two threads that look for a new master at once may lose a Sentinel for
    good, because the list of Sentinels has no lock. One error reply ends the search, and connections stay open.
    """

    def __init__(self, addresses: Sequence[Address], options: dict[str, Any]) -> None:
        self._order = list(addresses)
        self._options = options
        self._lock = threading.Lock()

    @property
    def order(self) -> list[Address]:
        """The order in which the Sentinels are asked."""
        with self._lock:
            return list(self._order)

    def discover_master(self, service_name: str) -> Address:
        """The master's address. Raises MasterNotFoundError, a ConnectionError."""
        answers: list[str] = []
        for sentinel in self.order:
            try:
                master = self._ask(sentinel, service_name)
            except redis.RedisError as error:
                answers.append(f"{sentinel.host}:{sentinel.port}: {error}")
                continue
            if master is None:
                answers.append(f"{sentinel.host}:{sentinel.port}: it is down")
                continue
            self._ask_first(sentinel)
            return master
        raise MasterNotFoundError(f"no Sentinel names a master of {service_name!r}: {'; '.join(answers)}")

    def discover_slaves(self, service_name: str) -> list[Address]:
        """The addresses of the replicas that are well. redis-py calls this by that name."""
        for sentinel in self.order:
            with suppress(redis.RedisError), redis.Redis(sentinel.host, sentinel.port, **self._options) as connection:
                states: Any = connection.sentinel_slaves(service_name)
                return [
                    Address(each["ip"], each["port"])
                    for each in states
                    if not (each["is_sdown"] or each["is_odown"]) and each.get("master-link-status") == "ok"
                ]
        return []

    def distrust(self) -> None:
        """Ask another Sentinel first, because the server that this one named is no master or does not answer."""
        with self._lock:
            self._order.append(self._order.pop(0))

    def _ask(self, sentinel: Address, service_name: str) -> Address | None:
        # A new connection for each question: questions are few, and an old connection may lead to a dead Sentinel.
        with redis.Redis(sentinel.host, sentinel.port, **self._options) as connection:
            state: Any = connection.sentinel_master(service_name)
        if not state["is_master"] or state["is_sdown"] or state["is_odown"]:
            return None
        return Address(state["ip"], state["port"])

    def _ask_first(self, sentinel: Address) -> None:
        with self._lock:
            self._order.remove(sentinel)
            self._order.insert(0, sentinel)


class _AsyncSentinels:
    """Asks in a thread, once for each connection."""

    def __init__(self, sentinels: Sentinels) -> None:
        self._sentinels = sentinels
        self.distrust = sentinels.distrust

    async def discover_master(self, service_name: str) -> Address:
        return await asyncio.to_thread(self._sentinels.discover_master, service_name)

    async def discover_slaves(self, service_name: str) -> list[Address]:
        return await asyncio.to_thread(self._sentinels.discover_slaves, service_name)


# Reading the URL ------------------------------------------------------------------------------------------------------


def _place(url: str, timeout: float, connect_timeout: float, retry: AbstractRetry[Any]) -> _Server | _Watched:
    """Where a client's connections lead, and their options."""
    parts = _split(url)
    parameters = _parameters(parts)
    tls = {name: parameters.pop(name) for name in _OF_TLS if name in parameters}
    _check_tls(tls)
    common = _try_once(timeout, connect_timeout, retry) | _credentials(parts)
    common["health_check_interval"] = HEALTH_CHECK_INTERVAL
    if parts.scheme == "unix":
        if parts.hosts or not parts.path:
            _bad("a unix:// URL has three slashes and a path, such as unix:///run/redis.sock.")
        return _Server(parts.scheme, common | parameters | {"path": unquote(parts.path)})
    if parts.scheme in {"sentinel", "sentinels"}:
        of_sentinels = {name.removeprefix("sentinel_"): parameters.pop(name, None) for name in _OF_SENTINELS}
        if of_sentinels["username"] and not of_sentinels["password"]:
            _bad("sentinel_username goes with a sentinel_password.")
        options = _try_once(SENTINEL_TIMEOUT, SENTINEL_TIMEOUT, Retry(NoBackoff(), 0)) | of_sentinels
        if parts.scheme == "sentinels":
            tls["ssl"] = True
        sentinels = Sentinels([_address(each, SENTINEL_PORT) for each in parts.hosts.split(",")], options | tls)
        return _Watched(_service(parts), sentinels, common | parameters | tls)
    where = _address(parts.hosts or "localhost", SERVER_PORT)._asdict()
    if parts.path.strip("/"):
        where["db"] = _database(parts.path.strip("/"))
    return _Server(parts.scheme, common | where | parameters | tls)


def _try_once(timeout: float, connect_timeout: float, retry: AbstractRetry[Any]) -> dict[str, Any]:
    return {
        "socket_timeout": timeout,
        "socket_connect_timeout": connect_timeout,
        "retry": retry,
        # Maintenance notifications would make the time-outs longer.
        "maint_notifications_config": MaintNotificationsConfig(enabled=False),
    }


def _bad(what: str) -> NoReturn:
    raise BadSetting(f"MENTIONGRAPH_REDIS_URL: {what}") from None


def _split(url: str) -> _Url:
    # urlsplit knows one host only, and its errors quote what may be a password.
    found = re.fullmatch(r"([a-z]+)://([^/?#]*)([^?#]*)(?:\?([^#]*))?(#.*)?", url, re.DOTALL)
    if found is None or found[1] not in _PARAMETERS:
        _bad(f"it is no Redis URL: it begins with {_SCHEMES}.")
    scheme, authority, path, query, fragment = found.groups("")
    user, _, hosts = authority.rpartition("@")
    # The message shows no part of the URL: an unescaped character may have moved a piece of the password anywhere.
    if fragment or "@" in user + path + query:
        _bad("characters such as @ / ? # in a user name or a password are written %40 %2F %3F %23.")
    return _Url(scheme, user, hosts, path, query)


def _credentials(parts: _Url) -> dict[str, str]:
    user, _, password = parts.user.partition(":")
    given = {"username": unquote(user), "password": unquote(password)}
    return {name: value for name, value in given.items() if value}


def _address(text: str, port: int) -> Address:
    found = re.fullmatch(r"(?:\[([^\[\]]*:[^\[\]]*)\]|([^:\[\]]+))(?::([0-9]{1,5}))?", text)
    if found is None or not 0 < (number := int(found[3] or port)) < 1 << 16:
        _bad("a host is a name or an address, alone or with the number of a port: host, host:port, [::1], [::1]:port.")
    host = unquote(found[1] or found[2])
    try:
        host.encode("idna")  # as the resolver will
    except UnicodeError:
        _bad("a host's name has a part that is empty or too long.")
    return Address(host, number)


def _service(parts: _Url) -> str:
    service = unquote(parts.path.strip("/"))
    if not service or "/" in service:
        _bad("a sentinel:// URL ends with the name of the service, such as sentinel://host:26379/main.")
    return service


def _parameters(parts: _Url) -> dict[str, Any]:
    known = _PARAMETERS[parts.scheme]
    given: dict[str, Any] = {}
    for name, value in parse_qsl(parts.query, keep_blank_values=True):
        if name not in known:
            what = f"parameter {name!r}" if name.isidentifier() else "one of its parameters"
            _bad(f"{what} is none that {parts.scheme}:// has: {', '.join(known)}.")
        if name in given:
            _bad(f"parameter {name!r} is there twice.")
        given[name] = _READ.get(name, str)(value)
    return given


def _database(text: str) -> int:
    if not (text.isascii() and text.isdigit()):
        _bad("a database is a number, such as redis://host:6379/0.")
    return int(text)


def _protocol(text: str) -> int:
    if text not in {"2", "3"}:
        _bad("protocol is 2 or 3.")
    return int(text)


def _requirement(text: str) -> str:
    if text not in {"required", "optional", "none"}:
        _bad("ssl_cert_reqs is required, optional or none.")
    return text


def _truth(text: str) -> bool:
    if text.lower() not in {"true", "false"}:
        _bad("ssl_check_hostname is true or false.")
    return text.lower() == "true"


def _file(text: str) -> str:
    if not Path(text).is_file():
        _bad(f"there is no file {text}.")
    return text


_READ: dict[str, Callable[[str], Any]] = {
    "db": _database,
    "protocol": _protocol,
    "ssl_ca_certs": _file,
    "ssl_certfile": _file,
    "ssl_keyfile": _file,
    "ssl_cert_reqs": _requirement,
    "ssl_check_hostname": _truth,
}


def _check_tls(given: dict[str, Any]) -> None:
    """Read the files now. A process that started with wrong files would only say that Redis is away."""
    if not given:
        return
    context = ssl.create_default_context()
    authorities, certificate, key = (given.get(name) for name in ("ssl_ca_certs", "ssl_certfile", "ssl_keyfile"))
    try:
        if authorities:
            context.load_verify_locations(authorities)
    except OSError as error:
        _bad(f"ssl_ca_certs={authorities} cannot be used: {error}.")
    try:
        if certificate:
            context.load_cert_chain(certificate, key, password=_no_password)
        elif key:
            _bad("ssl_keyfile goes with ssl_certfile.")
    except OSError as error:
        _bad(f"ssl_certfile={certificate} with its key cannot be used: {error}.")


def _no_password() -> str:
    _bad("the key in ssl_keyfile is encrypted: one that needs no password is wanted.")
