"""A broker that knows when each queue was last polled."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import Any

from dramatiq import MessageProxy
from dramatiq.broker import Consumer
from dramatiq.errors import BrokerConnectionError

from app.store.broker import FailOverRedisBroker


class PolledBroker(FailOverRedisBroker):
    """`polled` has, for each queue, the `time.monotonic` at which a consumer last polled the queue.

    A poll counts although Redis is away: the consumer goes on polling, and a restart would not help. A poll with any
    other error does not count, since a consumer that always meets an error does no work.
    """

    def __init__(self, **options: Any) -> None:  # noqa: ANN401 (those of its base)
        super().__init__(**options)
        self.polled: dict[str, float] = {}

    def consume(self, queue_name: str, prefetch: int = 1, timeout: int = 5000) -> Consumer:
        def polled() -> None:
            self.polled[queue_name] = time.monotonic()

        try:
            return _Polled(super().consume(queue_name, prefetch, timeout), polled)
        except BrokerConnectionError:
            polled()
            raise


class _Polled(Consumer):
    """A consumer that calls `polled` after each poll."""

    def __init__(self, consumer: Consumer, polled: Callable[[], None]) -> None:
        self._consumer, self._polled = consumer, polled

    def __next__(self) -> MessageProxy | None:
        try:
            message = next(self._consumer)
        except BrokerConnectionError:
            self._polled()
            raise
        self._polled()
        return message

    def ack(self, message: MessageProxy) -> None:
        self._consumer.ack(message)

    def nack(self, message: MessageProxy) -> None:
        self._consumer.nack(message)

    def requeue(self, messages: Iterable[MessageProxy]) -> None:
        self._consumer.requeue(messages)

    def close(self) -> None:
        self._consumer.close()
