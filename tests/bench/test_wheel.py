"""The wheel holds what is needed to run the service, and the sdist everything that is needed to work on it."""

from __future__ import annotations

import tarfile
import zipfile
from pathlib import Path

import pytest
from hatchling.builders.sdist import SdistBuilder
from hatchling.builders.wheel import WheelBuilder

ROOT = Path(__file__).parents[2]
SOURCES = tuple(
    f"app/http/page/{name}"
    for name in ("src/", "node_modules/", "build.mjs", "package.json", "package-lock.json", "tsconfig.json")
)
"""What the page is built from."""
LEFT_OUT = ("ops/bench/", "ops/chaos/", "ops/oracle/", "ops/workloads/", "ops/demo/make_sample.py", "tests/", *SOURCES)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """The names of its files."""
    (built,) = WheelBuilder(str(ROOT)).build(directory=str(tmp_path_factory.mktemp("wheel")), versions=["standard"])
    with zipfile.ZipFile(built) as archive:
        return set(archive.namelist())


def test_the_wheel_holds_what_runs(wheel: set[str]) -> None:
    for name in ("ops/cli/__main__.py", "ops/demo/sample.csv", "ops/embedded/guard.py", "ops/postgres/embedded.conf"):
        assert name in wheel
    here = {str(path.relative_to(ROOT)) for part in ("app", "workers", "sql") for path in (ROOT / part).rglob("*.*")}
    assert {name for name in here if not name.endswith(".pyc") and not name.startswith(SOURCES)} <= wheel
    assert {"app/http/page/static/main.js", "app/http/page/static/page.css"} <= wheel


def test_the_wheel_leaves_out_what_does_not_run(wheel: set[str]) -> None:
    assert not [name for name in wheel if name.startswith(LEFT_OUT)]


def test_the_sdist_holds_all(tmp_path: Path) -> None:
    (built,) = SdistBuilder(str(ROOT)).build(directory=str(tmp_path), versions=["standard"])
    with tarfile.open(built) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    for name in ("ops/bench/__main__.py", "ops/chaos/__main__.py", "ops/oracle/account.py", "ops/workloads/texts.py"):
        assert name in names
    for name in (
        "Makefile",
        "requirements.lock",
        "requirements-dev.lock",
        "requirements-build.lock",
        "requirements-traces.lock",
        "tests/conftest.py",
    ):
        assert name in names
