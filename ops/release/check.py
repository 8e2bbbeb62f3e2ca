"""`make release-check`: does what would be released run, on a machine that has nothing of it?

Looks whether version, changelog, migrations, NOTICE and the dump for upgrades agree; builds the sdist, and from the
sdist the wheel; installs the wheel with its dependencies from the lock into an empty environment; runs the demo there,
in an empty directory outside of the checkout. What was built and found good is in dist/. Needs the package index.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
import tomllib
import venv
import zipfile
from collections.abc import Generator
from contextlib import contextmanager
from datetime import date
from pathlib import Path

import msgspec
from packaging.utils import canonicalize_name

from app.store.migrations import as_numbers, described
from ops.release import licences

ROOT = Path(__file__).parents[2]
DIST = ROOT / "dist"
MIGRATIONS = ROOT / "sql" / "migrations"
RELEASED = MIGRATIONS / "released.sha256"
DUMPS = ROOT / "tests" / "upgrade"

_HEADING = re.compile(r"^## \[(?P<version>\d[^\]]*)\] - (?P<date>\S+)$", re.MULTILINE)
_LOCKED = re.compile(r"^(?P<name>[A-Za-z0-9._-]+)==.*(?:\n .*)*$", re.MULTILINE)

IN_THE_WHEEL = (
    "sql/migrations/released.sha256",
    "ops/demo/sample.csv",
    "app/http/openapi/guide/index.html",
    "app/http/openapi/static/swagger-ui/NOTICE",
)
IN_THE_SDIST = ("NOTICE", "LICENSE", "SECURITY.md", "CHANGELOG.md", "requirements.lock", "tests/conftest.py")
NOT_IN_THE_WHEEL = (
    *("tests/", "ops/release/", "ops/attacks/", "ops/bench/", "ops/chaos/", "ops/oracle/", "ops/workloads/"),
)


class Refused(Exception):
    """This must not be released; the text says why."""


class _Dump(msgspec.Struct, frozen=True):
    """The part of a dump's description that is looked at here."""

    migrations: list[str] = []


def main() -> None:
    """Check everything. Exits with 1 where something must be put right first."""
    try:
        with _step("version and changelog"):
            version = check_version()
        with _step("released migrations"):
            check_migrations()
            check_compatibility(version)
        with _step("dump to upgrade from"):
            check_dump(version)
        with _step("NOTICE"):
            check_notice()
        with _directory() as directory:
            with _step("sdist"):
                sdist = build("sdist", ROOT, directory / "built")
                check_contents(sdist, IN_THE_SDIST, ())
            with _step("wheel, from the sdist"):
                wheel = build("wheel", unpacked(sdist, directory / "source"), directory / "built")
                licences_there = [f"mentiongraph-{version}.dist-info/licenses/{name}" for name in ("LICENSE", "NOTICE")]
                check_contents(wheel, (*IN_THE_WHEEL, *licences_there), NOT_IN_THE_WHEEL)
            with _step("installed into an empty environment"):
                command = install(wheel, directory)
            with _step("mentiongraph --version"):
                check_command(command, version, directory / "empty")
            with _step("mentiongraph demo --exit"):
                run([command, "demo", "--exit"], directory / "empty")
            _keep(sdist, wheel)
    except Refused as refused:
        sys.exit(f"\nNot to be released: {refused}")


def check_version() -> str:
    """The version. It is that of the newest release in the changelog, which has a date."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    newest = _HEADING.search((ROOT / "CHANGELOG.md").read_text(encoding="utf-8"))
    if newest is None:
        raise Refused("CHANGELOG.md has no release: `## [0.1.0] - 2026-11-30`.")
    if newest["version"] != project["version"]:
        raise Refused(
            f"pyproject.toml has version {project['version']}, and the newest release in CHANGELOG.md is "
            f"{newest['version']}."
        )
    try:
        date.fromisoformat(newest["date"])
    except ValueError:
        raise Refused(
            f"in CHANGELOG.md, release {newest['version']} has {newest['date']} in place of a date."
        ) from None
    return newest["version"]


def sums() -> dict[str, str]:
    """By file name, the SHA-256 of each migration that a release holds."""
    lines = (line for line in RELEASED.read_text(encoding="utf-8").splitlines() if not line.startswith("#"))
    return {name: digest for digest, _, name in (line.partition("  ") for line in lines)}


def check_migrations() -> None:
    """Every migration is as it was released, or is released now: then its sum is there."""
    known = sums()
    found = {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in sorted(MIGRATIONS.glob("*.sql"))}
    for name, digest in known.items():
        if found.get(name) != digest:
            raise Refused(f"{name} is not as it was released: restore it, and change what must change in a new one.")
    new = [f"{digest}  {name}" for name, digest in found.items() if name not in known]
    if new:
        raise Refused(f"add to {RELEASED.relative_to(ROOT)}, under the number of this release:\n" + "\n".join(new))


def check_compatibility(version: str) -> None:
    """Release N runs on the schema of this release, N+1: no migration of this release asks for more than N."""
    known = _HEADING.findall((ROOT / "CHANGELOG.md").read_text(encoding="utf-8"))
    before = known[1][0] if len(known) > 1 else version
    for migration in map(described, sorted(MIGRATIONS.glob("*.sql"))):
        asked = migration.oldest_release
        if asked is not None and as_numbers(asked) > as_numbers(before):
            raise Refused(
                f"{migration.name} works with release {asked} or newer, and processes of {before} must go on after it: "
                "expand in this release, and contract in the next (docs/explanation/upgrading.md)."
            )


def check_dump(version: str) -> None:
    """There is a dump of a database of this release, for later ones to upgrade."""
    again = f"make it with `python -m tests.upgrade.make {version}`."
    described = DUMPS / f"{version}.json"
    if not described.exists() or not (DUMPS / f"{version}.dump.gz").exists():
        raise Refused(f"there is no dump of a database of this release for later ones to upgrade: {again}")
    found = msgspec.json.decode(described.read_bytes(), type=_Dump).migrations
    if missing := sorted({file.stem for file in MIGRATIONS.glob("*.sql")}.difference(found)):
        raise Refused(f"the dump of release {version} was made without {', '.join(missing)}: {again}")


def check_notice() -> None:
    """NOTICE says what is installed."""
    if wrong := licences.out_of_date():
        raise Refused(f"NOTICE is out of date: {'; '.join(wrong)}. `make notice` writes it anew.")


def build(target: str, source: Path, into: Path) -> Path:
    """The file that hatchling builds from a source tree."""
    run([sys.executable, "-m", "hatchling", "build", "--target", target, "--directory", str(into)], source)
    [built] = into.glob("*.whl" if target == "wheel" else "*.tar.gz")
    return built


def unpacked(sdist: Path, into: Path) -> Path:
    """The source tree in an sdist."""
    with tarfile.open(sdist) as archive:
        archive.extractall(into, filter="data")
    [tree] = into.iterdir()
    return tree


def check_contents(built: Path, wanted: tuple[str, ...], unwanted: tuple[str, ...]) -> None:
    """What has to be in there is, and what must not be isn't."""
    if built.suffix == ".whl":
        with zipfile.ZipFile(built) as wheel:
            names = wheel.namelist()
    else:
        with tarfile.open(built) as sdist:
            names = [name.partition("/")[2] for name in sdist.getnames()]
    if missing := [name for name in wanted if name not in names]:
        raise Refused(f"{built.name} lacks {', '.join(missing)}.")
    if found := [name for name in names if name.startswith(unwanted)] if unwanted else []:
        raise Refused(f"{built.name} holds {len(found)} files that it should not, {found[0]} among them.")


def install(wheel: Path, directory: Path) -> str:
    """Install the wheel and what it needs, from the lock, and nothing else; the command's path."""
    environment = directory / "environment"
    venv.create(environment, with_pip=True)
    pip = [str(environment / "bin" / "python"), "-m", "pip", "--disable-pip-version-check", "--quiet"]
    needed = licences.needed()
    lock = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    requirements = directory / "requirements.txt"
    blocks = [each.group() for each in _LOCKED.finditer(lock) if canonicalize_name(each["name"]) in needed]
    requirements.write_text("\n".join(blocks) + "\n", encoding="utf-8")
    empty = directory / "empty"
    empty.mkdir()
    run([*pip, "install", "--require-hashes", "--requirement", str(requirements)], empty)
    run([*pip, "install", "--no-deps", str(wheel)], empty)
    run([*pip, "check"], empty)
    return str(environment / "bin" / "mentiongraph")


def check_command(command: str, version: str, directory: Path) -> None:
    """What was installed says that it is of this version."""
    said = run([command, "--version"], directory)
    if version not in said.split():
        raise Refused(f"`mentiongraph --version` says {said.strip()!r}, and pyproject.toml says {version}.")


def run(argv: list[str], cwd: Path) -> str:
    """What a command prints. It sees nothing of this checkout, nor of the environment's settings."""
    ours = ("MENTIONGRAPH_", "PYTHON", "VIRTUAL_ENV")
    env = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    done = subprocess.run(argv, cwd=cwd, env=env, capture_output=True, text=True, check=False)
    if done.returncode:
        raise Refused(f"`{' '.join(argv)}` ended with {done.returncode}.\n{done.stdout}\n{done.stderr}")
    return done.stdout


@contextmanager
def _step(name: str) -> Generator[None]:
    began = time.monotonic()
    print(f"  {name} …", end=" ", flush=True)
    yield
    print(f"{time.monotonic() - began:.1f} s", flush=True)


@contextmanager
def _directory() -> Generator[Path]:
    """A directory outside of the checkout, that the account of the embedded servers can get at."""
    directory = Path(tempfile.mkdtemp(prefix="mentiongraph-release-"))
    directory.chmod(0o755)
    try:
        yield directory
    finally:
        shutil.rmtree(directory)


def _keep(*files: Path) -> None:
    DIST.mkdir(exist_ok=True)
    for file in files:
        kept = shutil.copy2(file, DIST)
        print(f"{hashlib.sha256(file.read_bytes()).hexdigest()}  {Path(kept).relative_to(ROOT)}")


if __name__ == "__main__":
    main()
