"""Texts from outside in logs and messages: nothing in them steers a terminal, breaks a line or goes on for ever."""

from __future__ import annotations

import json
import subprocess
import sys
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.errors import BadRequest
from app.errors.problem import DETAIL_CHARACTERS
from app.posts.given import check_given
from app.posts.options import Given
from app.visible import json_escaped, visible
from ops.embedded.logwriter import shown

ROOT = Path(__file__).parents[1]
HOSTILE = "\x1b]52;c;ZXZpbA==\x07\x1b[2J\x9b31m\u202e\u2066\u200f\u061c\u2028\x7f\u200b\r"
"""The clipboard by OSC 52, a cleared screen, C1's CSI, turned text, other line ends, and what nobody sees."""
SIGNS = frozenset(HOSTILE) - frozenset("]52;c;ZXZpbA==[2J31m")
LOGGING = """
import logging, sys, threading
import msgspec, structlog
from app import log
from app.settings import Settings
log.configure(msgspec.structs.replace(Settings(), log_json=sys.argv[1] == "json"))
text = sys.argv[2].encode().decode("unicode_escape") + "\\ud800"
own = structlog.get_logger("ours")
own.info("event " + text, path=text, many=[text], **{"key" + text: text})
own.info("long", value="x" * 5000, nested={"a": "y" * 5000}, number=10 ** 5000)
class Told:
    def __init__(self, text):
        self._text = text
    def __repr__(self):
        return self._text
own.info("objects", hostile=Told(text), long=Told("w" * 5000), **{"q" * 5000: 1})
own.info("keys", **{f"k{number}": number for number in range(100)})
try:
    raise ValueError(text + "\\n2026-01-01T00:00:00Z [info     ] forged" + "z" * 100_000)
except ValueError:
    own.exception("ours failed")
    for name in ("uvicorn.error", "dramatiq.worker", "psycopg.pool"):
        logging.getLogger(name).exception("%s failed: %s", name, text)
def fail():
    raise RuntimeError(text)
thread = threading.Thread(target=fail)
thread.start()
thread.join()
raise RuntimeError(text)
"""


@pytest.mark.parametrize("renderer", ["text", "json"])
def test_no_log_line_is_raw_or_endless(renderer: str) -> None:
    hostile = HOSTILE.encode("unicode_escape").decode()
    ran = subprocess.run(
        [sys.executable, "-c", LOGGING, renderer, hostile], cwd=ROOT, capture_output=True, timeout=60, check=False
    )

    said = ran.stderr.decode()
    lines = said.split("\n")
    assert not SIGNS & frozenset(said)
    assert said.count("uncaught_exception") == 2
    assert "(3,976 more characters)" in said
    assert not [each for each in ("y" * 1025, "w" * 1025, "q" * 65) if each in said]
    assert max(map(len, lines)) < 256 << 10
    assert len(said) < 256 << 10
    if renderer == "text":
        # A line of a message is not at the beginning of a line, where lines of the log are.
        assert [line for line in lines if line.startswith("2026-01-01T00")] == []
        assert sum("forged" in line for line in lines) == 4
        assert "\\x1b]52" in said
    else:
        told = [json.loads(line) for line in lines[:-1]]
        assert told[0]["path"] == HOSTILE + "\ud800"
        assert (len(told[3]), told[3]["keys_left_out"]) == (33, 72)


def test_a_detail_is_visible_and_cut() -> None:
    error = BadRequest(f"no {HOSTILE} " + "x" * 100_000 + " Say what you mean.")
    assert not SIGNS & frozenset(error.problem().detail)
    assert not SIGNS & frozenset(str(error))
    assert len(error.detail) < DETAIL_CHARACTERS + 100
    assert error.detail.endswith("Say what you mean.")


def test_a_quoted_value_is_cut() -> None:
    long = "x" * 1000
    with pytest.raises(BadRequest) as refused:
        check_given(Given(preset=long))
    assert "x" * 201 not in refused.value.detail
    assert "(800 more characters)" in refused.value.detail


def test_words_and_emoji_stay() -> None:
    for text in ("Größe 日本\u3000語", "👩\u200d💻", "می\u200cخواهم", "a\u00a0b", "شكرا"):
        assert visible(text) == text
    assert visible("ann\u200da") == "ann\\u200da"


def test_what_nobody_sees_is_left_nowhere() -> None:
    unseen = (
        "\u00ad\u034f\u115f\u1160\u17b4\u17b5\u180e\u200b\u2060\u2063\u3164\ufeff\uffa0\ufff9\uffff\U0001bca0\U0001d173"
    )
    unseen += "\U000e0001\U000e0041\U000e0100"
    assert visible(unseen).isascii()


@given(st.text())
def test_nothing_that_steers_is_left(text: str) -> None:
    for kept in visible(text):
        assert unicodedata.category(kept) not in {"Cc", "Cs", "Zl", "Zp"}
        assert unicodedata.bidirectional(kept) not in {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}


@given(st.text())
def test_escaped_json_has_the_same_value(text: str) -> None:
    escaped = json_escaped(json.dumps(text, ensure_ascii=False))
    assert json.loads(escaped) == text
    assert not SIGNS & frozenset(escaped)


def test_logs_of_servers_are_escaped() -> None:
    assert shown(f"a{HOSTILE}é\n".encode()).decode() == (
        "a\\x1b]52;c;ZXZpbA==\\x07\\x1b[2J\\u009b31m\\u202e\\u2066\\u200f\\u061c\\u2028\\x7f\u200b\\x0dé\n"
    )
