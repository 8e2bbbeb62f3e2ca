"""A Dramatiq broker over Redis, plain or behind Sentinel, that survives a fail-over.

Redis carries rings only, so the broker may lose or repeat a message, but the broker must neither hang nor park one:

- Time-outs are short, and redis-py retries nothing: an EVALSHA that enqueues or fetches is not idempotent. `enqueue`
  tries again here, until a deadline. `send` has one deadline for all of its messages.
- Every failure (a time-out, READONLY, LOADING, OOM, …) becomes a ConnectionError. After that Dramatiq makes a new
  consumer and acknowledges again. After any other error at an acknowledgement the message would stay with this process
  for good. The broker also closes idle connections and asks another Sentinel.
- After a failure `send` takes Redis to be `away` for a moment, so that the next calls need not find out for themselves.
- A message that this service does not send (see app/store/messages.py) is dropped as it is fetched.
- A new consumer first takes back the messages that Redis believes this process holds, but that this process does not
  hold. Dramatiq takes back only what dead processes held, and a lost reply leaves messages with a live process.

The way of a ring: `app.ledger.bells.ring` → `send` (→ the background thread, in the API) → `enqueue` → Dramatiq.

This module leans on private names of Dramatiq and on its keys in Redis; tests/store/test_dramatiq.py lists them.
"""

from __future__ import annotations

import re
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any, NamedTuple

import redis
import structlog
from dramatiq import Message, Middleware
from dramatiq.brokers.redis import RedisBroker, _RedisConsumer  # pyright: ignore[reportPrivateUsage]
from dramatiq.errors import ConnectionClosed
from redis.exceptions import AuthorizationError

from app.store import messages as wire
from app.store.background import Background
from app.store.redis_client import forget_master, redis_client
from app.store.seldom import Seldom

__all__ = ["FailOverRedisBroker", "Refused", "Signal", "redis_client"]

log = structlog.get_logger(__name__)

AWAY_SECONDS = 1.0
FIRST_PAUSE = 0.05
LONGEST_PAUSE = 1.0

_UPKEEP = "upkeep"
"""No command of dispatch.lua, which then does nothing but its maintenance."""
_FETCHES = 50
"""Fetches in a row that may find nothing of ours, before the consumer says that it has polled."""
_SUSPICIOUS = 100
"""Messages to fetch at once, after a fetch that found nothing of ours."""

# Replies of a server that is not, or not yet, the master, or busy: they pass. Inside a script's error in older servers.
_PASSING = re.compile(r"\b(READONLY|NOREPLICAS|MASTERDOWN|LOADING|UNBLOCKED|CLUSTERDOWN|TRYAGAIN|BUSY|NOSCRIPT)\b")


class Refused(redis.ConnectionError):
    """The server answers, and refuses: it has no memory, no disk or no permission for us, or the password is wrong.

    Dramatiq treats the server as away. Trying again would not help.
    """


class Signal(NamedTuple):
    """An entry of a stream with one field. The stream keeps about `kept` entries."""

    stream: str
    field: str
    value: str
    kept: int


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
    """Tells the broker which messages this process holds, so that the broker can take back the others."""

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
    """Dramatiq's RedisBroker with the rules above. `enqueue_timeout` is the seconds for which an enqueue is tried.

    A repeated enqueue may leave the message twice; the actors do not mind. With `background`, a thread of the broker's
    own does what `send` is asked for. Every error is a redis.ConnectionError.
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
        self._fetch = client.register_script(wire.FETCH)
        self._drop = client.register_script(wire.DROP)
        self._foreign = Seldom()
        self._background = Background() if background else None
        self._closing = threading.Event()
        self._away_until = 0.0

    def close(self, patience: float = 1.0) -> None:
        """Wait up to `patience` seconds for what was sent in the background, then hang up."""
        if self._background is not None:
            self._background.close(patience)
        self._closing.set()
        self.client.close()

    # Sending

    def send(self, messages: Sequence[Message[Any]], *, signals: Sequence[Signal] = ()) -> bool:
        """Enqueue messages and then add signals to their streams, within `enqueue_timeout` seconds for all of them.

        Returns whether all were sent. In the background the caller does not wait for Redis, and the answer is whether
        the background thread took the task; the thread drops a task that is late while Redis is away.
        """
        deadline = time.monotonic() + self.enqueue_timeout
        task = partial(self._send, messages, signals, deadline)
        return task() if self._background is None else self._background.run(task)

    def _send(self, messages: Sequence[Message[Any]], signals: Sequence[Signal], deadline: float) -> bool:
        if self.away and (self._background is None or time.monotonic() > deadline):
            return False  # a caller who waits does not wait for what has just failed; and a late ring is the sweeper's
        unsent = len(messages)
        try:
            for message in messages:
                self.enqueue(message, deadline=deadline)
                unsent -= 1
            self._signal(signals)
        except redis.RedisError as error:
            self._away_until = time.monotonic() + AWAY_SECONDS
            if unsent:
                log.warning("redis_away", unsent=unsent, error=str(error))
            else:
                log.debug("redis_away_for_listeners", signals=len(signals), error=str(error))
            return False
        return True

    def enqueue(
        self, message: Message[Any], *, delay: int | None = None, deadline: float | None = None
    ) -> Message[Any]:
        """Enqueue a message, and try again until the deadline (of `time.monotonic`) while Redis is away.

        Without a deadline, `enqueue_timeout` seconds. The broker tries once in any case, and stops when Redis refuses.
        """
        deadline = time.monotonic() + self.enqueue_timeout if deadline is None else deadline
        pause = FIRST_PAUSE
        while True:
            try:
                return super().enqueue(message, delay=delay)
            except Refused:
                raise
            except redis.ConnectionError:
                if time.monotonic() + pause > deadline or self._closing.wait(pause):
                    raise
                pause = min(LONGEST_PAUSE, 2 * pause)

    def _signal(self, signals: Sequence[Signal]) -> None:
        if not signals:
            return
        try:
            pipeline = self.client.pipeline(transaction=False)
            for signal in signals:
                pipeline.xadd(signal.stream, {signal.field: signal.value}, maxlen=signal.kept, approximate=True)
            pipeline.execute()
        except redis.RedisError as error:
            raise self.lost(error) from error

    # Receiving

    @property
    def consumer_class(self) -> type[_Consumer]:
        return _Consumer

    def hold(self, queue_name: str, message_id: str) -> None:
        """This process holds the message."""
        with self._held_lock:
            self._held[queue_name].add(message_id)

    def let_go(self, queue_name: str, messages: Iterable[Any]) -> None:
        """This process holds these messages no longer, and Redis knows."""
        with self._held_lock:
            self._held[queue_name].difference_update(message.options["redis_message_id"] for message in messages)

    def take_back(self, queue_name: str) -> int:
        """Put back on the queue what Redis believes this process holds, and this process does not hold.

        Returns the number of messages that were put back. Raises ConnectionClosed.
        """
        with self._held_lock:
            if queue_name.endswith(".DQ"):
                # Dramatiq's worker forgets its delayed messages after a connection error.
                self._held[queue_name].clear()
            held = list(self._held[queue_name])
        prefix = self.namespace
        keys = [
            self._acks(queue_name),
            f"{prefix}:{queue_name}",
            f"{prefix}:{queue_name}.msgs",
        ]
        try:
            taken = int(self._take_back(keys=keys, args=held))
        except redis.RedisError as error:
            raise ConnectionClosed(self.lost(error)) from None
        if taken:
            log.warning("messages_taken_back", queue=queue_name, messages=taken)
        return taken

    def do_fetch(self, queue_name: str, most: int) -> list[bytes]:
        """Up to so many messages. Drops what this service does not send, and fetches again. Raises ConnectionError."""
        take = most
        for _ in range(_FETCHES):
            found = self._fetched(queue_name, take)
            faults = {each: wire.fault(each, queue_name, self.actors) for each in found}
            sound = [each for each, fault in faults.items() if fault is None]
            bad = [each for each, fault in faults.items() if fault is not None]
            if bad:
                self._drop_all(queue_name, bad, str(faults[bad[0]]))
            if len(sound) > most:
                self.do_requeue(queue_name, *(each.id for each in sound[most:]))
            if sound or not found:
                return [each.data for each in sound[:most]]
            take = _SUSPICIOUS  # nobody sends one bad message
        return []

    def _fetched(self, queue_name: str, most: int) -> list[wire.Fetched]:
        if self._should_do_maintenance("fetch"):
            self._dispatch(_UPKEEP)(queue_name)
        prefix, acks = self.namespace, self._acks(queue_name)
        keys = [f"{prefix}:__heartbeats__", acks, f"{prefix}:{queue_name}", f"{prefix}:{queue_name}.msgs"]
        args = ["fetch", int(time.time() * 1000), self.broker_id, most, wire.MOST, wire.LONGEST]
        too_long, *found = self._run(self._fetch, keys, args)
        if too_long:
            self._say_dropped(queue_name, too_long, f"it is longer than {wire.LONGEST} bytes")
        return [wire.Fetched(*pair) for pair in zip(found[::2], found[1::2], strict=True)]

    def _drop_all(self, queue_name: str, bad: Sequence[wire.Fetched], fault: str) -> None:
        keys = [self._acks(queue_name), f"{self.namespace}:{queue_name}.msgs"]
        self._run(self._drop, keys, [each.id for each in bad])
        self._say_dropped(queue_name, len(bad), fault)

    def _say_dropped(self, queue_name: str, count: int, fault: str) -> None:
        if (times := self._foreign.due(count)) is not None:
            log.warning("messages_refused", queue=queue_name, messages=times, fault=fault[:200])

    def _acks(self, queue_name: str) -> str:
        return f"{self.namespace}:__acks__.{self.broker_id}.{queue_name}"

    def _run(self, script: Any, keys: Sequence[str], args: Sequence[Any]) -> Any:  # noqa: ANN401 (of redis-py)
        try:
            answer = script(keys=keys, args=args)
        except redis.RedisError as error:
            raise self.lost(error) from error
        self._away_until = 0.0
        return answer

    def queue_length(self, queue_name: str) -> int:
        """The number of messages that wait in the queue. Raises redis.ConnectionError."""
        try:
            return int(self.client.llen(f"{self.namespace}:{queue_name}"))
        except redis.RedisError as error:
            self._away_until = time.monotonic() + AWAY_SECONDS
            raise self.lost(error) from error

    # While Redis is away

    @property
    def away(self) -> bool:
        """Whether a command failed a moment ago, and Redis has not answered since."""
        return time.monotonic() < self._away_until

    def lost(self, error: redis.RedisError) -> redis.ConnectionError:
        """The failure as a ConnectionError, for the caller to raise. The next command uses another connection."""
        forget_master(self.client)
        return _as_connection_error(error)

    # Dramatiq's private parts

    def _should_do_maintenance(self, command: str) -> int:
        return int(command == _UPKEEP or super()._should_do_maintenance(command))

    def _max_unpack_size(self) -> int:
        # Dramatiq asks the server, and holds a lock meanwhile: while Redis is away its threads would wait in a row. The
        # stack of every server has room for this many.
        return 1000

    def _dispatch(self, command: str) -> Callable[..., Any]:
        run = super()._dispatch(command)

        def once(queue_name: str, *args: Any) -> Any:  # noqa: ANN401 (untyped in Dramatiq)
            try:
                answer = run(queue_name, *args)
            except redis.RedisError as error:
                raise self.lost(error) from error
            self._away_until = 0.0
            return answer

        return once


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
