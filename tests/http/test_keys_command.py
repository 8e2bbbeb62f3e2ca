"""Keys on the command line, the key of a stack's directory, and the API that does not start without a key."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Generator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import msgspec
import pytest
from click.testing import CliRunner, Result

from app.control import keys, tokens
from app.control.callers import Scope
from app.settings import Settings, environment
from app.store.postgres import Connection, clock
from ops import admin_key, processes
from ops.cli import main, options
from ops.cli.client import ApiAway, Client
from tests.http.conftest import Api, serving

Command = Callable[..., Result]


@pytest.fixture
def command(settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Command:
    """Runs a command in this process, on the test's database, in an empty directory."""
    monkeypatch.chdir(tmp_path)

    def invoke(*words: str, **more: str) -> Result:
        return CliRunner().invoke(main, words, env=environment(settings) | more)

    return invoke


@pytest.fixture
def closed(settings: Settings) -> Generator[Api]:
    """An API that needs keys."""
    with serving(msgspec.structs.replace(settings, keys="required"), lambda: datetime.now(UTC)) as api:
        yield api


def test_a_key_is_made_listed_rotated_and_revoked(command: Command, conn: Connection) -> None:
    made = command("keys", "create", "--owner", "ada", "--scope", "graph:read", "--graph", "default", "--days", "7")
    key_id = tokens.id_in(made.stdout.strip())
    assert (made.exit_code, made.stdout) == (0, made.stdout.strip() + "\n")
    assert key_id is not None
    assert made.stdout.strip() not in made.stderr
    turned = command("keys", "rotate", key_id, "--grace-hours", "0", "--json")
    new = msgspec.json.decode(turned.stdout)
    assert (new["key"]["owner"], new["key"]["scopes"], new["key"]["graphs"]) == ("ada", ["graph:read"], ["default"])
    [listed] = msgspec.json.decode(command("keys", "list", "--json").stdout)["keys"]
    assert listed == new["key"]
    assert key_id in command("keys", "list", "--all").stdout
    assert command("keys", "revoke", new["key"]["id"], key_id).exit_code == 0
    assert msgspec.json.decode(command("keys", "list", "--json").stdout) == {"keys": []}
    assert conn.execute("SELECT count(*) FROM keys WHERE revoked_at IS NOT NULL").fetchall() == [(2,)]
    assert "was revoked before" in command("keys", "revoke", key_id).stdout
    unknown = command("keys", "create", "--owner", "ada", "--scope", "graph:read", "--graph", "team")
    assert (unknown.exit_code, "no graph 'team'. There are: default." in unknown.stderr) == (2, True)
    assert command("keys", "revoke", "nobody00").exit_code == 4
    assert command("keys", "rotate", key_id).exit_code == 4
    assert command("keys", "create", "--owner", "a b", "--scope", "admin").exit_code == 2
    assert command("keys", "create", "--owner", "a", "--scope", "graph").exit_code == 2


@pytest.mark.parametrize(
    ("first", "asked", "days"),
    [
        (["--days", "7"], [], 90),
        (["--days", "7"], ["--days", "3"], 3),
        (["--days", "7"], ["--never-expires"], None),
        (["--never-expires"], [], None),
        (["--never-expires"], ["--days", "3"], 3),
    ],
)
@pytest.mark.usefixtures("conn")
def test_a_key_that_replaces_another_ends_when_it_is_to(
    command: Command, first: list[str], asked: list[str], days: int | None
) -> None:
    made = msgspec.json.decode(command("keys", "create", "--owner", "ada", "--scope", "admin", "--json", *first).stdout)
    new = msgspec.json.decode(command("keys", "rotate", made["key"]["id"], "--json", *asked).stdout)["key"]
    lasts = new["expires_at"] and datetime.fromisoformat(new["expires_at"]) - datetime.fromisoformat(new["created_at"])
    assert lasts == (days and timedelta(days=days))


def test_serve_does_not_start_for_others_while_nobody_has_a_key(
    command: Command, domain: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[object] = []

    def start(self: processes.Command) -> None:
        started.append(self)

    monkeypatch.setattr(processes.Command, "replace_this_process", start)

    for host, more, starts in [
        ("0.0.0.0", {}, False),  # noqa: S104 (nothing listens there)
        ("127.0.0.1", {"MENTIONGRAPH_PUBLISHED_ON": "192.0.2.1"}, False),
        ("127.0.0.1", {"MENTIONGRAPH_KEYS": "required"}, False),
        ("127.0.0.1", {}, True),
        ("0.0.0.0", {"MENTIONGRAPH_PUBLISHED_ON": "127.0.0.1"}, True),  # noqa: S104
        ("0.0.0.0", {"MENTIONGRAPH_KEYS": "off"}, True),  # noqa: S104
    ]:
        started.clear()
        done = command("serve", "--host", host, **more)
        assert (done.exit_code, len(started)) == ((0, 1) if starts else (2, 0)), (host, more, done.output)
        assert starts or "mentiongraph keys create" in done.stderr

    expired = keys.checked("ada", ["admin"], lifetime=timedelta(days=1))
    keys.create(domain, expired, now=clock() - timedelta(days=2))
    assert command("serve", "--host", "0.0.0.0").exit_code == 2  # noqa: S104
    keys.create(domain, expired, now=clock())
    assert command("serve", "--host", "0.0.0.0").exit_code == 0  # noqa: S104


def test_a_directory_has_a_key_that_allows_everything(settings: Settings, domain: Connection, tmp_path: Path) -> None:
    def ensure() -> str:
        admin_key.ensure(tmp_path, settings.database_url, now=clock())
        return admin_key.read(tmp_path) or ""

    first = ensure()
    assert ensure() == first
    found = keys.verified(domain, first, now=clock())
    assert found is not None
    assert (found.owner, found.scopes, found.graphs) == ("admin", {Scope.ADMIN}, None)
    file = tmp_path / "admin.key"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    keys.revoke(domain, found.id, now=clock())
    second = ensure()
    assert second != first
    weak = keys.create(domain, keys.checked("eve", ["graph:read"]), now=clock())
    for damaged in ("", "no token", weak.token, tokens.make().token):
        file.write_text(damaged)
        assert keys.verified(domain, ensure(), now=clock()) is not None
    assert [each.name for each in tmp_path.iterdir()] == ["admin.key"]


def test_commands_send_the_key_of_the_environment(closed: Api, command: Command, domain: Connection) -> None:
    made = keys.create(domain, keys.checked("ada", ["uploads:write"]), now=clock())
    url = str(closed.http.base_url)

    assert command("status", "--api", url).exit_code == 8
    assert command("status", "--api", url, MENTIONGRAPH_KEY=made.token).exit_code == 0
    assert command("status", "--api", url, MENTIONGRAPH_KEY="mg_x").exit_code == 2
    assert command("status", "--api", url, MENTIONGRAPH_KEY_FILE="/nowhere").exit_code == 2
    assert command("export", "--api", url, "--output", "-", MENTIONGRAPH_KEY=made.token).exit_code == 8


def test_a_stack_nearby_has_the_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("MENTIONGRAPH_")]:
        monkeypatch.delenv(name)
    theirs, ours = tokens.make().token, tokens.make().token
    monkeypatch.setenv("MENTIONGRAPH_KEY", theirs)
    directory = tmp_path / ".mentiongraph"
    directory.mkdir()
    (directory / "admin.key").write_text(f"{ours}\n")

    assert options.key(None, nearby=True) == theirs, "no stack was ever here"
    (directory / "lock").touch()
    assert options.key(None, nearby=True) == ours
    assert options.key(None, nearby=False) == theirs, "another API was named"
    assert options.key(directory, nearby=True) == ours
    monkeypatch.setenv("MENTIONGRAPH_PORT", "8000")
    assert options.key(None, nearby=True) == theirs, "another API was named"


def test_a_key_goes_to_its_own_address_alone() -> None:
    seen: list[tuple[str, str | None]] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append((request.url.host, request.headers.get("Authorization")))
        return httpx.Response(307, headers={"Location": "http://evil.example/uploads"})

    with Client("http://here.example", tokens.make().token) as client:
        client._http._transport = httpx.MockTransport(answer)  # pyright: ignore[reportPrivateUsage]
        for path in ("/uploads", "http://evil.example/uploads", "http://here.example:81/", "https://here.example/"):
            with pytest.raises(ApiAway, match="leads to"):
                client.get(path, dict)

    assert [host for host, _ in seen] == ["here.example", "evil.example", "here.example", "here.example"]
    assert [key is not None for _, key in seen] == [True, False, False, False]
