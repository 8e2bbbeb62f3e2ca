"""Turns: who goes next, and that no place is lost."""

# pyright: reportPrivateUsage=false

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from psycopg_pool import PoolTimeout

from app.settings import Settings
from app.store.postgres import async_pool
from app.store.turns import PoolInTurns, Turns, turns_of

Step = Callable[..., "asyncio.Task[None]"]
"""Begins a step of a client, by its name. `then` is called at the moment at which the step has given its place away."""


def in_turns(scene: Callable[[Step], Coroutine[Any, Any, None]]) -> list[str]:
    """The order in which the steps of a scene get the one place. A step ends with a turn of the event loop."""
    done = list[str]()

    async def run() -> None:
        turns = Turns(1)

        inside = list[str]()

        async def take(client: str, name: str, then: Callable[[], object]) -> None:
            async with turns.taken(client):
                done.append(name)
                inside.append(name)
                await asyncio.sleep(0)
                assert inside == [name]
                inside.remove(name)
            then()

        def step(client: str, name: str, then: Callable[[], object] = int) -> asyncio.Task[None]:
            return asyncio.create_task(take(client, name, then))

        await scene(step)
        assert not turns._steps  # a client without a step is forgotten

    asyncio.run(asyncio.wait_for(run(), 10))
    return done


def test_a_client_with_few_steps_goes_before_a_flood() -> None:
    async def scene(step: Step) -> None:
        flood = [step(f"flood {number % 4}", "flood") for number in range(100)]
        await asyncio.sleep(0)
        await asyncio.gather(step("other", "other"), *flood)

    assert in_turns(scene).index("other") <= 3


def test_the_newest_of_a_flood_goes_soon_and_the_oldest_not_much_later_than_in_a_queue() -> None:
    async def scene(step: Step) -> None:
        flood = [step("flood", str(number)) for number in range(100)]
        await asyncio.sleep(0)
        await asyncio.gather(step("flood", "newest"), *flood)

    done = in_turns(scene)
    assert done.index("newest") <= 3
    assert all(done.index(str(number)) <= 2 * number + 2 for number in range(100))


def test_steps_that_end_while_they_wait_take_no_place() -> None:
    """One ends as it waits, another when its place has just come."""

    async def scene(step: Step) -> None:
        begun = [step("a", "first", lambda: begun[-1].cancel())]  # noqa: PLW0108  # the newest step is the next one
        begun += [step("a", name) for name in ("ended", "last", "given")]
        first, ended, last, given = begun
        await asyncio.sleep(0)
        ended.cancel()
        found = await asyncio.gather(first, ended, last, given, return_exceptions=True)
        assert [isinstance(each, asyncio.CancelledError) for each in found] == [False, True, False, True]
        await asyncio.gather(step("a", "later"), step("a", "latest"))

    assert in_turns(scene) == ["first", "last", "later", "latest"]


def test_a_step_that_ends_right_before_its_turn_is_passed_over() -> None:
    async def scene(step: Step) -> None:
        first, last, ended = (step("a", name) for name in ("first", "last", "ended"))
        await asyncio.sleep(0)
        ended.cancel()
        await asyncio.gather(first, last)

    assert in_turns(scene) == ["first", "last"]


def test_a_connection_in_turn(settings: Settings) -> None:
    """Behind a flood of one client, another client has the next connection; none in time is said as by every pool."""

    async def run() -> list[str]:
        pool = async_pool(settings.database_url, role="test", size=1, statement_timeout=30, kind=PoolInTurns)
        order = list[str]()

        async def take(client: str) -> None:
            with turns_of(client):
                async with pool.connection() as conn:
                    await conn.execute("select 1")
                    order.append(client)

        async with pool:
            async with pool.connection():
                waiting = [asyncio.create_task(take("flood")) for _ in range(20)]
                await asyncio.sleep(0)
                waiting.append(asyncio.create_task(take("other")))
                with pytest.raises(PoolTimeout):
                    async with pool.connection(timeout=0.01):
                        pass
            await asyncio.gather(*waiting)
        return order

    assert asyncio.run(run()).index("other") <= 1
