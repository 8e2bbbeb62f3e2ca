"""No screen scrolls sideways, from 320 px on and at 200 % zoom, whatever names it has to show."""

from __future__ import annotations

from collections.abc import Generator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.page.conftest import opened
from tests.page.screens import SCREENS, WIDTHS

pytestmark = [pytest.mark.system, pytest.mark.timeout(300)]

WIDER = """() => {
    const held = each => {
        for (let around = each.parentElement; around && around !== document.body; around = around.parentElement)
            if (getComputedStyle(around).overflowX !== "visible") return true;
        return false;
    };
    if (document.documentElement.scrollWidth <= innerWidth) return [];
    return [...document.querySelectorAll("body *")]
        .filter(each => each.getBoundingClientRect().right > innerWidth + 1 && !held(each))
        .map(each => each.outerHTML.slice(0, 100));
}"""


@pytest.fixture(scope="module", params=SCREENS)
def shown(request: pytest.FixtureRequest, browser: Browser, stack: str, names: None) -> Generator[Page]:  # noqa: ARG001
    with opened(browser, stack) as context:
        page = context.new_page()
        SCREENS[request.param](page)
        yield page


def test_no_screen_scrolls_sideways(shown: Page) -> None:
    wide: dict[int, object] = {}
    for width in WIDTHS:
        shown.set_viewport_size({"width": width, "height": 640})
        shown.evaluate("() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
        if shown.evaluate("document.documentElement.scrollWidth") > width:
            wide[width] = shown.evaluate(WIDER)
    assert wide == {}


@pytest.mark.parametrize("width", [320, 720, 768, 1024])
def test_the_bar_has_everything_at_every_width(page: Page, width: int) -> None:
    """At 200 % zoom, too, people find users, go to each screen and get help."""
    page.set_viewport_size({"width": width, "height": 640})
    SCREENS["uploads"](page)
    for name in ("Add files", "Uploads", "Network", "Rankings", "Operate"):
        expect(page.get_by_role("navigation", name="Screens").get_by_role("link", name=name)).to_be_visible()
    for button in ("Light or dark", "Help and keys"):
        expect(page.get_by_role("button", name=button)).to_be_in_viewport()
    page.keyboard.press("/")
    field = page.get_by_role("combobox", name="Find a user")
    expect(field).to_be_focused()
    field.fill("kettenblatt")
    expect(page.get_by_role("option", name="kettenblatt_kai")).to_be_in_viewport()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Around")).to_be_visible()


def test_drawings_keep_the_size_of_their_letters(page: Page) -> None:
    for width in (320, 1440):
        page.set_viewport_size({"width": width, "height": 800})
        SCREENS["user"](page)
        letters = page.locator("svg.days .axis").first
        letters.wait_for()
        expect(page.locator("svg.days")).to_be_in_viewport()
        scale = page.locator("svg.days").evaluate(
            "each => each.getBoundingClientRect().width / each.viewBox.baseVal.width"
        )
        assert scale == pytest.approx(1, abs=0.02)
