"""Whose a data directory is: it belongs to the account that runs the stack, and is closed to everybody else.

A directory of an earlier release was open to read. Another user may also have made the directory, to have a password
written to a place of the other user's, or to have a link followed. So each start looks who owns what, before it writes.
"""

from __future__ import annotations

import os
import pwd
import stat
from collections.abc import Iterator
from pathlib import Path

from app.errors import MentiongraphError

OURS = frozenset(
    {"lock", "settings.env", "ports.json", "ports.json.part", "demo", "logs", "valkey", "admin.key", "admin.key.part"}
    | {"valkey.password", "mentiongraph.password", "mentiongraph_owner.password"}
)
PRIVATE, PASSAGE = 0o700, 0o711
"""The mode of a data directory. Where root itself runs the stack, PostgreSQL's account must pass through."""
OTHERS = 0o077


class DirectoryInUse(MentiongraphError):
    """The data directory cannot be used."""

    code = "data-directory"
    exit_code = 6


def is_ours(name: str) -> bool:
    """Whether a stack makes an entry of this name in its data directory."""
    return name in OURS or name == "postgres" or name.startswith("postgres.")


def name_of(uid: int) -> str:
    """The name of an account, or its number."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def settle(path: Path) -> list[str]:
    """Make the directory, or close an existing one to all other users. Returns a line for each thing to be told.

    Raises DirectoryInUse if the directory, or something of ours in it, belongs to another user. Raises OSError.
    """
    me = os.geteuid()
    mode = PRIVATE if me else PASSAGE
    if not os.path.lexists(path):
        for missing in _missing(path):
            missing.mkdir(mode=mode, exist_ok=True)
            missing.chmod(mode)  # whatever the umask is
    require_owner(path, {me})
    news = exposed(path)
    opened = close(path, mode, {me})
    if opened:
        news.append(f"{path} was open to other users of this machine. It is closed now.")
    return news


def _missing(path: Path) -> list[Path]:
    return [each for each in reversed((path, *path.parents)) if not each.exists()]


def require_owner(path: Path, owners: set[int]) -> None:
    """Raises DirectoryInUse if the directory is another user's, or a link that another user made."""
    for found in (path.lstat(), path.stat()):
        if found.st_uid in owners | ({0} if stat.S_ISLNK(found.st_mode) else set()):
            continue
        whose, me = name_of(found.st_uid), name_of(os.geteuid())
        again = f"as {whose}, or as root if root made the directory" if found.st_uid and os.geteuid() else f"as {whose}"
        raise DirectoryInUse(
            f"{path} belongs to {whose}, and this command runs as {me}. Start the command {again}. Or name another "
            "directory with --data."
        )


def exposed(path: Path) -> list[str]:
    """A line if everybody may put another directory in the place of this one."""
    for parent in path.resolve().parents:
        mode = parent.stat().st_mode
        if mode & stat.S_IWOTH and not mode & stat.S_ISVTX:
            return [
                f"Every user of this machine may replace {path}, because all may write to {parent}. Close it with "
                f"`chmod o-w {parent}` or `chmod +t {parent}`, or name another directory with --data."
            ]
    return []


def close(path: Path, mode: int, owners: set[int]) -> bool:
    """Take other users' rights away, from the directory and from what is ours in it.

    Returns whether they could read or write anything. To pass through a directory alone, as PostgreSQL's account must,
    shows nothing.

    A directory that holds other things too keeps its mode, as long as nobody else may write to it. PostgreSQL itself
    sees to the cluster. Raises DirectoryInUse.
    """
    names = [entry.name for entry in path.iterdir()]
    found = stat.S_IMODE(path.stat().st_mode)
    if not all(map(is_ours, names)):
        if found & stat.S_IWOTH and not found & stat.S_ISVTX:
            raise DirectoryInUse(f"every user may write to {path}. Name another directory with --data.")
        changed = False
    else:
        changed = bool(found & OTHERS & ~PASSAGE)
        if found & OTHERS & ~mode:
            path.chmod(found & mode | stat.S_IRWXU)
    for name in filter(is_ours, names):
        changed |= _close_entry(path / name, owners)
    return changed


def _close_entry(entry: Path, owners: set[int]) -> bool:
    changed = False
    for each, found in below(entry):
        # Root's stack has PostgreSQL's files of another account.
        if found.st_uid not in owners and not (0 in owners and entry.name.startswith("postgres")):
            raise DirectoryInUse(
                f"{each} belongs to {name_of(found.st_uid)}, who may have put it there. Look at it and remove it, or "
                "name another directory with --data."
            )
        if found.st_mode & OTHERS and not stat.S_ISLNK(found.st_mode):
            each.chmod(stat.S_IMODE(found.st_mode) & ~OTHERS)
            changed = True
    return changed


def below(entry: Path) -> Iterator[tuple[Path, os.stat_result]]:
    """An entry of ours and all that is in it, the innermost first. Leaves out a cluster, and a demo's directory."""
    if stat.S_ISDIR(entry.lstat().st_mode):
        if entry.name not in {"logs", "valkey"}:
            return
        for place, directories, files in os.walk(entry, topdown=False):
            for name in (*directories, *files):
                yield Path(place, name), Path(place, name).lstat()
    yield entry, entry.lstat()


def hand_over(path: Path, uid: int, gid: int) -> bool:
    """As root: make the directory, or give an existing one of root's, to the account. Returns whether others could read
    the directory before.

    What root made in a directory that nobody else may write to holds no trap. So the directory is closed first, and is
    given away last: a run that is killed meanwhile is done again. Raises DirectoryInUse.
    """
    for missing in _missing(path):
        missing.mkdir(mode=PRIVATE, exist_ok=True)
        os.chown(missing, uid, gid)
    if path.stat().st_uid == uid:
        return False
    opened = close(path, PRIVATE, {0, uid})
    for name in [entry.name for entry in path.iterdir()]:
        for each, found in below(path / name):
            if stat.S_ISREG(found.st_mode) and found.st_nlink > 1:
                raise DirectoryInUse(f"{each} has another name elsewhere. Remove it, or name another directory.")
            os.chown(each, uid, gid, follow_symlinks=False)
    cluster = path / "postgres"
    if cluster.is_symlink():  # an account could not get at the directory then
        home = cluster.resolve().parent
        for beside in (home / "postgres.lock", home / "postgres.password", home):
            if beside.exists():
                os.chown(beside, uid, gid, follow_symlinks=False)
        home.chmod(PRIVATE)
    os.chown(path, uid, gid)
    return opened
