"""A Dramatiq broker over Redis, plain or behind Sentinel, that survives a fail-over.

Redis carries wake-up calls only, so the broker may lose or repeat a message, but it must neither hang nor park one:

- Short time-outs, and no retries inside redis-py: an EVALSHA that enqueues or fetches is not idempotent. An enqueue is
  repeated here, for a while that is bounded however many messages there are; see `until`.
- Whatever goes wrong (a time-out, READONLY, LOADING, OOM, …) becomes a ConnectionError: after that Dramatiq throws its
  consumer away and makes a new one, and acknowledges again. Any other error at an acknowledgement would leave the
  message with this process for good. The idle connections go too, and another Sentinel is asked.
- After a failure Redis is taken to be `away` for a moment, so that what follows need not find out for itself.
- A new consumer first takes back what Redis believes this process holds, but it does not: Dramatiq only does so for
  processes that are dead, and a reply lost on the way leaves messages with a live one.
"""

from __future__ import annotations

import re
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Generator, Iterable
from contextlib import contextmanager
from typing import Any

import redis
from dramatiq import Middleware
from dramatiq.brokers.redis import RedisBroker, _RedisConsumer  # pyright: ignore[reportPrivateUsage]
from dramatiq.errors import ConnectionClosed
from redis.exceptions import AuthorizationError

from app.store.errands import Errands
from app.store.redis_client import forget_master, redis_client

__all__ = ["FailOverRedisBroker", "Refused", "redis_client"]

AWAY_SECONDS = 1.0
FIRST_PAUSE = 0.05
LONGEST_PAUSE = 1.0

# Replies of a server that is not, or not yet, the master, or busy: they pass. Inside a script's error in older servers.
_PASSING = re.compile(r"\b(READONLY|NOREPLICAS|MASTERDOWN|LOADING|UNBLOCKED|CLUSTERDOWN|TRYAGAIN|BUSY|NOSCRIPT)\b")


class Refused(redis.ConnectionError):
    """The server answers, but will have none of it: no memory, no disk, no permission, a wrong password. To Dramatiq it
    is away; to insist would not help."""


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

    A repeated enqueue may leave the message twice; the actors do not mind. With `background`, errands (see `errand`)
    are run on a thread of their own. Errors are redis.ConnectionError, whatever they were.
    """

    def __init__(
        self,
        *,
        client: redis.Redis,
        namespace: str,
        enqueue_timeout: float,
        middleware: list[Middleware],
        background: bool = False,
    ) -> None:
        super().__init__(client=client, namespace=namespace, middleware=middleware)
        self.enqueue_timeout = enqueue_timeout
        self._held: defaultdict[str, set[str]] = defaultdict(set)
        self._held_lock = threading.Lock()
        self._take_back = client.register_script(_TAKE_BACK)
        self._errands = Errands() if background else None
        self._closing = threading.Event()
        self._away_until = 0.0
        self._patience = threading.local()

    def close(self, patience: float = 1.0) -> None:
        """Wait up to so many seconds for the errands, then hang up."""
        if self._errands is not None:
            self._errands.close(patience)
        self._closing.set()
        self.client.close()

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
            raise ConnectionClosed(self.lost(error)) from None
        if taken:
            self.logger.warning("Took back %d messages of queue %r that were lost on the way.", taken, queue_name)
        return taken

    def queue_length(self, queue_name: str) -> int:
        """Messages waiting in the queue. Raises redis.ConnectionError."""
        try:
            return int(self.client.llen(f"{self.namespace}:{queue_name}"))
        except redis.RedisError as error:
            self._away_until = time.monotonic() + AWAY_SECONDS
            raise self.lost(error) from error

    # While Redis is away

    @property
    def away(self) -> bool:
        """Whether an errand came to nothing a moment ago, and Redis has not answered since."""
        return time.monotonic() < self._away_until

    def lost(self, error: redis.RedisError) -> redis.ConnectionError:
        """The failure as a ConnectionError, for the caller to raise. The next command goes to another connection."""
        forget_master(self.client)
        return _as_connection_error(error)

    @contextmanager
    def until(self, deadline: float) -> Generator[None]:
        """This thread's enqueues within the block are repeated until then (`time.monotonic`), all of them together;
        each is tried once at least."""
        self._patience.deadline = deadline
        try:
            yield
        finally:
            del self._patience.deadline

    def errand(self, run: Callable[[float], bool]) -> bool:
        """Have something done with Redis that is given up at a deadline, `enqueue_timeout` from now: its argument.

        Done at once, and answers whether it was done; or by and by in the background, so that nobody waits for Redis:
        then True, or False if too many wait.
        """
        deadline = time.monotonic() + self.enqueue_timeout
        if self._errands is not None:
            return self._errands.send(lambda: (self.away and time.monotonic() > deadline) or self._try(run, deadline))
        # The caller waits: not for what has just failed.
        return not self.away and self._try(run, deadline)

    def _try(self, run: Callable[[float], bool], deadline: float) -> bool:
        done = run(deadline)
        if not done:
            self._away_until = time.monotonic() + AWAY_SECONDS
        return done

    # Dramatiq's private parts

    def _max_unpack_size(self) -> int:
        # Dramatiq asks the server, with a lock held: while Redis is away its threads would wait in a row. No server's
        # stack is smaller than this.
        return 1000

    def _dispatch(self, command: str) -> Callable[..., Any]:
        run = super()._dispatch(command)

        def once(queue_name: str, *args: Any) -> Any:  # noqa: ANN401
            try:
                answer = run(queue_name, *args)
            except redis.RedisError as error:
                raise self.lost(error) from error
            self._away_until = 0.0
            return answer

        return self._insist(once) if command == "enqueue" else once

    def _insist(self, once: Callable[..., Any]) -> Callable[..., Any]:
        def insist(queue_name: str, *args: Any) -> Any:  # noqa: ANN401
            deadline: float = getattr(self._patience, "deadline", time.monotonic() + self.enqueue_timeout)
            pause = FIRST_PAUSE
            while True:
                try:
                    return once(queue_name, *args)
                except Refused:
                    raise
                except redis.ConnectionError:
                    if time.monotonic() + pause > deadline or self._closing.wait(pause):
                        raise
                    pause = min(LONGEST_PAUSE, 2 * pause)

        return insist


def _as_connection_error(error: redis.RedisError) -> redis.ConnectionError:
    said = f"{error.status_code} {error}" if error.status_code else str(error)
    match error:
        case redis.AuthenticationError() | AuthorizationError():
            return Refused(said)
        case redis.ConnectionError():
            return error
        case redis.ResponseError() if not _PASSING.search(said):
            return Refused(said)
        case redis.TimeoutError():
            return redis.ConnectionError(f"timed out: {said}")
        case _:
            return redis.ConnectionError(said)
