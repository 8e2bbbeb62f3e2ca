"""Whatever happens around it, a forgotten person is in no table, everybody else counts the same, the audit is exact."""

from __future__ import annotations

import json
import os
import random
from collections import Counter
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

import msgspec
import psycopg
import pytest

from app.control.callers import Caller, Scope
from app.errors import BadState, MentiongraphError, NotFound
from app.forgetting import people
from app.graph import counting, decay, merging, withdrawal
from app.graph.parameters import read_parameters
from app.graph.users import UserIds
from app.ledger import limits, retention, transitions
from app.posts.options import Clock, InputFormat, Options, RejectLimit
from app.proofs import rebuild
from app.proofs.audit import audit, audit_with_weights
from app.settings import Settings
from app.store import postgres
from tests.forgetting.searching import places_of
from tests.graphs import apply_all, edges
from tests.identified import Row, ids_csv, upload_ids
from tests.uploading import upload

Conn = psycopg.Connection[Any]
PERSON = "quilla77"
SPELLINGS = ["quilla77", "Quilla77", "QUILLA77"]
OTHERS = ["ada", "bob", "cy", "dee", "quill", "quilla"]
START = datetime(2026, 1, 5, 12, tzinfo=UTC)
NOBODY = Caller(frozenset(Scope))


class Post(NamedTuple):
    author: str
    mentioned: tuple[str, ...]
    minutes: int
    id: str | None
    extra: str
    readable: bool

    @property
    def text(self) -> str:
        return " ".join([*(f"@{each}" for each in self.mentioned), self.extra])

    @property
    def at(self) -> str:
        return (START + timedelta(minutes=self.minutes)).isoformat() if self.readable else f"never {self.extra}"


class Sent(NamedTuple):
    id: UUID
    posts: list[Post]
    late: bool
    """Whether it was received after the person was forgotten."""


class World:
    def __init__(self, conn: Conn, settings: Settings, seed: int) -> None:
        self.conn, self.random = conn, random.Random(seed)
        self.settings = msgspec.structs.replace(settings, batch_bytes=400, max_attempts=1)
        self.parameters = read_parameters(conn)
        self.user_ids = UserIds(bits=self.parameters.handle_bits, memory=50)
        self.now = START
        self.sent: list[Sent] = []
        self.by_id: dict[str, Post] = {}
        self.late = False
        self.keep_out = seed % 2 == 0
        self.purged = False

    def post(self, *, with_id: bool) -> Post:
        pick = self.random
        everybody = OTHERS if self.late and with_id else [*OTHERS, PERSON, PERSON]
        key = str(pick.randrange(1, 40)) if with_id and pick.random() < 0.8 else None
        if key is not None and key in self.by_id:
            known = self.by_id[key]
            if not self.late or PERSON not in " ".join([known.author, known.text]).lower():
                return known
            key = None

        def spelled() -> str:
            name = pick.choice(everybody)
            return pick.choice(SPELLINGS) if name == PERSON else name

        mentioned = tuple(spelled() for _ in range(pick.randrange(4)))
        extra = pick.choice(["", "hi", "so says Quilla77, they say", "twitter.com/quilla77/status/1", "a,b\nc"])
        extra = extra if not (self.late and with_id) else ""
        post = Post(spelled(), mentioned, pick.randrange(5000), key, extra, pick.random() < 0.93)
        if key is not None:
            self.by_id[key] = post
        return post

    def send(self) -> None:
        pick = self.random
        kind = pick.choice(["csv", "jsonl", "ids"])
        posts = [self.post(with_id=kind == "ids") for _ in range(pick.randrange(1, 14))]
        clock = pick.choice([Clock.ARRIVAL, Clock.EVENT])
        limit = RejectLimit(rows=1) if pick.random() < 0.2 else None
        options = Options(clock=clock, max_rejects=limit)
        if kind == "jsonl":
            escaped = pick.random() < 0.5
            lines = [
                json.dumps({"data": post.text, "timestamp": post.at, "username": post.author, "id": 1.50})
                for post in posts
            ]
            if escaped:
                lines = [line.replace("quilla", "\\u0071uilla") for line in lines]
            options = msgspec.structs.replace(options, format=InputFormat.JSONL)
            content = ("\n".join(lines) + "\n").encode()
            found = upload(self.settings, content, options=options, received_at=self.now, again=True,
                           filename=f"of-{PERSON}.jsonl" if not self.late else "x.jsonl")  # fmt: skip
        else:
            rows = [Row(post.text, post.at.replace(",", ""), post.author, post.id) for post in posts]
            if kind == "csv":
                lines = ["data,timestamp,username,note"]
                lines += [f'"{r.text}",{r.at},{r.author},{r.author} says' for r in rows]
                content = ("\n".join(lines) + "\n").encode()
                found = upload(self.settings, content, options=options, received_at=self.now, again=True)
            else:
                content = ids_csv(rows)
                found = upload_ids(self.settings, content, received_at=self.now, options=options, again=True)
        self.sent.append(Sent(found, posts, self.late))

    def count(self) -> None:
        ids = [each for (each,) in self.conn.execute("SELECT id FROM batches WHERE state = 'staged'").fetchall()]
        self.random.shuffle(ids)
        for batch_id in ids[:3]:
            claim = transitions.claim(self.conn, batch_id, settings=self.settings, now=self.now)
            if claim is None:
                continue
            if self.random.random() < 0.15:  # it fails for good, and may be replayed
                problem = MentiongraphError(f"cannot count @{PERSON}").problem()
                transitions.fail(self.conn, claim, problem, settings=self.settings, now=self.now)
            else:
                counting.count_batch(
                    self.conn, claim, self.parameters, self.user_ids, now=self.now, days_kept=90, rejects_kept=100
                )
            if claim.options.max_rejects is not None:
                withdrawal.decide(self.conn, claim.upload_id, self.parameters, now=self.now)

    def merge(self) -> None:
        merging.merge_shard(
            self.conn, self.random.randrange(self.parameters.shards), self.parameters, most_edges=30, now=self.now
        )

    def withdraw(self) -> None:
        if self.sent:
            of = self.random.choice(self.sent).id
            for change in (withdrawal.retract, withdrawal.cancel):
                with suppress(BadState, NotFound):
                    change(self.conn, of, self.parameters, now=self.now)

    def replay(self) -> None:
        failed = transitions.failed_batches(self.conn)
        transitions.replay(self.conn, [each.id for each in failed], now=self.now)

    def decay(self) -> None:
        run = decay.begin(self.conn, settings=self.settings, now=self.now)
        assert run is not None
        decay.work(self.conn, run, self.parameters, clock=lambda: self.now)

    def settle(self) -> None:
        self.replay()
        more = True
        while more:
            apply_all(msgspec.structs.replace(self.settings, days_kept=90), now=self.now)
            more = limits.undecided(self.conn)
            for each in more:
                withdrawal.decide(self.conn, each, self.parameters, now=self.now)

    def later(self) -> None:
        self.now += timedelta(days=self.random.randrange(20))

    def purge(self) -> None:
        if self.random.random() < 0.3:
            self.settle()
            soon = msgspec.structs.replace(self.settings, retention_days=10, reject_retention_days=10)
            retention.purge(self.conn, settings=soon, now=self.now)

    def forget(self) -> None:
        with postgres.connect(self.settings.database_url, role="guard") as guard:
            people.forget(
                guard, self.conn, f"@{PERSON.title()}", self.parameters, NOBODY, keep_out=self.keep_out,
                clock=lambda: self.now,
            )  # fmt: skip

    def live(self, steps: int) -> None:
        acts = [self.send, self.send, self.count, self.count, self.merge, self.merge, self.withdraw, self.replay,
                self.decay, self.later, self.purge, self.settle]  # fmt: skip
        for _ in range(steps):
            self.random.choice(acts)()
            assert audit(self.conn).exact

    def expected(self) -> Counter[tuple[str, str]]:
        """Every mention of a post that counts, once; those by and of the person only in uploads that came later."""
        states = dict(self.conn.execute("SELECT id, state FROM uploads").fetchall())
        found, seen = Counter[tuple[str, str]](), set[str]()
        for sent in sorted(self.sent, key=lambda each: each.late):
            if states.get(sent.id) != "applied":
                continue
            for post in sent.posts:
                if not post.readable or (post.id is not None and post.id in seen):
                    continue
                seen |= {post.id} if post.id is not None else set()
                mentions = [(post.author.lower(), each.lower()) for each in post.mentioned]
                if not sent.late or self.keep_out:
                    mentions = [pair for pair in mentions if PERSON not in pair]
                found.update(mentions)
        return found

    def held(self) -> Counter[tuple[str, str]]:
        both = [*edges(self.conn, self.now).items(), *edges(self.conn, self.now, table="edges_archive").items()]
        return Counter({pair: held.mention_count for pair, held in both})


SEEDS = range(100 if os.environ.get("HYPOTHESIS_PROFILE") == "thorough" else 3)


@pytest.mark.parametrize("seed", SEEDS)
def test_nothing_holds_a_forgotten_person(conn: Conn, settings: Settings, seed: int) -> None:
    if seed % 3 == 1:  # weights need not halve
        conn.execute("UPDATE graph_parameters SET half_life = NULL")
    world = World(conn, settings, seed)
    world.live(25)
    world.forget()
    assert audit(conn).exact
    assert places_of(conn, PERSON) == []
    world.late = True
    world.live(10)
    world.settle()
    assert world.held() == world.expected()
    found = audit_with_weights(conn, sample=1000, now=world.now)
    assert found.exact, found
    with (
        postgres.connect(settings.database_url, role="test") as guard,
        rebuild.alone(guard, conn),
        suppress(BadState),  # once something was purged
    ):
        batches = rebuild.count_anew(conn, world.parameters, UserIds(bits=64, memory=100))
        assert rebuild.compare(conn, batches, world.parameters, now=world.now)[0].same
