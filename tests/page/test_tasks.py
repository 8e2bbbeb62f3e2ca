"""What people do on the page, by mouse and by keyboard."""

from __future__ import annotations

import re
from pathlib import Path
from uuid import uuid4

import pytest
from playwright.sync_api import Page, expect

pytestmark = [pytest.mark.system, pytest.mark.timeout(300)]

EXCEL = (
    "Autor;Beitrag;Datum;Likes\n"
    "fiete_{n};Wer kommt heute? @ulla_{n};19/11/2026 17:42;3\n"
    "kai_{n};@ulla_{n} nein, aber @bremse_{n} auch;19/11/2026 22:50;11\n"
    "karla_{n};Grüße von der Brücke @dora_{n};gestern Abend;6\n"
)


@pytest.fixture
def own() -> str:
    """What makes a test's handles its own."""
    return uuid4().hex[:8]


@pytest.fixture
def excel(tmp_path: Path, own: str) -> Path:
    """A file as Excel in German writes it, with one row that can't be read."""
    file = tmp_path / f"Beiträge {own}.csv"
    file.write_bytes(EXCEL.format(n=own).encode("cp1252"))
    return file


def test_the_first_minute(page: Page, excel: Path, own: str) -> None:
    page.goto("/")
    page.get_by_label("Choose files").or_(page.locator("input[type=file]")).first.set_input_files(excel)

    text = page.get_by_role("combobox", name="What the column Beitrag is")
    expect(text).to_be_visible()
    text.select_option(label="Post text")
    expect(page.locator("mark").first).to_have_text(f"@ulla_{own}")
    expect(page.locator("tr.rej")).to_contain_text("gestern Abend")
    page.get_by_role("button", name="Count these posts").click()

    expect(page.locator(".finding")).to_contain_text("2 posts counted, with 3 mentions")
    page.get_by_role("link", name="Look at the network").click()
    expect(page).to_have_url(re.compile("#/network"))


def test_bad_rows_are_found_mended_and_sent_again(page: Page, excel: Path, own: str) -> None:
    page.goto("/")
    page.locator("input[type=file]").set_input_files(excel)
    page.get_by_role("combobox", name="What the column Beitrag is").select_option(label="Post text")
    page.get_by_role("button", name="Count these posts").click()
    page.get_by_role("link", name="repair it").click()

    page.get_by_role("button", name="Repair line 4").click()
    page.get_by_label("Datum").fill("18/11/2026 20:00")
    expect(page.get_by_role("status").filter(has_text="Reads as 1 post with 1 mention")).to_be_visible()
    page.get_by_role("button", name="Keep this repair").click()
    page.get_by_role("button", name="Send 1 row").click()
    page.get_by_role("link", name="The repaired rows are on their way").click()
    expect(page.locator("h1 .st")).to_have_text("applied")

    page.goto(f"/#/users/karla_{own}?to=dora_{own}")
    expect(page.locator(".lines mark")).to_have_text(f"@dora_{own}")


def test_an_upload_is_undone_after_its_numbers_were_shown(page: Page, excel: Path, own: str) -> None:
    page.goto("/")
    page.locator("input[type=file]").set_input_files(excel)
    page.get_by_role("combobox", name="What the column Beitrag is").select_option(label="Post text")
    page.get_by_role("button", name="Count these posts").click()
    page.get_by_role("link", name="Open the upload").click()
    page.get_by_role("button", name="Retract…").click()

    box = page.locator(".what")
    expect(box.locator("li", has_text="Mentions taken out")).to_contain_text("3")
    expect(box.locator("li", has_text="Ties that disappear")).to_contain_text("3")
    box.get_by_role("button", name="Retract the upload").click()
    expect(page.locator("h1 .st")).to_have_text("retracted")

    page.goto(f"/#/users/ulla_{own}")
    expect(page.get_by_text("Nobody mentions this user").or_(page.get_by_role("alert"))).to_be_visible()


def test_who_is_mentioned_most_by_keyboard(page: Page) -> None:
    page.goto("/")
    page.keyboard.press("g")
    page.keyboard.press("r")
    expect(page.locator("tbody tr").first).to_contain_text("Speichen_Ulla")

    page.keyboard.press("g")
    page.keyboard.press("u")
    expect(page.get_by_role("heading", name="Uploads")).to_be_visible()
    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_contain_text("Find a user")
    page.keyboard.press("Escape")
    page.keyboard.press("/")
    page.keyboard.type("kettenblatt")
    expect(page.get_by_role("listbox", name="Users").get_by_role("option")).to_have_text("kettenblatt_kai")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile("around=kettenblatt_kai"))


def test_from_a_tie_to_the_lines_that_made_it(page: Page) -> None:
    page.goto("/#/users/kettenblatt_kai")
    page.get_by_role("button", name="nabe_nils").first.click()

    expect(page.locator(".lines li")).to_have_count(10)
    expect(page.locator(".lines mark").first).to_have_text("@nabe_nils")
    expect(page.locator(".lines .ln").first).to_have_text("4431")
