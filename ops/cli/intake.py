"""This module sends the complete files of a folder to the API, follows their uploads, and says what became of each."""

from __future__ import annotations

import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec

from ops.cli import options
from ops.cli.client import ApiAway, ApiProblem, Client
from ops.cli.console import err, number, plain, print_json, say
from ops.cli.entries import FAILED, GOOD, Entry
from ops.cli.sending import sending
from ops.cli.status import rejects_there
from ops.watch.body import Body, Changed, digest, move
from ops.watch.folder import Folder, Found
from ops.watch.memory import Memory

REFUSED, AWAY = 3, 5
PAUSE = 1.0
"""Seconds between two looks at the folder, at least."""
REST = 10.0
"""A pause is at least so many times as long as the look before the pause, so that watching loads no file server."""
LONGEST_PAUSE = 60.0
"""Seconds until an API that is away, or has too much to do, is asked again; at first it is PAUSE."""
MOST_UNDER_WAY = 50
"""Uploads that are followed at the same time. Further files wait."""
TRIES = 3
"""How often a file is sent for which the API fails."""
_AWAY_STATUSES = frozenset({429, 502, 503, 504, 507})
_SERVER_ERROR = 500
_UNFINISHED, _SKIPPED, _REFUSED = "unfinished", "skipped", "refused"
"""States in the memory, beside those of uploads that are finished."""


class Wishes(msgspec.Struct, frozen=True):
    """What the options of the command say."""

    params: dict[str, str]
    """The options of each upload, as the API's query parameters."""
    wait: bool
    json: bool
    once: bool
    retry: bool
    move_to: Path | None


class _UnderWay(msgspec.Struct, frozen=True):
    """A file whose upload is not finished."""

    found: Found
    upload: str
    sha256: str | None
    earlier: bool
    """Whether the ledger had the bytes before the file was sent."""


class Intake:
    """Takes in the files of a folder.

    The ledger decides what is counted. The memory only saves sending a file again.
    """

    def __init__(self, client: Client, folder: Folder, memory: Memory, wishes: Wishes) -> None:
        self._client = client
        self._folder = folder
        self._memory = memory
        self._wishes = wishes
        self._under_way: dict[str, _UnderWay] = {}
        """By the names of the files."""
        self._said: dict[str, str] = {}
        """What was said last about a file that cannot be read, the folder (``) or the API (`api`)."""
        self._tried: dict[str, int] = {}
        """How often the API failed for a file."""
        self._seen_to: set[tuple[str, tuple[int, int]]] = set()
        """The files, as they were, that this process has seen to."""
        self._busy = 0
        """The number of files that somebody was writing in the latest round."""
        self._pause = PAUSE
        self._code = 0

    def run(self, *, skip: bool) -> int:
        """Watch until Ctrl-C, or with `once` until all is done. Returns the exit code.

        With `skip`, the files that are there now are left alone, also later.
        """
        try:
            if skip:
                self._folder.look()
                for found in self._folder.there:
                    self._memory.note(found, _SKIPPED)
            began, known = time.monotonic(), False
            while True:
                look = time.monotonic()
                ready = self._look()
                pause = max(PAUSE, REST * (time.monotonic() - look))
                try:
                    if not known and self._forgets():
                        ready = self._look()
                    known = True
                    self._take_all(ready)
                    self._back()
                except ApiAway as away:
                    pause = self._away(away)
                    if self._wishes.once:
                        return AWAY
                self._memory.tidy()
                if self._wishes.once and self._is_over(ready, time.monotonic() - began):
                    return self._code
                time.sleep(min(pause, PAUSE / 4) if self._wishes.once else pause)
        except KeyboardInterrupt:
            left = f"; {number(len(self._under_way))} uploads go on without it" if self._under_way else ""
            err.print(f"Stopped watching{left}.")
            return 0

    def _is_over(self, ready: list[Found], seconds: float) -> bool:
        """Whether nothing is left to do `once`, after so many seconds. A file that is still written is left."""
        if self._under_way or sum(self._is_new(found) for found in ready) > self._busy:
            return False
        written = sum(self._is_new(found) for found in self._folder.incomplete) + self._busy
        if written and seconds > 2 * self._folder.settle + PAUSE:
            err.print(f"Files that are still being written, and are left for the next time: {number(written)}.")
            return True
        return not written

    # Which files ------------------------------------------------------------------------------------------------------

    def _look(self) -> list[Found]:
        """The complete files of which it is not known what became."""
        try:
            complete = self._folder.look()
        except OSError as error:  # on a network, a folder may be away for a while
            self._unreadable("", f"{error.filename}: {error.strerror}; waits until the folder can be read.")
            return []
        self._said.pop("", None)
        for trouble in self._folder.troubles:
            self._unreadable(str(trouble.path), f"{trouble.path}: {trouble.error.strerror}.")
        self._seen_to &= {(found.name, found.signature) for found in self._folder.there}
        for found in complete:
            if self._wishes.move_to is not None and not self._is_new(found) and found.name not in self._under_way:
                self._move(found)
        return [found for found in complete if self._is_new(found)]

    def _is_new(self, found: Found) -> bool:
        if found.name in self._under_way or (found.name, found.signature) in self._seen_to:
            return False
        record = self._memory.of(found)
        if record is None or record.state == _UNFINISHED:
            return True
        if record.state in GOOD or record.state == _SKIPPED:
            return False
        # The file was refused or failed. Other options may help.
        return self._wishes.retry or record.options != self._wishes.params

    def _forgets(self) -> bool:
        """Forget all files if the API is another service than the one that they were sent to. Returns whether it is."""
        upload = self._memory.latest_upload()
        if upload is None or self._entry(upload) is not None:
            return False
        err.print("The API does not know the uploads of earlier files, so all files are sent again.")
        self._memory.forget()
        return True

    # What is done -----------------------------------------------------------------------------------------------------

    def _take_all(self, ready: Iterable[Found]) -> None:
        """Send the files, and tell what became of those that were sent before. Raises ApiAway."""
        self._follow()
        self._busy = 0
        for found in ready:
            if len(self._under_way) >= MOST_UNDER_WAY:
                return
            self._take(found)
            self._follow()

    def _take(self, found: Found) -> None:
        """Send a file, unless its bytes were sent before. Raises ApiAway."""
        record = self._memory.of(found)
        if record is not None and record.state == _UNFINISHED and record.upload:
            self._under_way[found.name] = _UnderWay(found, record.upload, record.sha256, earlier=False)
            return  # an earlier process sent the file, and did not see its end
        try:
            if self._is_known_under_another_time(found):
                return
            with Body.of(found) as body:
                self._send(found, body)
        except Changed:
            self._busy += 1  # the next look finds the file as it is then
        except FileNotFoundError:
            return
        except OSError as error:
            self._unreadable(found.name, f"{found.path}: {error.strerror}.")
            if self._wishes.once:
                self._seen_to.add((found.name, found.signature))

    def _is_known_under_another_time(self, found: Found) -> bool:
        record = self._memory.earlier(found)
        if record is None or record.state not in GOOD or digest(found.path) != record.sha256:
            return False
        self._memory.note(found, record.state, upload=record.upload, sha256=record.sha256, options=record.options)
        return True

    def _send(self, found: Found, body: Body) -> None:
        params = {"filename": found.path.name, **self._wishes.params}
        encoding = options.compression(found.path)
        try:
            if err.is_terminal:
                with sending(found.name) as show:
                    sent = self._client.send(body.through(show, found.size), params=params, encoding=encoding)
            else:
                sent = self._client.send(body, params=params, encoding=encoding)
        except ApiProblem as problem:
            self._refused(found, problem)
            return
        except ApiAway as away:
            # An API that hangs up on each try, and answers other requests, does not want the file.
            if not self._answers():
                self._tried.pop(found.name, None)
                raise
            if self._tries(found) < TRIES:
                raise
            document = msgspec.structs.replace(away.problem(), detail=f"tried {TRIES} times: {away.detail}")
            self._refused(found, ApiProblem(document, away.exit_code))
            return
        self._tried.pop(found.name, None)
        upload = str(sent.entry.id)
        self._note(found, _UNFINISHED, upload=upload, sha256=body.sha256)
        self._under_way[found.name] = _UnderWay(found, upload, body.sha256, sent.earlier)

    def _refused(self, found: Found, problem: ApiProblem) -> None:
        """Say why the API did not take a file. Raises ApiAway if the API has too much to do."""
        document = problem.problem()
        if document.status in _AWAY_STATUSES:
            raise ApiAway(f"{problem.title}: {problem.detail}") from problem
        if document.status >= _SERVER_ERROR and self._tried.get(found.name, 0) < TRIES and self._tries(found) < TRIES:
            raise ApiAway(f"{found.name}: {problem.title}: {problem.detail}") from problem
        self._tried.pop(found.name, None)
        self._note(found, _REFUSED)
        self._tell(found, {"state": _REFUSED, "error": document}, f"refused: {problem.title}: {problem.detail}")
        self._end(found, good=False, code=REFUSED)

    def _tries(self, found: Found) -> int:
        """Count one more try for a file, and return the number of tries."""
        self._tried[found.name] = self._tried.get(found.name, 0) + 1
        return self._tried[found.name]

    def _answers(self) -> bool:
        try:
            self._client.recent(1)
        except (ApiAway, ApiProblem):
            return False
        return True

    def _follow(self) -> None:
        """Tell what became of the uploads that are finished by now. Raises ApiAway."""
        for under_way in list(self._under_way.values()):
            entry = self._entry(under_way.upload)
            if entry is None:
                del self._under_way[under_way.found.name]
                self._memory.drop(under_way.found)
            elif entry.finished or not self._wishes.wait:
                del self._under_way[under_way.found.name]
                self._outcome(under_way, entry)

    def _outcome(self, under_way: _UnderWay, entry: Entry) -> None:
        found, good = under_way.found, entry.state in GOOD or not entry.finished
        if entry.finished:
            self._note(found, entry.state, upload=under_way.upload, sha256=under_way.sha256)
        facts = {
            "state": entry.state,
            "upload": entry.id,
            "earlier": under_way.earlier,
            "rows_accepted": entry.rows_accepted,
            "rows_rejected": entry.rows_rejected,
            "mentions": entry.mentions,
            "error": entry.error,
            "warnings": warnings(entry),
        }
        self._tell(found, facts, _in_words(entry, self._client.url, earlier=under_way.earlier))
        self._end(found, good=good, code=FAILED)

    def _end(self, found: Found, *, good: bool, code: int) -> None:
        self._seen_to.add((found.name, found.signature))
        if not good:
            self._code = self._code or code
        if self._wishes.move_to is not None:
            self._move(found)

    def _note(self, found: Found, state: str, **more: str | None) -> None:
        self._memory.note(found, state, options=self._wishes.params, **more)
        if self._memory.trouble is not None:
            self._unreadable(
                "memory",
                f"{self._memory.trouble.filename}: {self._memory.trouble.strerror}. Files are sent again after a "
                "restart. Nothing is counted twice.",
                code=0,
            )

    def _move(self, found: Found) -> None:
        record = self._memory.of(found)
        if record is None or self._wishes.move_to is None or record.state == _SKIPPED:
            return
        try:
            move(found, self._wishes.move_to / ("done" if record.state in GOOD | {_UNFINISHED} else "failed"))
        except OSError as error:
            self._unreadable(found.name, f"{found.path}: not moved: {error.strerror}.")

    # The API, and what is said ----------------------------------------------------------------------------------------

    def _entry(self, upload: str) -> Entry | None:
        """The upload's entry, or None if there is no such upload. Raises ApiAway."""
        try:
            return self._client.entry(upload)
        except ApiProblem as problem:
            if problem.code == "not-found":
                return None
            raise ApiAway(f"{problem.title}: {problem.detail}") from problem

    def _away(self, away: ApiAway) -> float:
        """Say that the API is away. Returns the seconds until the next try."""
        more = "" if self._wishes.once else f" Tries again, at least every {LONGEST_PAUSE:.0f} seconds."
        self._say("api", f"{away.detail}{more}")
        pause, self._pause = self._pause, min(LONGEST_PAUSE, 2 * self._pause)
        return pause

    def _back(self) -> None:
        self._pause = PAUSE
        if self._said.pop("api", None):
            err.print("The API answers again.")

    def _unreadable(self, what: str, line: str, code: int = FAILED) -> None:
        self._say(what, line)
        self._code = self._code or code

    def _say(self, about: str, line: str) -> None:
        """Print a line on standard error, once."""
        if self._said.get(about) != line:
            self._said[about] = line
            err.print(plain(line))

    def _tell(self, found: Found, facts: dict[str, Any], words: str) -> None:
        """Print what became of a file: one line."""
        if self._wishes.json:
            print_json({"file": found.name, **facts})
        else:
            say(f"{plain(found.name)}: {plain(words)}")


def warnings(entry: Entry) -> list[str]:
    """The codes of the warnings that the ledger has about an upload."""
    return [str(getattr(each, "code", each)) for each in getattr(entry, "warnings", None) or ()]


def _in_words(entry: Entry, url: str, *, earlier: bool) -> str:
    words = [f"{entry.state} before, since the same bytes came earlier" if earlier else entry.state]
    if entry.error is not None:
        words[0] += f": {entry.error.title}: {entry.error.detail}"
    if entry.rows_accepted is not None:
        words.append(f"{number(entry.rows_accepted)} rows accepted, {number(entry.rows_rejected)} rejected")
        words.append(f"{number(entry.mentions)} mentions")
    if entry.rows_rejected and not entry.rejects_purged_at:
        words.append(rejects_there(entry, url))
    if found := warnings(entry):
        words.append(f"warnings: {', '.join(found)}")
    return f"{', '.join(words)} (upload {entry.id})"
