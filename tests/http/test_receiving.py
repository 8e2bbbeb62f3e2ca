"""POST /uploads: what is taken in, what is refused and how, and what a client that goes away leaves behind."""

from __future__ import annotations

import asyncio
import gzip
import socket
import threading
from collections.abc import Callable
from contextlib import AsyncExitStack, ExitStack, closing
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import httpx
import msgspec
import pytest
import redis

from app.http.services import RECEIVING
from app.ledger.admission import BASE_BYTES
from app.posts.containers.compression import compress, decompress
from app.posts.looking.sniffing import HEAD_BYTES
from app.settings import Settings
from app.store.postgres import Connection
from tests.conftest import until
from tests.http.conftest import Api, Protocol, Serve

CSV = b"data,timestamp,username\nhi @bob,2026-01-15T11:00:00Z,ada\nhi @ada,2026-01-15T11:05:00Z,bob\n"
HEADER = CSV[: CSV.index(b"\n") + 1]
CSV_TYPE = {"Content-Type": "text/csv"}
POSTED = "text/csv, application/json, application/x-ndjson, application/octet-stream, multipart/form-data"
NOBODY = "redis://127.0.0.1:1/0"

ProblemOf = Callable[[httpx.Response], dict[str, Any]]


def request_head(*, length: int | None, expect: bool = False, content_type: str = "text/csv") -> bytes:
    body = f"Content-Length: {length}" if length is not None else "Transfer-Encoding: chunked"
    expectation = "Expect: 100-continue\r\n" if expect else ""
    lines = f"POST /uploads HTTP/1.1\r\nHost: localhost\r\nContent-Type: {content_type}\r\n"
    return f"{lines}{expectation}{body}\r\n\r\n".encode()


def rows(count: int) -> bytes:
    return b"".join(b"hi @bob,2026-01-15T11:00:00Z,user%d\n" % number for number in range(count))


def states(conn: Connection) -> list[str]:
    return [row[0] for row in conn.execute("select state from uploads order by received_at, id")]


def batches(conn: Connection) -> int:
    row = conn.execute("select count(*) from batches").fetchone()
    return row[0] if row else 0


def bells(settings: Settings) -> int:
    with closing(redis.Redis.from_url(settings.redis_url)) as client:
        queues = (f"{settings.namespace}:{queue}" for queue in ("bulk", "soon"))
        return sum(int(str(client.llen(queue))) for queue in queues)


def test_an_upload_is_staged_and_its_bells_are_rung(serve: Serve, settings: Settings, domain: Connection) -> None:
    settings = msgspec.structs.replace(settings, batch_bytes=10_000)
    content = HEADER + rows(20_000)

    answer = serve(settings).upload(content, filename="C:\\posts\\mine.csv")

    entry = answer.json()
    assert answer.status_code == 202
    assert answer.headers["location"] == f"/uploads/{entry['id']}" == entry["links"]["upload"]
    assert (entry["state"], entry["filename"], entry["size_bytes"]) == ("staged", "mine.csv", len(content))
    assert {state: number for state, number in entry["batches"].items() if number} == {"staged": batches(domain)}
    assert batches(domain) > 2
    payloads = domain.execute("select payload from batches order by ordinal").fetchall()
    assert HEADER + b"".join(decompress(payload) for (payload,) in payloads) == content
    until(lambda: bells(settings) == batches(domain), within=10, what="a bell for each batch")


def test_options_are_kept_with_the_upload(api: Api) -> None:
    answer = api.upload(
        b"when;who;what\n2026-01-15T11:00:00Z;ada;hi\n",
        text="What",
        timestamp="when",
        author="who",
        delimiter=";",
        clock="event",
        priority="urgent",
        retweets="false",
        dry_run="true",
        max_rejects="5%",
    )

    assert answer.status_code == 202, answer.text
    options = answer.json()["options"]
    assert options.pop("given") == {
        "text": "What",
        "timestamp": "when",
        "author": "who",
        "delimiter": ";",
        "retweets": "none",
    }
    assert options.pop("detected")["author"]["sure"] == "given"
    assert options == {
        "columns": {"text": "what", "timestamp": "when", "author": "who"},
        "format": "csv",
        "encoding": "utf-8",
        "delimiter": ";",
        "profile": "twitter",
        "retweets": "none",
        "clock": "event",
        "priority": "urgent",
        "dry_run": True,
        "max_rejects": {"share": 0.05},
    }


def test_the_same_bytes_are_answered_with_the_earlier_upload(api: Api, domain: Connection) -> None:
    first = api.upload(CSV)

    second = api.upload(CSV)

    assert second.status_code == 200
    assert second.headers["location"] == first.headers["location"]
    assert second.json()["id"] == first.json()["id"]
    assert states(domain) == ["staged", "duplicate"]
    assert batches(domain) == 1


def test_an_earlier_upload_that_waits_is_rung_again(api: Api, settings: Settings) -> None:
    api.upload(CSV)
    until(lambda: bells(settings) == 1, within=10, what="the first bell")

    api.upload(CSV)

    until(lambda: bells(settings) == 2, within=10, what="the second bell")


def test_again_insists(api: Api, domain: Connection) -> None:
    first = api.upload(CSV)

    second = api.upload(CSV, again="true")

    assert second.status_code == 202
    assert second.json()["again"]
    assert second.json()["id"] != first.json()["id"]
    assert states(domain) == ["staged", "staged"]


@pytest.mark.parametrize(("encoding", "encode"), [("gzip", gzip.compress), ("zstd", compress)])
def test_a_compressed_body_is_the_same_upload(api: Api, encoding: str, encode: Callable[[bytes], bytes]) -> None:
    plain = api.upload(CSV)

    answer = api.http.post("/uploads", content=encode(CSV), headers={**CSV_TYPE, "Content-Encoding": encoding})

    assert answer.status_code == 200
    assert answer.json()["id"] == plain.json()["id"]


@pytest.mark.parametrize("path", ["/uploads", "/upload_csv"])
def test_a_form_is_the_same_upload(api: Api, path: str) -> None:
    plain = api.upload(CSV)

    answer = api.http.post(path, data={"note": "before"}, files={"file": ("mine.csv", CSV), "other": (None, b"x" * 9)})

    assert answer.status_code == 200
    assert answer.json()["id"] == plain.json()["id"]


@pytest.mark.parametrize("second", ["file", "other"])
def test_a_form_with_two_files_is_refused(api: Api, domain: Connection, problem_of: ProblemOf, second: str) -> None:
    answer = api.http.post("/uploads", files=[("file", ("a.csv", CSV)), (second, ("b.csv", CSV))])

    problem = problem_of(answer)
    assert answer.status_code == 400
    assert problem["detail"].startswith("One file an upload")
    assert "'b.csv'" in problem["detail"]
    assert (states(domain), batches(domain)) == (["aborted"], 0)


def test_a_form_with_a_file_before_its_file_is_refused(api: Api, domain: Connection) -> None:
    answer = api.http.post("/uploads", files=[("other", ("a.csv", CSV)), ("file", ("b.csv", CSV))])

    assert (answer.status_code, states(domain)) == (400, [])


def test_a_form_names_its_file(api: Api) -> None:
    answer = api.http.post("/upload_csv", files={"file": ("../dir/mine.csv", CSV)})

    assert answer.status_code == 202
    assert answer.json()["filename"] == "mine.csv"


def test_a_big_form_is_cut_into_batches(serve: Serve, settings: Settings, domain: Connection) -> None:
    content = HEADER + rows(20_000)

    answer = serve(msgspec.structs.replace(settings, batch_bytes=10_000)).http.post(
        "/uploads", files={"file": ("mine.csv", content)}
    )

    assert answer.json()["size_bytes"] == len(content)
    assert batches(domain) > 2


def test_redis_away_fails_no_upload(serve: Serve, settings: Settings, domain: Connection) -> None:
    api = serve(msgspec.structs.replace(settings, redis_url=NOBODY, enqueue_timeout=0.0))

    answer = api.upload(CSV)

    assert answer.status_code == 202
    assert states(domain) == ["staged"]


BAD_CONTENT = {
    "empty-file": b"",
    "no-rows": HEADER,
    "missing-column": CSV,
    "unclear-file": b"hi @bob,2026-01-15T11:00:00Z,ada\n",
    "duplicate-column": b"data,timestamp,username,Data\na,b,c,d\n",
    "header-not-utf8": b"d\xe4ta," + CSV,
    "header-has-nul": b"\0" + CSV,
    "header-malformed": b'"data"x,timestamp,username\na,b,c\n',
    "header-too-long": b"x" * 70_000,
}
SAID = {"header-not-utf8": {"encoding": "utf-8"}, "missing-column": {"author": "who"}}
"""What the sender says of such a file."""


@pytest.mark.parametrize("code", BAD_CONTENT)
def test_what_cannot_be_read_is_refused(api: Api, domain: Connection, problem_of: ProblemOf, code: str) -> None:
    answer = api.upload(BAD_CONTENT[code], **SAID.get(code, {}))

    problem = problem_of(answer)
    assert answer.status_code == 422
    assert problem["type"] == f"urn:mentiongraph:problem:{code}"
    kept = api.http.get(f"/uploads/{problem['upload']}").json()
    assert kept["state"] == "aborted"
    assert kept["error"]["detail"] == problem["detail"]
    assert batches(domain) == 0


def test_a_decompression_bomb_is_refused(
    serve: Serve, settings: Settings, domain: Connection, problem_of: ProblemOf
) -> None:
    api = serve(msgspec.structs.replace(settings, max_upload_bytes=1_000_000))
    bomb = gzip.compress(HEADER + b"a,b,c\n" * 1_000_000)

    answer = api.http.post("/uploads", content=bomb, headers={**CSV_TYPE, "Content-Encoding": "gzip"})

    assert problem_of(answer)["type"].endswith(":upload-too-large")
    assert answer.status_code == 413
    assert states(domain) == ["aborted"]
    assert batches(domain) == 0


def test_an_announced_size_beyond_the_limit_is_refused_before_it_is_sent(
    serve: Serve, settings: Settings, domain: Connection
) -> None:
    api = serve(msgspec.structs.replace(settings, max_upload_bytes=1000))
    with api.connect() as client:
        client.sendall(request_head(length=1001, expect=True))

        assert client.recv(100).startswith(b"HTTP/1.1 413 ")
    assert states(domain) == []


@pytest.mark.parametrize(
    ("encoding", "content"), [("gzip", gzip.compress(CSV, mtime=0)[:-9]), ("zstd", b"not zstd")], ids=["cut", "garbage"]
)
def test_a_broken_frame_is_refused(api: Api, domain: Connection, encoding: str, content: bytes) -> None:
    answer = api.http.post("/uploads", content=content, headers={**CSV_TYPE, "Content-Encoding": encoding})

    assert 400 <= answer.status_code < 500
    assert states(domain) == ["aborted"]
    assert batches(domain) == 0


@pytest.mark.parametrize(
    ("headers", "accepted"),
    [
        ({"Content-Type": "image/png"}, ("Accept-Post", POSTED)),
        ({"Content-Type": "video/mp4"}, ("Accept-Post", POSTED)),
        ({"Content-Type": "text/csv; charset=ebcdic"}, ("Accept-Post", POSTED)),
        ({**CSV_TYPE, "Content-Encoding": "br"}, ("Accept-Encoding", "gzip, zstd, identity")),
        ({**CSV_TYPE, "Content-Encoding": "gzip, zstd"}, ("Accept-Encoding", "gzip, zstd, identity")),
    ],
)
def test_media_types_and_encodings_that_are_not_read(
    api: Api, domain: Connection, problem_of: ProblemOf, headers: dict[str, str], accepted: tuple[str, str]
) -> None:
    answer = api.http.post("/uploads", content=CSV, headers=headers)

    problem_of(answer)
    assert answer.status_code == 415
    assert answer.headers[accepted[0]] == accepted[1]
    assert states(domain) == []


@pytest.mark.parametrize(
    "params",
    [
        {"profile": "mystery"},
        {"clock": "sundial"},
        {"preset": "mystery"},
        {"timezone": "Mars/Olympus"},
        {"timestamp_format": "soon"},
        {"author": "who", "author_is": "ann"},
        {"dates": "year-first"},
        {"priority": "whenever"},
        {"again": "perhaps"},
        {"text": ""},
        {"author": "user\0name"},
        {"text": "data", "author": " DATA"},
        {"delimiter": ",,"},
        {"delimiter": '"'},
        {"agian": "true"},
        {"format": "xml"},
        {"encoding": "ebcdic"},
        {"delimiter": "auto,"},
        {"retweets": "some"},
        {"dry_run": "perhaps"},
        {"max_rejects": "few"},
        {"max_rejects": "-1"},
        {"max_rejects": "101%"},
        {"max_rejects": "5 %"},
    ],
)
def test_queries_that_are_not_understood(
    api: Api, domain: Connection, problem_of: ProblemOf, params: dict[str, str]
) -> None:
    answer = api.upload(CSV, **params)

    problem = problem_of(answer)
    assert answer.status_code == 400
    assert list(params)[-1] in problem["detail"] or list(params.values())[-1] in problem["detail"]
    assert problem["detail"][0].isupper()
    assert not any(word in problem["detail"] for word in ("`", "regex", "enum"))
    assert states(domain) == []


@pytest.mark.parametrize(
    ("params", "wanted"),
    [
        ({"priority": "hurry"}, "Query parameter 'priority' has to be urgent or bulk."),
        ({"dry_run": "perhaps"}, "Query parameter 'dry_run' has to be true or false."),
        (
            {"max_rejects": "few"},
            "Query parameter 'max_rejects' has to be a number of rows such as 100, or a share such as 5%.",
        ),
    ],
)
def test_a_parameter_that_is_not_understood_is_answered_with_what_is_wanted(
    api: Api, problem_of: ProblemOf, params: dict[str, str], wanted: str
) -> None:
    assert problem_of(api.upload(CSV, **params))["detail"] == wanted


def test_an_unknown_profile_is_answered_with_the_known_ones(api: Api, problem_of: ProblemOf) -> None:
    assert "Choose one of twitter" in problem_of(api.upload(CSV, profile="mystery"))["detail"]


@pytest.mark.parametrize(
    ("content_type", "content"),
    [
        ("multipart/form-data", b"x"),
        ("multipart/form-data; boundary=b", b"no boundary in here"),
        ("multipart/form-data; boundary=b", b"--b\r\nContent-Disposition: form-data; name=other\r\n\r\nx\r\n--b--\r\n"),
        ("multipart/form-data; boundary=b", b"--b\r\nnonsense\r\n\r\nx\r\n--b--\r\n"),
        ("multipart/form-data; boundary=b", b"--b\r\nContent-Disposition: form-data; name=x\r\n\r\n\r\n" * 101),
    ],
)
def test_forms_without_a_file(
    api: Api, domain: Connection, problem_of: ProblemOf, content_type: str, content: bytes
) -> None:
    answer = api.http.post("/uploads", content=content, headers={"Content-Type": content_type})

    problem_of(answer)
    assert answer.status_code == 400
    assert states(domain) == []


def test_a_form_without_its_closing_boundary_is_not_whole(api: Api, domain: Connection, problem_of: ProblemOf) -> None:
    form = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n' + CSV + b"\r\n--b"

    answer = api.http.post("/uploads", content=form, headers={"Content-Type": "multipart/form-data; boundary=b"})

    problem_of(answer)
    assert answer.status_code == 400
    assert states(domain) == ["aborted"]
    assert batches(domain) == 0


# A client that goes away ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("protocol", ["h11", "httptools"])
@pytest.mark.parametrize("way", ["length", "chunked", "expect", "form"])
@pytest.mark.parametrize("goodbye", ["close", "half-close", "reset"])
def test_a_client_that_goes_away_leaves_an_aborted_upload(  # noqa: PLR0917 (fixtures)
    serve: Serve, settings: Settings, domain: Connection, protocol: Protocol, way: str, goodbye: str
) -> None:
    api = serve(msgspec.structs.replace(settings, batch_bytes=50_000), protocol=protocol)
    sent = HEADER + rows(40_000)
    assert len(sent) > HEAD_BYTES, "before that, the service only looks"
    with api.connect() as client:
        match way:
            case "length" | "expect":
                client.sendall(request_head(length=len(sent) + 1, expect=way == "expect"))
                if way == "expect":
                    assert client.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
                client.sendall(sent)
            case "chunked":
                # Every chunk is whole; what is missing is the last one, which says that there are no more.
                client.sendall(request_head(length=None) + b"%x\r\n%s\r\n" % (len(sent), sent))
            case _:
                part = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'
                client.sendall(request_head(length=len(sent) + 9999, content_type="multipart/form-data; boundary=b"))
                client.sendall(part + sent)
        until(lambda: batches(domain) > 2, within=30, what="some batches are staged")
        match goodbye:
            case "half-close":
                client.shutdown(socket.SHUT_WR)
                assert client.recv(1) == b""
            case "reset":
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            case _:
                pass

    until(lambda: states(domain) == ["aborted"], within=30, what="the upload is aborted")
    assert batches(domain) == 0
    assert domain.execute("select error ->> 'type' from uploads").fetchone() == (
        "urn:mentiongraph:problem:upload-cut-off",
    )
    assert api.http.get("/health/live").status_code == 200


def test_a_form_that_never_comes_to_its_file_is_cut_off(serve: Serve, settings: Settings, domain: Connection) -> None:
    api = serve(msgspec.structs.replace(settings, receive_timeout=0.2))
    with api.connect() as client:
        client.sendall(request_head(length=1000, content_type="multipart/form-data; boundary=b"))

        assert client.recv(100).startswith(b"HTTP/1.1 400 ")
    assert states(domain) == []


def test_a_client_that_stands_still_is_cut_off(serve: Serve, settings: Settings, domain: Connection) -> None:
    api = serve(msgspec.structs.replace(settings, receive_timeout=0.2))
    with api.connect() as client:
        client.sendall(request_head(length=1000) + HEADER)

        assert client.recv(100).startswith(b"HTTP/1.1 400 ")
    assert states(domain) == ["aborted"]
    (kept,) = api.http.get("/uploads").json()["uploads"]
    assert "client" not in kept["error"]["title"]
    assert kept["error"]["detail"].startswith("No byte arrived")


@pytest.mark.parametrize("protocol", ["h11", "httptools"])
def test_a_refusal_reaches_a_client_that_is_still_sending(serve: Serve, settings: Settings, protocol: Protocol) -> None:
    api = serve(settings, protocol=protocol)
    content = b"no,header\n" + b"x" * 20_000_000
    with api.connect() as client:
        client.sendall(request_head(length=len(content)))
        client.sendall(content)

        assert client.recv(100).startswith(b"HTTP/1.1 422 ")


def test_uploads_at_the_same_time_are_one(api: Api, domain: Connection) -> None:
    content = HEADER + rows(1000) + f"hi,2026-01-15T11:00:00Z,{uuid4().hex}\n".encode()
    clients = [api.connect() for _ in range(4)]
    try:
        for client in clients:
            client.sendall(request_head(length=len(content)) + content[:-1])
        for client in clients:
            client.sendall(content[-1:])
        answers = sorted(client.recv(12) for client in clients)
    finally:
        for client in clients:
            client.close()

    assert answers == [b"HTTP/1.1 200", b"HTTP/1.1 200", b"HTTP/1.1 200", b"HTTP/1.1 202"]
    assert sorted(states(domain)) == ["duplicate", "duplicate", "duplicate", "staged"]


def test_an_upload_that_stands_still_gives_signs_of_life(
    serve: Serve, settings: Settings, domain: Connection, now: datetime
) -> None:
    api = serve(msgspec.structs.replace(settings, heartbeat_seconds=0.05))
    with api.connect() as client:
        client.sendall(request_head(length=1000) + HEADER)
        until(lambda: states(domain) == ["receiving"], within=30, what="the upload is being received")
        domain.execute("update uploads set heartbeat_at = %s", [now - timedelta(hours=1)])

        def heard() -> bool:
            return domain.execute("select from uploads where heartbeat_at = %s", [now]).fetchone() is not None

        until(heard, within=30, what="it gives a sign of life")


def test_a_flood_of_uploads_leaves_another_address_alone(api: Api, domain: Connection) -> None:
    """All connections are taken. Uploads of one address wait, and among them one of another address."""
    freed = threading.Event()

    async def hold_all() -> None:
        async with AsyncExitStack() as stack:
            for _ in range(RECEIVING):
                await stack.enter_async_context(api.services.receiving.connection())
            held.set()
            await asyncio.to_thread(freed.wait, 20)

    held = threading.Event()
    holding = asyncio.run_coroutine_threadsafe(hold_all(), api.loop)
    assert held.wait(20)
    with ExitStack() as stack:
        for number in range(21):
            address = "127.0.0.2" if number == 8 else "127.0.0.3"
            client = socket.create_connection(("127.0.0.1", api.port), timeout=20, source_address=(address, 0))
            stack.enter_context(client).sendall(
                b"POST /uploads?filename=%b HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\n"
                % address.encode()
            )
            until(lambda n=number + 1: api.services.admission.held == n * BASE_BYTES, within=20, what="it waits")
        freed.set()
        holding.result(20)
        until(lambda: len(states(domain)) == 21, within=20, what="all have begun")
        began = [
            name
            for (name,) in domain.execute(
                "select filename from ledger_events e join uploads u on u.id = e.upload_id"
                " where e.from_state is null and e.batch_id is null order by e.id"
            )
        ]

    assert "127.0.0.2" in began[: RECEIVING + 2]
