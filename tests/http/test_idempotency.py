"""Idempotency-Key: a repeat is answered, not done."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import httpx
import msgspec
import pytest

from app.settings import Settings
from app.store.postgres import Connection
from tests.conftest import until
from tests.http.conftest import Api, Serve
from tests.http.test_receiving import CSV, CSV_TYPE, HEADER, bells, request_head, rows, states

ProblemOf = Callable[[httpx.Response], dict[str, Any]]
KEY = '"8e03978e-40d5-43dd-bc93-6894a57f9324"'


def post(api: Api, content: bytes, key: str = KEY, encoding: str = "identity", **params: str) -> httpx.Response:
    headers = {**CSV_TYPE, "Idempotency-Key": key, "Content-Encoding": encoding}
    return api.http.post("/uploads", content=content, headers=headers, params=params)


def keyed_head(length: int) -> bytes:
    return request_head(length=length).replace(b"\r\n\r\n", f"\r\nIdempotency-Key: {KEY}\r\n\r\n".encode())


def test_a_repeat_is_given_the_first_answer_again(api: Api, domain: Connection, apply: Callable[[], None]) -> None:
    first = post(api, CSV)
    apply()

    second = post(api, CSV)

    assert (first.status_code, second.status_code) == (202, 202)
    assert second.json() == first.json()
    assert second.headers["location"] == first.headers["location"]
    assert states(domain) == ["applied"]


def test_a_repeat_of_again_does_nothing_again(api: Api, domain: Connection) -> None:
    api.upload(CSV)
    first = post(api, CSV, again="true")

    second = post(api, CSV, again="true")

    assert second.json() == first.json()
    assert states(domain) == ["staged", "staged"]


def test_a_repeat_may_be_compressed_and_spelt_otherwise(api: Api) -> None:
    first = post(api, CSV)

    second = post(api, gzip.compress(CSV), key=KEY.strip('"'), encoding="gzip")

    assert second.json() == first.json()


def test_the_answer_for_known_bytes_is_kept_too(api: Api, domain: Connection) -> None:
    known = api.upload(CSV)
    first = post(api, CSV)

    second = post(api, CSV)

    assert (first.status_code, second.status_code) == (200, 200)
    assert second.json() == first.json()
    assert second.headers["location"] == known.headers["location"]
    assert states(domain) == ["staged", "duplicate"]


def test_an_answer_that_was_not_kept_is_made_anew(api: Api, domain: Connection) -> None:
    first = post(api, CSV)
    domain.execute("update idempotency_keys set answer = null")

    second = post(api, CSV)

    assert (second.status_code, second.json()["id"]) == (202, first.json()["id"])


def test_a_repeat_of_an_unfinished_upload_rings_its_bell(api: Api, settings: Settings) -> None:
    post(api, CSV)
    until(lambda: bells(settings) == 1, within=10, what="the first bell")

    post(api, CSV)

    until(lambda: bells(settings) == 2, within=10, what="the second bell")


@pytest.mark.parametrize("what", ["body", "query"])
def test_the_key_of_another_request_is_refused(api: Api, domain: Connection, problem_of: ProblemOf, what: str) -> None:
    post(api, CSV)

    answer = post(api, CSV + rows(1)) if what == "body" else post(api, CSV, clock="event")

    assert problem_of(answer)["type"] == "urn:mentiongraph:problem:idempotency-key-reused"
    assert answer.status_code == 422
    assert states(domain) == ["staged"]


def test_the_order_of_the_query_does_not_matter(api: Api) -> None:
    first = post(api, CSV, clock="event", priority="urgent")

    assert post(api, CSV, priority="urgent", clock="event").json() == first.json()


def test_a_repeat_while_the_first_is_received(api: Api, domain: Connection, problem_of: ProblemOf) -> None:
    with api.connect() as client:
        client.sendall(keyed_head(len(CSV)) + CSV[:-1])
        until(lambda: states(domain) == ["receiving"], within=10, what="the first is being received")

        answer = post(api, CSV)

        assert problem_of(answer)["type"] == "urn:mentiongraph:problem:idempotency-key-in-use"
        assert (answer.status_code, answer.headers["retry-after"]) == (409, "5")
        client.sendall(CSV[-1:])
        assert client.recv(100).startswith(b"HTTP/1.1 202 ")
    assert post(api, CSV).status_code == 202
    assert states(domain) == ["staged"]


def test_an_upload_that_was_cut_off_frees_its_key(api: Api, domain: Connection) -> None:
    with api.connect() as client:
        client.sendall(keyed_head(len(CSV)) + CSV[:-1])
        until(lambda: states(domain) == ["receiving"], within=10, what="the first is being received")
    until(lambda: states(domain) == ["aborted"], within=10, what="the first is cut off")

    assert post(api, CSV).status_code == 202
    assert states(domain) == ["aborted", "staged"]


def test_an_upload_that_was_refused_frees_its_key(api: Api) -> None:
    assert post(api, HEADER).status_code == 422

    assert post(api, CSV).status_code == 202


def test_a_cancelled_upload_keeps_its_answer(api: Api, domain: Connection) -> None:
    first = post(api, CSV)
    api.http.post(first.headers["location"] + "/cancel")

    assert post(api, CSV).json() == first.json()
    assert states(domain) == ["cancelled"]


def test_requests_with_one_key_at_the_same_time_are_one(api: Api, domain: Connection) -> None:
    content = HEADER + rows(1000) + f"hi,2026-01-15T11:00:00Z,{uuid4().hex}\n".encode()
    clients = [api.connect() for _ in range(4)]
    try:
        for client in clients:
            client.sendall(keyed_head(len(content)) + content[:-1])
        until(lambda: states(domain) == ["receiving"], within=10, what="one is being received")
        for client in clients:
            client.sendall(content[-1:])
        answers = sorted(client.recv(12) for client in clients)
    finally:
        for client in clients:
            client.close()

    # The others came while it was received (409), or after it (202).
    assert set(answers) <= {b"HTTP/1.1 202", b"HTTP/1.1 409"}
    assert b"HTTP/1.1 202" in answers
    assert states(domain) == ["staged"]


@pytest.mark.parametrize("key", ["", '""', '"', "x" * 256, '"' + "x" * 256 + '"', "tab\there", '"half'])
def test_malformed_keys(api: Api, domain: Connection, problem_of: ProblemOf, key: str) -> None:
    answer = post(api, CSV, key=key)

    assert "Idempotency-Key" in problem_of(answer)["detail"]
    assert answer.status_code == 400
    assert states(domain) == []


@pytest.mark.parametrize("key", ["x" * 255, '"' + "x" * 255 + '"', '"with \\"quotes\\" and \\\\"'])
def test_keys_of_all_kinds(api: Api, key: str) -> None:
    assert post(api, CSV, key=key).json() == post(api, CSV, key=key).json()


# Back-pressure --------------------------------------------------------------------------------------------------------


def test_beyond_the_backlog_no_upload_begins(
    serve: Serve, settings: Settings, domain: Connection, problem_of: ProblemOf, apply: Callable[[], None]
) -> None:
    content = HEADER + rows(10)
    api = serve(msgspec.structs.replace(settings, max_backlog_bytes=len(CSV) - len(HEADER)))
    assert post(api, CSV).status_code == 202

    answer = api.upload(content)
    with api.connect() as client:
        client.sendall(request_head(length=1_000_000, expect=True))
        head = client.recv(1000)

    assert problem_of(answer)["type"] == "urn:mentiongraph:problem:backlog-full"
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "60")
    assert head.startswith(b"HTTP/1.1 429 "), "before a byte of the body"
    assert post(api, CSV).status_code == 202, "what was answered is answered again"
    assert states(domain) == ["staged"]
    apply()
    assert api.upload(content).status_code == 202
