"""The page in a real browser, over a stack that runs as `mentiongraph up` runs one.

All workers of a run share one stack. MENTIONGRAPH_PAGE=http://127.0.0.1:8000/ takes a stack that runs already, with the
sample of the demo in its graph: while you change the page, that saves the start.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlencode
from uuid import uuid4

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from ops.embedded.children import free_ports
from tests.conftest import open_directory
from tests.docs.pages import Shell
from tests.page.hard_names import FILE, POSTS

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
SAMPLE = Path(__file__).parents[2] / "ops" / "demo" / "sample.csv"
PATIENCE = 60_000
"""Milliseconds that a test waits for what it expects."""
OTHERS_END = 300.0
"""Seconds that the worker with the stack waits at its end for the tests of the others."""
ARGUMENTS = ("--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-first-run")


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Generator[str]:
    """The address of a running stack with the sample in its graph."""
    if CHROMIUM is None:
        pytest.skip("Chromium is not here: install it (Debian: chromium) to run the tests of the page")
    if running := os.environ.get("MENTIONGRAPH_PAGE"):
        yield running
    elif "PYTEST_XDIST_WORKER" in os.environ:
        with _shared(tmp_path_factory.getbasetemp().parent / "page") as address:
            yield address
    else:
        with _started() as address:
            yield address


@contextmanager
def _started() -> Generator[str]:
    (port,) = free_ports(1)
    with open_directory() as directory, Shell(directory / "stack", {8000: port}, {}) as shell:
        shell.start("mentiongraph up", "Ctrl-C stops everything", "the stack of the page's tests")
        shell.follow(f"mentiongraph upload --clock event {SAMPLE}")
        yield f"http://127.0.0.1:{port}/"


@contextmanager
def _shared(directory: Path) -> Generator[str]:
    """The stack that the first worker to ask has started. That worker stops the stack after the tests of the others."""
    directory.mkdir(exist_ok=True)
    address, users = directory / "address", directory / "users"
    users.mkdir(exist_ok=True)
    own = users / uuid4().hex
    with (directory / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        own.touch()
        if address.exists():
            fcntl.flock(lock, fcntl.LOCK_UN)
            yield address.read_text()
            own.unlink()
            return
        with _started() as started:
            address.write_text(started)
            fcntl.flock(lock, fcntl.LOCK_UN)
            yield started
            own.unlink()
            deadline = time.monotonic() + OTHERS_END
            while any(users.iterdir()) and time.monotonic() < deadline:
                time.sleep(0.1)
            fcntl.flock(lock, fcntl.LOCK_EX)
            address.unlink()


# Of a module, not of the run: while Playwright runs, its event loop counts as the thread's, in which asyncio.run() of
# other tests is refused.
@pytest.fixture(scope="module")
def browser(stack: str) -> Generator[Browser]:  # noqa: ARG001 (a run without Chromium is skipped before)
    root = ("--no-sandbox",) if os.geteuid() == 0 else ()
    expect.set_options(timeout=PATIENCE)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=[*ARGUMENTS, *root])
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def names(browser: Browser, stack: str) -> None:
    """Users with names that are hard to lay out are in the graph."""
    with opened(browser, stack) as context:
        answer = context.request.post(
            f"/uploads?{urlencode({'filename': FILE, 'clock': 'event', 'profile': 'word', 'format': 'csv'})}",
            data=POSTS.encode(),
            headers={"content-type": "text/csv"},
        )
        assert answer.ok, answer.text()
        if answer.json()["state"] != "duplicate":
            page = context.new_page()
            page.goto(f"/#/uploads/{answer.json()['id']}")
            page.locator("h1 .st.applied").wait_for()


@pytest.fixture
def context(browser: Browser, stack: str) -> Generator[BrowserContext]:
    with opened(browser, stack) as context:
        yield context


@pytest.fixture
def another(browser: Browser, stack: str) -> Generator[BrowserContext]:
    """Somebody else's browser: it knows nothing but an address."""
    with opened(browser, stack) as context:
        yield context


@contextmanager
def opened(browser: Browser, stack: str, **look: object) -> Generator[BrowserContext]:
    """A context in which nothing is kept from others."""
    given: dict[str, object] = {"viewport": {"width": 1440, "height": 900}, **look}
    context = browser.new_context(base_url=stack, **given)  # pyright: ignore[reportArgumentType]
    context.set_default_timeout(PATIENCE)
    yield context
    context.close()


@pytest.fixture
def page(context: BrowserContext, stack: str) -> Generator[Page]:
    """A tab in which nothing may fail unseen, and which may ask no other host."""
    page = context.new_page()
    faults = watched(page, stack)
    yield page
    assert faults == []


def watched(page: Page, stack: str) -> list[str]:
    """What goes wrong in a tab from now on: errors, also those of the Content-Security-Policy, and other hosts."""
    faults: list[str] = []
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("console", lambda message: faults.append(message.text) if message.type == "error" else None)
    page.on("request", lambda request: faults.append(request.url) if _leaves(request.url, stack) else None)
    return faults


def _leaves(url: str, stack: str) -> bool:
    return not url.startswith((stack, "blob:", "about:"))


class Keys:
    """Somebody without a mouse."""

    MOST = 120
    """Presses of Tab after which a thing counts as out of reach."""

    def __init__(self, page: Page) -> None:
        self._page = page

    def press(self, *keys: str) -> None:
        for key in keys:
            self._page.keyboard.press(key)

    def type(self, text: str) -> None:
        self._page.keyboard.type(text)

    def to(self, role: str, name: object, *, key: str = "Tab") -> None:
        """Go from one thing to the next until the one of this role and name has the focus."""
        wanted = self._page.get_by_role(role, name=name).first  # pyright: ignore[reportArgumentType]
        expect(wanted).to_be_visible()
        for _ in range(self.MOST):
            if wanted.evaluate("each => each === document.activeElement"):
                return
            self._page.keyboard.press(key)
        raise AssertionError(f"no {role} {name!r} within {self.MOST} presses of {key}")

    def use(self, role: str, name: object) -> None:
        """Go to a thing and press Enter."""
        self.to(role, name)
        self._page.keyboard.press("Enter")


@pytest.fixture
def keys(page: Page) -> Keys:
    return Keys(page)


@pytest.fixture
def saved(page: Page, tmp_path: Path) -> Callable[[Callable[[], object], str], Path]:
    """The file that an action saves."""

    def file(act: Callable[[], object], name: str) -> Path:
        with page.expect_download() as download:
            act()
        path = tmp_path / name
        download.value.save_as(path)
        return path

    return file
