"""Workloads are the same bytes everywhere, and hold what they say; the oracle's sample is whole."""

from __future__ import annotations

import hashlib

import pytest

from ops.oracle.account import account
from ops.workloads.shapes import SHAPES
from ops.workloads.workload import Workload

ROWS = 3000
DIGESTS = {
    "mixed": "9fc9112e5fda2e5d651bf6324d602cf39de34bd3b16d2dc001352677001b65d1",
    "pairs": "a01e067e2ff417637db0ce2d24a848faadbb00a425558963570f49e6ee84a2bf",
    "tail": "d7d8d449f455a9fea9c228384f8fc4cf5df0483026d467ab83d4028e369d0201",
    "celebrity": "6d0ef6000cf31c9bbc84b743b296725914d8aad4b44d92f2fecd1e6ac6772d7c",
    "retweets": "f0535c67d4909bf623402553bef07679f8fc8207f6a0e4c6ac8f5de38dab4522",
    "multiline": "49eab17524561437994af8210eb23e348d5b521e56dc46a6770be9c082bb599d",
}


def content(workload: Workload) -> bytes:
    return b"".join(workload.chunks())


@pytest.mark.parametrize("name", SHAPES)
def test_a_workload_is_the_same_everywhere_and_holds_what_it_says(name: str) -> None:
    workload = Workload(name, ROWS, 7, sample_every=20)
    made = content(workload)
    counted = account(made)
    facts = workload.facts
    assert hashlib.sha256(made).hexdigest() == DIGESTS[name]
    assert (facts.rows, facts.bytes) == (counted.rows, len(made)) == (ROWS, len(made))
    assert (facts.mentions, facts.edges) == (counted.mentions, len(counted.edges))
    assert counted.rejected == 0
    sample = account(bytes(workload.sample))
    assert sample.edges == {key: edge for key, edge in counted.edges.items() if key[0] in workload.sampled}
    assert len(workload.sampled) >= 4


@pytest.mark.parametrize("name", ["tail", "celebrity"])
def test_a_shorter_one_is_a_prefix_of_a_longer_one(name: str) -> None:
    short, longer = content(Workload(name, 100, 7)), content(Workload(name, 200, 7))
    assert longer.startswith(short)
    assert content(Workload(name, 100, 8)) != short


def test_the_shapes_are_what_their_names_say() -> None:
    made = {name: Workload(name, ROWS, 7) for name in SHAPES}
    contents = {name: content(workload) for name, workload in made.items()}
    facts = {name: workload.facts for name, workload in made.items()}
    counted = {name: account(contents[name]) for name in ("celebrity", "pairs")}
    assert facts["tail"].edges == facts["tail"].mentions
    assert sum(edge.mention_count for edge in counted["pairs"].edges.values()) > 2.5 * facts["pairs"].edges
    targets = [target for _, target in counted["celebrity"].edges]
    assert max(targets.count(target) for target in set(targets)) > 0.9 * ROWS
    assert contents["retweets"].count(b": RT @") > 0.5 * ROWS
    assert contents["multiline"].count(b"\n") > 8 * ROWS
    assert 100 < facts["mixed"].bytes / ROWS < 150


def test_the_sample_has_the_same_authors_in_every_workload() -> None:
    first, second = Workload("mixed", ROWS, 1, sample_every=20), Workload("tail", ROWS, 2, sample_every=20)
    everybody = [account(content(first)), account(content(second))]
    for workload, counted in zip((second, first), everybody, strict=True):
        authors = {source for source, _ in counted.edges}
        other = first if workload is second else second
        assert workload.sampled & authors <= other.sampled
