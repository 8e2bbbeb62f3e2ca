"""One run: a stack like that of `mentiongraph up`, a graph with a hub, an honest client, the attacks, a verdict."""

from __future__ import annotations

import bz2
import gzip
import lzma
import multiprocessing
import multiprocessing.connection
import os
import subprocess
import sys
import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

import httpx
import msgspec

from app.proofs.audit import audit_with_weights
from app.store import postgres
from ops import directory
from ops.attacks import bodies
from ops.attacks.against import ATTACKS, Attack, Target
from ops.attacks.honest import Asked, Honest
from ops.bench import procs
from ops.directory import StackNotRunning, choose_port

START_SECONDS, DRAIN_SECONDS, ATTACK_SECONDS = 120.0, 120.0, 180.0
CALM_SECONDS, SETTLE_SECONDS, SAMPLE_SECONDS = 10.0, 3.0, 0.5
POLL = 0.2
HUB, AUTHORS, MENTIONED = "hub", 40_000, 20_000
SLOW_SECONDS = 1.0
GROWTH_BYTES = 100 << 20
NICE = 10
"""An attacker is on another machine, and takes no processor time from the stack."""
GOOD_ENDS = frozenset({"applied", "duplicate"})


class Seen(msgspec.Struct):
    """What became of one attack. `memory`: bytes of the API after it, `peak` during it. `slowest`: the honest client's
    slowest request beside it, in seconds; `failed`: the honest client's requests without a good answer."""

    name: str
    answer: str
    seconds: float
    memory: float
    peak: float
    slowest: float
    median: float
    failed: list[str]


class Outcome(msgspec.Struct):
    """A run. `before` and `after`: bytes of the API's processes. `news`: what ended and was started again."""

    seen: list[Seen]
    before: float
    after: float
    exact: bool
    lost: int
    news: list[str]

    @property
    def passed(self) -> bool:
        slow = any(each.slowest > SLOW_SECONDS or each.failed for each in self.seen)
        return self.exact and not self.lost and not self.news and not slow and self.after - self.before < GROWTH_BYTES


class _Up(NamedTuple):
    process: subprocess.Popen[str]
    data: Path
    log: Path

    def settings(self) -> dict[str, str]:
        return directory.published(self.data)

    def news(self) -> list[str]:
        return [line for line in self.log.read_text(encoding="utf-8").splitlines() if line.startswith("! ")]


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


@contextmanager
def up(place: Path) -> Generator[_Up]:
    """`mentiongraph up` over a directory in `place`."""
    port = choose_port("127.0.0.1", 8000, insist=False, patience=0)
    data, log = place / "data", place / "up.log"
    command = [sys.executable, "-m", "ops.cli", "up", "--data", str(data), "--port", str(port)]
    with log.open("w", encoding="utf-8") as out:
        process = subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT, text=True)
        try:
            yield _Up(process, data, log)
        finally:
            process.terminate()
            process.wait(60)


def run(attacks: Sequence[Attack], place: Path) -> Outcome:
    """Every attack, one after the other. Raises RuntimeError if the stack does not come up."""
    with up(place) as stack:
        target, dsn = _await(stack)
        say("a graph with a hub …")
        _wait_until_applied(target, _hub(target))
        _use_everything(target)
        honest = Honest(target.host, target.port, reader="author7")
        honest.start()
        try:
            time.sleep(CALM_SECONDS)
            before = _memory(stack)
            seen = [_attack(attack, target, stack, honest) for attack in attacks]
            time.sleep(CALM_SECONDS)
            after = _memory(stack)
        finally:
            honest.close()
        say("waiting until every accepted upload is applied …")
        lost = _unapplied(target, honest.uploads)
        with postgres.connect(dsn, role="attacks") as conn:
            exact = audit_with_weights(conn, sample=1000, now=postgres.clock()).exact
        return Outcome(seen, before, after, exact, lost, stack.news())


def _await(stack: _Up) -> tuple[Target, str]:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and stack.process.poll() is None:
        with suppress(StackNotRunning, httpx.HTTPError):
            found = stack.settings()
            target = Target(
                found["MENTIONGRAPH_HOST"],
                int(found["MENTIONGRAPH_PORT"]),
                found["MENTIONGRAPH_REDIS_URL"],
                found["MENTIONGRAPH_NAMESPACE"],
                HUB,
            )
            if httpx.get(f"http://{target.name}/health/ready").is_success:
                return target, found["MENTIONGRAPH_DATABASE_URL"]
        time.sleep(POLL)
    raise RuntimeError(f"the stack did not come up: {stack.log.read_text(encoding='utf-8')}")


def _hub(target: Target) -> str:
    """Upload the graph; its upload's id."""
    many = "".join(f"hi @{HUB} and @author{n // 3},2026-01-02T00:00:00Z,author{n}\n" for n in range(AUTHORS))
    back = "".join(f"hi @author{n},2026-01-03T00:00:00Z,{HUB}\n" for n in range(MENTIONED))
    body = f"data,timestamp,username\n{many}{back}"
    answer = httpx.post(f"http://{target.name}/uploads", content=body, headers={"Content-Type": "text/csv"}, timeout=60)
    return str(answer.raise_for_status().json()["id"])


def _use_everything(target: Target) -> None:
    """Send a file of each kind, look at one, and take the graph out: what the API loads for them is no growth."""
    rows = b"data,timestamp,username\n" + b"".join(b"hi @bob,2026-01-04T00:00:00Z,ada%d\n" % n for n in range(20_000))
    objects = b",".join(b'{"text":"hi @bob","created_at":"2026-01-04","username":"ada%d"}' % n for n in range(20_000))
    packed = (gzip.compress(rows), bodies.zstd.compress(rows), bz2.compress(rows), lzma.compress(rows))
    files = (*packed, bodies.zipped({"posts.csv": rows}), b"[" + objects + b"]", bodies.sheet_bomb(0))
    for file in files:
        for path in ("/uploads", "/uploads/preview"):
            httpx.post(f"http://{target.name}{path}", content=file, headers={"Content-Type": "text/csv"}, timeout=60)
    for path in ("/export/edges.csv", "/export/graph.gexf", f"/users/{HUB}/ego?depth=2"):
        httpx.get(f"http://{target.name}{path}", timeout=60)


def _state(target: Target, upload: str) -> str:
    return str(httpx.get(f"http://{target.name}/uploads/{upload}", timeout=30).json().get("state"))


def _wait_until_applied(target: Target, upload: str) -> None:
    if _unapplied(target, [upload]):
        raise RuntimeError(f"upload {upload} was not applied")


def _unapplied(target: Target, uploads: Sequence[str]) -> int:
    """How many of the uploads are not applied in the end."""
    deadline, left = time.monotonic() + DRAIN_SECONDS, list(uploads)
    while left and time.monotonic() < deadline:
        left = [each for each in left if _state(target, each) not in GOOD_ENDS]
        time.sleep(POLL)
    return len(left)


def _memory(stack: _Up) -> float:
    return procs.by_role(stack.process.pid, lambda process: float(process.memory_info().rss)).get("api", 0.0)


def _attack(attack: Attack, target: Target, stack: _Up, honest: Honest) -> Seen:
    began = time.monotonic()
    with procs.sampled(lambda: {"api": _memory(stack)}, every=SAMPLE_SECONDS) as readings:
        answer = _done_elsewhere(attack.name, target)
    ended = time.monotonic()
    time.sleep(SETTLE_SECONDS)
    asked = honest.between(began, ended)
    times = sorted(each.seconds for each in asked) or [0.0]
    seen = Seen(
        attack.name,
        answer,
        ended - began,
        _memory(stack),
        max(each["api"] for _, each in readings),
        times[-1],
        times[len(times) // 2],
        [_told(each) for each in asked if not each.good],
    )
    say(line(seen))
    return seen


def _told(asked: Asked) -> str:
    return f"{asked.what} {asked.status or 'no answer'}"


def _done_elsewhere(name: str, target: Target) -> str:
    """Do the attack in a process of its own; what it saw."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_do, args=(name, target, theirs), daemon=True)
    process.start()
    try:
        return str(ours.recv()) if ours.poll(ATTACK_SECONDS) else "not over in time"
    except EOFError:
        return "the attacker died"
    finally:
        process.kill()
        process.join()


def _do(name: str, target: Target, answer: multiprocessing.connection.Connection) -> None:
    os.nice(NICE)
    attack = next(each for each in ATTACKS if each.name == name)
    try:
        answer.send(attack.do(target))
    except OSError as error:
        answer.send(f"{type(error).__name__}: {error}")


def line(seen: Seen) -> str:
    """One line a person can read."""
    failed = f", failed: {', '.join(sorted(set(seen.failed)))} ({len(seen.failed)})" if seen.failed else ""
    return (
        f"{seen.name:32} {seen.answer[:48]:48} {seen.seconds:6.1f} s, memory {seen.memory / 2**20:4.0f} MiB "
        f"(peak {seen.peak / 2**20:4.0f}), beside it: median {seen.median:.3f} s, slowest {seen.slowest:.2f} s{failed}"
    )
