"""Failures that only the command line meets."""

from __future__ import annotations

from app.errors.problem import MentiongraphError, Where


class BadSetting(MentiongraphError):
    """A setting has a value that cannot be used.

    Correct the variable that the detail names. `mentiongraph settings` lists all variables.
    """

    code = "bad-setting"
    exit_code = 2
    where = Where.CLI


class NobodyHasAKey(MentiongraphError):
    """Requests need a key, and nobody has one.

    Make a key with `mentiongraph keys create`, then start the API again. Or let the API listen on 127.0.0.1, where no
    key is needed.
    """

    code = "nobody-has-a-key"
    exit_code = 2
    where = Where.CLI


class ServerFailed(MentiongraphError):
    """A server or process that this command needs did not start.

    Look at the log that the detail names.
    """

    code = "server-failed"
    exit_code = 6
    where = Where.CLI


class KeyNotPrivate(MentiongraphError):
    """A key would go over plain HTTP to another machine.

    Use the API's https:// URL. Where nobody else can listen to the network, set MENTIONGRAPH_KEY_OVER_HTTP=true.
    """

    code = "key-not-private"
    exit_code = 2
    where = Where.CLI
