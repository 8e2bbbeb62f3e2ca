"""Parameters that do not exist, are missing, or have wrong values: for every route and parameter of the document."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any
from urllib.parse import quote, urlencode
from uuid import uuid4

import httpx
import pytest

from app.http import signatures
from tests.http.conftest import Api
from tests.http.test_receiving import CSV, CSV_TYPE

ProblemOf = Callable[[httpx.Response], dict[str, Any]]
Operation = dict[str, Any]

IN_PATHS = {"upload_id": str(uuid4()), "batch_id": "1", "handle": "ada", "source": "ada", "target": "bob"} | {
    "graph": "none",
    "key_id": "4fQz81Lk",
    "erasure_id": "1",
}
REQUIRED = {"source": "ada", "target": "bob", "with": "default"}
LIBRARY_SPEECH = re.compile(
    r"`|[Ee]xpected|regex|pattern|\bstr\b|\bint\b|\bfloat\b|\benum\b|null|None|[Vv]alidat|another form"
)


@pytest.fixture
def operations(api: Api) -> list[tuple[str, str, Operation]]:
    """Method, path and operation."""
    document = api.http.get("/doc/openapi.json").json()
    return [(method, path, operation) for path, item in document["paths"].items() for method, operation in item.items()]


def ask(
    api: Api,
    method: str,
    path: str,
    *,
    query: list[tuple[str, str]] | None = None,
    headers: dict[str, str] | None = None,
    in_path: dict[str, str] | None = None,
) -> httpx.Response:
    given = {**IN_PATHS, **(in_path or {})}
    path = re.sub(r"{(\w+)}", lambda name: quote(given[name[1]], safe=""), path)
    body = CSV if method == "post" else None
    return api.http.request(
        method, f"{path}?{urlencode(query or [])}", headers={**CSV_TYPE, **(headers or {})}, content=body
    )


def required(operation: Operation) -> dict[str, str]:
    """The query parameters without which there is no answer."""
    return {
        each["name"]: REQUIRED[each["name"]]
        for each in operation.get("parameters", ())
        if each["in"] == "query" and each.get("required")
    }


def names(operation: Operation) -> list[str]:
    return sorted(each["name"] for each in operation.get("parameters", ()) if each["in"] == "query")


WRONG: dict[str, list[str]] = {
    "boolean": ["perhaps", "", "2"],
    "integer": ["many", "", "1.5", "true", "9" * 30],
    "number": ["much", "", "nan", "inf", "1,5", "9e999"],
    "uuid": ["x", str(uuid4())[:-1]],
    "date-time": ["yesterday", "2026-01-15T12:00:00", "2026-13-01T00:00:00Z", ""],
    "enum": ["mystery", "", "3"],
    "array": [],
}


def wrong_values(schema: dict[str, Any]) -> list[str]:
    """Values that the schema does not allow, of every kind."""
    if "oneOf" in schema:
        (kind,) = [each for each in schema["oneOf"] if each.get("type") != "null"]
        schema = {**schema, **kind}
    named = "enum" if schema.keys() & {"enum", "$ref", "allOf"} else schema.get("format", schema["type"])
    beyond = [str(schema["minimum"] - 1)] if "minimum" in schema else []
    beyond += [str(schema["maximum"] * 10 + 1)] if "maximum" in schema else []
    if named != "string":
        return WRONG[named] + (beyond if named in {"integer", "number"} else [])
    longest = schema.get("maxLength", 10**9)
    texts = ("", "\0", "a\x7f", "\n", "x" * 400, "§" * 2)
    return [text for text in texts if not re.search(schema.get("pattern", ""), text) or len(text) > longest]


def ask_wrongly(
    api: Api, method: str, path: str, *, needed: dict[str, str], where: str, name: str, value: str
) -> httpx.Response | None:
    """The answer to one wrong value; None where HTTP cannot carry the value."""
    if where == "query":
        return ask(api, method, path, query=[*(needed | {name: value}).items()])
    if where == "path":
        return ask(api, method, path, in_path={name: value}) if value else None
    if name != "If-None-Match" and value.isprintable() and value.isascii():
        return ask(api, method, path, headers={name: value})
    return None


KINDS = {"query": "Query parameter", "path": "Path parameter", "header": "Header"}


def test_an_unknown_query_parameter_is_refused_by_name(
    api: Api, operations: list[tuple[str, str, Operation]], problem_of: ProblemOf
) -> None:
    for method, path, operation in operations:
        answer = ask(api, method, path, query=[*required(operation).items(), ("zzz", "1")])

        detail = problem_of(answer)["detail"]
        known = names(operation)
        assert answer.status_code == 400, path
        ending = f". Known: {', '.join(known)}." if known else ": this path takes no query parameters."
        assert detail == f"There is no query parameter 'zzz'{ending}", path


def test_a_misspelt_query_parameter_is_answered_with_the_nearest(
    api: Api, operations: list[tuple[str, str, Operation]], problem_of: ProblemOf
) -> None:
    for method, path, operation in operations:
        for name in names(operation):
            for misspelt in {name[:-1], name.upper(), name + "s"} - set(names(operation)):
                answer = ask(api, method, path, query=[*required(operation).items(), (misspelt, "1")])

                assert f"did you mean '{name}'? Known: " in problem_of(answer)["detail"], (path, misspelt)
                assert answer.status_code == 400


def test_no_query_parameter_is_there_twice_but_a_list(
    api: Api, operations: list[tuple[str, str, Operation]], problem_of: ProblemOf
) -> None:
    lists = set[str]()
    for method, path, operation in operations:
        for each in operation.get("parameters", ()):
            if each["in"] != "query":
                continue
            if "array" in str(each["schema"]):
                lists.add(each["name"])
                continue
            query = [*required(operation).items(), (each["name"], "1"), (each["name"], "1")]
            answer = ask(api, method, path, query=query)

            assert "times; it may be there once" in problem_of(answer)["detail"], (path, each["name"])
            assert answer.status_code == 400
    assert lists == {"user", "state"}
    for path in ("/doc", "/doc/openapi.json", "/static/favicon.svg"):
        assert api.http.get(f"{path}?v=1&v=2").status_code == 400


def test_pages_take_any_query(api: Api) -> None:
    for path in ("/doc", "/doc/openapi.json", "/static/favicon.svg"):
        assert api.http.get(f"{path}?v=1").status_code == 200


def test_a_missing_query_parameter_is_named(
    api: Api, operations: list[tuple[str, str, Operation]], problem_of: ProblemOf
) -> None:
    for method, path, operation in operations:
        needed = required(operation)
        for name in needed:
            answer = ask(api, method, path, query=[each for each in needed.items() if each[0] != name])

            assert problem_of(answer)["detail"] == f"Query parameter '{name}' is missing."
            assert answer.status_code == 400


def test_wrong_values_are_answered_in_plain_words(
    api: Api, operations: list[tuple[str, str, Operation]], problem_of: ProblemOf
) -> None:
    tried = set[str]()
    for method, path, operation in operations:
        for parameter in operation.get("parameters", ()):
            name = parameter["name"]
            for value in wrong_values(parameter["schema"]):
                answer = ask_wrongly(
                    api, method, path, needed=required(operation), where=parameter["in"], name=name, value=value
                )
                if answer is None:
                    continue
                tried.add(name)
                assert answer.status_code == 400, (path, name, value, answer.text)
                detail = problem_of(answer)["detail"]
                assert not LIBRARY_SPEECH.search(detail.replace(repr(value), "")), (path, name, value, detail)
                if name not in {"profile", "preset"}:  # the answer lists those that there are
                    kind = KINDS[parameter["in"]]
                    assert detail.startswith(f"{kind} '{name}' has to be "), (path, name, value, detail)
    assert {"limit", "as_of", "days", "upload_id", "batch_id", "Last-Event-ID", "Idempotency-Key", "delimiter"} <= tried


@pytest.mark.parametrize(
    ("target", "detail"),
    [
        ("/rankings/trending?days=90", "Query parameter 'days' has to be 1, 7 or 14."),
        ("/uploads?state=lost&limit=x", "Query parameter 'state' has to be receiving, staged, applying, "),
        ("/uploads?limit=x&state=applied", "Query parameter 'limit' has to be a whole number from 1 to 500."),
        ("/uploads?limit=1&limt=2", "There is no query parameter 'limt'; did you mean 'limit'? Known: "),
        ("/users/ada/outgoing?limit=0&archived=x", "Query parameter 'limit' has to be a whole number from 1 to 500; "),
        (
            "/export/edges.csv?" + "&".join(["user=a"] * 101),
            "Query parameter 'user' has to be given at most 100 times.",
        ),
    ],
)
def test_the_words_of_a_refusal(api: Api, problem_of: ProblemOf, target: str, detail: str) -> None:
    assert problem_of(api.http.get(target))["detail"].startswith(detail)


def test_no_cached_answer_is_found_under_an_unknown_parameter(api: Api, apply: Callable[[], None]) -> None:
    api.upload(CSV)
    apply()
    target = "/users/ada/outgoing?limit=5"
    assert [api.http.get(target).status_code for _ in range(2)] == [200, 200]

    assert [api.http.get(f"{target}&limt=5").status_code for _ in range(2)] == [400, 400]
    assert [api.http.get(f"{target}&limit=5").status_code for _ in range(2)] == [400, 400]


def test_what_a_route_takes_is_worked_out_once(api: Api) -> None:
    api.http.get("/health/live")
    known = signatures.parameters_of.cache_info().currsize

    for _ in range(3):
        api.http.get("/health/live")

    assert signatures.parameters_of.cache_info().currsize == known
