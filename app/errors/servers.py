"""Failures for want of room, of a server, or of its schema."""

from __future__ import annotations

from app.errors.problem import MentiongraphError, Where


class BacklogFull(MentiongraphError):
    """Too many bytes are waiting to be counted.

    Send the file again after the seconds in `Retry-After`. More workers shorten the backlog.
    """

    code = "backlog-full"
    status: int = 429
    exit_code = 5


class TooManyConnections(MentiongraphError):
    """The server holds too many connections.

    Try again in a moment. Close connections that are not used, start another API process, or raise
    MENTIONGRAPH_MAX_CONNECTIONS.
    """

    code = "too-many-connections"
    status: int = 503
    exit_code = 5


class TooManyReads(MentiongraphError):
    """Too many expensive questions are being answered.

    Ask again after the seconds in `Retry-After`, or start another API process.
    """

    code = "too-many-reads"
    status: int = 503
    exit_code = 5


class TooManyChanges(MentiongraphError):
    """Another change of many uploads is under way.

    Ask again after the seconds in `Retry-After`.
    """

    code = "too-many-changes"
    status: int = 503
    exit_code = 5


class ReceivingFull(MentiongraphError):
    """The uploads that arrive hold as much memory as they may.

    Send the file again after the seconds in `Retry-After`. MENTIONGRAPH_RECEIVING_BYTES is the bound of each API
    process.
    """

    code = "receiving-full"
    status: int = 429
    exit_code = 5


class LimitReached(MentiongraphError):
    """A limit of one owner is reached.

    Ask again after the seconds in `Retry-After`. `violated-policies` names the limit. The headers `RateLimit-Policy`
    and `RateLimit` say how high it is and what is left. An operator can raise the limit, which is a setting.
    """

    code = "limit-reached"
    status: int = 429
    exit_code = 5

    def __init__(self, detail: str, *, policy: str = "requests", seconds: int = 60) -> None:
        super().__init__(detail)
        self.policy = policy
        """Which limit, as `RateLimit-Policy` names it."""
        self.seconds = seconds
        """After how long it may be worth asking again."""


class NoSpace(MentiongraphError):
    """There is no room for more data.

    Make room where the detail says, or wait until old uploads are purged. Then send the file again. Nothing of it was
    applied, and everything else goes on.
    """

    code = "no-space"
    status: int = 507
    exit_code = 5


class TooManyListeners(MentiongraphError):
    """Too many clients are listening to events.

    Ask `GET /uploads/{upload_id}` from time to time instead, or start another API process.
    """

    code = "too-many-listeners"
    status: int = 503
    exit_code = 5


class TooManyExports(MentiongraphError):
    """Too many exports are running.

    Ask again when another export has ended, or start another API process.
    """

    code = "too-many-exports"
    status: int = 503
    exit_code = 5


class DatabaseUnavailable(MentiongraphError):
    """PostgreSQL cannot be reached.

    Check that PostgreSQL runs and that MENTIONGRAPH_DATABASE_URL names it. Then try again.
    """

    code = "database-unavailable"
    status: int = 503
    exit_code = 5


class TookTooLong(MentiongraphError):
    """PostgreSQL took longer than it may for one statement.

    Try again when PostgreSQL has less to do, ask for less, or raise MENTIONGRAPH_READ_TIMEOUT (networks, paths,
    histories and lists of users with many mentions) or MENTIONGRAPH_STATEMENT_TIMEOUT (the rest).
    """

    code = "took-too-long"
    status: int = 503
    exit_code = 5


class NotMigrated(MentiongraphError):
    """The database does not have the schema that this version needs.

    Run `mentiongraph migrate`.
    """

    code = "not-migrated"
    status: int = 503
    exit_code = 5


class SchemaTooNew(MentiongraphError):
    """The database's schema is newer than this release can work with.

    Start the release that made the schema, or a later one.
    """

    code = "schema-too-new"
    status: int = 503
    where = Where.CLI
    exit_code = 5


class MayNotCreate(MentiongraphError):
    """PostgreSQL does not let the role create a database.

    Give the role the right to create databases, or name a role that has it in MENTIONGRAPH_OWNER_URL.
    """

    code = "may-not-create"
    status: int = 503
    exit_code = 5


class TooManyGraphs(MentiongraphError):
    """Too many graphs are in use at once.

    Ask again after the seconds in `Retry-After`, or start another API process.
    """

    code = "too-many-graphs"
    status: int = 503
    exit_code = 5
