"""Operate: the audit, graphs, who did what, and forgetting a person."""

from __future__ import annotations

import re
from uuid import uuid4

import httpx
import pytest
from playwright.sync_api import Page, expect

from tests.conftest import until

pytestmark = [pytest.mark.system, pytest.mark.timeout(300)]


def test_an_audit_is_run_and_its_result_shown(page: Page) -> None:
    page.goto("/#/operate")
    expect(page.locator("tr", has_text="scheduler")).to_contain_text("healthy")
    expect(page.locator("tr", has_text="sweep")).to_contain_text("every minute")
    page.get_by_role("button", name="Run now").click()

    expect(page.locator(".receipt")).to_contain_text(re.compile(r"Difference\s*0"))
    expect(page.locator(".finding")).to_contain_text("the graph is exact")


def test_settings_that_differ_are_shown_first(page: Page) -> None:
    page.goto("/#/operate/settings")
    expect(page.get_by_role("cell", name="MENTIONGRAPH_PORT", exact=True)).to_be_visible()
    expect(page.get_by_role("cell", name="MENTIONGRAPH_KEYS", exact=True)).to_have_count(0)
    page.get_by_role("checkbox", name="Show all").check()
    expect(page.get_by_role("cell", name="MENTIONGRAPH_KEYS", exact=True)).to_be_visible()


def test_a_graph_is_created_renamed_and_dropped(page: Page) -> None:
    name = f"g{uuid4().hex[:8]}"
    page.goto("/#/operate/graphs")
    page.get_by_role("button", name="Create a graph").click()
    page.get_by_label("Name, as it stands in addresses").fill(name)
    page.get_by_role("button", name="Create the graph").click()
    row = page.locator("tr", has_text=name)
    expect(row).to_contain_text("ready")
    expect(page.get_by_role("combobox", name="Graph").locator("option", has_text=name)).to_have_count(1)

    row.get_by_role("button", name="Change").click()
    page.get_by_label(re.compile("^Name")).fill(f"{name}x")
    page.get_by_role("button", name="Change the graph").click()
    row = page.locator("tr", has_text=f"{name}x")
    expect(row).to_contain_text("ready")

    row.get_by_role("button", name="Drop").click()
    box = page.get_by_role("dialog")
    expect(box.locator("li", has_text="Uploads")).to_contain_text("0")
    drop = box.get_by_role("button", name="Drop the graph")
    expect(drop).to_be_disabled()
    box.get_by_label(re.compile("^Type")).fill(f"{name}x")
    drop.click()
    expect(row).to_have_count(0)

    page.goto("/#/operate/log?action=graph")
    expect(page.locator("tbody tr", has_text=f"{name}x").first).to_contain_text("graph.drop")


def test_a_person_is_forgotten_after_a_dry_run(page: Page, stack: str) -> None:
    handle = f"gone_{uuid4().hex[:8]}"
    with httpx.Client(base_url=stack) as client:
        rows = f"data,timestamp,username\nhi @{handle},2026-01-01T10:00:00Z,a_{handle[5:]}\n"
        upload = client.post("/uploads", content=rows).raise_for_status().json()["id"]
        until(
            lambda: client.get(f"/uploads/{upload}").json()["state"] == "applied",
            within=60,
            what="the upload is applied",
        )
    page.goto("/#/operate/forget")
    page.get_by_role("combobox", name="Handle of the person").fill(handle)
    page.get_by_role("button", name="Count what would go").click()
    expect(page.locator(".figures li", has_text="Mentions")).to_contain_text("1")
    forget = page.get_by_role("button", name="Forget this person")
    expect(forget).to_be_disabled()
    page.get_by_label(re.compile("^Type")).fill(handle)
    forget.click()

    expect(page.get_by_text("The person is forgotten").first).to_be_visible()
    expect(page.locator(".held li").first).to_be_visible()
    assert handle not in page.url
    assert httpx.get(f"{stack}users/{handle}").status_code == 404
