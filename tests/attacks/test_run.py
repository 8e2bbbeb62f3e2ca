"""The verdict of a run of attacks: whatever was hurt shows in it."""

from __future__ import annotations

import msgspec
import pytest

from ops.attacks.against import ATTACKS
from ops.attacks.honest import Asked, Honest
from ops.attacks.run import GROWTH_BYTES, Outcome, Seen, line

QUIET = Seen("a", "422", seconds=1.0, memory=1.0, peak=1.0, slowest=0.1, median=0.1, failed=[])
GOOD = Outcome([QUIET], before=1.0, after=1.0, exact=True, lost=0, news=[])


def test_a_run_that_hurts_nothing_passes() -> None:
    assert GOOD.passed


@pytest.mark.parametrize(
    "hurt",
    [
        {"after": 2.0 + GROWTH_BYTES},
        {"exact": False},
        {"lost": 1},
        {"news": ["! api ended with exit code 70"]},
        {"seen": [msgspec.structs.replace(QUIET, slowest=1.1)]},
        {"seen": [msgspec.structs.replace(QUIET, failed=["read 503"])]},
    ],
    ids=lambda hurt: next(iter(hurt)),
)
def test_whatever_is_hurt_is_seen(hurt: dict[str, object]) -> None:
    assert not msgspec.structs.replace(GOOD, **hurt).passed


def test_a_request_counts_for_an_attack_that_it_runs_beside() -> None:
    honest = Honest("127.0.0.1", 1, "ada")
    honest.asked += [Asked(began=at, what="read", seconds=0.5, status=200) for at in (0.0, 1.0, 1.8, 3.0)]

    assert [each.began for each in honest.between(1.2, 2.5)] == [1.0, 1.8]


def test_a_server_that_is_away_gives_no_good_answer() -> None:
    honest = Honest("127.0.0.1", 1, "ada")

    assert honest.ask("read", "GET", "/") is None
    assert not honest.asked[0].good


def test_failures_are_told() -> None:
    assert "failed: read 503 (2)" in line(msgspec.structs.replace(QUIET, failed=["read 503", "read 503"]))


def test_no_two_attacks_have_one_name() -> None:
    assert len({attack.name for attack in ATTACKS}) == len(ATTACKS)
