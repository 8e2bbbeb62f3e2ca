"""Masks a person's handle in the logs of an embedded stack, in place: no line moves, so whoever writes goes on.

A letter becomes an asterisk, as many bytes as before. The handle is found in any case, also where a path or JSON spells
it by escapes. It is masked where no letter, digit or underscore stands beside it.
"""

from __future__ import annotations

import json
import mmap
import re
from pathlib import Path
from urllib.parse import quote

_WORD = rb"[A-Za-z0-9_]"


def mask(logs: Path, handle: str) -> int:
    """Mask a folded handle in every file of a directory of logs. Returns the number of places."""
    found = 0
    for path in sorted(logs.iterdir()):
        if path.is_file() and path.stat().st_size:
            found += _mask_file(path, pattern_of(handle))
    return found


def pattern_of(handle: str) -> re.Pattern[bytes]:
    """Finds a handle in bytes, as it is and as escapes spell it."""
    spelled = {handle, handle.upper(), handle.title()}
    forms = {
        form
        for each in spelled
        for form in (each.encode(), quote(each, safe="").encode(), json.dumps(each)[1:-1].encode())
    }
    either = b"|".join(re.escape(form) for form in sorted(forms, key=len, reverse=True))
    return re.compile(rb"(?<!" + _WORD + rb")(?:" + either + rb")(?!" + _WORD + rb")", re.IGNORECASE)


def _mask_file(path: Path, pattern: re.Pattern[bytes]) -> int:
    found = 0
    with path.open("r+b") as file, mmap.mmap(file.fileno(), 0) as data:
        for place in list(pattern.finditer(data)):
            data[place.start() : place.end()] = b"*" * (place.end() - place.start())
            found += 1
    return found
