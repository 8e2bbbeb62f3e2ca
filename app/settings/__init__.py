"""The settings of a process: rows.py says what there is, loading.py reads them from the environment.

The environment variable `MENTIONGRAPH_BATCH_BYTES` holds the setting `batch_bytes`. `MENTIONGRAPH_BATCH_BYTES_FILE`
names a file that holds the value instead. Each process calls `load` once and hands the result down.
"""

from __future__ import annotations

from app.settings.loading import (
    FILE_SUFFIX,
    PREFIX,
    Given,
    Row,
    as_text,
    describe,
    environment,
    given,
    hidden,
    load,
    networks,
    require_known,
)
from app.settings.rows import Group, Settings

__all__ = [
    "FILE_SUFFIX",
    "PREFIX",
    "Given",
    "Group",
    "Row",
    "Settings",
    "as_text",
    "describe",
    "environment",
    "given",
    "hidden",
    "load",
    "networks",
    "require_known",
]
