"""The attacks, one function each. Each is bounded in count and time, and ends by itself."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing, suppress
from typing import NamedTuple, cast

import msgspec
import redis

from app.store.redis_client import redis_client
from ops.attacks import bodies, wire
from ops.attacks.bodies import Body

STANDING_SECONDS = 12.0
"""How long an attacker holds connections open."""
IDLE, STANDING, WINDOWS, HUB_CLIENTS, READERS = 1500, 1000, 12, 40, 6
REFUSED, PREVIEWS, MESSAGES = 300, 60, 2000
PIECE = 1 << 16


class Target(msgspec.Struct, frozen=True):
    """The stack under attack. `hub` is a user whom many mention. `redis_url` is for an attacker who got in there."""

    host: str
    port: int
    redis_url: str
    namespace: str
    hub: str

    @property
    def name(self) -> str:
        return f"{self.host}:{self.port}"


class Attack(NamedTuple):
    """An attack. `do` returns what the attacker saw."""

    name: str
    do: Callable[[Target], str]


def _counted(seen: Sequence[str]) -> str:
    return ", ".join(f"{what} ×{count}" if count > 1 else what for what, count in Counter(seen).most_common(4))


# Bodies ---------------------------------------------------------------------------------------------------------------


def _send(target: Target, path: str, content: bytes, headers: dict[str, str], source: str = wire.ADDRESS) -> str:
    with closing(wire.connect(target.host, target.port, source=source)) as sock:
        sized = {**headers, "Content-Length": str(len(content)), "Connection": "close"}
        pieces = (content[at : at + PIECE] for at in range(0, len(content), PIECE))
        wire.send(sock, [wire.head("POST", path, target.name, sized)])
        wire.send(sock, pieces)
        return wire.answer(sock)


def _headers(body: Body) -> dict[str, str]:
    encoded = {"Content-Encoding": body.encoding} if body.encoding else {}
    return {"Content-Type": body.content_type, **encoded}


def body_sent(body: Body) -> Callable[[Target], str]:
    """The body, as an upload and for a preview."""

    def do(target: Target) -> str:
        content = body.make()
        query = f"?{body.query}" if body.query else ""
        preview = "&".join(part for part in body.query.split("&") if part and not part.startswith("dry_run"))
        uploaded = _send(target, f"/uploads{query}", content, _headers(body))
        previewed = _send(target, f"/uploads/preview?{preview}".rstrip("?"), content, _headers(body))
        return f"{uploaded}, preview {previewed}"

    return do


def many_windows(target: Target) -> str:
    """Frames that need 128 MiB each, then silence."""
    content = bodies.zstd_window()
    with ExitStack() as open_ones:
        sockets = [open_ones.enter_context(closing(wire.connect(target.host, target.port))) for _ in range(WINDOWS)]
        for sock in sockets:
            headers = {"Content-Type": "text/csv", "Content-Encoding": "zstd", "Content-Length": "1000000"}
            wire.send(sock, [wire.head("POST", "/uploads", target.name, headers), content])
        time.sleep(STANDING_SECONDS)
        return f"{sum(map(wire.is_open, sockets))} of {WINDOWS} still open"


def refused_uploads(target: Target) -> str:
    """Uploads that come to nothing, each of which the ledger keeps."""
    body = b"data,timestamp,username\n" + b"x" * 100
    refused = {"Content-Type": "text/csv", "Content-Encoding": "gzip"}
    return _counted([_send(target, "/uploads", body, refused) for _ in range(REFUSED)])


def previews(target: Target) -> str:
    """Large previews, one right after the other."""
    body = b"data,timestamp,username\n" + b'"@a b, c",2026-01-01T00:00:00Z,ada\n' * 30_000
    return _counted([_send(target, "/uploads/preview", body, {"Content-Type": "text/csv"}) for _ in range(PREVIEWS)])


# Heads and connections ------------------------------------------------------------------------------------------------


def one_long_header(target: Target) -> str:
    """16 MiB in one header."""
    with closing(wire.connect(target.host, target.port)) as sock:
        wire.send(sock, [b"GET /health HTTP/1.1\r\nHost: localhost\r\nX-Long: "])
        wire.send(sock, (b"a" * PIECE for _ in range(256)))
        wire.send(sock, [b"\r\nConnection: close\r\n\r\n"])
        return wire.answer(sock)


def many_headers(target: Target) -> str:
    """A million headers."""
    with closing(wire.connect(target.host, target.port)) as sock:
        wire.send(sock, [b"GET /health HTTP/1.1\r\nHost: localhost\r\n"])
        wire.send(sock, (b"".join(b"x%d: a\r\n" % (at + n) for n in range(1000)) for at in range(0, 1_000_000, 1000)))
        wire.send(sock, [b"Connection: close\r\n\r\n"])
        return wire.answer(sock)


def idle_connections(target: Target) -> str:
    """Connections without a byte, with half a head, and with a body that drips."""
    drip = wire.head("POST", "/uploads", target.name, {"Content-Type": "text/csv", "Content-Length": "100000"})
    begins = (b"", b"GET /health HTTP/1.1\r\nHost: loc", drip)
    return _hold(target, [begins[number % 3] for number in range(IDLE)])


def standing_uploads(target: Target) -> str:
    """Uploads that have begun, and of which no more comes."""
    headers = {"Content-Type": "text/csv", "Content-Length": "100000"}
    begun = wire.head("POST", "/uploads", target.name, headers) + b"data,timestamp,username\n"
    return _hold(target, [begun] * STANDING)


def _hold(target: Target, begins: Sequence[bytes]) -> str:
    with ExitStack() as open_ones:
        sockets = list[wire.socket.socket]()
        for number, begin in enumerate(begins):
            try:
                sock = wire.connect(target.host, target.port, seconds=2, source=f"127.66.1.{1 + number % 200}")
            except OSError:
                continue
            sockets.append(open_ones.enter_context(closing(sock)))
            wire.send(sock, [begin])
        until = time.monotonic() + STANDING_SECONDS
        while time.monotonic() < until:
            for sock in sockets[::7]:
                wire.send(sock, [b"x"])
            time.sleep(1)
        return f"{len(sockets)} of {len(begins)} accepted, {sum(map(wire.is_open, sockets))} still open"


# Reads ----------------------------------------------------------------------------------------------------------------


def hub_queries(target: Target) -> str:
    """Many clients who ask for the network around a hub, each for another one."""
    return _counted(_at_once(target, [f"/users/{target.hub}/ego?depth=2&users=500&edges=5000"], HUB_CLIENTS, rounds=3))


def hung_up_reads(target: Target) -> str:
    """Expensive questions whose askers hang up at once."""
    for number in range(100):
        with closing(wire.connect(target.host, target.port)) as sock:
            path = f"/users/{target.hub}/ego?depth=2&users=500&edges={2000 + number}"
            wire.send(sock, [wire.head("GET", path, target.name, {})])
    return "hung up"


def _at_once(target: Target, paths: Sequence[str], clients: int, *, rounds: int) -> list[str]:
    seen = list[str]()
    for turn in range(rounds):
        with ExitStack() as open_ones:
            sockets = [open_ones.enter_context(closing(wire.connect(target.host, target.port))) for _ in range(clients)]
            for number, sock in enumerate(sockets):
                # Each question is another one, so that no answer is cached.
                path = paths[number % len(paths)].replace("edges=5000", f"edges={3000 + turn * clients + number}")
                wire.send(sock, [wire.head("GET", path, target.name, {"Connection": "close"})])
            seen += [wire.answer(sock) for sock in sockets]
    return seen


def slow_readers(target: Target) -> str:
    """Exports of which the readers take next to nothing."""
    with ExitStack() as open_ones:
        sockets = list[wire.socket.socket]()
        for _ in range(READERS):
            sock = open_ones.enter_context(closing(wire.connect(target.host, target.port)))
            sock.setsockopt(wire.socket.SOL_SOCKET, wire.socket.SO_RCVBUF, 4096)
            wire.send(sock, [wire.head("GET", "/export/edges.csv", target.name, {})])
            sockets.append(sock)
        until = time.monotonic() + STANDING_SECONDS
        while time.monotonic() < until:
            for sock in sockets:
                sock.settimeout(0.05)
                try:
                    sock.recv(2048)
                except OSError:
                    continue
            time.sleep(0.2)
        return f"{sum(map(wire.is_open, sockets))} of {READERS} still open"


# Redis ----------------------------------------------------------------------------------------------------------------


def forged_answers(target: Target) -> str:
    """Every cached answer is replaced: by garbage, by values that expand, by the value of another key."""
    bomb = bodies.zstd.compress(b"a" * (512 * bodies.MIB))
    with closing(redis_client(target.redis_url)) as client:
        keys = cast("list[bytes]", client.keys(f"{target.namespace}:cache:*"))
        kept = cast("list[bytes | None]", client.mget(keys[:2])) if keys else []
        forged = (b"2" + b"\0" * 16 + bomb, b"x" * (8 * bodies.MIB), b"x" * (900 << 10), b"", *kept)
        replaced = 0
        for number, key in enumerate(keys):
            # A server that takes no value of such a length says so, or hangs up.
            with suppress(redis.RedisError):
                client.set(key, forged[number % len(forged)] or b"", ex=60)
                replaced += 1
        return f"{replaced} of {len(keys)} answers replaced"


def forged_messages(target: Target) -> str:
    """Messages that nobody can read, that name no actor, or that have absurd arguments."""
    with closing(redis_client(target.redis_url)) as client:
        for number in range(MESSAGES):
            _forge(client, target.namespace, number)
    return f"{MESSAGES} messages forged"


def _forge(client: redis.Redis, namespace: str, number: int) -> None:
    queue = ("maintenance", "urgent", "bulk")[number % 3]
    absurd = {
        "queue_name": queue,
        "actor_name": "count" if number % 2 else "nobody",
        "args": [-1, "x", None, [[]] * 1000],
        "kwargs": {"upload_id": "x" * 10_000},
        "options": {"max_retries": 10**9, "redis_message_id": f"forged-{number}"},
        "message_id": f"forged-{number}",
        "message_timestamp": 0,
    }
    content = (b"\x80\x04garbage", b"{}", msgspec.json.encode(absurd), b"a" * 100_000)[number % 4]
    pipeline = client.pipeline(transaction=False)
    pipeline.hset(f"{namespace}:{queue}.msgs", f"forged-{number}", content)
    pipeline.rpush(f"{namespace}:{queue}", f"forged-{number}")
    pipeline.execute()


ATTACKS = (
    *(Attack(body.name, body_sent(body)) for body in bodies.BODIES),
    Attack("12 windows of 128 MiB", many_windows),
    Attack("300 refused uploads", refused_uploads),
    Attack("60 large previews", previews),
    Attack("16 MiB in one header", one_long_header),
    Attack("a million headers", many_headers),
    Attack("1,500 idle connections", idle_connections),
    Attack("1,000 standing uploads", standing_uploads),
    Attack("40 clients on a hub", hub_queries),
    Attack("100 readers who hang up", hung_up_reads),
    Attack("slow readers of exports", slow_readers),
    Attack("forged answers in Redis", forged_answers),
    Attack("2,000 forged messages", forged_messages),
)
