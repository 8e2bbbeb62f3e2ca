"""Rings on a broker of one's own, and a relay that spoils its connections."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from typing import Any

from dramatiq import Message

from app.ledger import bells
from app.ledger.states import Ring
from app.posts.options import Priority
from app.store import redis_client
from app.store.broker import FailOverRedisBroker

TLS_HANDSHAKE = b"\x16"


class Relay:
    """A TCP relay on loopback in front of a server, which does to connections what a test asks for. With a `tls`
    context it takes TLS as well: the server has none of its own."""

    def __init__(self, port: int, tls: ssl.SSLContext | None = None) -> None:
        self._target = port
        self._tls = tls
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self._open: list[socket.socket] = []
        self.accepted = 0
        self.encrypted = 0
        self.mute = False
        """Connections are taken, and nothing is ever answered."""
        self.lose: Callable[[bytes], bool] = lambda request: False  # noqa: ARG005
        """Whether the server's reply to this request is lost, and the connection with it."""
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        for each in (self._listener, *self._open):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            self.accepted += 1
            self._open.append(client)
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with suppress(OSError):
            if self._tls and client.recv(1, socket.MSG_PEEK) == TLS_HANDSHAKE:
                client = self._tls.wrap_socket(client, server_side=True)
                self._open.append(client)
                self.encrypted += 1
            with socket.create_connection(("127.0.0.1", self._target)) as server, client:
                lost = threading.Event()
                threading.Thread(target=self._return, args=(server, client, lost), daemon=True).start()
                while request := client.recv(1 << 16):
                    if self.lose(request):
                        lost.set()
                    if not self.mute:
                        server.sendall(request)

    @staticmethod
    def _return(server: socket.socket, client: socket.socket, lost: threading.Event) -> None:
        with suppress(OSError):
            while (reply := server.recv(1 << 16)) and not lost.is_set():
                client.sendall(reply)
            client.shutdown(socket.SHUT_RDWR)


@contextmanager
def broker_of(url: str, namespace: str, *, timeout: float = 0.0, **options: Any) -> Generator[FailOverRedisBroker]:
    client = redis_client.redis_client(url)
    broker = FailOverRedisBroker(client=client, namespace=namespace, enqueue_timeout=timeout, middleware=[], **options)
    for lane in bells.LANES:
        broker.declare_queue(lane.queue)
    try:
        yield broker
    finally:
        broker.close(0.0)


def rings(count: int) -> list[Ring]:
    return [Ring(number, Priority.BULK) for number in range(count)]


def message() -> Message[None]:
    return Message("bulk", bells.COUNT, (1,), {}, {})
