"""The fuzzers' targets: what each is given, and what must hold. Whatever else leaves a target is a bug."""

from __future__ import annotations

import asyncio
import contextlib
import io
import re
import tempfile
import types
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, urlsplit

import msgspec
import polars as pl
from hypothesis import strategies as st
from litestar.datastructures import Headers

from app.errors import BadRequest, UploadCutOff, UploadRefused
from app.graph import profiles
from app.http import bodies, parameters, segments
from app.ledger import idempotency
from app.posts import handles, repair
from app.posts.containers import contents
from app.posts.containers.compression import Peeled, decoder
from app.posts.given import check_given
from app.posts.json import elements, jsonl, paths
from app.posts.looking import reading
from app.posts.looking.shapes import Packing
from app.posts.options import ColumnNames, DateOrder, Format, Given, InputFormat, RejectLimit
from app.posts.readers import READERS
from app.posts.source import Source
from app.posts.tables import csv
from app.posts.times import formats
from app.posts.times.columns import read_column
from app.posts.times.spellings import Known
from app.settings import Settings, durations
from tests.fuzz import corpus
from tests.posts.test_repair import Reject

MOST = 4 << 20
"""Bytes that an upload may come to here. So what no bound holds back is seen soon."""
FORM = Format(",", 3, 0, 1, 2, ("data", "timestamp", "username"), any_instant=True)
LINES = Format("", 3, 0, 1, 2, ("data", "timestamp", "username"))


class Target(NamedTuple):
    """A name, what the check is given, and the check."""

    name: str
    given: st.SearchStrategy[Any]
    check: Callable[..., None]


def _outcome(run: Callable[[], Any]) -> Any:
    """What came out: a result, or the kind of a refusal, which is as good."""
    try:
        return run()
    except (UploadRefused, UploadCutOff, BadRequest) as refused:
        return type(refused)


def _decoded(encoding: str | None, parts: list[bytes]) -> bytes:
    found, peeled = bytearray(), Peeled(decoder(encoding))
    for part in parts:
        for piece in peeled.decode(part):
            found.extend(piece)
            if len(found) > MOST:
                return b"too much"
    for piece in peeled.rest():
        found.extend(piece)
    return bytes(found) if len(found) <= MOST else b"too much"


def decoders(data: bytes, cuts: list[int], encoding: str | None) -> None:
    whole = _outcome(lambda: _decoded(encoding, [data]))
    assert _outcome(lambda: _decoded(encoding, corpus.pieces(data, cuts))) == whole


def _read_csv(data: bytes, form: Format, batch: int) -> tuple[list[Any], list[Any], int]:
    """Rows, rejects and physical lines, in batches of about so many bytes."""
    posts: list[Any] = []
    rejects: list[Any] = []
    held, line, lines = b"", 1, 0
    parts = [data[at : at + batch] for at in range(0, len(data), batch)]
    for number, part in enumerate(parts):
        held += part
        final = number == len(parts) - 1
        end = csv.cut(held, delimiter=form.delimiter, final=final)
        found = csv.read(held[: end.end], form, first_line=line)
        assert found.rows == len(found.frame) + len(found.rejects) == end.rows
        posts += found.frame.rows()
        rejects += found.rejects.rows()
        held, line, lines = held[end.end :], line + end.lines, lines + end.lines
    assert not held
    return posts, rejects, lines


def csv_reader(data: bytes, batch: int) -> None:
    whole = _read_csv(data, FORM, max(1, len(data)))
    assert _read_csv(data, FORM, batch) == whole
    _comes_back(whole[1])


def _comes_back(rejects: list[Any]) -> None:
    """Rejects that are uploaded unrepaired are the same rejects."""
    again = b"".join(repair.csv_of([Reject(*row[:2], *row[3:]) for row in rejects], FORM))
    head = csv.read_header(again, final=True, names=ColumnNames())
    assert head is not None
    found = csv.read(again[head.body_offset :], head.format, first_line=2)
    assert found.rows == len(found.rejects) == len(rejects)


def json_reader(data: bytes) -> None:
    found = jsonl.read(data, LINES, first_line=1)
    assert found.rows == len(found.frame) + len(found.rejects)


def json_elements(data: bytes, cuts: list[int], layout: str) -> None:
    packing = Packing()

    def split(parts: list[bytes]) -> bytes:
        made = elements.splitter(InputFormat(layout), packing)
        assert made is not None
        return b"".join(b"".join(made.feed(part)) for part in parts) + made.finish()

    assert _outcome(lambda: split(corpus.pieces(data, cuts))) == _outcome(lambda: split([data]))


def _read(parts: list[bytes], given: Given) -> Any:
    """A file as the service reads it."""
    source, body = Source(given), b""
    for part in parts:
        if source.is_open:
            body += b"".join(source.feed(part))
        elif source.hold(part):
            body += source.open(final=False) or b""
    body += source.finish() if source.is_open else source.open(final=True) or b""
    posts = READERS[source.reading.layout.value].read(body, source.format, first_line=source.first_line)
    assert posts.rows == len(posts.frame) + len(posts.rejects)
    return posts.frame.rows(), posts.rejects.rows()


def detector(data: bytes, cuts: list[int], given: Given) -> None:
    reading.look(data, given, final=False)
    whole = _outcome(lambda: _read([data], given))
    assert _outcome(lambda: _read(corpus.pieces(data, cuts), given)) == whole


def containers(data: bytes, cuts: list[int]) -> None:
    with contextlib.ExitStack() as stack:
        room = contents.Room.of(MOST, lambda: stack.enter_context(tempfile.TemporaryFile()))

        def read() -> list[int]:
            files = contents.files_of(iter(corpus.pieces(data, cuts)), decoder(None), Given(), room)
            return [sum(map(len, content.pieces)) for _, content in files]

        _outcome(read)


def path_grammar(text: str) -> None:
    try:
        found = paths.parse(text)
    except paths.BadPath:
        return
    assert paths.parse(paths.show(found)) == found
    for value in ({"a": [{"b": 1}]}, [], None, {"a": {"b": "c"}}):
        paths.values(found, value)


def words(given: dict[str, Any], limit: str) -> None:
    with contextlib.suppress(BadRequest, UploadRefused):
        check_given(msgspec.convert(given, Given))
    with contextlib.suppress(BadRequest):
        RejectLimit.parsed(limit, where="max_rejects")


def times(texts: list[str], known: Known) -> None:
    clean = pl.Series([text.encode(errors="replace").decode() for text in texts], dtype=pl.String)
    whole = read_column(clean, known)
    for at in range(len(clean)):
        one = read_column(clean[at : at + 1], known)
        assert one.readable[0] == whole.readable[at]
        assert not one.readable[0] or one.micros[0] == whole.micros[at]


def time_formats(form: str, text: str) -> None:
    try:
        pattern = formats.compiled(form)
    except formats.BadFormat:
        return
    pattern.fullmatch(text)


def request_words(text: str) -> None:
    text = text.encode(errors="replace").decode()  # a query is decoded so
    with contextlib.suppress(BadRequest):
        assert parameters.moment(text).tzinfo is UTC
    if re.fullmatch("[0-9a-f]{32}", text):
        assert parameters.position_of(text) is not None
    durations.duration(text)
    re.fullmatch(idempotency.PATTERN, text)
    assert segments.segment(text) not in {".", ".."}
    assert "/" not in segments.segment(text)
    link = urlsplit(parameters.next_page("/x", q=text, at=datetime.now(UTC)))
    assert ("q", text) in parse_qsl(link.query, keep_blank_values=True)


def handle_words(texts: list[str], profile: str) -> None:
    clean = [text.encode(errors="replace").decode() for text in texts]
    column = pl.DataFrame({"handle": clean}, schema={"handle": pl.String})
    spelled = column.select(handles.spelled(pl.col("handle")))["handle"]
    assert spelled.to_list() == [handles.spell(each) for each in clean]
    folded = pl.DataFrame({"handle": spelled}).select(handles.folded(pl.col("handle")))["handle"]
    assert folded.to_list() == [handles.fold(each) for each in clean]
    profiles.find(column["handle"], profiles.PROFILES[profile])


def _form(parts: list[bytes], boundary: str) -> Any:
    """The file in a form, as a request brings it."""
    waiting = [*parts]

    async def receive() -> dict[str, Any]:
        body = waiting.pop(0) if waiting else b""
        return {"type": "http.request", "body": body, "more_body": bool(waiting)}

    request: Any = types.SimpleNamespace(
        receive=receive, headers=Headers({}), content_type=("multipart/form-data", {"boundary": boundary})
    )

    async def read() -> Any:
        part = await bodies.file_part(request, Settings())
        found = io.BytesIO()
        async for piece in part.content:
            found.write(piece)
        return part.filename, part.media_type, found.getvalue()

    return asyncio.run(read())


def multipart(data: bytes, cuts: list[int], boundary: str) -> None:
    whole = _outcome(lambda: _form([data], boundary))
    cut = _outcome(lambda: _form(corpus.pieces(data, cuts), boundary))
    # What may stand before the first boundary is of no use. The library refuses some of it only where it comes at once.
    assert cut == whole or not data.startswith(f"--{boundary}".encode())


_FORM = (
    b'--b\r\nContent-Disposition: form-data; name="x"\r\n\r\n1\r\n--b\r\nContent-Disposition: form-data; name="file"; '
    b'filename="a.csv"\r\nContent-Type: text/csv\r\n\r\ndata\r\n--b--\r\n'
)
_WORD = st.none() | corpus.bent_text(["data", "utf-8", "Europe/Berlin", "%d.%m.%Y", "a.b[].c", "a|b", ","])
_GIVEN = st.fixed_dictionaries(
    {},
    optional={
        **dict.fromkeys(("text", "timestamp", "author", "author_is", "id", "mentions", "timestamp_format"), _WORD),
        **dict.fromkeys(("timezone", "preset", "profile", "sheet"), _WORD),
        "header": st.none() | st.booleans(),
    },
)
_SAID = st.builds(
    Given,
    layout=st.none() | st.sampled_from(InputFormat),
    delimiter=st.sampled_from([None, None, ",", ";"]),
    header=st.sampled_from([None, None, True, False]),
    author_is=st.sampled_from([None, None, "ann"]),
)
_KNOWN = st.builds(
    Known, st.none() | st.sampled_from(DateOrder), st.sampled_from([None, "Europe/Berlin"]), st.none()
)  # fmt: skip


def _targets() -> Iterator[Target]:
    bent, cuts = corpus.bent, corpus.CUTS
    layouts = st.sampled_from(["json-array", "json-pages"])
    yield Target("decoders", st.tuples(bent(corpus.packed()), cuts, st.sampled_from([None, "gzip", "zstd"])), decoders)
    yield Target("csv", st.tuples(bent(corpus.rows()), st.integers(1, 400)), csv_reader)
    yield Target("json", st.tuples(bent(corpus.json_lines())), json_reader)
    yield Target("elements", st.tuples(bent(corpus.documents()), cuts, layouts), json_elements)
    yield Target("detector", st.tuples(bent(corpus.tables()), cuts, _SAID), detector)
    yield Target("containers", st.tuples(bent(corpus.packed()), cuts), containers)
    yield Target("paths", st.tuples(corpus.bent_text(["a.b[].c|d", 'a["b.c"]', "a[k=v].b", "a"])), path_grammar)
    yield Target("options", st.tuples(_GIVEN, corpus.bent_text(["5%", "100"])), words)
    yield Target(
        "times", st.tuples(st.lists(corpus.bent_text(corpus.instants()), min_size=1, max_size=4), _KNOWN), times
    )
    yield Target(
        "formats", st.tuples(corpus.bent_text(["%d.%m.%Y %Hh%M", "%s", "%I %p %z"]), st.text(max_size=30)), time_formats
    )
    yield Target(
        "requests",
        st.tuples(corpus.bent_text(["2026-01-01T00:00:00Z", "0" * 32, "7ff8" + "0" * 28, '"key"', "1h30m", "a/b"])),
        request_words,
    )
    yield Target(
        "handles",
        st.tuples(
            st.lists(corpus.bent_text(corpus.mentions()), max_size=4), st.sampled_from(sorted(profiles.PROFILES))
        ),
        handle_words,
    )
    yield Target("multipart", st.tuples(bent([_FORM]), cuts, st.sampled_from(["b", "b", "-", "b" * 70])), multipart)


TARGETS = {target.name: target for target in _targets()}
