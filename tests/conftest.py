"""The tests use real servers. Each run has one PostgreSQL and one Valkey, and each test that asks has its own database.

TEST_BACKEND=docker uses containers, and TEST_BACKEND=embedded uses the servers from the wheels. The default, auto, uses
containers if a Docker daemon answers and has the images: it pulls none, but TEST_BACKEND=docker does. pytest's
controller starts the servers and hands their addresses to the xdist workers. Without xdist, the first test that needs
the servers starts them. HYPOTHESIS_PROFILE=thorough tries many more examples.
"""

from __future__ import annotations

import gc
import os
import shutil
import tempfile
import time
import warnings
from collections.abc import Callable, Generator
from contextlib import ExitStack, closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar
from urllib.parse import urlsplit
from uuid import uuid4

import hypothesis
import psycopg
import pytest
import structlog
from psycopg import sql
from psycopg.rows import TupleRow

from ops.embedded.postgres import NOT_DURABLE, Postgres
from ops.embedded.valkey import Valkey

if TYPE_CHECKING:
    from app.settings import Settings

T = TypeVar("T")
TEMPLATE = "mentiongraph_template"
TEMPLATE_LOCK = 1
ROOM = 2 << 30
DOCKER_POSTGRES = "postgres:18-alpine"
DOCKER_VALKEY = "valkey/valkey:9-alpine"

hypothesis.settings.register_profile("default", deadline=None, max_examples=12)
hypothesis.settings.register_profile("thorough", deadline=None, max_examples=500)
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))


def until(condition: Callable[[], T], *, within: float, what: str) -> T:
    """Poll until the condition is truthy, and return its value. After `within` seconds, fail with `what`."""
    deadline = time.monotonic() + within
    while not (last := condition()):
        assert time.monotonic() < deadline, f"not within {within:g} s: {what} (last: {last!r})"
        time.sleep(0.02)
    return last


class Addresses(NamedTuple):
    """The URLs of PostgreSQL (as a superuser, on the maintenance database) and of Valkey."""

    postgres: str
    redis: str


class Servers:
    """The servers of the run. The first call of `addresses` starts the servers."""

    def __init__(self) -> None:
        self._stack = ExitStack()
        self._addresses: Addresses | None = None

    def addresses(self) -> Addresses:
        if self._addresses is None:
            self._addresses = self._stack.enter_context(_docker() if _backend() == "docker" else _embedded())
        return self._addresses

    def stop(self) -> None:
        self._stack.close()


def _backend() -> str:
    backend = os.environ.get("TEST_BACKEND", "auto")
    if backend not in {"auto", "docker", "embedded"}:
        raise pytest.UsageError(f"TEST_BACKEND={backend}: it can be auto, docker or embedded")
    if backend == "embedded":
        return backend
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # the client leaves its socket open if nobody answers
        missing = _missing_in_docker()
        gc.collect()
    if backend == "docker":
        if missing is None:
            raise pytest.UsageError("TEST_BACKEND=docker, but no Docker daemon answers")
        return backend
    return "embedded" if missing is None or missing else "docker"


def _missing_in_docker() -> list[str] | None:
    """Returns the images of the containers that the Docker daemon lacks, or None if no daemon answers."""
    import docker  # noqa: PLC0415  # docker is slow to import, and embedded servers do not need it
    from docker.errors import DockerException, ImageNotFound  # noqa: PLC0415
    from testcontainers.core.config import testcontainers_config  # noqa: PLC0415

    missing: list[str] = []
    needed = [DOCKER_POSTGRES, DOCKER_VALKEY]
    needed += [] if testcontainers_config.ryuk_disabled else [testcontainers_config.ryuk_image]
    try:
        with closing(docker.from_env(timeout=2)) as daemon:
            for image in needed:
                try:
                    daemon.images.get(image)
                except ImageNotFound:
                    missing.append(image)
    except (DockerException, OSError):
        return None
    return missing


def memory() -> Path | None:
    """Returns a directory in memory with room for the tests, or None.

    Copying the template takes 10 ms in memory, and up to 340 ms on a disk.
    """
    shared = Path("/dev/shm")  # noqa: S108  # mkdtemp makes its entries
    roomy = shared.is_dir() and os.access(shared, os.W_OK) and shutil.disk_usage(shared).free >= ROOM
    return shared if roomy else None


@contextmanager
def open_directory(parent: Path | None = None) -> Generator[Path]:
    """Make a temporary directory that a server's unprivileged account can traverse. pytest's own ones are private."""
    directory = Path(tempfile.mkdtemp(prefix="mentiongraph-", dir=parent))
    directory.chmod(0o755)
    try:
        yield directory
    finally:
        shutil.rmtree(directory)


@contextmanager
def _embedded() -> Generator[Addresses]:
    with ExitStack() as stack:
        directory = stack.enter_context(open_directory(memory()))
        postgres = Postgres(directory / "postgres", durable=False, max_wal_size="256MB")
        stack.callback(postgres.stop)
        postgres.start()
        valkey = Valkey(directory / "valkey", append_only=False)
        stack.callback(valkey.stop)
        valkey.start()
        yield Addresses(postgres.dsn("postgres"), valkey.url)


@contextmanager
def _docker() -> Generator[Addresses]:
    from testcontainers.core.container import DockerContainer  # noqa: PLC0415  # testcontainers is slow to import too

    options = " ".join(f"-c {name}={value}" for name, value in {**NOT_DURABLE, "jit": "off"}.items())
    postgres = DockerContainer(DOCKER_POSTGRES).with_env("POSTGRES_PASSWORD", "test").with_exposed_ports(5432)
    valkey = DockerContainer(DOCKER_VALKEY).with_exposed_ports(6379)
    with postgres.with_command(options) as database, valkey as store:
        host, port = database.get_container_host_ip(), database.get_exposed_port(5432)
        address = f"postgresql://postgres:test@{host}:{port}/postgres"
        until(lambda: _connects(address), within=60, what=f"{DOCKER_POSTGRES} takes connections")
        yield Addresses(address, f"redis://{store.get_container_host_ip()}:{store.get_exposed_port(6379)}/0")


def _connects(address: str) -> bool:
    try:
        psycopg.connect(address, connect_timeout=2).close()
    except psycopg.OperationalError:
        return False
    return True


SERVERS = pytest.StashKey[Servers]()


def pytest_configure(config: pytest.Config) -> None:
    config.stash[SERVERS] = Servers()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """Use two workers for each processor, because the tests wait for servers and processes more than they compute."""
    return 2 * (os.cpu_count() or 1)


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    node.workerinput["addresses"] = tuple(node.config.stash[SERVERS].addresses())


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the tests that run whole processes: they take the longest, and would be waited for at the end.

    xdist gives each worker a stretch of the list, so that each stretch begins with its share of these tests.
    """
    workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    slow = [item for item in items if item.get_closest_marker("system")]
    quick = [item for item in items if not item.get_closest_marker("system")]
    items[:] = [item for first in range(workers) for item in (*slow[first::workers], *quick[first::workers])]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Show why a test that was tried again had failed (`make test` tries twice), so that chance is not silent."""
    for report in terminalreporter.stats.get("rerun", []):
        terminalreporter.section(f"failed at first: {report.nodeid}")
        terminalreporter.write_line(report.longreprtext)


def pytest_unconfigure(config: pytest.Config) -> None:
    config.stash[SERVERS].stop()


@pytest.fixture(scope="session")
def addresses(pytestconfig: pytest.Config) -> Addresses:
    workerinput: dict[str, Any] | None = getattr(pytestconfig, "workerinput", None)
    if workerinput is not None:
        return Addresses(*workerinput["addresses"])
    return pytestconfig.stash[SERVERS].addresses()


@pytest.fixture(autouse=True)
def umask_as_it_is() -> Generator[None]:
    """A command that a test calls in this process keeps what it writes to itself, and what later tests write, too."""
    before = os.umask(0o022)
    yield
    os.umask(before)


@pytest.fixture(autouse=True)
def logs_as_they_were(monkeypatch: pytest.MonkeyPatch) -> Generator[None]:
    """A test may set up the logs of this process, as commands do. The next test finds the logs as they were before.

    A logger that keeps its set-up for ever could not be captured by a later test.
    """
    before, configure = structlog.get_config(), structlog.configure

    def without_keeping(**given: Any) -> None:
        given["cache_logger_on_first_use"] = False
        configure(**given)

    monkeypatch.setattr(structlog, "configure", without_keeping)
    yield
    configure(**before)


def database_url(address: str, database: str) -> str:
    return urlsplit(address)._replace(path=f"/{database}").geturl()


def _run(conn: psycopg.Connection[TupleRow], statement: str, **names: str) -> None:
    """Run a statement on databases, with the names of the databases quoted."""
    conn.execute(sql.SQL(statement).format(**{key: sql.Identifier(name) for key, name in names.items()}))  # pyright: ignore[reportArgumentType]


@pytest.fixture(scope="session")
def template(addresses: Addresses) -> str:
    """Returns the name of the migrated database that each test's database is a copy of.

    The first worker makes this template.
    """
    return make_template(addresses)


def make_template(addresses: Addresses) -> str:
    """Make the template unless the server has it. Returns the template's name."""
    from app.store.migrations import migrate  # noqa: PLC0415  # tests without a database do not import migrations

    making = f"{TEMPLATE}_new"
    with psycopg.connect(addresses.postgres, autocommit=True) as conn:
        conn.execute("select pg_advisory_lock(%s)", [TEMPLATE_LOCK])
        if not conn.execute("select 1 from pg_database where datname = %s", [TEMPLATE]).fetchone():
            _run(conn, "drop database if exists {making} with (force)", making=making)
            _run(conn, "create database {making}", making=making)
            migrate(database_url(addresses.postgres, making))
            _run(conn, "alter database {making} rename to {template}", making=making, template=TEMPLATE)
    return TEMPLATE


@pytest.fixture(scope="session")
def _maintenance(addresses: Addresses) -> Generator[psycopg.Connection[TupleRow]]:
    with psycopg.connect(addresses.postgres, autocommit=True) as conn:
        yield conn


class Databases:
    """Makes databases with the schema for a test. `drop` drops those that were made."""

    def __init__(self, address: str, template: str, maintenance: psycopg.Connection[TupleRow]) -> None:
        self._address, self._template, self._maintenance = address, template, maintenance
        self._made: list[str] = []

    def make(self) -> str:
        """Returns the URL of a fresh database."""
        name = f"test_{uuid4().hex}"
        _run(self._maintenance, "create database {name} template {template}", name=name, template=self._template)
        self._made.append(name)
        return database_url(self._address, name)

    def drop(self) -> None:
        for name in self._made:
            _run(self._maintenance, "drop database {name} with (force)", name=name)


@pytest.fixture
def databases(addresses: Addresses, template: str, _maintenance: psycopg.Connection[TupleRow]) -> Generator[Databases]:
    """Yields what makes further databases."""
    databases = Databases(addresses.postgres, template, _maintenance)
    yield databases
    databases.drop()


@pytest.fixture
def dsn(addresses: Addresses, template: str, _maintenance: psycopg.Connection[TupleRow]) -> Generator[str]:
    """Yields the URL of a fresh database with the schema. The fixture drops the database after the test."""
    name = f"test_{uuid4().hex}"
    _run(_maintenance, "create database {name} template {template}", name=name, template=template)
    yield database_url(addresses.postgres, name)
    _run(_maintenance, "drop database {name} with (force)", name=name)


@pytest.fixture
def conn(dsn: str) -> Generator[psycopg.Connection[TupleRow]]:
    """Yields a connection to the test's database, like the connections of the processes."""
    from app.store.postgres import connect  # noqa: PLC0415  # as for `template`

    with connect(dsn, role="test") as connection:
        yield connection


@pytest.fixture
def redis_url(addresses: Addresses) -> str:
    """Returns the URL of the Redis that all tests share. A test must keep to its `namespace`."""
    return addresses.redis


@pytest.fixture
def namespace() -> str:
    """Returns a prefix for the test's keys in Redis."""
    return f"test-{uuid4().hex}"


@pytest.fixture
def now() -> datetime:
    return datetime(2026, 1, 15, 12, tzinfo=UTC)


@pytest.fixture
def settings(dsn: str, redis_url: str, namespace: str) -> Settings:
    """Returns the settings of a process that works on the test's database and namespace."""
    from app.settings import Settings  # noqa: PLC0415  # as for `template`

    return Settings(database_url=dsn, redis_url=redis_url, namespace=namespace)


@pytest.fixture
def server_directory() -> Generator[Path]:
    """Yields a directory for a test's own servers."""
    with open_directory(memory()) as directory:
        yield directory
