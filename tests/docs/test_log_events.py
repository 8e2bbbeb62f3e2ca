"""The page of log events says what the code logs: every call names its events, and every event has a call."""

from __future__ import annotations

import re

from app.log_events import MEANING
from docs import generated
from tests.docs.pages import ROOT

OWN = {"timestamp", "level", "event", "logger", "request_id", "trace_id", "exception"}
"""Fields that lines have by themselves."""


def test_every_call_logs_an_identifier_that_is_explained() -> None:
    wrong = [
        f"{call.module}:{call.line} {call.events}"
        for call in generated.logged()
        if not call.events or not all(event in MEANING for event in call.events)
    ]
    assert wrong == []


def test_every_event_is_logged_and_is_an_identifier() -> None:
    logged = {event for call in generated.logged() for event in call.events}
    assert sorted(set(MEANING) - logged) == []
    assert [event for event in MEANING if not re.fullmatch(r"[a-z][a-z0-9_]+", event)] == []


def test_fields_do_not_hide_those_that_every_line_has() -> None:
    assert [call for call in generated.logged() if OWN & set(call.fields)] == []


def test_nothing_is_logged_past_our_loggers() -> None:
    """Loggers of the standard library, whose events are sentences, are those of libraries alone."""
    past = [
        f"{file.relative_to(ROOT)}: {found}"
        for room in ("app", "workers", "ops")
        for file in (ROOT / room).rglob("*.py")
        for found in re.findall(
            r"(?:logging|self\.logger|self\._logger|self\._log)\.(?:debug|info|warning|error|exception|critical)\(",
            file.read_text("utf-8"),
        )
    ]
    assert past == []


def test_the_page_has_every_event_with_its_fields() -> None:
    text = generated.log_events()
    for event in MEANING:
        assert f"## {event}\n" in text
    sealed = text.partition("## sealed\n")[2].partition("\n## ")[0]
    assert "Level info." in sealed
    assert "`app.ledger.receiving`" in sealed
    assert "`batches`" in sealed
