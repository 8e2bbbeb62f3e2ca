"""The documentation at /guide: served where it was built, and a helpful answer where it was not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from app.http.openapi import guide
from app.settings import Settings
from tests.http.conftest import Api, Serve

ProblemOf = Callable[[httpx.Response], dict[str, Any]]


@pytest.fixture
def built(serve: Serve, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Api:
    directory = tmp_path / "guide"
    for name, content in {
        "index.html": "<h1>Guide</h1>",
        "how-to/index.html": "<h1>How to</h1>",
        "how-to/add.html": "<h1>Ädd</h1>",
        "_static/style.css": "h1 {}",
        "searchindex.js": "Search()",
    }.items():
        (directory / name).parent.mkdir(parents=True, exist_ok=True)
        (directory / name).write_text(content, encoding="utf-8")
    (tmp_path / "secret.html").write_text("secret", encoding="utf-8")
    monkeypatch.setattr(guide, "GUIDE", directory)
    return serve(settings)


@pytest.mark.parametrize(
    ("path", "content", "media_type"),
    [
        ("/guide/", "<h1>Guide</h1>", "text/html; charset=utf-8"),
        ("/guide/index.html", "<h1>Guide</h1>", "text/html; charset=utf-8"),
        ("/guide/how-to/", "<h1>How to</h1>", "text/html; charset=utf-8"),
        ("/guide/how-to/add.html?highlight=add", "<h1>Ädd</h1>", "text/html; charset=utf-8"),
        ("/guide/_static/style.css?v=1a2b", "h1 {}", "text/css; charset=utf-8"),
        ("/guide/searchindex.js", "Search()", "text/javascript; charset=utf-8"),
    ],
)
def test_its_files(built: Api, path: str, content: str, media_type: str) -> None:
    answer = built.http.get(path)

    assert (answer.status_code, answer.text, answer.headers["content-type"]) == (200, content, media_type)
    assert "attachment" not in answer.headers.get("content-disposition", "")
    assert built.http.head(path).status_code == 200


@pytest.mark.parametrize(
    ("path", "location"),
    [
        ("/guide", "/guide/"),
        ("/guide?highlight=a%26b", "/guide/?highlight=a%26b"),
        ("/guide/how-to", "/guide/how-to/"),
    ],
)
def test_a_directory_is_sent_to_its_slash(built: Api, path: str, location: str) -> None:
    answer = built.http.get(path)

    assert (answer.status_code, answer.headers["location"]) == (307, location)


@pytest.mark.parametrize("path", ["/guide/nothing.html", "/guide/..%2Fsecret.html", "/guide/%2e%2e/secret.html"])
def test_what_is_not_in_it(built: Api, path: str) -> None:
    answer = built.http.get(path)

    assert answer.status_code == 404
    assert "secret" not in answer.text or "secret.html" in answer.request.url.path
    assert answer.headers["content-type"] == "application/problem+json"


def test_where_it_was_not_built(
    serve: Serve, settings: Settings, problem_of: ProblemOf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guide, "GUIDE", tmp_path / "guide")
    api = serve(settings)

    assert api.http.get("/guide/").status_code == 404
    for path in ("/guide", "/guide/how-to/add.html"):
        answer = api.http.get(path)
        assert answer.status_code == 404
        assert "make docs" in problem_of(answer)["detail"]


def test_the_address_of_the_server_is_that_of_the_page(api: Api) -> None:
    answer = api.http.get("/")

    assert answer.status_code == 200
    assert answer.headers["content-security-policy"].startswith("default-src 'self';")
    assert 'src="page/main.js"' in answer.text
