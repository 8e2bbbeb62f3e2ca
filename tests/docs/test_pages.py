"""Every shell block of the tutorials and how-to guides, run as a reader runs it, against a real stack."""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator
from pathlib import Path
from urllib.parse import urlsplit
from uuid import uuid4

import pytest

from app.settings import Settings
from ops.embedded.children import free_ports
from tests.conftest import open_directory
from tests.docs.pages import ROOT, SHELLS, Block, Mismatch, Shell, blocks, differs, stack_of, steps

GUIDES = sorted(page for room in ("tutorials", "how-to") for page in (ROOT / "docs" / room).glob("*.md"))
PAGES = [ROOT / "README.md", *GUIDES]

NOT_RUN = {
    "needs a Docker daemon": 18,
    "needs a registry": 1,
    "needs Neo4j": 1,
    "needs a collector; tests/system/test_traces.py has one": 1,
    "needs systemd": 2,
    "needs Kubernetes": 2,
    "needs a standby; tests/http/test_standbys.py has one": 1,
    "needs a replica; tests/http/test_standbys.py has one": 1,
    "needs PgBouncer; tests/system/test_pgbouncer.py has one": 2,
    "needs two PostgreSQL servers; tests/system/test_postgres_failover.py has them": 1,
    "needs a server of the reader; tests/system/test_backup.py has one": 2,
    "the graph two has its database in this stack; tests/system/test_backup.py has one without": 1,
    "stops and starts the stack; tests/system/test_backup.py does these steps": 4,
    "the test of the README runs this command": 1,
    "Gephi is a program with windows": 1,
    "it installs packages from a registry": 1,
    "needs a batch that failed; tests/system/test_cli.py replays one": 1,
}
"""Why blocks are not run, and how many: a new one has to be counted here."""


def _pages(stack: str) -> list[Path]:
    return [page for page in PAGES if stack_of(page) == stack and any(_is_run(block) for block in blocks(page))]


def _is_run(block: Block) -> bool:
    return block.language in SHELLS and "not run" not in block.marks


@pytest.fixture
def directory() -> Generator[Path]:
    with open_directory() as made:
        yield made


def _follow(page: Path, shell: Shell) -> None:
    with shell:
        for block in blocks(page):
            shell.run(block)


@pytest.mark.system
@pytest.mark.timeout(300)
@pytest.mark.parametrize("page", _pages("own"), ids=lambda page: page.stem)
def test_a_page_with_a_stack_of_its_own(page: Path, directory: Path) -> None:
    (api,) = free_ports(1)
    _follow(page, Shell(directory / "here", {8000: api}, {}))


@pytest.mark.system
@pytest.mark.timeout(300)
@pytest.mark.parametrize("half", [0, 1])
def test_the_pages_that_share_a_stack(directory: Path, half: int) -> None:
    """One after the other, each with files and users of its own; in two halves, which two processors share."""
    (api,) = free_ports(1)
    failures: list[str] = []
    with Shell(directory / "stack", {8000: api}, {}) as stack:
        stack.start("mentiongraph up", "Ctrl-C stops everything", "the shared stack")
        for page in _pages("shared")[half::2]:
            shell = Shell(directory / page.stem, {8000: api}, {})
            (directory / page.stem / ".mentiongraph").symlink_to(directory / "stack" / ".mentiongraph")
            try:
                _follow(page, shell)
            except Mismatch as mismatch:
                failures.append(str(mismatch))
    assert not failures, "\n\n".join(failures)


@pytest.mark.system
@pytest.mark.timeout(300)
@pytest.mark.parametrize("page", _pages("servers"), ids=lambda page: page.stem)
def test_a_page_over_servers_of_the_reader(page: Path, directory: Path, settings: Settings) -> None:
    """The page makes its own database; it names the servers by their usual ports."""
    (api,) = free_ports(1)
    postgres, redis = urlsplit(settings.database_url), urlsplit(settings.redis_url)
    assert postgres.port
    assert redis.port
    environment = {
        "PGHOST": str(postgres.hostname),
        "PGPORT": str(postgres.port),
        "PGUSER": str(postgres.username),
        "PGPASSWORD": str(postgres.password),
        "PGDATABASE": f"docs_{uuid4().hex}",
        "MENTIONGRAPH_NAMESPACE": settings.namespace,
    }
    _follow(page, Shell(directory / "here", {8000: api, 5432: postgres.port, 6379: redis.port}, environment))


def test_no_block_is_left_out_silently() -> None:
    reasons = Counter(block.marks["not run"] for page in PAGES for block in blocks(page) if "not run" in block.marks)
    assert reasons == Counter(NOT_RUN)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_block_says_what_it_is(page: Path) -> None:
    for block in blocks(page):
        assert block.language, f"{block}: a block of no language is neither run nor counted"
        known = {"not run", "background", "after Ctrl-C", "soon"}
        assert all(mark in known or mark.startswith("exits with ") for mark in block.marks), (str(block), block.marks)


def test_what_is_shown_has_to_be_printed() -> None:
    assert differs("a\n…\nc 1", "a\nb\nb\nc 1\n") is None
    assert differs("took … s", "took 1.5 s") is None
    assert differs("a\n…", "a") is None
    assert differs("a", "a\nb")
    assert differs("", "a")


def test_a_block_is_its_commands_with_what_they_print(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("Text\n\n% exits with 3\n```console\n$ one\n> two\nshown\n$ three\n```\n")
    (block,) = blocks(page)
    assert block.marks == {"exits with 3": ""}
    assert [tuple(step) for step in steps(block)] == [("one\ntwo", "shown"), ("three", "")]
