"""Workloads are the same bytes everywhere, and hold what they say; the oracle's sample is whole."""

from __future__ import annotations

import hashlib

import pytest

from ops.oracle.account import account
from ops.workloads.shapes import SHAPES
from ops.workloads.workload import Workload

ROWS = 1000
DIGESTS = {
    "mixed": "61f854b682ff5ff617fc95bdcb3337ed099f45e48f7673b621146f559311052f",
    "pairs": "f4a83cdbba7f42af0fd7470e3f43c13f117e414def10f5c1c0106a42b273e49f",
    "tail": "e1fc07cb67ba1383db732969cd0842315a491ecee46a96dd973fb8798dbafccd",
    "celebrity": "de6578fa0941da86a0a80367a93cd8246ec651501a971a674ab95fc8a9dc0c0c",
    "retweets": "be90a59e92b2eb0d7802cfc4739bf997f65d67819c349aeba3182c1ed55b230b",
    "multiline": "8a428cb49a7ce0750078bb2d4ac3c670f2dc22ba196e82e0541886869f5ca566",
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
    # A pair comes again only after many rows.
    made = {name: Workload(name, 3 * ROWS if name == "pairs" else ROWS, 7) for name in SHAPES}
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
