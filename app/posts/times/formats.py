"""The one format of a file's instants, in the words of strptime → a pattern like those of spellings.py. Pure.

    %Y year, four digits    %y year, two digits    %m month    %d %e day    %j day of the year
    %b %B %h name of the month                      %a %A name of the day of the week
    %H hour, 0 to 24        %I hour, 1 to 12       %p AM or PM
    %M minute               %S second              %f fraction of a second, 1 to 9 digits
    %z offset such as +01:00, +0100, +01 or Z       %Z name of a zone
    %F %Y-%m-%d             %T %H:%M:%S            %R %H:%M             %D %m/%d/%y             %% percent sign

Numbers may lack their leading zero where no other number touches them. A year has all its digits. Letters count in any
case, and white space stands for any white space.
"""

from __future__ import annotations

import re
from functools import lru_cache

from app.posts.times.spellings import MONTHS, WEEKDAYS, plain

LONGEST = 100
_WHOLE = {"F": "%Y-%m-%d", "T": "%H:%M:%S", "R": "%H:%M", "D": "%m/%d/%y"}
_SAME = {"e": "d", "h": "b", "B": "b", "A": "a"}
_NUMBERS = {"m": "month", "d": "day", "H": "hour", "I": "hour", "M": "minute", "S": "second"}
_OFFSET = r"(?:(?P<sign>[+-])(?P<east>\d{2})(?::?(?P<past>\d{2}))?|(?P<named>z|utc|gmt))"
_PATTERNS = {
    "Y": r"(?P<year>\d{4})",
    "y": r"(?P<year>\d{2})",
    "j": r"(?P<ordinal>\d{3})",
    "f": r"(?P<fraction>\d{1,9})",
    "b": rf"(?P<name>{'|'.join(sorted(MONTHS, key=len, reverse=True))})\.?",
    "a": rf"(?P<weekday_name>{'|'.join(sorted(WEEKDAYS, key=len, reverse=True))})\.?",
    "p": r"(?P<half>[ap])\.?m\.?",
    "z": _OFFSET,
    "Z": r"(?P<named>[a-z]{1,5})",
    "%": "%",
}
_DIGITS = frozenset("YyjfmdHIMS")
_WORD = re.compile(r"%[-_0^#]?(?P<letter>.)|(?P<space>\s+)|(?P<text>[^%\s]+)", re.DOTALL)


class BadFormat(ValueError):
    """What is wrong with a format, for a message."""


@lru_cache(maxsize=64)
def compiled(form: str) -> re.Pattern[str]:
    """The pattern of a format, with the groups of spellings.FORMS. Raises BadFormat."""
    if not 0 < len(form) <= LONGEST:
        raise BadFormat(f"a format has 1 to {LONGEST} characters")
    words = _words(form.strip())
    named = [word for word in words if word.startswith("%") and word != "%%"]
    _check({word[1] for word in named}, [_group(word[1]) for word in named])
    pattern = "".join(_pattern(words, at) for at in range(len(words)))
    return re.compile(pattern, re.IGNORECASE | re.ASCII)


def _words(form: str) -> list[str]:
    """The words of a format: %x, white space or other text."""
    for short, whole in _WHOLE.items():
        form = re.sub(rf"(?<!%)((?:%%)*)%{short}", rf"\g<1>{whole}", form)
    words: list[str] = []
    at = 0
    while at < len(form):
        found = _WORD.match(form, at)
        if found is None:
            raise BadFormat("a percent sign at the end stands for nothing; write %% for a percent sign")
        at = found.end()
        if found.lastgroup == "letter":
            letter = _SAME.get(found["letter"], found["letter"])
            if letter not in _PATTERNS and letter not in _NUMBERS:
                known = " ".join(f"%{each}" for each in (*_PATTERNS, *_NUMBERS, *_SAME, *_WHOLE))
                raise BadFormat(f"there is no {found[0]}; there are {known}")
            words.append(f"%{letter}")
        else:
            words.append(found[0])
    return words


def _group(letter: str) -> str:
    """What a word says, to find two words that say the same."""
    return {"y": "Y", "I": "H", "Z": "z"}.get(letter, letter)


def _check(letters: set[str], groups: list[str]) -> None:
    twice = next((group for group in groups if groups.count(group) > 1), None)
    if twice is not None:
        raise BadFormat(f"two words say the same as %{twice}")
    has_day = "j" in letters or ("d" in letters and bool(letters & {"m", "b"}))
    if not letters & {"Y", "y"} or not has_day:
        raise BadFormat("the year (%Y), the month (%m) and the day (%d) are wanted")
    if ("j" in letters and letters & {"m", "b", "d"}) or {"m", "b"} <= letters:
        raise BadFormat("two words say the month or the day")
    if letters & {"M", "S", "f", "p"} and not letters & {"H", "I"}:
        raise BadFormat("the hour (%H) is wanted")
    if "I" in letters and "p" not in letters:
        raise BadFormat("%I is an hour of 12, which wants %p; an hour of 24 is %H")
    if ("S" in letters and "M" not in letters) or ("f" in letters and "S" not in letters):
        raise BadFormat("the minute (%M) before the second (%S), and the second before its fraction (%f) are wanted")


def _pattern(words: list[str], at: int) -> str:
    word = words[at]
    if not word.startswith("%"):
        return re.escape(plain(word) or " ")
    letter = word[1]
    if letter not in _NUMBERS:
        return _PATTERNS[letter]
    beside = words[max(0, at - 1) : at] + words[at + 1 : at + 2]
    touched = any(each[1] in _DIGITS if each[0] == "%" else _touches(each) for each in beside)
    return rf"(?P<{_NUMBERS[letter]}>\d{'{2}' if touched else '{1,2}'})"


def _touches(text: str) -> bool:
    return text[0].isdigit() or text[-1].isdigit()
