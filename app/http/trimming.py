"""Give memory back to the system after uploads. glibc keeps what was freed between pieces that are still in use."""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Callable

PAUSE_SECONDS = 2.0
"""How long after an upload. Further uploads in this time need no trim of their own."""


def _found() -> Callable[[int], int] | None:
    """malloc_trim(3), where the C library has it."""
    try:
        return ctypes.CDLL(None).malloc_trim
    except (AttributeError, OSError):
        return None


class Trimmer:
    """Call it when nothing is being received: a moment later the process gives free memory back."""

    def __init__(self) -> None:
        self._trim = _found()
        self._timer: threading.Timer | None = None
        self._lock = threading.Lock()

    def __call__(self) -> None:
        with self._lock:
            if self._trim is None or self._timer is not None:
                return
            self._timer = threading.Timer(PAUSE_SECONDS, self._run)
            self._timer.daemon = True
            self._timer.start()

    def _run(self) -> None:
        with self._lock:
            self._timer = None
        if self._trim is not None:
            self._trim(0)

    def close(self) -> None:
        """Trim no more."""
        with self._lock:
            self._trim = None
            if self._timer is not None:
                self._timer.cancel()
