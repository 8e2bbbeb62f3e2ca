"""The page with keys on: a key is asked for once, kept for the session, shown, and forgotten."""

from __future__ import annotations

import re
from collections.abc import Generator
from typing import Any, NamedTuple

import httpx
import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from ops.embedded.children import free_ports
from tests.conftest import open_directory
from tests.docs.pages import Shell
from tests.page.conftest import PATIENCE

pytestmark = [pytest.mark.system, pytest.mark.timeout(300)]


class Guarded(NamedTuple):
    """A stack that answers nobody without a key."""

    url: str
    admin: str

    def make(self, owner: str, *scopes: str, **more: Any) -> tuple[str, str]:
        """Make a key. Returns its id and its token."""
        made = self.ask("POST", "/keys", json={"owner": owner, "scopes": scopes, **more}).json()
        return made["key"]["id"], made["token"]

    def ask(self, method: str, path: str, **more: Any) -> httpx.Response:
        headers = {"Authorization": f"Bearer {self.admin}"}
        return httpx.request(method, f"{self.url}{path}", headers=headers, timeout=60, **more).raise_for_status()


@pytest.fixture(scope="module")
def guarded() -> Generator[Guarded]:
    """A running stack with keys on."""
    (port,) = free_ports(1)
    with (
        open_directory() as directory,
        Shell(directory / "stack", {8000: port}, {"MENTIONGRAPH_KEYS": "required"}) as shell,
    ):
        shell.start("mentiongraph up", "Ctrl-C stops everything", "the stack of the page's tests with keys")
        admin = (directory / "stack" / ".mentiongraph" / "admin.key").read_text().strip()
        found = Guarded(f"http://127.0.0.1:{port}", admin)
        found.ask("POST", "/graphs", json={"name": "elections"})
        yield found


@pytest.fixture
def tab(browser: Browser, guarded: Guarded) -> Generator[Page]:
    """A tab without a key. The browser logs answers of 401 and 403 as errors, so errors are not faults here."""
    with opened(browser, guarded) as context:
        yield context.new_page()


def opened(browser: Browser, guarded: Guarded) -> BrowserContext:
    context = browser.new_context(base_url=guarded.url, viewport={"width": 1440, "height": 900})
    context.set_default_timeout(PATIENCE)
    return context


def enter(page: Page, token: str) -> None:
    page.get_by_label("Key", exact=True).fill(token)
    page.keyboard.press("Enter")


def test_a_key_is_asked_for_once_and_kept_for_the_session_alone(tab: Page, guarded: Guarded) -> None:
    tab.goto("/#/uploads")
    expect(tab.get_by_role("heading", name="This server asks for a key")).to_be_visible()
    enter(tab, guarded.admin)
    expect(tab.get_by_role("heading", name="Uploads")).to_be_visible()
    tab.reload()
    expect(tab.get_by_role("heading", name="Uploads")).to_be_visible()

    kept = tab.evaluate("[Object.values(sessionStorage), Object.values(localStorage), document.cookie, location.href]")
    assert kept[0] == [guarded.admin]
    assert guarded.admin not in str(kept[1:])
    curl = tab.locator("footer.same code").inner_text()
    assert "$MENTIONGRAPH_KEY" in curl
    assert guarded.admin not in tab.content()

    other = tab.context.new_page()
    other.goto("/")
    expect(other.get_by_role("heading", name="This server asks for a key")).to_be_visible()


def test_whose_key_it_is_is_shown_and_one_action_forgets_it(tab: Page, guarded: Guarded) -> None:
    key_id, token = guarded.make("grace", "graph:read")
    tab.goto("/")
    enter(tab, token)
    tab.get_by_role("button", name="Key: grace").click()
    box = tab.get_by_role("dialog", name="Your key")
    expect(box).to_contain_text(f"mg_{key_id}_…")
    expect(box).to_contain_text("graph:read")
    expect(box).to_contain_text(re.compile(r"Ends\s*\d+ \w+"))
    box.get_by_role("button", name="Forget this key").click()

    expect(tab.get_by_role("heading", name="This server asks for a key")).to_be_visible()
    assert tab.evaluate("sessionStorage.length") == 0


def test_a_key_that_does_not_work_says_what_to_do(tab: Page, guarded: Guarded) -> None:
    tab.goto("/")
    enter(tab, "mg_wrong")
    form = tab.locator("form")
    expect(form).to_contain_text("The token is not whole")
    expect(form).to_contain_text("Copy the whole token")

    _, ended = guarded.make("short", "graph:read", days=0.000001)
    enter(tab, ended)
    expect(form).to_contain_text("expired at")
    expect(form).to_contain_text("Ask whoever runs this server for another key")


def test_a_key_that_is_revoked_meanwhile_is_asked_for_over_the_old_rows(tab: Page, guarded: Guarded) -> None:
    key_id, token = guarded.make("tom", "uploads:write", "uploads:read")
    tab.goto("/#/uploads")
    enter(tab, token)
    expect(tab.get_by_role("heading", name="Uploads")).to_be_visible()
    guarded.ask("DELETE", f"/keys/{key_id}")

    box = tab.get_by_role("dialog", name="The key no longer works")
    expect(box).to_contain_text("If it was revoked, ask whoever runs this server for another")
    expect(tab.locator("h1", has_text="Uploads")).to_be_visible()
    assert tab.evaluate("sessionStorage.length") == 0
    box.get_by_label("Key", exact=True).fill(guarded.admin)
    tab.keyboard.press("Enter")
    expect(box).to_be_hidden()
    expect(tab.get_by_role("button", name="Key: admin")).to_be_visible()


def test_the_curl_of_every_screen_names_a_variable_and_never_the_key(tab: Page, guarded: Guarded) -> None:
    tab.goto("/")
    enter(tab, guarded.admin)
    expect(tab.get_by_role("heading", name="Add files")).to_be_visible()
    places = ["add", "uploads", "network", "users/nobody", "rankings", "operate"]
    for place in [*places, *(f"operate/{part}" for part in ("settings", "keys", "graphs", "log", "forget"))]:
        tab.goto(f"/#/{place}")
        expect(tab.locator("footer.same code")).to_contain_text('"Authorization: Bearer $MENTIONGRAPH_KEY"')
        assert guarded.admin not in tab.content()
        assert guarded.admin not in tab.url


def test_what_a_key_does_not_allow_is_not_offered(tab: Page, guarded: Guarded) -> None:
    _, token = guarded.make("reader", "graph:read")
    tab.goto("/#/add")
    enter(tab, token)
    expect(tab.get_by_text("Your key lacks the scope uploads:write.")).to_be_visible()
    expect(tab.get_by_role("button", name="Choose files")).to_be_disabled()
    tab.goto("/#/operate/keys")
    expect(tab.get_by_text("Your key lacks the scope admin.")).to_be_visible()
    expect(tab.get_by_role("button", name="Make a key")).to_have_count(0)


def test_a_key_for_one_graph_opens_that_graph(tab: Page, guarded: Guarded) -> None:
    _, token = guarded.make("eve", "graph:read", "uploads:write", graphs=["elections"])
    tab.goto("/#/uploads")
    enter(tab, token)
    expect(tab).to_have_url(re.compile("#/graphs/elections/uploads"))
    expect(tab.get_by_role("combobox", name="Graph").locator("option")).to_have_text(["elections"])
    expect(tab.get_by_text("No upload matches.")).to_be_visible()
    tab.goto("/#/graphs/secrets/uploads")
    expect(tab.get_by_role("alert").first).to_contain_text("not for this graph")


def test_keys_are_made_replaced_and_revoked(tab: Page, guarded: Guarded) -> None:
    tab.goto("/#/operate/keys")
    enter(tab, guarded.admin)
    tab.get_by_role("button", name="Make a key").click()
    tab.get_by_label("Owner: a person, a team or a program").fill("ada")
    tab.get_by_role("checkbox", name="metrics").check()
    tab.get_by_role("button", name="Make the key").click()
    token = tab.get_by_label("Token").input_value()
    own = httpx.get(f"{guarded.url}/keys/self", headers={"Authorization": f"Bearer {token}"}).json()
    assert own["owner"] == "ada"
    assert own["scopes"] == ["graph:read", "metrics", "uploads:write"]
    tab.get_by_role("button", name="I have it").click()
    assert token not in tab.content()

    row = tab.locator("tr", has_text=own["key_id"])
    row.get_by_role("button", name="Replace").click()
    tab.get_by_role("button", name="Make the new key").click()
    assert tab.get_by_label("Token").input_value() != token
    tab.get_by_role("button", name="I have it").click()

    row.get_by_role("button", name="Revoke").click()
    tab.get_by_role("button", name="Revoke the key").click()
    expect(row).to_have_count(0)
    tab.get_by_role("checkbox", name="Show those that ended").check()
    expect(row).to_contain_text("revoked")
