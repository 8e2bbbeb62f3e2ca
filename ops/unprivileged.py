"""Root's stack runs as an unprivileged account: `up` and `demo` become that account before they start anything.

Root prepares what only root can: who owns the data directory, a socket on a port below 1024, a Python that the account
can run. Then the command replaces itself by the same command, as the account. From then on nothing is root's: neither
the servers, nor the API and the workers, nor the process that watches over them.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import socket
import sys
from pathlib import Path

import msgspec

from app import settings as app_settings
from app.settings import FILE_SUFFIX, PREFIX, Settings
from ops.directory import DirectoryInUse, Ports, require_stopped
from ops.embedded.children import Account, EmbeddedServerError
from ops.embedded.placement import ACCOUNTS, SYSTEM_STATE, blocker, interpreter, server_account
from ops.owner import hand_over, is_ours, name_of, require_owner
from ops.processes import ROOT

FIRST_PORT_OF_ALL = 1024
"""Below, only root may listen."""
SOCKET = "EMBEDDED_SOCKET"
"""An environment variable: the open file of the API's socket."""
_AGAIN = "import sys; sys.path.insert(0, sys.argv.pop(1)); from mentiongraph import main; main()"


def step_down(path: Path, settings: Settings, port: int | None) -> list[str]:  # noqa: RET503 (exec never returns)
    """Become the account, if root runs this. Returns only if nothing changes, with the reason to be told.

    `port` is the API's if somebody asked for one. Raises DirectoryInUse, EmbeddedServerError.
    """
    account = server_account(path / "postgres")
    if account is None:
        return []
    name = name_of(account.uid)
    if os.path.lexists(path):
        # A directory or a cluster that another user prepared would get root's secrets and data.
        require_owner(path, {0, account.uid} & {0, *_accounts()})
        if account.uid not in _accounts():
            raise DirectoryInUse(f"{path / 'postgres'} belongs to {name}. Start the command as {name}.")
        require_stopped(path)
    try:
        _require_reachable(path, account)
        python, more = interpreter(account, SYSTEM_STATE)
    except (EmbeddedServerError, OSError) as error:
        return [
            f"The API, the workers and Valkey run as root: the account {name}, which runs PostgreSQL, {error}. Let the "
            "account in, or start as another user."
        ]
    listening = _listen(path, settings, port)
    opened = hand_over(path, *account)
    told = [f"The stack runs as the account {name}, to whom {path} belongs, and not as root."]
    if opened:
        told.append(f"{path} was open to other users of this machine. It is closed now.")
    if more:
        told.append(f"The account can't read this Python, so it runs the copy in {python.parents[1]}.")
    for line in told:
        print(line, file=sys.stderr, flush=True)
    environment = _environment(settings, path, name) | more
    if listening is not None:
        listening.set_inheritable(True)
        environment[SOCKET] = str(listening.fileno())
    os.umask(0o077)
    os.setgroups([])
    os.setgid(account.gid)
    os.setuid(account.uid)
    os.execve(python, [python, "-P", "-c", _AGAIN, ROOT, *sys.argv[1:]], environment)  # noqa: S606 (no shell)


def _accounts() -> list[int]:
    """The accounts that root's servers run as."""
    return [entry.pw_uid for entry in pwd.getpwall() if entry.pw_name in ACCOUNTS]


def inherited() -> socket.socket | None:
    """The API's socket, if root opened one for us."""
    number = os.environ.pop(SOCKET, None)
    return None if number is None else socket.socket(fileno=int(number))


def _require_reachable(path: Path, account: Account) -> None:
    """Raises EmbeddedServerError, which says what the account can't do, where the directory can't be the account's."""
    if found := blocker(account, path):
        raise EmbeddedServerError(f"cannot traverse {found}")
    if (
        path.exists()
        and path.stat().st_uid == 0
        and (others := sorted(entry.name for entry in path.iterdir() if not is_ours(entry.name)))
    ):
        raise EmbeddedServerError(f"cannot have {path}, which holds other things, too ({others[0]})")


def _listen(path: Path, settings: Settings, port: int | None) -> socket.socket | None:
    """A socket on the API's port if only root may open it. None, too, if another program has the port."""
    wanted = port or settings.port
    if port is None and not {PREFIX + "PORT", PREFIX + "PORT" + FILE_SUFFIX} & os.environ.keys():
        with contextlib.suppress(OSError, msgspec.MsgspecError):
            wanted = msgspec.json.decode((path / "ports.json").read_bytes(), type=Ports).api or wanted
    if not 0 < wanted < FIRST_PORT_OF_ALL:
        return None
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    with contextlib.suppress(OSError):
        return socket.create_server((settings.host, wanted), family=family, backlog=2048)
    return None


def _environment(settings: Settings, path: Path, name: str) -> dict[str, str]:
    """The environment for the account: secrets that only root can read from files are values in it."""
    known = app_settings.environment(settings)
    found = dict(os.environ)
    for variable in os.environ:
        bare = variable.removesuffix(FILE_SUFFIX)
        if variable.startswith(PREFIX) and bare != variable and bare in known:
            del found[variable]
            found[bare] = known[bare]
    return found | {"HOME": str(path), "USER": name, "LOGNAME": name}
