"""Uploads in bulk: selected by mouse and by keyboard, counted first, changed, and each refusal told."""

from __future__ import annotations

import re
from uuid import uuid4

import httpx
import pytest
from playwright.sync_api import Page, Route, expect

from tests.conftest import until

pytestmark = [pytest.mark.system, pytest.mark.timeout(300)]


@pytest.fixture
def word(stack: str) -> str:
    """A word that the names of four applied uploads have in them, and those of no other."""
    word = uuid4().hex[:8]
    with httpx.Client(base_url=stack) as client:
        sent = [
            client.post(
                "/uploads",
                params={"filename": f"{word} {number}.csv"},
                content=f"data,timestamp,username\nhi @b_{word},2026-01-01T10:0{number}:00Z,a_{word}\n",
            )
            .raise_for_status()
            .json()["id"]
            for number in range(4)
        ]
        for each in sent:
            until(
                lambda each=each: client.get(f"/uploads/{each}").json()["state"] == "applied",
                within=60,
                what="an upload is applied",
            )
    return word


def listed(page: Page, word: str) -> None:
    page.goto(f"/#/uploads?text={word}")
    expect(page.locator("tbody tr")).to_have_count(4)


def test_rows_are_selected_and_retracted_by_mouse(page: Page, word: str) -> None:
    listed(page, word)
    bar = page.get_by_role("region", name="Selected uploads")
    boxes = page.locator("tbody").get_by_role("checkbox")
    boxes.nth(0).click()
    boxes.nth(2).click(modifiers=["Shift"])
    expect(bar).to_contain_text("3 selected")
    expect(bar.get_by_role("button", name="Cancel 0")).to_have_attribute("aria-disabled", "true")
    bar.get_by_role("button", name="Retract 3").click()

    box = page.get_by_role("dialog")
    expect(box.locator("li", has_text="Uploads retracted")).to_contain_text("3")
    expect(box.locator("li", has_text="Mentions taken out")).to_contain_text("3")
    box.get_by_role("button", name="Retract 3 uploads").click()
    expect(box.get_by_role("status")).to_contain_text("3 uploads are being taken out of the graph.")
    box.get_by_role("button", name="Back to the list").click()
    expect(bar).to_be_hidden()
    expect(page.locator("tbody .st", has_text="retracted")).to_have_count(3)
    expect(page.locator("tbody .st", has_text="applied")).to_have_count(1)


def test_all_that_match_are_retracted_by_keyboard(page: Page, word: str) -> None:
    listed(page, word)
    for key in ("j", "x", "j", "j", "Shift+X"):
        page.keyboard.press(key)
    bar = page.get_by_role("region", name="Selected uploads")
    expect(bar).to_contain_text("3 selected")
    page.keyboard.press("Escape")
    expect(bar).to_be_hidden()
    page.keyboard.press("a")
    expect(bar).to_contain_text("All 4 selected")
    expect(bar.get_by_role("button", name="Retract 4")).to_be_visible()
    page.keyboard.press("t")
    verb = page.get_by_role("dialog").get_by_role("button", name="Retract 4 uploads")
    expect(verb).to_be_visible()
    verb.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog").get_by_role("status")).to_contain_text("4 uploads are being taken out")
    page.keyboard.press("Escape")
    expect(page.locator("tbody .st", has_text="retracted")).to_have_count(4)


def test_nothing_is_done_if_the_number_has_changed(page: Page, stack: str, word: str) -> None:
    # A tab of its own: the browser logs the answer 409 as an error.
    own = page.context.new_page()
    listed(own, word)
    own.keyboard.press("a")
    own.get_by_role("button", name="Retract 4").click()
    with httpx.Client(base_url=stack) as client:
        first = client.get("/uploads", params={"text": word}).json()["uploads"][0]["id"]
        client.post(f"/uploads/{first}/retract").raise_for_status()
    box = own.get_by_role("dialog")
    box.get_by_role("button", name="Retract 4 uploads").click()

    expect(box.get_by_role("alert")).to_contain_text("nothing was done")
    box.get_by_role("button", name="Count again").click()
    expect(box.get_by_role("button", name="Retract 3 uploads")).to_be_enabled()
    box.get_by_role("button", name="Retract 3 uploads").click()
    expect(box.get_by_role("status")).to_contain_text("3 uploads are being taken out")


def test_the_problem_of_a_single_upload_is_shown(page: Page, word: str) -> None:
    listed(page, word)

    def refuse(route: Route) -> None:
        if '"action"' not in (route.request.post_data or ""):
            route.continue_()
            return
        answer = route.fetch()
        changed = answer.json()
        changed["uploads"][0] |= {"outcome": "refused", "detail": "the upload holds what cannot be taken out."}
        changed |= {"done": changed["done"] - 1, "refused": 1}
        route.fulfill(response=answer, json=changed)

    page.route("**/uploads/bulk", refuse)
    page.keyboard.press("a")
    page.get_by_role("button", name="Retract 4").click()
    box = page.get_by_role("dialog")
    box.get_by_role("button", name="Retract 4 uploads").click()

    expect(box.get_by_role("status")).to_contain_text(re.compile("3 uploads are .* 1 was refused"))
    expect(box.locator(".refused")).to_contain_text(f"{word} 3.csv")
    expect(box.locator(".refused")).to_contain_text("cannot be taken out")
