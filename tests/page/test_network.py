"""The network: who surrounds whom, by mouse and by keyboard, as a drawing and as a table, and as a file."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.page import labels
from tests.page.hard_names import SCRIPTS

pytestmark = [pytest.mark.system, pytest.mark.timeout(300)]

AROUND = "/#/network?around=kettenblatt_kai"


def drawn(page: Page, address: str = AROUND) -> None:
    page.goto(address)
    page.wait_for_selector("main.network:not([aria-busy=true]) .canvas canvas")
    expect(page.locator(".tally")).to_contain_text(re.compile("users?"))


def tally(page: Page) -> tuple[int, int]:
    """Ties and users that are drawn."""
    found = re.search(r"([\d,]+) of [\d,]+ ties, ([\d,]+) users", page.locator(".tally").inner_text())
    assert found
    ties, users = (int(each.replace(",", "")) for each in found.groups())
    return ties, users


def test_arrow_keys_walk_the_ranked_users_and_enter_selects(page: Page) -> None:
    drawn(page)
    page.locator(".canvas").focus()
    page.keyboard.press("Home")
    page.keyboard.press("ArrowDown")
    live = page.locator("#live")
    expect(live).to_have_text(re.compile(r"^\w+, rank \d+, community [A-H], mentioned \d+ times?, \d+ ties? drawn$"))
    handle = live.inner_text().split(",")[0]
    page.keyboard.press("Enter")

    expect(page.locator(".side h2")).to_contain_text(handle)
    expect(page.locator(".twin tr.sel")).to_contain_text(handle)
    expect(page).to_have_url(re.compile(f"user={handle.lower()}"))


def test_a_tie_leads_to_the_lines_that_made_it(page: Page) -> None:
    drawn(page)
    page.locator(".side").get_by_role("button", name="nabe_nils").click()

    expect(page.locator(".lines mark").first).to_have_text(re.compile("[@＠]nabe_nils", re.IGNORECASE))
    expect(page.locator(".pt.on")).to_contain_text("nabe_nils")
    page.reload()
    expect(page.locator(".pt.on")).to_contain_text("nabe_nils")


def test_filters_take_away_and_are_in_the_address(page: Page) -> None:
    drawn(page)
    ties, users = tally(page)
    page.keyboard.press("w")
    page.keyboard.press("End")
    expect(page).to_have_url(re.compile("least="))
    fewer, fewer_users = tally(page)
    assert fewer < ties
    assert fewer_users < users
    page.keyboard.press("Home")
    expect(page.locator(".tally")).to_contain_text(f"{ties} of")

    page.get_by_role("button", name=re.compile("^A ")).click()
    expect(page).to_have_url(re.compile("off=A"))
    assert tally(page)[1] < users


def test_a_user_is_expanded_and_hidden_and_brought_back(page: Page) -> None:
    drawn(page, "/#/network?around=kettenblatt_kai&steps=1")
    before = tally(page)[1]
    page.get_by_role("button", name="Speichen_Ulla").first.click()
    page.locator(".twin").get_by_role("button", name="Speichen_Ulla").click()
    page.get_by_role("button", name="Expand").click()
    expect(page.get_by_role("button", name="Take back 1 expanded")).to_be_visible()
    assert tally(page)[1] >= before

    page.get_by_role("button", name="Hide", exact=True).click()
    expect(page.locator(".twin").get_by_role("button", name="Speichen_Ulla")).to_have_count(0)
    page.get_by_role("button", name="Show 1 hidden").click()
    expect(page.locator(".twin").get_by_role("button", name="Speichen_Ulla")).to_have_count(1)


def test_a_path_is_found_by_keyboard(page: Page) -> None:
    drawn(page)
    page.keyboard.press("p")
    page.get_by_role("combobox", name="Path to which user").fill("najm")
    expect(page.locator(".side .found li").first).to_be_visible()
    page.keyboard.press("Enter")

    expect(page.locator(".path")).to_contain_text("Path to")
    expect(page.locator(".path li").first).to_contain_text("kettenblatt_kai")


@pytest.mark.parametrize(
    ("kind", "begins"), [("PNG", b"\x89PNG"), ("SVG", b"<svg"), ("HTML", b"<!doctype html>"), ("GEXF", b"<?xml")]
)
def test_the_picture_is_saved(page: Page, tmp_path: Path, kind: str, begins: bytes) -> None:
    drawn(page)
    page.get_by_role("button", name="Save as…").click()
    with page.expect_download() as download:
        page.get_by_text(f"Save {kind}").click()
    file = tmp_path / "saved"
    download.value.save_as(file)
    assert file.read_bytes().startswith(begins)


def test_the_saved_page_needs_nothing_else(page: Page, tmp_path: Path) -> None:
    drawn(page)
    page.get_by_role("button", name="Save as…").click()
    with page.expect_download() as download:
        page.get_by_text("Save HTML").click()
    file = tmp_path / "saved.html"
    download.value.save_as(file)
    text = file.read_text()
    assert "<script" not in text
    assert not re.search(r"(?:src|href)=", text)

    saved = page.context.new_page()
    saved.goto(file.as_uri())
    expect(saved.locator("svg text").filter(has_text=re.compile("^kettenblatt_kai$"))).to_have_count(1)
    expect(saved.get_by_role("cell", name="kettenblatt_kai", exact=True).first).to_be_visible()


def test_the_same_graph_is_drawn_alike_each_time(page: Page, tmp_path: Path) -> None:
    pictures = []
    for turn in range(2):
        drawn(page)
        page.get_by_role("button", name="Save as…").click()
        with page.expect_download() as download:
            page.get_by_text("Save SVG").click()
        file = tmp_path / f"{turn}.svg"
        download.value.save_as(file)
        pictures.append(file.read_text())
        page.goto("about:blank")
    assert pictures[0] == pictures[1]


def test_nobody_is_said_to_be_nobody(page: Page) -> None:
    # A tab of its own: the browser logs the answer 404 as an error.
    own = page.context.new_page()
    own.goto("/#/network?around=nobody_of_this_name")
    expect(own.get_by_role("alert")).to_contain_text("nobody_of_this_name")


def test_no_ties_are_said_to_be_none(page: Page) -> None:
    drawn(page, f"{AROUND}&least=5000")
    page.get_by_role("button", name="Lower it to 1").click()
    assert tally(page)[0] > 0


@pytest.mark.usefixtures("names")
def test_names_of_any_script_are_drawn_and_do_not_lie_on_one_another(page: Page, tmp_path: Path) -> None:
    drawn(page, "/#/network?around=kettenblatt_kai&steps=1")
    page.get_by_role("button", name="Save as…").click()
    with page.expect_download() as download:
        page.get_by_text("Save SVG").click()
    file = tmp_path / "saved.svg"
    download.value.save_as(file)
    saved = page.context.new_page()
    saved.goto(file.as_uri())
    names = [each for each in labels.texts(saved) if each["name"]]

    assert labels.overlapping(names) == []
    assert {each["text"] for each in names} >= set(SCRIPTS)
    # No text leaves the sheet, at whichever of its ends it begins.
    sheet = saved.locator("svg").bounding_box()
    assert sheet
    assert all(sheet["x"] <= each["x"] and each["x"] + each["width"] <= sheet["x"] + sheet["width"] for each in names)
