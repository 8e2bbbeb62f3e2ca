"""The first minute: files as people have them are dropped, understood, corrected, counted, and seen as a network."""

from __future__ import annotations

import json
import re
import time
import zipfile
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.page.test_tasks import own

__all__ = ["own"]

pytestmark = [pytest.mark.system, pytest.mark.timeout(300)]

ODD = (
    "Nr;Wer;Wann;Was geschrieben wurde\n"
    "1;ana_{n};31/12/2025 14:05;Grüße an @bea_{n}; bis später\n"
    "2;bea_{n};01/02/2026 09:30;Danke @ana_{n} – schön\n"
    "3;cyd_{n};gestern;Auch @bea_{n}\n"
)
MINUTE = 60.0


@pytest.fixture
def odd(tmp_path: Path, own: str) -> Path:
    """A table with semicolons and columns of unusual names; a text with a semicolon of its own."""
    file = tmp_path / f"Auszug {own}.csv"
    lines = ODD.format(n=own).splitlines()
    text = "\n".join(
        ";".join([*head, f'"{";".join(rest)}"'])
        for head, rest in ((line.split(";")[:3], line.split(";")[3:]) for line in lines)
    )
    file.write_bytes(text.encode("cp1252"))
    return file


@pytest.fixture
def answer(tmp_path: Path, own: str) -> Path:
    """A page of posts as an API answers it, with its users apart."""
    file = tmp_path / f"page-{own}.json"
    posts = [
        {"id": f"{own}{n}", "text": f"hello @p{n}_{own}", "created_at": "2026-01-20T10:00:00Z", "author_id": "1"}
        for n in range(3)
    ]
    users = [{"id": "1", "username": f"q_{own}"}]
    file.write_text(json.dumps({"data": posts, "includes": {"users": users}, "meta": {"result_count": 3}}))
    return file


@pytest.fixture
def zipped(tmp_path: Path, own: str) -> Path:
    """A zip with two files of posts."""
    file = tmp_path / f"week {own}.zip"
    with zipfile.ZipFile(file, "w") as archive:
        for day in ("mon", "tue"):
            rows = f"data,timestamp,username\nhi @{day}_{own},2026-01-01T10:00:00Z,za_{own}\n"
            archive.writestr(f"{day}.csv", rows)
    return file


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    """A file that is no text."""
    file = tmp_path / "picture.csv"
    file.write_bytes(bytes(range(256)) * 8)
    return file


def choose(page: Page, *files: Path) -> None:
    page.goto("/")
    page.locator("input[type=file]").set_input_files(files)


def counted(page: Page) -> None:
    page.get_by_role("button", name="Count these posts").click()
    expect(page.get_by_role("link", name="Look at the network")).to_be_visible()


def test_a_file_with_odd_columns_becomes_a_network_within_a_minute(page: Page, odd: Path, own: str) -> None:
    began = time.monotonic()
    choose(page, odd)
    expect(page.locator(".rd", has_text="Separator").locator("select")).to_have_value(";")
    page.get_by_role("combobox", name="What the column Was geschrieben wurde is").select_option(label="Post text")
    page.get_by_role("combobox", name="What the column Wer is").select_option(label="Author")
    page.get_by_role("combobox", name="What the column Wann is").select_option(label="Time")
    expect(page.locator("mark").first).to_have_text(f"@bea_{own}")
    expect(page.locator("tr.rej")).to_contain_text("gestern")
    counted(page)
    expect(page.locator(".files .st")).to_have_text("applied")
    page.get_by_role("link", name=re.compile("See who surrounds")).click()

    page.wait_for_selector("main.network:not([aria-busy=true]) .canvas canvas")
    expect(page.locator(".twin tbody")).to_contain_text(f"ana_{own}")
    assert time.monotonic() - began < MINUTE


def test_what_a_file_leaves_open_is_asked_in_its_place(page: Page, tmp_path: Path, own: str) -> None:
    file = tmp_path / "tweets.csv"
    file.write_text(
        "tweet_id,in_reply_to_status_id,timestamp,source,text\n"
        f'{own},,2013-11-19 20:00:17 +0000,"<a href=""http://example.org"">App</a>",good one @bea_{own}\n'
    )
    choose(page, file)
    expect(page.get_by_role("button", name="Count these posts")).to_be_disabled()
    page.get_by_role("textbox", name="Who wrote these posts?").fill(f"ana_{own}")
    page.get_by_role("button", name="Use it").click()

    expect(page.locator("mark").first).to_have_text(f"@bea_{own}")
    counted(page)
    expect(page.locator(".finding")).to_contain_text("1 post counted, with 1 mention")


def test_an_answer_of_an_api_is_understood(page: Page, answer: Path, own: str) -> None:
    choose(page, answer)
    expect(page.get_by_role("combobox", name="What the column text is")).to_have_value("text")
    expect(page.get_by_role("combobox", name="What the column author.username is")).to_have_value("author")
    expect(page.locator("mark").first).to_have_text(f"@p0_{own}")
    counted(page)
    expect(page.locator(".finding")).to_contain_text("3 posts counted, with 3 mentions")


def test_several_files_at_once_and_one_that_cannot_be_read(
    page: Page, odd: Path, answer: Path, zipped: Path, picture: Path
) -> None:
    choose(page, zipped, answer, picture, odd)
    files = page.locator(".files li")
    expect(files.nth(0)).to_contain_text("Ready")
    expect(files.nth(1)).to_contain_text("Ready")
    expect(files.nth(2)).to_contain_text("Can’t be read")
    files.nth(2).get_by_role("button").click()
    told = page.get_by_role("alert")
    expect(told).to_contain_text("This file can’t be read as posts.")
    expect(told).to_contain_text("byte 129 is not UTF-8")
    expect(told).to_contain_text("Save the posts as CSV, Excel, JSON or Parquet")
    page.get_by_role("button", name="Leave it out").click()
    expect(files).to_have_count(3)

    page.get_by_role("button", name=re.compile(r"Count \d files")).click()
    expect(files.nth(0)).to_contain_text("applied")
    expect(files.nth(1)).to_contain_text("applied")


def test_the_first_minute_by_keyboard(page: Page, answer: Path) -> None:
    # From the start on: Chromium hears of `expect_file_chooser` later than of a key that follows at once.
    page.on("filechooser", lambda chooser: chooser.set_files(answer))
    page.goto("/")
    expect(page.get_by_role("heading").first).to_be_visible()
    page.keyboard.press("g")
    page.keyboard.press("a")
    expect(page.locator("main")).to_be_focused()
    page.get_by_role("button", name="Choose files").focus()
    page.keyboard.press("Enter")
    first = page.get_by_role("button", name="Count these posts")
    expect(first).to_be_enabled()
    first.focus()
    page.keyboard.press("Enter")
    network = page.get_by_role("link", name="Look at the network")
    expect(network).to_be_visible()
    network.focus()
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile("#/network"))


def test_a_file_that_was_counted_before_is_not_said_to_be_counted(page: Page, answer: Path) -> None:
    for words in ("posts? counted", "is here already, .*nothing was added"):
        page.goto("/#/add")
        page.reload()
        page.locator("input[type=file]").set_input_files(answer)
        page.get_by_role("button", name="Count these posts").click()
        expect(page.locator(".fore .finding")).to_have_text(re.compile(words))


def test_a_file_may_be_dropped_on_any_screen(page: Page, answer: Path) -> None:
    page.goto("/#/uploads")
    expect(page.get_by_role("heading", name="Uploads")).to_be_visible()
    dropped = page.evaluate_handle(
        """([name, text]) => {
            const data = new DataTransfer();
            data.items.add(new File([text], name));
            return data;
        }""",
        [answer.name, answer.read_text()],
    )
    page.dispatch_event("header.top", "drop", {"dataTransfer": dropped})
    expect(page.get_by_role("heading", name=answer.name)).to_be_visible()
    expect(page).to_have_url(re.compile("#/add"))
