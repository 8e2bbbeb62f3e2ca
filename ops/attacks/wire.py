"""Connections as an attacker makes them: bytes on a socket, from an address of the attacker's own."""

from __future__ import annotations

import socket
from collections.abc import Iterable
from contextlib import suppress

ADDRESS = "127.66.0.1"
"""All of 127.0.0.0/8 is this machine, so an attacker and a client who means well have different addresses."""
SECONDS = 20.0


def connect(host: str, port: int, *, seconds: float = SECONDS, source: str = ADDRESS) -> socket.socket:
    """A connection from the attacker's address."""
    return socket.create_connection((host, port), timeout=seconds, source_address=(source, 0))


def head(method: str, target: str, host: str, headers: dict[str, str]) -> bytes:
    """The head of a request."""
    lines = [f"{method} {target} HTTP/1.1", f"Host: {host}", *(f"{name}: {value}" for name, value in headers.items())]
    return "\r\n".join([*lines, "", ""]).encode()


def send(sock: socket.socket, parts: Iterable[bytes]) -> None:
    """Send until the server hangs up."""
    with suppress(OSError):
        for part in parts:
            sock.sendall(part)


def answer(sock: socket.socket) -> str:
    """The status in the answer, or what came in its place."""
    found = b""
    try:
        while b"\r\n" not in found and (part := sock.recv(4096)):
            found += part
    except TimeoutError:
        return "no answer"
    except OSError:
        return "closed"
    status = found.partition(b"\r\n")[0].split(b" ")
    return status[1].decode(errors="replace") if len(status) > 1 else "closed"


def is_open(sock: socket.socket) -> bool:
    """Whether the server still holds the connection. What the server said before does not count."""
    sock.setblocking(False)
    try:
        while sock.recv(65536):
            pass
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False
