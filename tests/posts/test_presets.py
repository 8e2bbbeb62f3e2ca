"""Each source's files are recognised by themselves, and come in right."""

from __future__ import annotations

import pytest

from app.graph.profiles import PROFILES
from app.posts.json import paths
from app.posts.looking import shapes
from app.posts.looking.presets import PRESETS, Preset, Shape
from app.posts.looking.reading import Given, look
from tests.posts.preset_facts import FACTS
from tests.posts.preset_files import Fact
from tests.posts.pure import read


def test_each_preset_has_a_fact_and_a_name_of_its_own() -> None:
    assert {fact.preset for fact in FACTS} == {preset.name for preset in PRESETS}
    assert len({preset.name for preset in PRESETS}) == len(PRESETS)


@pytest.mark.parametrize("preset", PRESETS, ids=lambda preset: preset.name)
def test_a_preset_says_what_there_is(preset: Preset) -> None:
    assert preset.profile in PROFILES
    assert preset.join is None or preset.join in shapes.JOINS
    assert preset.author or preset.note
    if preset.shape is Shape.JSON:
        roles = (preset.text, preset.timestamp, preset.author, preset.id, preset.mentions)
        for path in (*preset.keys, *roles, preset.reply, preset.retweet, preset.quote, preset.rows, preset.below):
            assert not path or paths.parse(path)


@pytest.mark.parametrize("fact", FACTS, ids=lambda fact: f"{fact.preset}: {fact.name}")
def test_a_file_comes_in_right_by_itself(fact: Fact) -> None:
    found = read(fact.data, fact.given, piece=1000)
    assert found.reading.preset is not None
    assert found.reading.preset.value == fact.preset
    assert found.edges == fact.edges
    assert sorted(found.rejects) == sorted(fact.rejects)
    assert found.posts.rows == found.posts.frame.height + found.posts.rejects.height
    if fact.kinds:
        assert found.kinds == set(fact.kinds)
    if fact.instants:
        assert found.instants == fact.instants
    if fact.ids:
        assert found.posts.frame["id"].to_list() == fact.ids


@pytest.mark.parametrize("fact", FACTS, ids=lambda fact: f"{fact.preset}: {fact.name}")
def test_a_preset_that_is_named_reads_as_the_one_that_is_found(fact: Fact) -> None:
    given = Given(preset=fact.preset, author_is=fact.given.author_is)
    assert read(fact.data, given).edges == fact.edges


def test_an_archive_asks_whose_it_is() -> None:
    for fact in FACTS:
        if fact.given.author_is:
            found = look(fact.data, Given(), final=True)
            assert [doubt.option for doubt in found.doubts] == ["author_is"]
