"""Files as people have them come in right: each file of tests/field/, from its bytes to its edges, without a server."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import msgspec
import pytest

from app.posts.looking import reading
from app.posts.looking.reading import Given
from tests.posts.pure import read

FOLDER = Path(__file__).parents[1] / "field"
FACTS: list[dict[str, Any]] = tomllib.loads((FOLDER / "facts.toml").read_text("utf-8"))["file"]
PLAIN = [fact for fact in FACTS if not fact.get("container")]


def given_of(fact: dict[str, Any]) -> Given:
    return msgspec.convert(fact.get("options", {}), Given)


def test_each_file_has_its_facts() -> None:
    assert {fact["name"] for fact in FACTS} == {path.name for path in FOLDER.iterdir()} - {"facts.toml"}


@pytest.mark.parametrize("fact", PLAIN, ids=lambda fact: f"{fact['name']} {fact.get('options', '')}")
@pytest.mark.parametrize("piece", [1 << 16, 7])
def test_a_file_comes_in_right(fact: dict[str, Any], piece: int) -> None:
    found = read((FOLDER / fact["name"]).read_bytes(), given_of(fact), piece=piece)
    assert found.edges == {(source, target): mentions for source, target, mentions in fact["edges"]}
    assert found.rejects == fact.get("rejects", [])
    assert found.posts.rows == found.posts.frame.height + found.posts.rejects.height
    assert found.counted.cut == fact.get("cut", 0)
    if "preset" in fact:
        assert found.reading.preset is not None
        assert found.reading.preset.value == fact["preset"]
    if "kinds" in fact:
        assert found.kinds == {tuple(kind) for kind in fact["kinds"]}
    if "instants" in fact:
        assert found.instants == fact["instants"]
    if "ids" in fact:
        assert found.posts.frame["id"].to_list() == fact["ids"]


ASKING = [
    ("11-instagram-dots.csv", None),
    ("55-twitter-archive.csv", "author_is"),
    ("61-edgelist.csv", "author"),
]


@pytest.mark.parametrize(("name", "option"), ASKING)
def test_without_the_option_a_file_is_read_or_the_option_is_named(name: str, option: str | None) -> None:
    found = reading.look((FOLDER / name).read_bytes(), Given(), final=True)
    assert option in [None, *(doubt.option for doubt in found.doubts)]
    assert found.certain == (option is None)
