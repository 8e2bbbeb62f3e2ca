"""Every screen for everybody: axe finds nothing in any look, targets are big enough, marks and names can be seen."""

from __future__ import annotations

import json
from collections.abc import Generator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from ops.release import page as built
from tests.page.conftest import opened
from tests.page.hard_names import SCRIPTS
from tests.page.screens import LOOKS, SCREENS

pytestmark = [pytest.mark.system, pytest.mark.timeout(300)]

AXE = built.DIRECTORY / "node_modules" / "axe-core" / "axe.min.js"
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
TARGET = 24
GRAPHICS = 3.0
TEXT = 4.5

SMALL = """least => [...document.querySelectorAll("a, button, input, select, summary, [role=option]")]
    .filter(each => {
        const style = getComputedStyle(each);
        const own = each.closest("label") ?? each;
        const {width, height} = own.getBoundingClientRect();
        // Links in sentences are as high as their line, and what is not shown until it has the focus has no size.
        const hidden = !width || !height || style.visibility === "hidden" || each.matches(".skip, .sr *, .sr");
        return !hidden && style.display !== "inline" && Math.min(width, height) < least - 0.01;
    })
    .map(each => each.outerHTML.slice(0, 120))"""
COLOURS = """names => {
    const probe = document.body.appendChild(document.createElement("span"));
    const found = Object.fromEntries(names.map(name => {
        probe.style.color = `var(${name})`;
        return [name, getComputedStyle(probe).color.match(/[\\d.]+/g).slice(0, 3).map(Number)];
    }));
    probe.remove();
    return found;
}"""
MOVING = """() => [...document.querySelectorAll("body *")].filter(each => {
    const {transitionDuration, animationName} = getComputedStyle(each);
    return parseFloat(transitionDuration) > 0 || animationName !== "none";
}).map(each => each.outerHTML.slice(0, 80))"""


@pytest.fixture(scope="module", params=SCREENS)
def shown(request: pytest.FixtureRequest, browser: Browser, stack: str, names: None) -> Generator[Page]:  # noqa: ARG001
    """A screen, opened once for all its tests."""
    with opened(browser, stack, bypass_csp=True, reduced_motion="reduce") as context:
        page = context.new_page()
        SCREENS[request.param](page)
        yield page


@pytest.mark.parametrize("look", [*LOOKS, "narrow"])
def test_axe_finds_nothing(shown: Page, look: str) -> None:
    if not AXE.exists():
        pytest.skip("axe-core is not here: `make page` installs it with the other packages of npm")
    plain: dict[str, Any] = {"color_scheme": "light", "forced_colors": "none", "contrast": "no-preference"}
    shown.emulate_media(**plain | dict(LOOKS.get(look, {})))
    shown.set_viewport_size({"width": 390 if look == "narrow" else 1440, "height": 900})
    shown.add_script_tag(path=AXE)
    found = shown.evaluate(f"axe.run(document, {{runOnly: {json.dumps(RULES)}}}).then(found => found.violations)")
    assert [(each["id"], [node["html"] for node in each["nodes"]]) for each in found] == []


def test_what_can_be_pressed_is_24_px_high_and_wide(shown: Page) -> None:
    for width in (390, 1440):
        shown.set_viewport_size({"width": width, "height": 900})
        assert shown.evaluate(SMALL, TARGET) == []


def test_nothing_moves_where_people_want_no_motion(shown: Page) -> None:
    assert shown.evaluate(MOVING) == []


@pytest.mark.parametrize("look", ["light", "dark"])
def test_marks_and_letters_stand_out_from_their_ground(page: Page, look: str) -> None:
    page.emulate_media(color_scheme="dark" if look == "dark" else "light")
    SCREENS["add"](page)
    grounds = ("--page", "--paper")
    graphics = ["--edge", "--focus", "--bar-1", "--bar-2"]
    dots = [*(f"--c{at}" for at in range(1, 9)), "--c-other"]
    letters = [*(f"--on-{at}" for at in range(1, 9)), "--on-other"]
    texts = ["--ink", "--ink-2", "--ink-3", "--link", "--bad", "--warn", "--good"]
    colours = page.evaluate(COLOURS, [*grounds, *graphics, *dots, *letters, *texts, "--marker", "--marker-line"])
    wanted = [
        *((mark, ground, GRAPHICS) for mark in graphics for ground in grounds),
        *((dot, "--paper", GRAPHICS) for dot in [*dots, "--marker-line"]),
        *((text, ground, TEXT) for text in texts for ground in grounds),
        *((letter, dot, TEXT) for letter, dot in zip(letters, dots, strict=True)),
        ("--ink", "--marker", TEXT),
    ]
    faint = [(one, two) for one, two, least in wanted if contrast(colours[one], colours[two]) < least]
    assert faint == []


def contrast(one: list[float], two: list[float]) -> float:
    """As WCAG 2 defines it, of two colours of sRGB."""
    lighter, darker = sorted((_luminance(one), _luminance(two)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def _luminance(colour: list[float]) -> float:
    parts = [part / 255 for part in colour]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return sum(part * weight for part, weight in zip(linear, (0.2126, 0.7152, 0.0722), strict=True))


@pytest.mark.usefixtures("names")
@pytest.mark.parametrize(
    ("address", "cells"),
    [
        ("/#/users/kettenblatt_kai", "section:has(h2:text-is('Is mentioned by')) .pr bdi"),
        ("/#/network?around=kettenblatt_kai&steps=1", ".twin td.nm bdi"),
    ],
)
def test_names_of_every_script_begin_where_the_others_do(page: Page, address: str, cells: str) -> None:
    page.goto(address)
    for handle in SCRIPTS:
        page.locator(cells).get_by_text(handle, exact=True).first.wait_for()
    begins = page.locator(cells).evaluate_all("all => all.map(each => Math.round(each.getBoundingClientRect().left))")
    assert len(set(begins)) == 1


@pytest.mark.usefixtures("names")
def test_a_file_keeps_its_ending_at_its_end(page: Page) -> None:
    page.goto("/#/uploads?text=2026.csv")
    name = page.locator("tbody a.fn").filter(has_text="תקציר").first
    name.wait_for()
    # The ending is a run of its own, so the letters of the name can't draw it to their side.
    assert name.locator("bdi bdi").first.inner_text().endswith("2026")


@pytest.mark.parametrize("look", ["forced colours"])
def test_what_is_chosen_shows_in_forced_colours(page: Page, look: str) -> None:
    page.emulate_media(**LOOKS[look])
    SCREENS["user"](page)
    pressed = page.locator(".seg [aria-pressed=true]").first
    other = page.locator(".seg [aria-pressed=false]").first
    ground = "each => getComputedStyle(each).backgroundColor"
    assert pressed.evaluate(ground) != other.evaluate(ground)
    bar = "each => getComputedStyle(each, '::after').backgroundColor"
    assert page.locator(".nav a[aria-current]").evaluate(bar) != page.locator(".top").evaluate(ground)
