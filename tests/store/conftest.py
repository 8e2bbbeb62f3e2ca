"""Redis for the tests of the broker: one that they may break, and a way to it that they may spoil."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path

import pytest
import redis

from app.store import broker as broker_module
from ops.embedded.valkey import Valkey
from tests.ringing import Relay


@pytest.fixture
def relay(redis_url: str) -> Generator[Relay]:
    """In front of the tests' server."""
    relay = Relay(int(redis_url.rpartition(":")[2].partition("/")[0]))
    yield relay
    relay.close()


@pytest.fixture
def server(server_directory: Path) -> Generator[Valkey]:
    """One that the test may break."""
    server = Valkey(server_directory / "own", append_only=False, enable_debug_command="local")
    server.start()
    yield server
    server.stop()


@pytest.fixture
def admin(server: Valkey) -> Generator[redis.Redis]:
    with redis.Redis(port=server.port) as connection:
        yield connection


@pytest.fixture
def forgetting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(broker_module, "AWAY_SECONDS", 0.0)
