"""Every shell block of the runbooks, run as an operator runs it, against a real stack in which all is well."""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from ops.directory import published
from ops.embedded.children import free_ports
from tests.conftest import open_directory
from tests.docs.pages import ROOT, Mismatch, Shell, blocks

RUNBOOKS = sorted((ROOT / "docs" / "runbooks").glob("*.md"))

NOT_RUN = {
    "needs a Docker daemon": 3,
    "it changes the graph; docs/how-to/prove-the-graph.md has it": 1,
    "needs a batch that failed; tests/system/test_cli.py replays one": 1,
}
"""Why blocks are not run, and how many: a new one has to be counted here."""


@pytest.fixture
def directory() -> Generator[Path]:
    with open_directory() as made:
        yield made


@pytest.mark.system
@pytest.mark.timeout(300)
def test_the_commands_of_the_runbooks(directory: Path) -> None:
    (api,) = free_ports(1)
    failures: list[str] = []
    with Shell(directory / "stack", {8000: api}, {}) as stack:
        stack.start("mentiongraph up", "Ctrl-C stops everything", "the stack")
        database = urlsplit(published(directory / "stack" / ".mentiongraph")["MENTIONGRAPH_DATABASE_URL"])
        environment = {
            "PGHOST": str(database.hostname),
            "PGPORT": str(database.port),
            "PGUSER": str(database.username),
            "PGPASSWORD": str(database.password or ""),
            "PGDATABASE": database.path.strip("/"),
        }
        for page in RUNBOOKS:
            shell = Shell(directory / page.stem, {8000: api}, environment)
            (directory / page.stem / ".mentiongraph").symlink_to(directory / "stack" / ".mentiongraph")
            for block in blocks(page):
                try:
                    shell.run(block)
                except Mismatch as mismatch:
                    failures.append(str(mismatch))
    assert not failures, "\n\n".join(failures)


def test_no_block_is_left_out_silently() -> None:
    reasons = Counter(block.marks["not run"] for page in RUNBOOKS for block in blocks(page) if "not run" in block.marks)
    assert reasons == Counter(NOT_RUN)
