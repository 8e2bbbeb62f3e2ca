"""Every screen of the page, with its boxes and its parts, and the looks and widths in which people see them."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote

from playwright.sync_api import Page, Route, expect

from tests.page.conftest import SAMPLE
from tests.page.hard_names import LONG, SCRIPTS

Way = Callable[[Page], None]

LOOKS: Mapping[str, Mapping[str, Any]] = {
    "light": {"color_scheme": "light"},
    "dark": {"color_scheme": "dark"},
    "forced colours": {"forced_colors": "active"},
    "more contrast": {"contrast": "more"},
}
WIDTHS = (320, 360, 390, 480, 640, 720, 768, 900, 1024, 1280, 1440)
"""CSS pixels. At 200 % zoom, windows of 1280 and 1440 are the 640 and 720 here."""


def to(address: str, ready: str) -> Way:
    """Open an address, and wait for what shows that the screen has its data."""

    def way(page: Page) -> None:
        page.goto(address)
        page.locator(ready).first.wait_for()

    return way


def then(first: Way, *press: str, ready: str) -> Way:
    """Press buttons of a screen, each found by its text, and wait for what they open."""

    def way(page: Page) -> None:
        first(page)
        for text in press:
            page.get_by_role("button", name=re.compile(text)).first.click()
        page.locator(ready).first.wait_for()

    return way


def typed(first: Way, *keys: str, ready: str) -> Way:
    """Press keys on a screen, and wait for what they open."""

    def way(page: Page) -> None:
        first(page)
        for key in keys:
            page.keyboard.press(key)
        page.locator(ready).first.wait_for()

    return way


def preview(page: Page) -> None:
    to("/#/add", ".dropz")(page)
    page.locator("input[type=file]").set_input_files(SAMPLE)
    page.locator(".rows tbody tr").first.wait_for()
    expect(page.get_by_role("button", name="Count these posts")).to_be_enabled()


def upload(page: Page) -> None:
    entry = page.request.get("/uploads?text=sample.csv&state=applied&limit=1").json()["uploads"][0]
    to(f"/#/uploads/{entry['id']}", ".timeline")(page)
    page.locator("[data-line]").first.wait_for()


def asked_for_a_key(page: Page) -> None:
    """The page of a server that wants keys: the answers of the API are those of such a server."""

    def refuse(route: Route) -> None:
        problem = {"type": "urn:mentiongraph:no-key", "title": "A key is needed", "status": 401, "detail": "no key"}
        route.fulfill(status=401, content_type="application/problem+json", body=json.dumps(problem))

    page.route(re.compile(r"/(keys|uploads|graphs|users)\b"), refuse)
    to("/#/uploads", "input[type=password]")(page)


NETWORK = "main.network:not([aria-busy=true])"
AROUND = "/#/network?around=kettenblatt_kai"

SCREENS: Mapping[str, Way] = {
    "add": to("/#/add", ".dropz"),
    "preview": preview,
    "uploads": to("/#/uploads", "tbody tr"),
    "uploads selected": typed(to("/#/uploads", "tbody tr"), "j", "x", ready=".bulk"),
    "no uploads": to("/#/uploads?text=there+is+no+such+file", ".empty"),
    "upload": upload,
    "upload, events": then(upload, "^Events", ready=".events tbody tr"),
    "upload, before it is retracted": then(upload, "^Retract", ready=".what li"),
    "upload, repair": then(upload, "^Repair line", ready=".flds input"),
    "network": to(f"{AROUND}&tie=kettenblatt_kai,nabe_nils&path=kettenblatt_kai,kawkab_rim", f"{NETWORK} .lines li"),
    "network of all": to("/#/network?list=ties", f"{NETWORK} .twin tbody tr"),
    "network, save": then(to(AROUND, f"{NETWORK} .twin"), "^Save as", ready="dialog"),
    "user": to("/#/users/kettenblatt_kai", ".pr"),
    "tie": to("/#/users/kettenblatt_kai?to=nabe_nils", ".lines li"),
    "long names": to(f"/#/users/{LONG}?from={quote(SCRIPTS[0])}", ".lines li"),
    "rankings": to("/#/rankings", "tbody tr"),
    "ties": to("/#/rankings?list=edges", "tbody tr"),
    "trends": to("/#/rankings?list=trending", ".finding"),
    "operate": to("/#/operate", ".kv"),
    "settings": to("/#/operate/settings", "tbody tr"),
    "keys": to("/#/operate/keys", "main h2, main .finding, main table"),
    "graphs": to("/#/operate/graphs", "tbody tr"),
    "who did what": to("/#/operate/log", "main h2, main .finding, main table"),
    "forget": to("/#/operate/forget", "main input"),
    "help": typed(to("/#/uploads", "tbody tr"), "?", ready="dialog"),
    "key": asked_for_a_key,
}
