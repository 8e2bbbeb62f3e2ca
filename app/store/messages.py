"""Messages as they come from Redis, which nobody has to believe: which of them are rings that this service sends.

Whoever can write to Redis can forge a ring. A ring only makes a worker look into the ledger, so a forged ring does
nothing. A message of any other form could do more: Dramatiq keeps what it cannot decode, loses a thread over a queue
that it does not know, and obeys options. So a worker takes a message only in the form in which this service sends it.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from datetime import datetime
from functools import cache
from typing import Annotated, Any, NamedTuple, get_type_hints

import msgspec
from dramatiq import Actor
from msgspec import UNSET, Meta, UnsetType

LONGEST = 4 << 10
"""Bytes of the longest message. A ring has some 300."""
MOST = 1000
"""Ids that one fetch takes off a queue. The others wait for the next fetch, so that Redis is never busy for long."""

# Takes ids off the queue until so many of them have a message. An id whose message is missing was acknowledged before.
# The script deletes a message that is too long, and a value that stands in the place of the set and is no set.
# KEYS: the heartbeats, the set of ids that this process holds, the queue's list, the queue's messages.
# ARGV: the command's name, the present, the process, how many messages, how many ids at most, the longest length.
# Returns the number of messages that were too long, and then id and message, one pair after the other.
FETCH = """
redis.call('zadd', KEYS[1], ARGV[2], ARGV[3])
local found, too_long, taken = {0}, 0, 0
while taken < tonumber(ARGV[5]) and #found < 2 * tonumber(ARGV[4]) do
  local id = redis.call('lpop', KEYS[3])
  if not id then break end
  taken = taken + 1
  local message = redis.call('hget', KEYS[4], id)
  if message and #message > tonumber(ARGV[6]) then
    redis.call('hdel', KEYS[4], id)
    too_long = too_long + 1
  elseif message then
    local held = redis.pcall('sadd', KEYS[2], id)
    if type(held) == 'table' and held.err then
      redis.call('del', KEYS[2])
      redis.call('sadd', KEYS[2], id)
    end
    found[#found + 1] = id
    found[#found + 1] = message
  end
end
found[1] = too_long
return found
"""

# KEYS: the set of ids that this process holds, the queue's messages. ARGV: ids.
DROP = """
for _, id in ipairs(ARGV) do
  redis.call('srem', KEYS[1], id)
  redis.call('hdel', KEYS[2], id)
end
"""

BatchId = Annotated[int, Meta(ge=1, le=2**63 - 1)]
Shard = Annotated[int, Meta(ge=0, le=2**15 - 1)]
GraphName = Annotated[str, Meta(pattern=r"\A[a-z0-9]([a-z0-9-]{0,46}[a-z0-9])?\Z", max_length=48)]
_Name = Annotated[str, Meta(max_length=100)]


class Fetched(NamedTuple):
    """A message as it lies in Redis, and its id there."""

    id: bytes
    data: bytes


class _Options(msgspec.Struct, forbid_unknown_fields=True):
    redis_message_id: _Name
    scheduled_at: datetime | UnsetType = UNSET
    """The tick of a scheduler."""


class _Message(msgspec.Struct, forbid_unknown_fields=True):
    queue_name: _Name
    actor_name: _Name
    args: list[Any]
    kwargs: dict[str, Any]
    options: _Options
    message_id: _Name
    message_timestamp: Annotated[int, Meta(ge=0, le=2**53)]


_decode = msgspec.json.Decoder(_Message).decode


def fault(fetched: Fetched, queue_name: str, actors: Mapping[str, Actor[..., Any]]) -> str | None:
    """Why the message is none of this service; None if nothing is wrong with it.

    A process without actors does no work, and does not ask which actor a message names.
    """
    try:
        message = _decode(fetched.data)
        if message.options.redis_message_id.encode() != fetched.id:
            return "its id is not the id under which Redis has it"
        if message.queue_name != queue_name:
            return "it is for another queue"
        if message.kwargs:
            return "it has named arguments"
        if actors:
            actor = actors.get(message.actor_name)
            if actor is None or actor.queue_name != queue_name:
                return "this queue has no such actor"
            wanted = _arguments(actor)
            # A message of an older release does not say which graph it is about.
            msgspec.convert(
                [*message.args, *wanted.defaults[max(0, len(message.args) - wanted.required) :]], wanted.types
            )
    except Exception as error:  # noqa: BLE001 (of any kind: whatever somebody wrote)
        return str(error) or type(error).__name__
    return None


class _Arguments(NamedTuple):
    types: Any
    """The type of a tuple."""
    required: int
    defaults: list[Any]
    """Of the arguments after the required ones."""


@cache
def _arguments(actor: Actor[..., Any]) -> _Arguments:
    """What the actor takes."""
    hints = get_type_hints(actor.fn, include_extras=True)
    parameters = inspect.signature(actor.fn).parameters
    defaults = [each.default for each in parameters.values() if each.default is not inspect.Parameter.empty]
    types = tuple[tuple(hints[name] for name in parameters)]  # pyright: ignore[reportInvalidTypeArguments]
    return _Arguments(types, len(parameters) - len(defaults), defaults)
