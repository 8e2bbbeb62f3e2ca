"""The words of a sender, and limits on rejects: which have a meaning, and which are refused."""

from __future__ import annotations

from typing import Any

import pytest

from app.errors import BadRequest
from app.posts.given import check_given
from app.posts.json.paths import MAX_CHARACTERS
from app.posts.options import Given, RejectLimit
from app.posts.tables.header import AUTO
from app.posts.times.spellings import EXCEL

LONGEST = "x" * MAX_CHARACTERS


@pytest.mark.parametrize(
    "words",
    [
        {},
        {"text": "a", "timestamp": "b", "author": "c"},
        {"text": LONGEST, "mentions": LONGEST},
        {"author": "c"},
        {"author_is": "ada"},
        {"header": True},
        {"header": False, "columns": ("a", "b")},
        {"columns": ("a", "b")},
        {"preset": "x-v2"},
        {"timezone": "Europe/Berlin"},
        {"timestamp_format": "%d.%m.%Y"},
        {"timestamp_format": EXCEL},
        {"delimiter": ";"},
        {"encoding": "utf-16"},
    ],
)
def test_words_with_a_meaning_are_taken_as_they_are(words: dict[str, Any]) -> None:
    assert check_given(Given(**words)) == Given(**words)


@pytest.mark.parametrize(
    ("words", "meant"),
    [({"encoding": "Latin1"}, {"encoding": "latin-1"}), ({"delimiter": AUTO}, {"delimiter": None})],
)
def test_a_word_with_several_spellings_has_one_meaning(words: dict[str, Any], meant: dict[str, Any]) -> None:
    assert check_given(Given(**words)) == Given(**meant)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ({"text": "a", "timestamp": " A ", "author": "c"}, "three different columns, not a,  A , c"),
        ({"timestamp": "a", "author": "a"}, "three different columns, not a, a"),
        ({"author": "c", "author_is": "ada"}, "author_is if one person wrote every post, but not both"),
        ({"header": True, "columns": ("a", "b")}, "only for a file without a header"),
        ({"preset": "nothing"}, "there is no preset 'nothing'"),
        ({"text": LONGEST + "x"}, f"text has up to {MAX_CHARACTERS} characters"),
        ({"mentions": LONGEST + "x"}, f"mentions has up to {MAX_CHARACTERS} characters"),
        ({"timezone": "Berlin"}, "timezone has to be a name"),
        ({"timezone": "../x"}, "timezone has to be a name"),
        ({"timestamp_format": "%Q"}, "timestamp_format '%Q' can't be used: there is no %Q"),
        ({"encoding": "klingon"}, "klingon"),
    ],
)
def test_words_without_a_meaning_are_refused(words: dict[str, Any], said: str) -> None:
    with pytest.raises(BadRequest) as refused:
        check_given(Given(**words))
    assert said in refused.value.detail


@pytest.mark.parametrize(
    ("text", "limit"),
    [
        ("0", RejectLimit(rows=0)),
        ("100", RejectLimit(rows=100)),
        ("5%", RejectLimit(share=0.05)),
        ("100%", RejectLimit(share=1.0)),
        ("0.5%", RejectLimit(share=0.005)),
    ],
)
def test_a_limit_on_rejects_is_a_number_or_a_share(text: str, limit: RejectLimit) -> None:
    assert RejectLimit.parsed(text, where="max_rejects") == limit


@pytest.mark.parametrize("text", ["", "-1", "101%", "5 %", "0.5", "1e3"])
def test_no_other_text_is_a_limit_on_rejects(text: str) -> None:
    with pytest.raises(BadRequest, match="max_rejects has to be a number"):
        RejectLimit.parsed(text, where="max_rejects")


@pytest.mark.parametrize(
    ("limit", "rejected", "exceeded"),
    [
        (RejectLimit(rows=5), 5, False),
        (RejectLimit(rows=5), 6, True),
        (RejectLimit(share=0.25), 5, False),
        (RejectLimit(share=0.25), 6, True),
    ],
)
def test_a_limit_on_rejects_is_exceeded_by_one_more(limit: RejectLimit, rejected: int, *, exceeded: bool) -> None:
    assert limit.exceeded(rejected=rejected, received=20) is exceeded
