"""A master, its replicas and the Sentinels that watch them, all on loopback: for tests of fail-over and for chaos."""

from __future__ import annotations

import contextlib
import signal
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, cast

import redis

from ops.embedded.access import APP, Access
from ops.embedded.children import POLL, EmbeddedServerError, free_ports
from ops.embedded.valkey import SERVICE, Monitoring, Sentinel, Valkey, client, sentinel_url


class Topology:
    """`replicas` + 1 servers and `sentinels` Sentinels. `nodes` and `sentinels` are keyed by port.

    A master without a replica in step refuses writes (min-replicas-to-write): a stale one that comes back takes none.
    `ports` are the servers' and then the Sentinels', chosen here if there are none. `announced`, in the same order, are
    those at which they are told to each other and to clients: of a proxy in between, say.
    """

    def __init__(
        self,
        directory: Path,
        *,
        replicas: int = 2,
        sentinels: int = 3,
        append_only: bool = True,
        password: str | None = None,
        access: Access | None = None,
        monitoring: Monitoring | None = None,
        ports: Sequence[int] | None = None,
        announced: Sequence[int] | None = None,
        **settings: str | int,
    ) -> None:
        monitoring = monitoring or Monitoring(quorum=sentinels // 2 + 1)
        ports = ports or free_ports(1 + replicas + sentinels)
        first, servers, watchers = ports[0], ports[: 1 + replicas], ports[1 + replicas :]
        self.announced = dict(zip(ports, announced or ports, strict=True))
        safe: dict[str, str | int] = {"min_replicas_to_write": min(1, replicas), "min_replicas_max_lag": 5, **settings}
        self.password, self._access = password, access
        self.nodes = {
            port: Valkey(
                directory / f"valkey-{number}",
                port,
                name=f"valkey-{number}",
                replica_of=None if port == first else self.announced[first],
                announced=self.announced[port],
                append_only=append_only,
                password=password,
                access=access,
                namespace=None,
                **safe,
            )
            for number, port in enumerate(servers)
        }
        self.sentinels = {
            port: Sentinel(
                directory / f"sentinel-{number}",
                port,
                {SERVICE: self.announced[first]},
                announced=self.announced[port],
                name=f"sentinel-{number}",
                monitoring=monitoring,
                password=password,
                access=access,
            )
            for number, port in enumerate(watchers)
        }

    @property
    def url(self) -> str:
        ports = [self.announced[port] for port in self.sentinels]
        if self._access is None:
            return sentinel_url(ports, self.password)
        for_sentinels = f"sentinel_username={APP}&sentinel_password={self._access.asking}"
        return f"{sentinel_url(ports, self._access.app, user=APP)}?{for_sentinels}"

    @property
    def alive(self) -> bool:
        return all(node.alive for node in (*self.nodes.values(), *self.sentinels.values()))

    def start(self, timeout: float = 20.0) -> None:
        """Start everything; return when a master's death would be noticed and mended."""
        try:
            for node in self.nodes.values():
                node.start()
            # A Sentinel asks a master for its replicas when it starts, and then every ten seconds.
            self._wait(self._in_step, timeout, "the replicas are not in step with the master")
            for sentinel in self.sentinels.values():
                sentinel.start()
            self._wait(self._watched, timeout, "the Sentinels have not found each other and the replicas")
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Sentinels first, so that they mend nothing."""
        for node in (*self.sentinels.values(), *self.nodes.values()):
            if node.alive:
                node.child.signal(signal.SIGCONT)
                node.stop()

    def master_port(self) -> int:
        """The master as most of the answering Sentinels see it, by its own port. Raises EmbeddedServerError if none
        answers."""
        seen = list[int]()
        for port in self.sentinels:
            with self._ask(port) as connection, contextlib.suppress(redis.RedisError):
                seen.append(int(cast("dict[str, Any]", connection.sentinel_master(SERVICE))["port"]))
        if not seen:
            raise EmbeddedServerError("no Sentinel answers")
        most = max(seen, key=seen.count)
        return next(port for port, announced in self.announced.items() if announced == most)

    def kill(self, port: int) -> None:
        self._node(port).kill()

    def pause(self, port: int) -> None:
        """It stops answering, and later goes on as if nothing had been."""
        self._node(port).child.signal(signal.SIGSTOP)

    def resume(self, port: int) -> None:
        self._node(port).child.signal(signal.SIGCONT)

    def restart(self, port: int) -> None:
        """Start again what was killed, with the data and the configuration it had; what runs is stopped first."""
        self._node(port).stop()
        self._node(port).start()

    def _ask(self, port: int) -> redis.Redis:
        node = self._node(port)
        return client(port, node.password, node.user)

    def _node(self, port: int) -> Valkey | Sentinel:
        return self.nodes.get(port) or self.sentinels[port]

    def _in_step(self) -> bool:
        return all(
            self._info(port, "role") == "master" or self._info(port, "master_link_status") == "up"
            for port in self.nodes
        )

    def _info(self, port: int, field: str) -> str:
        with self._ask(port) as connection, contextlib.suppress(redis.RedisError):
            return str(connection.info("replication").get(field))
        return ""

    def _watched(self) -> bool:
        return all(self._sees_all(port) for port in self.sentinels)

    def _sees_all(self, port: int) -> bool:
        with self._ask(port) as connection, contextlib.suppress(redis.RedisError):
            master = cast("dict[str, object]", connection.sentinel_master(SERVICE))
            others = (master["num-slaves"], master["num-other-sentinels"])
            return others == (len(self.nodes) - 1, len(self.sentinels) - 1)
        return False

    @staticmethod
    def _wait(condition: Callable[[], bool], timeout: float, complaint: str) -> None:
        deadline = time.monotonic() + timeout
        while not condition():
            if time.monotonic() > deadline:
                raise EmbeddedServerError(f"{complaint} after {timeout:g} s")
            time.sleep(POLL)
