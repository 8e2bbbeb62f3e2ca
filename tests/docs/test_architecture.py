"""The map of the code in ARCHITECTURE.md: every module is on it, and what is on it exists."""

from __future__ import annotations

import re

import pytest

from tests.docs.pages import ROOT

MAP = ROOT / "ARCHITECTURE.md"
ROOMS = ("app", "workers", "ops")
LONGEST = 200

_ROOM = re.compile(r"^### `([a-z/]+)/`[^\n]*\n(.*?)(?=^##|\Z)", re.MULTILINE | re.DOTALL)
_MODULE = re.compile(r"`([a-z_0-9]+\.py)`")
_PATH = re.compile(r"`((?:app|workers|ops|sql|tests|docs)/[\w/.]*)`")


def _rooms() -> dict[str, set[str]]:
    """The modules that the map names in each room."""
    return {room: set(_MODULE.findall(text)) for room, text in _ROOM.findall(MAP.read_text("utf-8"))}


def _modules() -> dict[str, set[str]]:
    """The modules that there are in each room."""
    found: dict[str, set[str]] = {}
    for top in ROOMS:
        for file in (ROOT / top).rglob("*.py"):
            room = file.parent.relative_to(ROOT).as_posix()
            if not file.name.startswith("__"):
                found.setdefault(room, set()).add(file.name)
    return found


def test_the_map_names_every_module_and_no_other() -> None:
    named, there = _rooms(), _modules()
    missing = {room: sorted(names - named.get(room, set())) for room, names in there.items()}
    gone = {room: sorted(names - there.get(room, set())) for room, names in named.items()}
    assert {room: names for room, names in missing.items() if names} == {}, "not on the map of ARCHITECTURE.md"
    assert {room: names for room, names in gone.items() if names} == {}, "on the map of ARCHITECTURE.md, and not there"


def test_every_path_on_the_map_exists() -> None:
    assert [path for path in _PATH.findall(MAP.read_text("utf-8")) if not (ROOT / path).exists()] == []


def test_the_map_stays_short() -> None:
    assert len(MAP.read_text("utf-8").splitlines()) <= LONGEST


@pytest.mark.parametrize("page", ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "ops/README.md"])
def test_links_of_the_pages_outside_of_the_guide_lead_somewhere(page: str) -> None:
    text = (ROOT / page).read_text("utf-8")
    links = re.findall(r"\]\((?!https?:|#)([^)#\s]+)", text)
    assert [link for link in links if not ((ROOT / page).parent / link).exists()] == []
