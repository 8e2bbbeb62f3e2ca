"""This module sets up structured logs: text for people, or JSON lines for machines.

A line has `timestamp`, `level`, `event`, `logger` and fields. `event` is an identifier, which app/log_events.py
explains. Lines of libraries have a sentence there, and the library's name in `logger`. Code that works on a request, an
upload or a batch binds their ids to its log lines.

A client can put any text into a path, a handle or an error. So values are cut, the keys of a line are counted, and no
text reaches a terminal raw: text logs have escapes such as `\\x1b`, and JSON has its own.
"""

from __future__ import annotations

import logging
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from types import TracebackType
from typing import Any, TextIO, cast

import structlog

from app.settings import Settings
from app.visible import cut, json_escaped, visible

VALUE_CHARACTERS = 1024
"""Characters of a value in a log line."""
TRACEBACK_CHARACTERS = 8192
"""Characters of a traceback: half of them from its beginning, and half from its end."""
MOST_KEYS = 32
"""Keys of a log line. With all bounds, a line has less than 256 KiB, whatever is logged."""
_KEY_CHARACTERS = 64
_TRACEBACKS = frozenset({"exception", "stack"})
_FIRST = ("timestamp", "level", "event", "logger")
_INDENT = "    "


class _Named(structlog.WriteLogger):
    """A logger of ours, which knows its name as those of the standard library do."""

    def __init__(self, stream: TextIO, name: str = "mentiongraph") -> None:
        super().__init__(stream)
        self.name = name


class _Unfailing:
    """Standard error, for one thread at a time.

    The standard error of a worker is a pipe, and two threads must not write to this pipe at once. A failed write, for
    a full disk or a reader that has gone, fails nothing else.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()

    def write(self, text: str) -> None:
        with self._lock, suppress(OSError, ValueError):
            sys.stderr.write(text)

    def flush(self) -> None:
        with self._lock, suppress(OSError, ValueError):
            sys.stderr.flush()


def configure(settings: Settings) -> None:
    """Set up logging for this process, once, at its start. Loggers of the standard library write the same lines."""
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    renderer: structlog.typing.Processor = (
        partial(_json_line, settings.log_fields)
        if settings.log_json
        else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    )
    fit = _bounded if settings.log_json else _shown
    end: list[structlog.typing.Processor] = [structlog.processors.format_exc_info, fit, renderer]
    stream = cast("TextIO", _Unfailing())
    level = logging.getLevelNamesMapping()[settings.log_level.upper()]
    # Lines go straight to the stream. Each request is logged, and a detour by the standard library doubles the cost.
    structlog.configure(
        processors=[*shared, structlog.processors.StackInfoRenderer(), *end],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=partial(_Named, stream),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared, processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *end]
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level)
    _log_what_nobody_caught()


def _bounded(logger: object, method: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:  # noqa: ARG001 (structlog's signature)
    """Returns the line with its values cut and its keys counted."""
    kept = {str(key)[:_KEY_CHARACTERS]: _fitting(key, event[key]) for key in _first(event)}
    if len(event) > MOST_KEYS:
        kept["keys_left_out"] = len(event) - MOST_KEYS
    return kept


def _shown(logger: object, method: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """Returns the line as `_bounded`, with all texts safe to show. No text but a traceback has several lines."""
    kept = _bounded(logger, method, event)
    for key, value in kept.items():
        if isinstance(value, str):
            kept[key] = _on_lines(value) if key in _TRACEBACKS else visible(value)
    return {visible(key): value for key, value in kept.items()}


def _first(event: structlog.typing.EventDict) -> list[str]:
    """The keys that stay: what every line has, and the first of the others."""
    always = [key for key in (*_FIRST, *_TRACEBACKS) if key in event]
    return (always + [key for key in event if key not in always])[:MOST_KEYS]


def _fitting(key: str, value: object) -> object:
    if value is None or isinstance(value, bool | float):
        return value
    if key in _TRACEBACKS:
        return _middle_cut(str(value))
    if isinstance(value, str):
        return cut(value, VALUE_CHARACTERS)
    said = _said(value)
    # A short value stays what it is, so that JSON has numbers and lists.
    is_safe = len(said) <= VALUE_CHARACTERS and visible(said) == said and not said.startswith("<")
    return value if is_safe else visible(cut(said, VALUE_CHARACTERS))


def _said(value: object) -> str:
    try:
        return repr(value)
    except Exception as error:  # noqa: BLE001 (a log line must not fail for what it is about)
        return f"<{type(value).__name__} without a text: {type(error).__name__}>"


def _middle_cut(text: str) -> str:
    half = TRACEBACK_CHARACTERS // 2
    if len(text) <= TRACEBACK_CHARACTERS:
        return text
    return f"{text[:half]}\n… ({len(text) - 2 * half:,} characters left out)\n{text[-half:]}"


def _on_lines(traceback: str) -> str:
    """The traceback indented, so that no line of a message in it looks like a line of the log."""
    return _INDENT + visible(traceback, keep="\n").replace("\n", f"\n{_INDENT}")


def _ecs(event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """The line in the fields of Elastic's common schema. Other fields are in `mentiongraph`, so that none has the name
    of one of its objects."""
    known = {_ECS[key]: value for key, value in event.items() if key in _ECS}
    own = {key: value for key, value in event.items() if key not in _ECS}
    return {**known, "ecs.version": "8.11.0", **({"mentiongraph": own} if own else {})}


def _gcp(event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """The line in the fields that Google Cloud Logging takes out of JSON."""
    renamed = {_GCP.get(key, key): value for key, value in event.items()}
    return {**renamed, "severity": str(event.get("level", "default")).upper()}


_ECS = {
    "timestamp": "@timestamp",
    "level": "log.level",
    "event": "message",
    "logger": "log.logger",
    "trace_id": "trace.id",
    "span_id": "span.id",
    "request_id": "http.request.id",
    "exception": "error.stack_trace",
}
_GCP = {
    "timestamp": "time",
    "level": "severity",
    "event": "message",
    "trace_id": "logging.googleapis.com/trace",
    "span_id": "logging.googleapis.com/spanId",
}
_RENAMED: dict[str, Callable[[structlog.typing.EventDict], structlog.typing.EventDict]] = {
    "plain": lambda event: event,
    "ecs": _ecs,
    "gcp": _gcp,
}

_render_json = structlog.processors.JSONRenderer()


def _json_line(fields: str, logger: object, method: str, event: structlog.typing.EventDict) -> str:
    line = _render_json(logger, method, _RENAMED[fields](event))
    return json_escaped(line if isinstance(line, str) else line.decode())


def _log_what_nobody_caught() -> None:
    """Have the interpreter log uncaught exceptions, which it would print as they are. Hooks of others stay."""
    log: Any = structlog.get_logger(__name__)

    def uncaught(kind: type[BaseException], error: BaseException, at: TracebackType | None) -> None:
        if issubclass(kind, KeyboardInterrupt):
            sys.__excepthook__(kind, error, at)
        else:
            log.critical("uncaught_exception", exc_info=(kind, error, at))

    def in_thread(found: threading.ExceptHookArgs) -> None:
        if found.exc_type is not SystemExit and found.exc_value is not None:
            uncaught(found.exc_type, found.exc_value, found.exc_traceback)

    if sys.excepthook is sys.__excepthook__:
        sys.excepthook = uncaught
    if threading.excepthook is threading.__excepthook__:
        threading.excepthook = in_thread
