"""Uploads, one after the other from several clients, now and then cut off, repeated, cancelled, retracted."""

from __future__ import annotations

import gzip
import random
import threading
import time
import uuid
from collections.abc import Sequence
from http import HTTPStatus

import msgspec

from app.control.graphs import DEFAULT
from ops.chaos.client import ANSWER_SECONDS, KEY_IN_USE, Answer, Attempt, Client, Failures
from ops.chaos.files import File, Source

CLIENTS = 3
CUT_OFF, REPEATED, CANCELLED, RETRACTED = 0.04, 0.05, 0.10, 0.05
"""Shares of the uploads."""
GZIP, URGENT = 0.5, 0.3
TEND_SECONDS = 1.0


class Sent(msgspec.Struct):
    """What one client knows of one file."""

    file: str
    graph: str = DEFAULT
    upload: str = ""
    """Its id, once it was accepted."""
    began: float = 0.0
    ended: float = 0.0
    """From the first request until it was accepted, as `time.time` has it."""
    refused: str = ""
    may_end: tuple[str, ...] = ("applied",)
    """States that it may end in, after what was asked for and answered."""


class Traffic:
    """Threads that upload `rate` rows a second together until `stop`; `finish` then waits for their last answers."""

    def __init__(self, urls: list[str], seed: int, rate: float, graphs: Sequence[str] = (DEFAULT,)) -> None:
        self.sent: list[Sent] = []
        self.failures = Failures()
        self.replayed = 0
        self._urls, self._seed, self._rate, self._graphs = urls, seed, rate, graphs
        self._source = Source(seed)
        self._stopping, self._closing = threading.Event(), threading.Event()
        self._to_retract: list[Sent] = []
        self._clients = [threading.Thread(target=self._upload_on, args=(n,), daemon=True) for n in range(CLIENTS)]
        self._tender = threading.Thread(target=self._tend, daemon=True)

    def start(self) -> None:
        for thread in (*self._clients, self._tender):
            thread.start()

    def stop(self) -> None:
        """Begin no new upload."""
        self._stopping.set()

    def finish(self, patience: float) -> None:
        """Until every upload has its definite answer; given up after `patience` seconds."""
        self.stop()
        deadline = time.monotonic() + patience
        for thread in self._clients:
            thread.join(max(0.0, deadline - time.monotonic()))

    def close(self) -> None:
        """No request after this."""
        self.stop()
        self._closing.set()
        for thread in (*self._clients, self._tender):
            thread.join(ANSWER_SECONDS + 5)

    def waits(self) -> list[Attempt]:
        """Of the accepted uploads: when they were first sent, and when they were accepted."""
        return [Attempt(sent.began, sent.ended, sent.file) for sent in list(self.sent) if sent.upload]

    @property
    def tended(self) -> bool:
        """Whether everything that was to be retracted has been asked for."""
        return not self._to_retract

    def _client(self, name: str) -> Client:
        return Client(self._urls, self.failures, f"{self._seed} {name}", self._closing)

    def _upload_on(self, number: int) -> None:
        chosen = random.Random(f"{self._seed} client {number}")
        client = self._client(f"{number}")
        due = time.monotonic()
        while not self._stopping.is_set():
            file, content = self._source.next()
            self._upload(client, chosen, file, content)
            due = max(time.monotonic() - 5.0, due + (file.end - file.start) * CLIENTS / self._rate)
            self._stopping.wait(max(0.0, due - time.monotonic()))
        client.close()

    def _upload(self, client: Client, chosen: random.Random, file: File, content: bytes) -> None:
        graph = chosen.choice(self._graphs) if len(self._graphs) > 1 else self._graphs[0]
        sent = Sent(file.name, graph, began=time.time())
        self.sent.append(sent)
        params = {"filename": file.name, "priority": "urgent" if chosen.random() < URGENT else "bulk"}
        headers = {"Content-Type": "text/csv", "Idempotency-Key": _key(chosen)}
        if chosen.random() < GZIP:
            content = gzip.compress(content, 1)
            headers["Content-Encoding"] = "gzip"
        unless = ""
        if chosen.random() < CUT_OFF:
            client.cut_off(f"{base(graph)}/uploads", content, params=params, headers=headers)
            unless = KEY_IN_USE  # until the API has noticed
        answer = client.ask(
            "POST", f"{base(graph)}/uploads", body=lambda: content, params=params, headers=headers, unless=unless
        )
        self._note(sent, answer)
        if not sent.upload:
            return
        what = chosen.random()
        if what < REPEATED:
            again = client.ask(
                "POST",
                f"{base(graph)}/uploads",
                body=lambda: content,
                params=params,
                headers={**headers, "Idempotency-Key": _key(chosen)},
            )
            if again and (again.status != HTTPStatus.OK or again.document.get("id") != sent.upload):
                sent.refused = f"the same bytes again were answered {again.status}, upload {again.document.get('id')}"
        elif what < REPEATED + CANCELLED:
            self._withdraw(client, sent, "cancel", "cancelled")
        elif what < REPEATED + CANCELLED + RETRACTED:
            sent.may_end = ("applied", "retracted")
            self._to_retract.append(sent)

    @staticmethod
    def _note(sent: Sent, answer: Answer | None) -> None:
        if answer is None:
            sent.may_end = ("applied", "aborted", "")
        elif answer.good:
            sent.upload, sent.ended = str(answer.document["id"]), time.time()
        else:
            sent.refused = f"{answer.status} {answer.document.get('detail')}"

    @staticmethod
    def _withdraw(client: Client, sent: Sent, verb: str, state: str) -> None:
        answer = client.ask("POST", f"{base(sent.graph)}/uploads/{sent.upload}/{verb}")
        if answer is not None and answer.good:
            sent.may_end = (state,)
        elif answer is None or answer.before:  # one of the requests that were not answered may have done it
            sent.may_end = ("applied", state)
        else:
            sent.may_end = ("applied",)

    def _tend(self) -> None:
        """Retract what is applied, and replay what failed."""
        client = self._client("tender")
        while not self._closing.wait(TEND_SECONDS):
            for sent in list(self._to_retract):
                answer = client.ask("GET", f"{base(sent.graph)}/uploads/{sent.upload}")
                if answer and answer.document.get("state") == "applied":
                    self._withdraw(client, sent, "retract", "retracted")
                    self._to_retract.remove(sent)
            for path in [f"{base(graph)}/uploads" for graph in self._graphs]:
                failed = client.ask("GET", path, params={"state": "failed"})
                for upload in failed.document.get("uploads", []) if failed else []:
                    answer = client.ask("POST", f"{path}/{upload['id']}/replay")
                    self.replayed += answer is not None and answer.good
        client.close()


def base(graph: str) -> str:
    """With what the paths of a graph begin."""
    return "" if graph == DEFAULT else f"/graphs/{graph}"


def _key(chosen: random.Random) -> str:
    return f'"{uuid.UUID(int=chosen.getrandbits(128))}"'
