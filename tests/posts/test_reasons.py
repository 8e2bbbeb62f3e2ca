"""The table of reject codes is complete, and what it says of limits is what the readers hold."""

from __future__ import annotations

import pytest

from app.posts.screening import MAX_AUTHOR_CHARACTERS, MEANING, Reason
from app.posts.tables.csvscan import MAX_ROW_BYTES, QUOTE_WINDOW


def test_every_code_has_its_meaning_in_the_order_of_the_codes() -> None:
    assert list(MEANING) == list(Reason)


@pytest.mark.parametrize("reason", Reason)
def test_a_meaning_is_whole_sentences(reason: Reason) -> None:
    assert MEANING[reason].endswith(".")
    assert MEANING[reason][0].isupper()


@pytest.mark.parametrize(
    ("reason", "limit"),
    [
        (Reason.UNCLOSED_QUOTE, f"{QUOTE_WINDOW >> 20} MiB"),
        (Reason.ROW_TOO_LONG, f"{MAX_ROW_BYTES >> 20} MiB"),
        (Reason.AUTHOR_TOO_LONG, f"{MAX_AUTHOR_CHARACTERS} characters"),
    ],
)
def test_a_meaning_names_the_limit_that_holds(reason: Reason, limit: str) -> None:
    assert limit in MEANING[reason]
