"""Programs that read a part of a file apart from the service: their bounds, and what they know."""

from __future__ import annotations

import json
import os
import resource
import sys
from pathlib import Path

import pytest

from app.posts import apart
from tests.posts import apart_program


def test_a_program_has_its_bounds_and_no_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LD_LIBRARY_PATH", "/of/a/copied/python")
    monkeypatch.setenv("MENTIONGRAPH_DATABASE_URL", "secret")
    with (
        Path(os.devnull).open("rb") as source,
        apart.running(apart_program.__name__, source, most_bytes=apart.UNBOUNDED, most_seconds=7) as process,
    ):
        said = json.loads(process.communicate()[0])

    assert (said["RLIMIT_CPU"], said["RLIMIT_DATA"]) == (7, apart.UNBOUNDED)
    assert said["environment"]["LD_LIBRARY_PATH"] == "/of/a/copied/python"
    assert "MENTIONGRAPH_DATABASE_URL" not in said["environment"]


@pytest.mark.parametrize(
    ("most_bytes", "most_seconds", "platform", "bounds"),
    [
        (1 << 29, 7, "linux", {resource.RLIMIT_CPU: 7, resource.RLIMIT_DATA: 1 << 29}),
        (1 << 29, apart.UNBOUNDED, "linux", {resource.RLIMIT_DATA: 1 << 29}),
        (apart.UNBOUNDED, 7, "linux", {resource.RLIMIT_CPU: 7}),
        (1 << 29, 7, "darwin", {resource.RLIMIT_CPU: 7}),
    ],
)
def test_a_program_keeps_to_the_bounds_that_it_is_given(
    most_bytes: int,
    most_seconds: int,
    *,
    platform: str,
    bounds: dict[int, int],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    set_to: dict[int, tuple[int, int]] = {}
    monkeypatch.setattr(resource, "setrlimit", set_to.__setitem__)
    score = tmp_path / "score"

    def the_score(_path: str) -> Path:
        return score

    monkeypatch.setattr(apart, "Path", the_score)
    monkeypatch.setattr(sys, "platform", platform)
    monkeypatch.setattr(sys, "argv", ["program", str(most_bytes), str(most_seconds)])

    apart.limit()

    assert set_to == {resource.RLIMIT_CORE: (0, 0), **{kind: (bound, bound) for kind, bound in bounds.items()}}
