"""A Dramatiq broker over Redis, plain or behind Sentinel, that survives a fail-over.

Redis carries wake-up calls only, so the broker may lose or repeat a message, but it must neither hang nor park one:

- Short time-outs, and no retries inside redis-py: an EVALSHA that enqueues or fetches is not idempotent.
- Whatever a fail-over looks like from here (time-out, READONLY, LOADING, …) becomes a ConnectionError: after that
  Dramatiq throws its consumer away and makes a new one. A time-out alone would end the consumer's thread.
- A new consumer first takes back what Redis believes this process holds, but it does not: Dramatiq only does so for
  processes that are dead, and a reply lost on the way leaves messages with a live one.
"""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import redis
from dramatiq import Middleware
from dramatiq.brokers.redis import RedisBroker, _RedisConsumer  # pyright: ignore[reportPrivateUsage]
from dramatiq.errors import ConnectionClosed
from redis.backoff import NoBackoff
from redis.exceptions import ReadOnlyError
from redis.retry import Retry
from redis.sentinel import Sentinel

from app.errors import BadSetting

SOCKET_TIMEOUT = 3.0
CONNECT_TIMEOUT = 1.0
SENTINEL_TIMEOUT = 0.5
HEALTH_CHECK_INTERVAL = 10

# Replies of a server that is not, or not yet, the master.
_FAIL_OVER_REPLIES = ("READONLY", "NOREPLICAS", "MASTERDOWN", "LOADING", "UNBLOCKED", "CLUSTERDOWN")

# KEYS: set of ids this process is believed to hold, the queue's list, the queue's messages. ARGV: ids it does hold.
_TAKE_BACK = """
local held = {}
for _, id in ipairs(ARGV) do held[id] = true end
local taken = 0
for _, id in ipairs(redis.call('smembers', KEYS[1])) do
  if not held[id] then
    redis.call('srem', KEYS[1], id)
    if redis.call('hexists', KEYS[3], id) == 1 then
      redis.call('rpush', KEYS[2], id)
      taken = taken + 1
    end
  end
end
return taken
"""


def redis_client(url: str) -> redis.Redis:
    """A client of the server at `url`, or of the master that Sentinels name. Connects to nothing yet.

    `redis://…` and `rediss://…` as redis-py has them; `sentinel://[user:password@]host:port,host:port/service[?db=N]`.
    Raises BadSetting for anything else.
    """
    parts = urlsplit(url)
    common: dict[str, Any] = {
        "socket_timeout": SOCKET_TIMEOUT,
        "socket_connect_timeout": CONNECT_TIMEOUT,
        "socket_keepalive": True,
        "health_check_interval": HEALTH_CHECK_INTERVAL,
        "retry": Retry(NoBackoff(), 0),
    }
    if parts.scheme in {"redis", "rediss", "unix"}:
        return redis.Redis.from_url(url, **common)
    if parts.scheme != "sentinel":
        raise BadSetting(f"{parts.scheme}://… is no Redis URL: use redis://, rediss://, unix:// or sentinel://.")
    service = parts.path.strip("/")
    if not service:
        raise BadSetting("a sentinel:// URL ends with the name of the service, such as sentinel://host:26379/main.")
    sentinels = Sentinel(
        [_address(part) for part in parts.netloc.rpartition("@")[2].split(",")],
        sentinel_kwargs={
            "socket_timeout": SENTINEL_TIMEOUT,
            "socket_connect_timeout": SENTINEL_TIMEOUT,
            "retry": Retry(NoBackoff(), 0),
        },
    )
    if parts.password is not None:
        common |= {"username": unquote(parts.username) if parts.username else None, "password": unquote(parts.password)}
    database = int(parse_qs(parts.query).get("db", ["0"])[0])
    return sentinels.master_for(service, db=database, **common)


def _address(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":") if ":" in text else (text, "", "26379")
    if not host or not port.isdigit():
        raise BadSetting(f"{text!r} is no address of a Sentinel: host:port is wanted.")
    return host.strip("[]"), int(port)


class _Consumer(_RedisConsumer):
    """Keeps account of the messages this process holds, for the broker to take back the others."""

    broker: FailOverRedisBroker

    def __init__(self, broker: FailOverRedisBroker, queue_name: str, prefetch: int, timeout: int) -> None:
        super().__init__(broker, queue_name, prefetch, timeout)
        broker.take_back(queue_name)

    def __next__(self) -> Any:  # noqa: ANN401 (untyped in Dramatiq)
        message = super().__next__()
        if message is not None:
            self.broker.hold(self.queue_name, message.options["redis_message_id"])
        return message

    def ack(self, message: Any) -> None:  # noqa: ANN401
        super().ack(message)
        self.broker.let_go(self.queue_name, [message])

    def nack(self, message: Any) -> None:  # noqa: ANN401
        super().nack(message)
        self.broker.let_go(self.queue_name, [message])

    def requeue(self, messages: Iterable[Any]) -> None:
        messages = list(messages)
        try:
            super().requeue(messages)
        except redis.ConnectionError as error:
            # Dramatiq lets this one escape, which ends the consumer's thread.
            raise ConnectionClosed(error) from None
        self.broker.let_go(self.queue_name, messages)


class FailOverRedisBroker(RedisBroker):
    """Dramatiq's RedisBroker with the rules above. `enqueue_timeout` in seconds: how long an enqueue is tried.

    A repeated enqueue may leave the message twice; the actors do not mind.
    """

    def __init__(
        self, *, client: redis.Redis, namespace: str, enqueue_timeout: float, middleware: list[Middleware]
    ) -> None:
        super().__init__(client=client, namespace=namespace, middleware=middleware)
        self.enqueue_timeout = enqueue_timeout
        self._held: defaultdict[str, set[str]] = defaultdict(set)
        self._held_lock = threading.Lock()
        self._take_back = client.register_script(_TAKE_BACK)

    @property
    def consumer_class(self) -> type[_Consumer]:
        return _Consumer

    def hold(self, queue_name: str, message_id: str) -> None:
        """This process has the message in its hands."""
        with self._held_lock:
            self._held[queue_name].add(message_id)

    def let_go(self, queue_name: str, messages: Iterable[Any]) -> None:
        """This process has them no longer, and Redis knows."""
        with self._held_lock:
            self._held[queue_name].difference_update(message.options["redis_message_id"] for message in messages)

    def take_back(self, queue_name: str) -> int:
        """Put back on the queue what Redis believes this process holds, but it does not; how many."""
        with self._held_lock:
            if queue_name.endswith(".DQ"):
                # Dramatiq's worker forgets its delayed messages after a connection error.
                self._held[queue_name].clear()
            held = list(self._held[queue_name])
        prefix = self.namespace
        keys = [
            f"{prefix}:__acks__.{self.broker_id}.{queue_name}",
            f"{prefix}:{queue_name}",
            f"{prefix}:{queue_name}.msgs",
        ]
        try:
            taken = int(self._take_back(keys=keys, args=held))
        except redis.RedisError as error:
            raise ConnectionClosed(error) from None
        if taken:
            self.logger.warning("Took back %d messages of queue %r that were lost on the way.", taken, queue_name)
        return taken

    def queue_length(self, queue_name: str) -> int:
        """Messages waiting in the queue. Raises redis.ConnectionError."""
        try:
            return int(self.client.llen(f"{self.namespace}:{queue_name}"))
        except redis.TimeoutError as error:
            raise redis.ConnectionError(str(error)) from error

    def _dispatch(self, command: str) -> Callable[..., Any]:
        run = super()._dispatch(command)

        def once(queue_name: str, *args: Any) -> Any:  # noqa: ANN401
            try:
                return run(queue_name, *args)
            except redis.TimeoutError as error:
                # For redis-py it is no ConnectionError; Dramatiq catches only those.
                raise redis.ConnectionError(f"timed out: {error}") from error
            except redis.ResponseError as error:
                if not _means_fail_over(error):
                    raise
                # Ask the Sentinels anew: the connections lead to a server that is no master any more.
                self.client.connection_pool.disconnect(inuse_connections=False)
                raise redis.ConnectionError(str(error)) from error

        return self._insist(once) if command == "enqueue" else once

    def _insist(self, once: Callable[..., Any]) -> Callable[..., Any]:
        def insist(queue_name: str, *args: Any) -> Any:  # noqa: ANN401
            deadline = time.monotonic() + self.enqueue_timeout
            pause = 0.05
            while True:
                try:
                    return once(queue_name, *args)
                except redis.ConnectionError:
                    if time.monotonic() + pause > deadline:
                        raise
                    time.sleep(pause)
                    pause = min(1.0, 2 * pause)

        return insist


def _means_fail_over(error: redis.ResponseError) -> bool:
    text = str(error)
    return isinstance(error, ReadOnlyError) or any(
        text.startswith(reply) or f" {reply}" in text for reply in _FAIL_OVER_REPLIES
    )
