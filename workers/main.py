"""Every actor: what `dramatiq workers.main` and `periodiq workers.main` load."""

from __future__ import annotations

import workers.count
import workers.decay
import workers.merge
import workers.sweep

__all__ = ["workers"]
