"""Everything by keyboard: places, lists, boxes, the network; the focus is seen, and it comes back."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from tests.page.conftest import Keys
from tests.page.screens import AROUND, NETWORK, SCREENS, upload

pytestmark = [pytest.mark.system, pytest.mark.timeout(300)]

STOPS = 30
FOCUSED = """() => {
    const each = document.activeElement;
    if (!each || each === document.body) return null;
    const drawn = one => {
        const {outlineStyle, outlineWidth} = getComputedStyle(one);
        return outlineStyle !== "none" && parseFloat(outlineWidth) >= 2;
    };
    // Fields in a frame of their own have the line around the frame; handles of sliders have it around the handle.
    const around = [...document.querySelectorAll(":focus-within")];
    const seen = drawn(each) || each.matches("input[type=range]") || around.some(drawn);
    const {left, right, top, bottom} = each.getBoundingClientRect();
    const inside = right > 0 && bottom > 0 && left < innerWidth && top < innerHeight;
    return {what: each.outerHTML.slice(0, 100), seen, inside};
}"""


@pytest.mark.parametrize(
    ("key", "heading"), [("a", "Add files"), ("u", "Uploads"), ("n", "All users"), ("r", "Rankings"), ("o", "Operate")]
)
def test_two_letters_go_to_a_screen_which_takes_the_focus(page: Page, key: str, heading: str) -> None:
    SCREENS["rankings" if key == "a" else "add"](page)
    page.keyboard.press("g")
    page.keyboard.press(key)
    expect(page.get_by_role("heading", name=heading, exact=True, level=1)).to_be_visible()
    expect(page.locator("main")).to_be_focused()
    expect(page.locator("#live")).not_to_be_empty()


@pytest.mark.parametrize("screen", ["add", "uploads", "upload", "network", "user", "rankings", "operate", "settings"])
def test_the_focus_is_always_seen(page: Page, screen: str) -> None:
    SCREENS[screen](page)
    for _ in range(STOPS):
        page.keyboard.press("Tab")
        found = page.evaluate(FOCUSED)
        assert found is None or (found["seen"] and found["inside"]), found


def test_the_focus_goes_in_the_order_of_reading(page: Page) -> None:
    SCREENS["rankings"](page)
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("main")).to_be_focused()
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Mentioned most now")).to_be_focused()
    follows = "(one, two) => !!(one.compareDocumentPosition(two) & Node.DOCUMENT_POSITION_FOLLOWING)"
    for _ in range(STOPS):
        before = page.evaluate_handle("document.activeElement")
        page.keyboard.press("Tab")
        now = page.evaluate_handle("document.activeElement")
        if page.evaluate("now => now === document.body", now):
            return
        assert page.evaluate(f"([one, two]) => ({follows})(one, two)", [before, now])


def test_help_lists_what_works_here_and_gives_the_focus_back(page: Page, keys: Keys) -> None:
    SCREENS["rankings"](page)
    keys.to("link", "Trending")
    page.keyboard.press("?")
    box = page.get_by_role("dialog", name="Help and keys")
    expect(box).to_contain_text("Next user")
    expect(box).to_contain_text("Find a user")
    page.keyboard.press("g")
    page.keyboard.press("u")
    expect(page.locator("main.rankings")).to_be_attached()
    page.keyboard.press("Escape")
    expect(box).to_have_count(0)
    expect(page.get_by_role("link", name="Trending")).to_be_focused()


def test_single_letters_are_switched_off_and_stay_off(page: Page, keys: Keys) -> None:
    SCREENS["rankings"](page)
    page.keyboard.press("?")
    keys.to("checkbox", "Single letters are shortcuts")
    page.keyboard.press("Space")
    page.keyboard.press("Escape")
    for _ in range(2):
        page.keyboard.press("g")
        page.keyboard.press("u")
        page.keyboard.press("?")
        expect(page.get_by_role("dialog")).to_have_count(0)
        expect(page.get_by_role("heading", name="Rankings")).to_be_visible()
        page.reload()
        page.locator("tbody tr").first.wait_for()

    keys.use("button", "Help and keys")
    keys.to("checkbox", "Single letters are shortcuts")
    page.keyboard.press("Space")
    page.keyboard.press("Escape")
    page.keyboard.press("g")
    page.keyboard.press("u")
    expect(page.get_by_role("heading", name="Uploads")).to_be_visible()


def test_a_field_takes_letters_as_letters(page: Page) -> None:
    SCREENS["rankings"](page)
    page.keyboard.press("/")
    page.keyboard.type("gu?x")
    expect(page.get_by_role("combobox", name="Find a user")).to_have_value("gu?x")
    page.keyboard.press("Escape")
    expect(page.get_by_role("heading", name="Rankings")).to_be_visible()


def test_uploads_are_walked_selected_and_opened(page: Page) -> None:
    page.goto("/#/uploads?text=.csv")
    page.locator("tbody tr").first.wait_for()
    page.keyboard.press("j")
    expect(page.locator("tbody tr").first.locator("a.fn")).to_be_focused()
    page.keyboard.press("x")
    expect(page.get_by_role("region", name="Selected uploads")).to_contain_text("1 selected")
    page.keyboard.press("Escape")
    expect(page.get_by_role("region", name="Selected uploads")).to_have_count(0)
    page.keyboard.press("a")
    expect(page.get_by_role("region", name="Selected uploads")).to_be_visible()
    page.keyboard.press("Escape")
    page.keyboard.press("Enter")
    expect(page.locator("main.upload h1")).to_be_visible()


def test_rankings_are_walked_and_opened(page: Page) -> None:
    SCREENS["rankings"](page)
    names = page.locator("tbody a")
    page.keyboard.press("j")
    expect(names.nth(0)).to_be_focused()
    page.keyboard.press("j")
    page.keyboard.press("ArrowDown")
    expect(names.nth(2)).to_be_focused()
    page.keyboard.press("k")
    handle = names.nth(1).inner_text()
    page.keyboard.press("Enter")
    expect(page.locator("main.user h1")).to_have_text(handle)


def test_a_box_takes_the_focus_and_gives_it_back(page: Page, keys: Keys) -> None:
    upload(page)
    keys.use("button", "Retract…")
    box = page.locator(".what")
    expect(box).to_be_visible()
    expect(page.locator("section:has(> .what)")).to_be_focused()
    page.keyboard.press("Escape")
    expect(box).to_have_count(0)
    expect(page.get_by_role("button", name="Retract…")).to_be_focused()


def test_a_row_is_repaired_where_the_focus_was(page: Page) -> None:
    upload(page)
    page.keyboard.press("j")
    page.keyboard.press("j")
    button = page.locator("[data-line]").nth(1)
    expect(button).to_be_focused()
    line = button.get_attribute("data-line")
    page.keyboard.press("Enter")
    expect(page.locator(".flds input.wrong")).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.locator(f"[data-line='{line}']")).to_be_focused()


def test_saving_gives_the_focus_back(page: Page, keys: Keys) -> None:
    SCREENS["network"](page)
    keys.use("button", "Save as…")
    expect(page.get_by_role("dialog")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(page.get_by_role("button", name="Save as…")).to_be_focused()


def test_the_twin_of_the_drawing_is_walked_and_told(page: Page) -> None:
    page.goto(AROUND)
    page.locator(f"{NETWORK} .twin tbody tr").first.wait_for()
    page.get_by_role("table", name=re.compile("^Drawn users")).focus()
    told = []
    for _ in range(3):
        page.keyboard.press("ArrowDown")
        expect(page.locator("#live")).to_have_text(re.compile(r"rank \d+, .* mentioned \d+ times?, \d+ ties? drawn$"))
        told.append(page.locator("#live").inner_text().split(",")[0])
    assert len(set(told)) == 3
    expect(page.locator(".twin tr.cursor")).to_contain_text(told[-1])
    page.keyboard.press("Enter")
    expect(page.locator(".side h2")).to_contain_text(told[-1])
