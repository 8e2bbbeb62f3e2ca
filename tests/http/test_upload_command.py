"""`mentiongraph upload` against the API: what it says of a file that is refused, or that another owner sent before."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import click.testing
import msgspec
import pytest

from app.control.callers import Scope
from app.settings import Settings
from app.store.postgres import Connection
from ops.cli import main
from ops.cli.client import Client
from tests.conftest import until
from tests.http.conftest import Api, Serve
from tests.http.keyed import key
from tests.http.test_receiving import HEADER

POSTS = HEADER.replace(b"data", b"words") + b"@bob @cy,2026-01-10T11:00:00Z,ada\n"
COLUMN = ("--text", "words")


@pytest.fixture
def posts(tmp_path: Path) -> Path:
    file = tmp_path / "posts.csv"
    file.write_bytes(POSTS)
    return file


def uploaded(api: Api, *words: str, token: str = "", code: int = 0) -> click.testing.Result:
    url = f"http://127.0.0.1:{api.port}"
    environment = {"MENTIONGRAPH_KEY": token or None, "MENTIONGRAPH_API": url}
    done = click.testing.CliRunner().invoke(main, ["upload", *words], env=environment)
    assert done.exit_code == code, done.output
    return done


def test_bytes_that_another_owner_sent_are_no_failure(
    serve: Serve, settings: Settings, domain: Connection, now: datetime, posts: Path
) -> None:
    api = serve(msgspec.structs.replace(settings, keys="required"))
    ana, ben = (key(domain, now, Scope.UPLOADS_WRITE, owner=name).token for name in ("ana", "ben"))
    first = uploaded(api, str(posts), *COLUMN, "--no-wait", token=ana)

    mine = uploaded(api, str(posts), *COLUMN, "--no-wait", token=ana)
    theirs = uploaded(api, str(posts), *COLUMN, token=ben)
    again = uploaded(api, str(posts), *COLUMN, token=ben)

    assert "the ledger has these bytes already, received " in mine.stderr
    for each in (theirs, again):
        assert "the graph has these bytes already. They count once, so nothing was added." in " ".join(
            each.stderr.split()
        )
        assert "received " not in each.stderr
        assert "duplicate" in each.stdout
        assert "ana" not in each.output
        assert first.stdout.split()[1] not in each.output


def test_a_file_was_sent_once_the_api_took_it(
    serve: Serve, settings: Settings, domain: Connection, now: datetime, posts: Path
) -> None:
    api = serve(msgspec.structs.replace(settings, keys="required"))
    token = key(domain, now, Scope.UPLOADS_WRITE, owner="ana").token

    assert "sent" not in uploaded(api, str(posts), *COLUMN, code=8).stderr
    assert "posts.csv: sent" in uploaded(api, str(posts), *COLUMN, "--no-wait", token=token).stderr


def test_the_room_is_asked_of_the_service_whichever_graph_is_meant(serve: Serve, settings: Settings) -> None:
    api = serve(msgspec.structs.replace(settings, max_database_bytes=1))
    with Client(f"http://127.0.0.1:{api.port}/graphs/photos") as client:
        until(lambda: client.shortage() is not None, within=20, what="the API knows that there is no room")
