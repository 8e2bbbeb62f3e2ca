"""Masks a person's handle in the logs of an embedded stack, in place: no line moves, so whoever writes goes on.

A letter becomes an asterisk, as many bytes as before. The handle is found in any case, also where a path or JSON spells
it by escapes. It is masked where no letter, digit or underscore stands beside it.
"""

from __future__ import annotations

import json
import mmap
import os
import re
import stat
from io import BufferedRandom
from pathlib import Path
from urllib.parse import quote

_WORD = rb"[A-Za-z0-9_]"


def mask(logs: Path, handle: str) -> int:
    """Mask a folded handle in every file of a directory of logs. Returns the number of places.

    The logs of the servers are links. The account of the stack may make other links, and the command may run as root.
    So a file counts as a log only if the directory and the file have one owner, and the file has one name.
    """
    found, owner, pattern = 0, logs.stat().st_uid, pattern_of(handle)
    for path in sorted(logs.iterdir()):
        if path.is_file() and _is_log(path.stat(), owner):
            with os.fdopen(os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC), "r+b") as file:
                # Another file may have come to this place since.
                if _is_log(os.fstat(file.fileno()), owner):
                    found += _mask_file(file, pattern)
    return found


def _is_log(found: os.stat_result, owner: int) -> bool:
    regular = stat.S_ISREG(found.st_mode) and found.st_nlink == 1
    return regular and found.st_uid == owner and found.st_size > 0


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


def _mask_file(file: BufferedRandom, pattern: re.Pattern[bytes]) -> int:
    found = 0
    with mmap.mmap(file.fileno(), 0) as data:
        for place in list(pattern.finditer(data)):
            data[place.start() : place.end()] = b"*" * (place.end() - place.start())
            found += 1
    return found
