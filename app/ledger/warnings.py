"""What an upload is warned of: nothing failed, and yet the result may not be what its sender wanted. Pure.

A worker notes what it sees in a batch (app/graph/noticing.py), in the transaction that counts the batch. What an upload
is warned of is decided here, from the sums of these notes. No payload is read again.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

import msgspec

FIRST_LINES = 5
"""The number of lines that a warning names at most."""
FEWEST_USERS = 20
"""Authors, and users they mention, from which it is strange that none of them is both."""


class Code(StrEnum):
    """What a warning is about. The most harmful come first."""

    ALL_REJECTED = "all-rejected"
    NO_MENTIONS = "no-mentions"
    HTML_TEXT = "html-text"
    ANOTHER_PROFILE = "another-profile"
    NAMES_CUT = "names-cut"
    NUMERIC_AUTHORS = "numeric-authors"
    AUTHOR_NEVER_MENTIONED = "author-never-mentioned"
    PLACEHOLDER_AUTHORS = "placeholder-authors"
    MOST_REJECTED = "most-rejected"
    HANDLES_CUT = "handles-cut"
    FUTURE_INSTANTS = "future-instants"
    EARLY_INSTANTS = "early-instants"
    WEIGHTS_IGNORED = "weights-ignored"
    REPEATED_POSTS = "repeated-posts"


class Meaning(msgspec.Struct, frozen=True):
    """One row of the table of warnings; the documents are made from it."""

    title: str
    meaning: str
    to_do: str


_SEND_AGAIN = "Retract the upload (`mentiongraph retract ID`) and send the file again"

MEANING: dict[Code, Meaning] = {
    Code.ALL_REJECTED: Meaning(
        "Every row was rejected",
        "No row could be read, so the upload has failed and nothing of it is in the graph.",
        "Look at the reason and the line in the upload's `error`. Send the same file again with the right options; "
        "`again` is not needed.",
    ),
    Code.NO_MENTIONS: Meaning(
        "No post mentions anybody",
        "The posts were read, and no mention was found in any of them. The graph has nothing of this upload.",
        "Check that the text column is the right one and that the profile is that of the platform. "
        f"{_SEND_AGAIN} with `text` or `profile`.",
    ),
    Code.HTML_TEXT: Meaning(
        "The texts are HTML",
        "The texts hold HTML tags, in which the profile finds few mentions or none.",
        f"{_SEND_AGAIN} with the profile that the warning names, or take the tags out of the texts first.",
    ),
    Code.ANOTHER_PROFILE: Meaning(
        "Mentions are written in the way of another platform",
        "The texts hold mentions that this profile does not read and another one does: `u/name` as on Reddit, "
        "`@name@server` as on Mastodon, or names in letters beyond ASCII as on Weibo. They were not counted.",
        f"{_SEND_AGAIN} with the profile that the warning names.",
    ),
    Code.NAMES_CUT: Meaning(
        "Names were cut",
        "Mentions were cut at a character such as `.` or `-` that names of authors in this upload contain. A post that "
        "mentions `bea.c` counts for the user `bea`, while posts by `bea.c` have another author.",
        f"{_SEND_AGAIN} with the profile that the warning names.",
    ),
    Code.NUMERIC_AUTHORS: Meaning(
        "Authors are numbers, and mentions are names",
        "Every author is a number and nobody who is mentioned is: the graph has each person twice, once as a number.",
        f"{_SEND_AGAIN} with `author` naming the column of names, such as `author.username`.",
    ),
    Code.AUTHOR_NEVER_MENTIONED: Meaning(
        "No author is ever mentioned",
        "No author is among the users whom the posts mention. The author column may hold display names, while mentions "
        "are handles. Where each part of a large file was read alone, an author may be mentioned in another part.",
        f"Compare the author column with the mentions. {_SEND_AGAIN} with `author` naming the column of handles.",
    ),
    Code.PLACEHOLDER_AUTHORS: Meaning(
        "Authors are placeholders",
        "Posts whose author is `NULL`, `nan`, `[deleted]` or the like were counted: all of them are one user now.",
        f"{_SEND_AGAIN} with `placeholders=false`, so that these rows become rejects.",
    ),
    Code.MOST_REJECTED: Meaning(
        "Most rows were rejected",
        "More than half of the rows could not be read. The others were counted.",
        "Look at the rejects (`GET /uploads/{upload_id}/rejects`): one cause often explains all. With `max_rejects` an "
        "upload of this kind fails before anything of it is applied.",
    ),
    Code.HANDLES_CUT: Meaning(
        "Handles were cut off",
        "Posts end in an ellipsis within a handle, as old retweets do. Nobody can know these handles, so they were not "
        "counted.",
        "Nothing, if the source has no longer texts. Otherwise export the full texts, retract the upload, and send "
        "them instead.",
    ),
    Code.FUTURE_INSTANTS: Meaning(
        "Posts come from the future",
        "The timestamps lie more than a day after the arrival of the file. Such posts count as made on arrival.",
        f"Check the timestamp column and the order of day and month. {_SEND_AGAIN} with `dates` or `timestamp`.",
    ),
    Code.EARLY_INSTANTS: Meaning(
        "Posts come from before 1990",
        "The timestamps are older than the networks: often a 0, or seconds that were taken for milliseconds.",
        f"Check the timestamp column. {_SEND_AGAIN} with `timestamp` or `timestamp_format`.",
    ),
    Code.WEIGHTS_IGNORED: Meaning(
        "A column of weights is not read",
        "The file has a column of mentioned users and a column of numbers that looks like their weights. Each row "
        "counts as one mention, whatever its number says.",
        "Nothing, if each row is one mention. Otherwise write a row for each mention.",
    ),
    Code.REPEATED_POSTS: Meaning(
        "Posts were there already",
        "Posts with the same id were counted before, in this file or another. Each post counts once.",
        "Nothing: overlapping exports come to the right counts.",
    ),
}
"""What each code means and what to do about it."""


class Noticed(msgspec.Struct, frozen=True, omit_defaults=True):
    """What one batch shows of one code; the ledger keeps it with the batch."""

    count: int
    lines: list[int] = []
    """The first physical lines, up to FIRST_LINES."""
    example: str = ""
    profiles: list[str] = []
    """Profiles that fit better, the best first."""
    users: int = 0
    """Of the batch's authors and of the users whom they mention, the number of the fewer."""


class Sum(msgspec.Struct, frozen=True):
    """What all batches of an upload show of one code."""

    count: int
    first: Noticed
    """What the first batch in file order shows that shows anything."""


Notes = dict[str, Noticed]
Sums = Mapping[str, Sum]


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """What else the ledger knows of an upload. The numbers are None until every batch is counted."""

    profile: str
    rows_received: int | None
    rows_accepted: int | None
    rows_rejected: int | None
    mentions: int | None
    rows_repeated: int = 0
    """Accepted rows whose post another row counts."""
    weights: str | None = None
    """The column whose numbers look like weights of mentions."""


class UploadWarning(msgspec.Struct, frozen=True):
    """A warning about an upload, as it is shown."""

    code: Code
    title: str
    detail: str
    count: int
    """Number of rows, posts or mentions that the warning is about: see `detail`."""
    lines: list[int]
    """The first lines of the file that the warning is about, up to five. Empty: it is about the whole file."""
    profiles: list[str]
    """Profiles that fit better, the best first."""


WHOLE = frozenset({Code.NUMERIC_AUTHORS, Code.AUTHOR_NEVER_MENTIONED, Code.MOST_REJECTED})
"""Codes that a batch alone does not decide: the warning is about all rows of the upload or none."""


def of_upload(sums: Sums, facts: Facts) -> list[UploadWarning]:
    """What the upload is warned of, in the order of the codes. Some warnings come only once every batch is counted."""
    found = {code: _made(code, sums[code], facts) for code in Code if code in sums and code not in WHOLE}
    for code in _of_the_whole(sums, facts):
        found[code] = _made(code, sums.get(code) or _without_notes(code, sums, facts), facts)
    return [found[code] for code in Code if code in found]


def of_batch(notes: Notes) -> Notes:
    """What a batch alone shows."""
    return {code: noticed for code, noticed in notes.items() if code not in WHOLE}


def add(sums: dict[str, Sum], notes: Notes) -> None:
    """Add the notes of one more batch, in file order: what the ledger does in SQL, for a reader without a ledger."""
    for code, noticed in notes.items():
        before = sums.get(code)
        sums[code] = Sum(noticed.count, noticed) if before is None else Sum(before.count + noticed.count, before.first)


def _of_the_whole(sums: Sums, facts: Facts) -> list[Code]:
    """The codes that hold for the upload as a whole."""
    found: list[Code] = []
    if facts.rows_repeated:
        found.append(Code.REPEATED_POSTS)
    if facts.weights is not None:
        found.append(Code.WEIGHTS_IGNORED)
    if facts.rows_received is None or facts.rows_accepted is None or facts.rows_rejected is None:
        return found
    if facts.rows_received and not facts.rows_accepted:
        return [*found, Code.ALL_REJECTED]
    counted = facts.rows_accepted - facts.rows_repeated
    if 2 * facts.rows_rejected > facts.rows_received:
        found.append(Code.MOST_REJECTED)
    if counted and not facts.mentions:
        return [*found, Code.NO_MENTIONS]
    numeric = sums.get(Code.NUMERIC_AUTHORS)
    if numeric is not None and numeric.count == counted:
        return [*found, Code.NUMERIC_AUTHORS]
    unmet = sums.get(Code.AUTHOR_NEVER_MENTIONED)
    if unmet is not None and unmet.count == counted and unmet.first.users >= FEWEST_USERS:
        found.append(Code.AUTHOR_NEVER_MENTIONED)
    return found


def _without_notes(code: Code, sums: Sums, facts: Facts) -> Sum:
    """The sum of a code that batches do not note, or did not while an earlier release counted them."""
    counts = {
        Code.ALL_REJECTED: facts.rows_received,
        Code.MOST_REJECTED: facts.rows_rejected,
        Code.NO_MENTIONS: (facts.rows_accepted or 0) - facts.rows_repeated,
        Code.REPEATED_POSTS: facts.rows_repeated,
        Code.WEIGHTS_IGNORED: facts.rows_received,
    }
    rejected = sums.get(Code.MOST_REJECTED)
    lines = rejected.first.lines if code is Code.ALL_REJECTED and rejected else []
    count = counts.get(code) or 0
    return Sum(count, Noticed(count, lines))


def _made(code: Code, found: Sum, facts: Facts) -> UploadWarning:
    # A batch notes its rejects where they are most of its rows; the ledger knows all of them.
    count = facts.rows_rejected or found.count if code is Code.MOST_REJECTED else found.count
    first = found.first
    return UploadWarning(
        code, MEANING[code].title, _detail(code, count, first, facts), count, first.lines, first.profiles
    )


def _detail(code: Code, count: int, first: Noticed, facts: Facts) -> str:  # noqa: C901, PLR0911, PLR0912 (one return a code)
    such = f" such as {first.example}" if first.example else ""
    match code:
        case Code.ALL_REJECTED:
            return f"All {count:,} rows were rejected; nothing was applied."
        case Code.NO_MENTIONS:
            who = "The only post mentions nobody" if count == 1 else f"None of the {count:,} posts mentions anybody"
            return f"{who}, as profile {facts.profile} reads {'it' if count == 1 else 'them'}."
        case Code.HTML_TEXT:
            return f"{_times(count, 'post')} {_have(count)} HTML in the text.{_better(first)}"
        case Code.ANOTHER_PROFILE:
            return f"Profile {facts.profile} does not read {_times(count, 'mention')}{such}.{_better(first)}"
        case Code.NAMES_CUT:
            return (
                f"Profile {facts.profile} cut {_times(count, 'mention')}{such}, at a character that names of authors "
                f"contain.{_better(first)}"
            )
        case Code.NUMERIC_AUTHORS:
            return f"The authors of all {count:,} posts are numbers{such}, and mentions are names."
        case Code.AUTHOR_NEVER_MENTIONED:
            return f"No author{such} is among the users whom the {count:,} posts mention."
        case Code.PLACEHOLDER_AUTHORS:
            return f"{_times(count, 'post')} {_have(count)} a placeholder{such} as author."
        case Code.MOST_REJECTED:
            return f"{count:,} of {facts.rows_received or 0:,} rows were rejected."
        case Code.HANDLES_CUT:
            return f"{_times(count, 'post')} {'ends' if count == 1 else 'end'} within a handle{such}."
        case Code.FUTURE_INSTANTS:
            return f"{_times(count, 'post')} {_have(count)} a timestamp more than a day after the arrival{such}."
        case Code.EARLY_INSTANTS:
            return f"{_times(count, 'post')} {_have(count)} a timestamp before 1990{such}."
        case Code.WEIGHTS_IGNORED:
            return f"The numbers in column {facts.weights!r} are not read: each row counts as one mention."
        case Code.REPEATED_POSTS:
            return f"{_times(count, 'post')} {'was' if count == 1 else 'were'} counted before, by the same id."


def _times(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def _have(count: int) -> str:
    return "has" if count == 1 else "have"


def _better(first: Noticed) -> str:
    """The profiles that fit, as a sentence with a blank before it; empty if none does."""
    best, *others = first.profiles or [""]
    if not best:
        return ""
    also = f" So does {' or '.join(others)}." if others else ""
    return f" Profile {best} reads them: profile={best} (--profile {best}).{also}"
