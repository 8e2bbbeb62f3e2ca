"""What an upload of a file would be warned of, for a reader without a ledger: its batches' notes, added up. Pure."""

from __future__ import annotations

from collections import Counter

from app.errors import AllRejected
from app.graph.noticing import Batch, notes_of
from app.ledger.warnings import Facts, Sum, UploadWarning, add, of_upload


class Tally:
    """What an upload of a file would be warned of; its batches are added in the order of the file."""

    def __init__(self) -> None:
        self._sums: dict[str, Sum] = {}
        self._accepted = self._mentions = 0
        self._profile = ""
        self._rejected: Counter[str] = Counter()
        self._firsts: dict[str, tuple[int, str]] = {}
        """By reject code the line and the message of the first row."""

    def add(self, batch: Batch) -> None:
        """Take one more batch."""
        add(self._sums, notes_of(batch))
        self._profile = batch.profile.name
        self._accepted += len(batch.frame)
        self._mentions += batch.counted.mentions
        if batch.rejects.is_empty():
            return
        for code, group in batch.rejects.group_by("code", maintain_order=True):
            name = str(code[0])
            self._rejected[name] += len(group)
            self._firsts.setdefault(name, (int(group["line"][0]), str(group["message"][0])))

    def warnings(self, weights: str | None = None) -> list[UploadWarning]:
        """What the file would be warned of, once every batch is added. `weights`: a column of weights."""
        rejected = self._rejected.total()
        facts = Facts(
            profile=self._profile,
            rows_received=self._accepted + rejected,
            rows_accepted=self._accepted,
            rows_rejected=rejected,
            mentions=self._mentions,
            weights=weights,
        )
        return of_upload(self._sums, facts)

    def refusal(self) -> AllRejected | None:
        """Why an upload of the file would fail: every row was rejected. None: it would not."""
        if self._accepted or not self._rejected:
            return None
        [(code, count)] = self._rejected.most_common(1)
        line, message = self._firsts[code]
        return AllRejected.because(self._rejected.total(), code, f"{count:,}", line=line, message=message)
