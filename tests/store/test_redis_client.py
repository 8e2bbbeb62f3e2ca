"""From a URL to the master: Sentinels that are dead, silent or wrong, every kind of address, TLS."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import redis
import trustme

from app.errors import BadSetting
from app.ledger import bells
from app.store import redis_client
from app.store.redis_client import Address, Sentinels
from ops.embedded.children import free_ports
from ops.embedded.valkey import SERVICE, Monitoring, Sentinel, Valkey
from tests.ringing import Relay, broker_of, message, rings

# Sentinels ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def sentinel(redis_url: str, server_directory: Path) -> Generator[Sentinel]:
    port = int(redis_url.rpartition(":")[2].partition("/")[0])
    sentinel = Sentinel(server_directory, None, {SERVICE: port}, monitoring=Monitoring(quorum=1))
    sentinel.start()
    yield sentinel
    sentinel.stop()


def sentinels(*ports: int) -> Sentinels:
    hosts = ",".join(f"127.0.0.1:{port}" for port in ports)
    pool: Any = redis_client.redis_client(f"sentinel://{hosts}/{SERVICE}").connection_pool
    return pool.sentinel_manager


def test_the_sentinel_that_answered_is_asked_first(sentinel: Sentinel, server: Valkey, relay: Relay) -> None:
    """Before it: one that is dead, one that takes connections and is silent, one that answers nonsense."""
    relay.mute = True
    (dead,) = free_ports(1)
    ports = [dead, relay.port, server.port, sentinel.port]
    asked = sentinels(*ports)

    with ThreadPoolExecutor(8) as pool:
        found = set(pool.map(asked.discover_master, [SERVICE] * 8))

    assert len(found) == 1
    assert asked.order[0].port == sentinel.port
    assert sorted(asked.order) == sorted(Address("127.0.0.1", port) for port in ports)
    silences = relay.accepted
    asked.discover_master(SERVICE)
    assert relay.accepted == silences
    asked.distrust()
    assert asked.order[-1].port == sentinel.port


@pytest.mark.usefixtures("forgetting")
def test_after_a_failure_another_sentinel_is_asked(
    server_directory: Path, server: Valkey, redis_url: str, namespace: str
) -> None:
    """One of them names a server that is no master: it was cut off from the others while they chose another."""
    right = int(redis_url.rpartition(":")[2].partition("/")[0])
    with ExitStack() as stack:
        ports: list[int] = []
        for port in (server.port, right):
            each = Sentinel(server_directory / str(port), None, {SERVICE: port}, monitoring=Monitoring(quorum=1))
            stack.callback(each.stop)
            each.start()
            ports.append(each.port)
        with redis.Redis(port=server.port) as admin:
            admin.config_set("min-replicas-to-write", 1)
        hosts = ",".join(f"127.0.0.1:{port}" for port in ports)
        with broker_of(f"sentinel://{hosts}/{SERVICE}", namespace, timeout=60) as broker:
            assert bells.ring(broker, batches=rings(2))
            with redis.Redis(port=right) as there:
                assert there.llen(f"{namespace}:bulk") == 2


def test_no_sentinel_answers(relay: Relay, namespace: str) -> None:
    relay.mute = True
    (dead,) = free_ports(1)
    url = f"sentinel://ada:secret@127.0.0.1:{dead},127.0.0.1:{relay.port}/{SERVICE}?sentinel_password=secret"
    with broker_of(url, namespace) as broker:
        with pytest.raises(redis.ConnectionError, match=f"no Sentinel names a master of '{SERVICE}'") as raised:
            broker.enqueue(message())
        assert "secret" not in str(raised.value)
        assert not bells.ring(broker, batches=rings(1))


# URLs -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "url",
    [
        "http://:secret@host",
        "redis:host",
        "redis://:secret@host:port",
        "redis://:secret@host:0",
        "redis://:secret@host/one",
        "redis://:secret@::1",
        "redis://:secret@[::1",
        "redis://:secret@a..b",
        "redis://:a/secret@host",
        "redis://:a?secret=1@host",
        "redis://:a#secret@host",
        "redis://:a@secret@host",
        "redis://host?db=one",
        "redis://host?db=1&db=2",
        "redis://host?protocol=1",
        "redis://host?retry_on_timeout=true",
        "redis://host?ssl_cert_reqs=none",
        "unix://run/redis.sock",
        "sentinel://:secret@host",
        "sentinel://host,/main",
        "sentinel://host/main/0",
        "sentinel://host/main?sentinel_username=ada",
        "sentinel://host/main?sentinel_pasword=secret",
        "rediss://host?ssl_cert_reqs=maybe",
        "rediss://host?ssl_check_hostname=maybe",
        "rediss://host?ssl_ca_certs=/no/such/file",
        f"rediss://host?ssl_ca_certs={__file__}",
        f"rediss://host?ssl_certfile={__file__}",
        f"rediss://host?ssl_keyfile={__file__}",
    ],
)
def test_a_url_that_cannot_be_used(url: str) -> None:
    with pytest.raises(BadSetting, match=r"^MENTIONGRAPH_REDIS_URL: ") as raised:
        redis_client.redis_client(url)
    assert "secret" not in str(raised.value)


def test_addresses_of_sentinels() -> None:
    url = "sentinel://ada:p%40@one,two:2,[::1],[fe80::1%25lo]:4/main?db=1&protocol=2"
    pool: Any = redis_client.redis_client(url).connection_pool
    assert pool.sentinel_manager.order == [("one", 26379), ("two", 2), ("::1", 26379), ("fe80::1%lo", 4)]
    given = {name: pool.connection_kwargs[name] for name in ("username", "password", "db", "protocol")}
    assert given == {"username": "ada", "password": "p@", "db": 1, "protocol": 2}


@pytest.mark.parametrize("protocol", [2, 3])
def test_every_kind_of_address(server_directory: Path, namespace: str, protocol: int) -> None:
    path = server_directory / "a socket"
    bind = "127.0.0.1 -::1" if socket.has_ipv6 else "127.0.0.1"
    server = Valkey(server_directory, append_only=False, password="p@ss/1", unixsocket=f'"{path}"', bind=bind)
    server.start()
    try:
        hosts = ["@127.0.0.1", "@localhost"] + (["@[::1]"] if _has_ipv6(server.port) else [])
        urls = [f"redis://default:p%40ss%2F1{host}:{server.port}/3?protocol={protocol}" for host in hosts]
        urls.append(f"unix://:p%40ss%2F1@{str(path).replace(' ', '%20')}?db=3&protocol={protocol}")
        for url in urls:
            with broker_of(url, namespace) as broker:
                assert bells.ring(broker, batches=rings(1)), url
                assert bells.ring(broker, uploads=[uuid4()])
        with redis_client.redis_client(urls[0]) as client:
            assert client.llen(f"{namespace}:bulk") == len(urls)
    finally:
        server.stop()


def _has_ipv6(port: int) -> bool:
    with suppress(OSError), socket.create_connection(("::1", port), timeout=1):
        return True
    return False


# TLS ------------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def files(authority: trustme.CA, tmp_path: Path) -> dict[str, str]:
    """A client's: the authority's certificate, its own and the key."""
    own = authority.issue_cert("ada@example.org")
    paths = {name: tmp_path / f"{name}.pem" for name in ("ssl_ca_certs", "ssl_certfile", "ssl_keyfile")}
    authority.cert_pem.write_to_path(str(paths["ssl_ca_certs"]))
    own.cert_chain_pems[0].write_to_path(str(paths["ssl_certfile"]))
    own.private_key_pem.write_to_path(str(paths["ssl_keyfile"]))
    return {name: str(path) for name, path in paths.items()}


def tls(authority: trustme.CA, name: str = "127.0.0.1") -> ssl.SSLContext:
    """Of a server with this name, to which a client has to show a certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(name).configure_cert(context)
    authority.configure_trust(context)
    context.verify_mode = ssl.CERT_REQUIRED
    return context


def query(**parameters: str) -> str:
    return "&".join(f"{name}={value}" for name, value in parameters.items())


def test_tls(server: Valkey, authority: trustme.CA, files: dict[str, str], namespace: str) -> None:
    relay, elsewhere = Relay(server.port, tls(authority)), Relay(server.port, tls(authority, "elsewhere.example.org"))

    def works(relay: Relay, scheme: str = "rediss", **parameters: str) -> bool:
        url = f"{scheme}://127.0.0.1:{relay.port}?{query(**parameters)}"
        with broker_of(url, namespace) as broker:
            return bells.ring(broker, batches=rings(1))

    certificate = {name: files[name] for name in ("ssl_certfile", "ssl_keyfile")}
    try:
        assert works(relay, **files)
        assert relay.encrypted == 1
        assert not works(relay, **certificate)  # whose authority is not known
        assert not works(relay, ssl_ca_certs=files["ssl_ca_certs"])  # a client without a certificate
        assert works(relay, ssl_cert_reqs="none", **certificate)
        assert not works(elsewhere, **files)
        assert works(elsewhere, ssl_check_hostname="false", **files)
    finally:
        relay.close()
        elsewhere.close()


def test_tls_to_sentinels_and_servers(
    server: Valkey, authority: trustme.CA, files: dict[str, str], namespace: str, server_directory: Path
) -> None:
    with ExitStack() as stack:
        to_server = Relay(server.port, tls(authority))
        stack.callback(to_server.close)
        sentinel = Sentinel(server_directory, None, {SERVICE: to_server.port}, monitoring=Monitoring(quorum=1))
        stack.callback(sentinel.stop)
        sentinel.start()
        to_sentinel = Relay(sentinel.port, tls(authority))
        stack.callback(to_sentinel.close)
        where = f"127.0.0.1:{to_sentinel.port}/{SERVICE}"
        with broker_of(f"sentinels://{where}?{query(**files)}", namespace) as broker:
            assert bells.ring(broker, batches=rings(1))
        assert (to_sentinel.encrypted, to_server.encrypted) == (1, 1)
        with broker_of(f"sentinel://{where}", namespace) as broker:
            assert bells.ring(broker, batches=rings(1))
        assert (to_sentinel.encrypted, to_server.encrypted) == (1, 1)
