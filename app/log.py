"""This module sets up structured logs: text for people, or JSON lines for machines.

Code that works on an upload or a batch binds the upload and the batch to its log lines.
"""

from __future__ import annotations

import logging
import sys
import threading
from contextlib import suppress
from typing import TextIO, cast

import structlog

from app.settings import Settings


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
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    renderer: structlog.typing.Processor = (
        structlog.processors.JSONRenderer()
        if settings.log_json
        else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    )
    end: list[structlog.typing.Processor] = [structlog.processors.format_exc_info, renderer]
    stream = cast("TextIO", _Unfailing())
    level = logging.getLevelNamesMapping()[settings.log_level.upper()]
    # Lines go straight to the stream. Each request is logged, and a detour by the standard library doubles the cost.
    structlog.configure(
        processors=[*shared, structlog.processors.StackInfoRenderer(), *end],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.WriteLoggerFactory(stream),
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
