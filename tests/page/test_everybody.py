"""Every screen for everybody: axe finds nothing, nothing scrolls sideways, in light, dark and forced colours."""

from __future__ import annotations

import json
import subprocess
from itertools import product
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from ops.release import page as built
from tests.page.conftest import PATIENCE

pytestmark = [pytest.mark.system, pytest.mark.timeout(300)]

SCREENS = {
    "add": ("/#/add", ".dropz"),
    "uploads": ("/#/uploads", "tbody tr"),
    "user": ("/#/users/kettenblatt_kai?to=nabe_nils", ".lines li"),
    "network": (
        "/#/network?around=kettenblatt_kai&tie=kettenblatt_kai,nabe_nils&path=kettenblatt_kai,kawkab_rim",
        "main.network:not([aria-busy=true]) .lines li",
    ),
    "network of all": ("/#/network?list=ties", "main.network:not([aria-busy=true]) .twin tbody tr"),
    "rankings": ("/#/rankings", "tbody tr"),
    "operate": ("/#/operate", ".receipt, .cols .panel + .panel"),
    "settings": ("/#/operate/settings", "tbody tr"),
    "keys": ("/#/operate/keys", "main .panel"),
    "graphs": ("/#/operate/graphs", "tbody tr"),
    "log": ("/#/operate/log", "main .panel"),
    "forget": ("/#/operate/forget", "#forget"),
    "ties": ("/#/rankings?list=edges", "tbody tr"),
}
LOOKS: dict[str, dict[str, Any]] = {
    "light": {"color_scheme": "light"},
    "dark": {"color_scheme": "dark"},
    "forced": {"forced_colors": "active"},
}
AXE = built.DIRECTORY / "node_modules" / "axe-core" / "axe.min.js"
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]


def opened(page: Page, screen: str) -> None:
    address, ready = SCREENS[screen]
    page.goto(address)
    page.wait_for_selector(ready)


@pytest.mark.parametrize(("screen", "look"), list(product(SCREENS, LOOKS)))
def test_axe_finds_nothing(browser: Browser, stack: str, screen: str, look: str) -> None:
    if not AXE.exists():
        pytest.skip("axe-core is not here: `make page` installs it")
    with browser.new_context(base_url=stack, bypass_csp=True, **LOOKS[look]) as context:
        context.set_default_timeout(PATIENCE)
        page = context.new_page()
        opened(page, screen)
        page.add_script_tag(path=AXE)
        found = page.evaluate(f"axe.run(document, {{runOnly: {json.dumps(RULES)}}}).then(found => found.violations)")
        assert [(each["id"], [node["html"] for node in each["nodes"]]) for each in found] == []


@pytest.mark.parametrize("screen", SCREENS)
def test_nothing_scrolls_sideways_on_a_narrow_screen(browser: Browser, stack: str, screen: str) -> None:
    with browser.new_context(base_url=stack, viewport={"width": 320, "height": 640}) as context:
        context.set_default_timeout(PATIENCE)
        page = context.new_page()
        opened(page, screen)
        assert page.evaluate("document.documentElement.scrollWidth") <= 320


@pytest.mark.parametrize("screen", SCREENS)
def test_each_screen_shows_the_curl_for_its_data(page: Page, screen: str) -> None:
    opened(page, screen)
    command = page.locator("footer.same code").inner_text()
    assert command.startswith("curl ")
    if "--data-binary" in command or "--request" in command:
        return
    asked = subprocess.run(
        ["/bin/sh", "-c", f"{command} --silent --show-error --fail"], capture_output=True, check=False
    )
    assert asked.returncode == 0, asked.stderr
    assert isinstance(json.loads(asked.stdout), dict)
