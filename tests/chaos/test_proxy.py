"""The proxy between two real sockets, rule by rule."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Generator
from pathlib import Path

import pytest

from ops.chaos.links import Links
from ops.embedded.children import free_ports

QUIET = 0.3
"""Seconds in which nothing must arrive."""


class Echo:
    """A server that keeps what it was sent, and answers it."""

    def __init__(self) -> None:
        self.received = bytearray()
        self.heard = threading.Condition()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                connection = self._listener.accept()[0]
            except OSError:  # closed
                return
            threading.Thread(target=self._answer, args=(connection,), daemon=True).start()

    def _answer(self, connection: socket.socket) -> None:
        with connection:
            try:
                while data := connection.recv(1 << 16):
                    with self.heard:
                        self.received += data
                        self.heard.notify_all()
                    connection.sendall(data)
            except ConnectionError:
                return

    def wait_for(self, data: bytes) -> None:
        with self.heard:
            assert self.heard.wait_for(lambda: data in self.received, timeout=10)

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()


@pytest.fixture
def echo() -> Generator[Echo]:
    server = Echo()
    yield server
    server.close()


@pytest.fixture
def link() -> int:
    return free_ports(1)[0]


@pytest.fixture
def links(echo: Echo, link: int, tmp_path: Path) -> Generator[Links]:
    [control] = free_ports(1)
    links = Links({link: echo.port}, control, tmp_path / "proxy.log")
    links.child.start()
    yield links
    links.child.kill()


@pytest.fixture
def client(links: Links, link: int) -> Generator[socket.socket]:
    assert links.child.alive
    with socket.create_connection(("127.0.0.1", link), timeout=10) as connection:
        assert ask(connection, b"hello") == b"hello"
        yield connection


def ask(connection: socket.socket, data: bytes) -> bytes:
    connection.sendall(data)
    return connection.recv(1 << 16)


def call(link: int, data: bytes) -> bytes:
    with socket.create_connection(("127.0.0.1", link), timeout=10) as connection:
        return ask(connection, data)


def is_quiet(connection: socket.socket) -> bool:
    connection.settimeout(QUIET)
    try:
        connection.recv(1)
    except TimeoutError:
        return True
    finally:
        connection.settimeout(10)
    return False


def test_bytes_pass_and_an_end_is_passed_on(client: socket.socket) -> None:
    big = os.urandom(3 << 20)
    threading.Thread(target=client.sendall, args=(big,)).start()
    found = bytearray()
    while len(found) < len(big):
        found += client.recv(1 << 16)
    client.shutdown(socket.SHUT_WR)
    assert found == big
    assert client.recv(1) == b""


def test_a_cut_resets_what_is_there_and_what_comes(client: socket.socket, links: Links, link: int) -> None:
    with links.rule("cut", link):
        with pytest.raises(ConnectionResetError):
            client.recv(1)
        with pytest.raises(ConnectionError):
            call(link, b"late")
    assert call(link, b"later") == b"later"


def test_a_stall_holds_bytes_and_keeps_connections(client: socket.socket, links: Links, link: int, echo: Echo) -> None:
    with links.rule("stall", link):
        client.sendall(b"held")
        assert is_quiet(client)
        assert b"held" not in echo.received
    assert client.recv(10) == b"held"


def test_a_lost_answer_is_to_a_request_that_was_done(
    client: socket.socket, links: Links, link: int, echo: Echo
) -> None:
    with links.rule("lose", link, needle="COMMIT\0"):
        assert ask(client, b"INSERT") == b"INSERT"
        client.sendall(b"COMMIT\0")
        with pytest.raises(ConnectionResetError):
            client.recv(1)
    echo.wait_for(b"COMMIT\0")


def test_a_rule_for_some_processes_leaves_the_others_alone(client: socket.socket, links: Links, link: int) -> None:
    nobody = links.child.pid  # the group of the proxy itself, which is no client of its own
    with links.rule("cut", link, groups=[nobody]):
        assert ask(client, b"still") == b"still"
    with links.rule("cut", link, groups=[os.getpgid(0)]), pytest.raises(ConnectionResetError):
        client.recv(1)
