"""Hand-written SQL, one named statement a file: `query("ledger/transitions/claim")` is that file's text.

The path of a statement is that of its owner: sql/ledger/transitions/ belongs to app/ledger/transitions.py alone.

Bind at import, so that a wrong name fails there. Parameters are psycopg's `%(name)s`, with casts.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import LiteralString, cast

ROOT = Path(__file__).parent
MIGRATIONS = ROOT / "migrations"

_COMMENT = re.compile(r"^\s*--.*\n?", re.MULTILINE)


@cache
def query(name: str) -> LiteralString:
    """The statement in sql/<name>.sql, without its comments. Raises FileNotFoundError for a name that is not there."""
    text = (ROOT / f"{name}.sql").read_text(encoding="utf-8")
    # The one place where text read from a file is vouched for as a literal: the files are part of this package.
    return cast("LiteralString", without_comments(text))


def without_comments(text: str) -> str:
    """The statement in the text of a file."""
    return _COMMENT.sub("", text).strip()


def names() -> list[str]:
    """Every statement there is, as `owner/verb`; migrations and the schema file are not statements."""
    return sorted(
        str(path.relative_to(ROOT).with_suffix("")) for path in ROOT.glob("*/**/*.sql") if path.parent != MIGRATIONS
    )
