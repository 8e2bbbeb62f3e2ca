"""Users of Valkey with no more rights than they need (ACL), as configuration lines for servers and Sentinels.

Every server needs all of them: users are not replicated, and a replica may become the master.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

APP = "mentiongraph"
"""Rings and listens on the servers, and asks the Sentinels for the master."""
REPLICA = "replica"
"""A server that follows another."""
SENTINEL = "sentinel"
"""A Sentinel, on the servers and on the other Sentinels."""

# Dramatiq's script names the namespace itself as its key, and then uses keys below it.
_APP_KEYS = "~{namespace} ~{namespace}:*"
_APP_COMMANDS = (
    "+ping +select +client|setinfo +evalsha +script|load +llen +xadd +xread +xrevrange "
    "+zadd +zrangebyscore +zrem +smembers +sadd +srem +scard +hexists +hset +hget +hmget +hdel +hlen "
    "+rpush +lpop +del +keys "
    "+mget +set +incrby +expire"  # of the cache
)
_REPLICA_COMMANDS = "+ping +psync +replconf"
_WATCHING = (
    "&__sentinel__:hello +ping +info +role +publish +subscribe +multi +exec +slaveof +replicaof "
    "+config|rewrite +client|setname +client|kill +script|kill "
    "+client|setinfo"  # of our own checks
)
_ASKING = "+ping +client|setinfo +sentinel|master"
_AMONG_SENTINELS = "&__sentinel__:hello +ping +publish +client|setname +sentinel|is-master-down-by-addr"


class Access(NamedTuple):
    """The users' passwords. The default user is off. Passwords without spaces and quotes."""

    app: str
    replica: str
    watching: str
    """Of the Sentinels on the servers."""
    asking: str
    """Of the app on the Sentinels."""
    among_sentinels: str

    def of_server(self, namespace: str = APP) -> list[str]:
        keys = _APP_KEYS.format(namespace=namespace)
        return [
            "user default off",
            _user(APP, self.app, keys, _APP_COMMANDS),
            _user(REPLICA, self.replica, _REPLICA_COMMANDS),
            _user(SENTINEL, self.watching, _WATCHING),
            f"masteruser {REPLICA}",
            f"masterauth {self.replica}",
        ]

    def of_sentinel(self, services: Sequence[str]) -> list[str]:
        """To stand after the lines that say what is monitored."""
        lines = [
            "user default off",
            _user(APP, self.asking, _ASKING),
            _user(SENTINEL, self.among_sentinels, _AMONG_SENTINELS),
            f"sentinel sentinel-user {SENTINEL}",
            f"sentinel sentinel-pass {self.among_sentinels}",
        ]
        for service in services:
            lines += [f"sentinel auth-user {service} {SENTINEL}", f"sentinel auth-pass {service} {self.watching}"]
        return lines


def _user(name: str, password: str, *rules: str) -> str:
    return " ".join(("user", name, "on", f">{password}", "resetchannels", "-@all", *rules))
