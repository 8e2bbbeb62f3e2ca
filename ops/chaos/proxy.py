"""A TCP proxy whose links can be cut, stalled, slowed down, or made to lose answers: a child of the chaos run.

Run as `python -m ops.chaos.proxy CONTROL LISTEN:TARGET…`, all ports on loopback. On the port CONTROL it takes one
`Rule` a line as JSON, answers `ok`, and follows it until a rule of the same name comes with the mode `pass`.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import socket
import struct
import sys
from collections import Counter

import msgspec
import psutil

CHUNK = 1 << 16
RESET = struct.pack("ii", 1, 0)
"""SO_LINGER of no seconds: closing sends RST."""


class Rule(msgspec.Struct, frozen=True):
    """What happens to some links. `pass`: nothing; `cut`: every connection is reset; `stall`: bytes are held, the
    connections stay; `slow`: each chunk waits `delay` seconds; `lose`: of the requests that hold `needle`, `share` are
    passed on, their answers dropped, and both sides reset: all of them, or the `only`th."""

    name: int
    mode: str = "pass"
    links: list[int] = []
    """By the ports they listen on."""
    groups: list[int] | None = None
    """Only clients in these process groups. None: all."""
    delay: float = 0.0
    needle: str = ""
    share: float = 1.0
    only: int | None = None


class Connection:
    """One client's connection through a link."""

    def __init__(self, proxy: Proxy, link: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.link = link
        self._proxy = proxy
        self._reader, self._writers = reader, [writer]
        self._client_port: int = writer.get_extra_info("peername")[1]
        self._owners: dict[int, bool] = {}
        self._doomed = False

    async def serve(self, target: int) -> None:
        """Until both sides ended it, or one was reset."""
        try:
            await self._pass()
            reader, writer = await asyncio.open_connection("127.0.0.1", target)
            self._writers.append(writer)
            await asyncio.gather(self._pump(self._reader, writer, up=True), self._pump(reader, self._writers[0]))
            for writer in self._writers:
                writer.close()
        except OSError:
            self.reset()

    def reset(self) -> None:
        for writer in self._writers:
            end: socket.socket | None = writer.get_extra_info("socket")
            if end is not None and not writer.is_closing():
                with contextlib.suppress(OSError):
                    end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            writer.transport.abort()

    def follows(self, rule: Rule) -> bool:
        """Whether the rule is about it. Who its client is, is looked up once."""
        if self.link not in rule.links:
            return False
        if rule.groups is not None and rule.name not in self._owners:
            self._owners[rule.name] = _belongs(self._client_port, self.link, rule.groups)
        return rule.groups is None or self._owners[rule.name]

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, up: bool = False) -> None:
        while data := await reader.read(CHUNK):
            for rule in self._rules("slow"):
                await asyncio.sleep(rule.delay)
            await self._pass()
            if self._doomed and not up:
                raise ConnectionResetError
            if up:
                self._doomed |= any(self._proxy.loses(rule, data) for rule in self._rules("lose"))
            writer.write(data)
            await writer.drain()
        await self._pass()
        writer.write_eof()

    async def _pass(self) -> None:
        """Wait while the link is stalled. Raises ConnectionResetError if it is cut."""
        while self._rules("stall") and not self._rules("cut"):
            await self._proxy.changed.wait()
        if self._rules("cut"):
            raise ConnectionResetError

    def _rules(self, mode: str) -> list[Rule]:
        return [rule for rule in self._proxy.rules.values() if rule.mode == mode and self.follows(rule)]


class Proxy:
    """All links of a run and the rules they follow."""

    def __init__(self, links: dict[int, int]) -> None:
        self.links = links
        self.rules: dict[int, Rule] = {}
        self.changed = asyncio.Event()
        self.random = random.Random(0)
        self._connections = set[Connection]()
        self._requests = Counter[int]()

    def loses(self, rule: Rule, data: bytes) -> bool:
        """Whether the answer to this request is to be lost."""
        if rule.needle.encode() not in data:
            return False
        self._requests[rule.name] += 1
        return self.random.random() < rule.share and rule.only in {None, self._requests[rule.name]}

    async def serve(self, control: int) -> None:
        async with contextlib.AsyncExitStack() as stack:
            for link in self.links:
                server = await asyncio.start_server(self._accept, "127.0.0.1", link)
                await stack.enter_async_context(server)
            async with await asyncio.start_server(self._obey, "127.0.0.1", control) as server:
                await server.serve_forever()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        link: int = writer.get_extra_info("sockname")[1]
        connection = Connection(self, link, reader, writer)
        self._connections.add(connection)
        await connection.serve(self.links[link])
        self._connections.discard(connection)

    async def _obey(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while line := await reader.readline():
            rule = msgspec.json.decode(line, type=Rule)
            self.rules.pop(rule.name, None)
            if rule.mode != "pass":
                self.rules[rule.name] = rule
            if rule.mode == "cut":
                for connection in [each for each in self._connections if each.follows(rule)]:
                    connection.reset()
            changed, self.changed = self.changed, asyncio.Event()
            changed.set()
            writer.write(b"ok\n")
        writer.close()


def _belongs(client_port: int, link: int, groups: list[int]) -> bool:
    """Whether the socket from `client_port` to `link` is one of a process in these groups."""
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):  # gone since
            if os.getpgid(process.pid) in groups and any(
                end.raddr and (end.laddr.port, end.raddr.port) == (client_port, link)
                for end in process.net_connections("tcp4")
            ):
                return True
    return False


if __name__ == "__main__":
    control, *pairs = sys.argv[1:]
    ports = (pair.split(":") for pair in pairs)
    asyncio.run(Proxy({int(link): int(target) for link, target in ports}).serve(int(control)))
