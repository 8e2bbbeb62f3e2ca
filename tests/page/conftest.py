"""The page in a real browser, over a stack that runs as `mentiongraph up` runs one."""

from __future__ import annotations

import os
import shutil
from collections.abc import Generator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from ops.embedded.children import free_ports
from tests.conftest import open_directory
from tests.docs.pages import Shell

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
SAMPLE = Path(__file__).parents[2] / "ops" / "demo" / "sample.csv"
PATIENCE = 60_000
"""Milliseconds that a test waits for what it expects."""
ARGUMENTS = ("--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-first-run")


@pytest.fixture(scope="session")
def stack() -> Generator[str]:
    """The address of a running stack with the sample in its graph."""
    (port,) = free_ports(1)
    with open_directory() as directory, Shell(directory / "stack", {8000: port}, {}) as shell:
        shell.start("mentiongraph up", "Ctrl-C stops everything", "the stack of the page's tests")
        shell.follow(f"mentiongraph upload --clock event {SAMPLE}")
        yield f"http://127.0.0.1:{port}/"


@pytest.fixture(scope="session")
def browser() -> Generator[Browser]:
    if CHROMIUM is None:
        pytest.skip("Chromium is not here: install it (Debian: chromium) to run the tests of the page")
    root = ("--no-sandbox",) if os.geteuid() == 0 else ()
    expect.set_options(timeout=PATIENCE)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=[*ARGUMENTS, *root])
        yield browser
        browser.close()


@pytest.fixture
def context(browser: Browser, stack: str) -> Generator[BrowserContext]:
    context = browser.new_context(base_url=stack, viewport={"width": 1440, "height": 900})
    context.set_default_timeout(PATIENCE)
    yield context
    context.close()


@pytest.fixture
def page(context: BrowserContext, stack: str) -> Generator[Page]:
    """A tab in which nothing may fail unseen, and which may ask no other host."""
    faults: list[str] = []
    page = context.new_page()
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("console", lambda message: faults.append(message.text) if message.type == "error" else None)
    page.on("request", lambda request: faults.append(request.url) if not request.url.startswith(stack) else None)
    yield page
    assert faults == []
