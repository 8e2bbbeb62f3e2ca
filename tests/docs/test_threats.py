"""The page of threats: each test that it names is there."""

from __future__ import annotations

import re

from tests.docs.pages import ROOT

PAGE = ROOT / "docs" / "explanation" / "threats.md"
_NAMED = re.compile(r"`(tests/[\w/]+\.py)`: ((?:`test_\w+`(?:, )?)+)")


def test_each_test_that_holds_a_protection_exists() -> None:
    named = [
        (file, name)
        for file, names in _NAMED.findall(PAGE.read_text("utf-8"))
        for name in re.findall(r"test_\w+", names)
    ]
    missing = [(file, name) for file, name in named if f"def {name}(" not in (ROOT / file).read_text("utf-8")]

    assert len(named) > 40
    assert missing == []
