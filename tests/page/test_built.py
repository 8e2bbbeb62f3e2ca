"""The built files of the page: what their sources make, and small."""

from __future__ import annotations

import gzip
import json
import re

import pytest

from app.http.page import serve
from ops.release import page

ALL = 150_000
FIRST_SCREEN = 60_000
FIRST = ("index.html", "favicon.svg", "page.css", "main.js")


@pytest.fixture(scope="session")
def installed() -> None:
    """The packages of npm that the page is built with."""
    try:
        page.install(page.DIRECTORY)
    except page.NotBuilt as error:
        pytest.skip(f"the packages of the page can't be had here: {error.message}")


@pytest.mark.system
@pytest.mark.timeout(300)
@pytest.mark.usefixtures("installed")
def test_a_build_makes_the_files_that_are_kept() -> None:
    assert page.differences(page.DIRECTORY) == []


def test_the_page_is_small() -> None:
    sizes = {
        file.name: len(gzip.compress(file.read_bytes(), 9))
        for file in serve.STATIC.iterdir()
        if file.name != "THIRD_PARTY.txt"
    }
    imported = set(re.findall(r'from"\./(part-\w+\.js)"', (serve.STATIC / "main.js").read_text()))

    assert sum(sizes.values()) <= ALL
    assert sum(sizes[name] for name in {*FIRST, *imported}) <= FIRST_SCREEN


def test_the_licences_of_what_is_in_the_page_travel_with_it() -> None:
    texts = (serve.STATIC / "THIRD_PARTY.txt").read_text()
    lock = json.loads((page.DIRECTORY / "package-lock.json").read_text())

    for name in json.loads((page.DIRECTORY / "package.json").read_text())["dependencies"]:
        if f"{name} {lock['packages'][f'node_modules/{name}']['version']}" not in texts:
            assert name not in (serve.STATIC / "main.js").read_text(), name
    assert "MIT" in texts
