"""The roles of an embedded stack in a test's database."""

from __future__ import annotations

from typing import NamedTuple
from urllib.parse import urlsplit

from app.store import locks
from app.store.postgres import connect
from ops.embedded import roles

PASSWORDS = {roles.APP: "app", roles.OWNER: "owner"}


class Granted(NamedTuple):
    """The URLs of one database for the role of the API and the workers, and for the owner of graphs' databases."""

    app: str
    owner: str


def granted(dsn: str, maintenance: str) -> Granted:
    """Give both roles their rights in the database. Safe to repeat.

    Roles belong to the whole server, which the tests of all processes share. So every test gives a role the same
    password, and only one test at a time does so: a lock in the `maintenance` database sees to that.
    """
    with connect(maintenance, role="test") as conn, conn.transaction():
        locks.take(conn, locks.MIGRATIONS)
        for _ in range(2):
            roles.grant(dsn, PASSWORDS[roles.APP])
            roles.make_owner(dsn, PASSWORDS[roles.OWNER])
    return Granted(_as(dsn, roles.APP), _as(dsn, roles.OWNER))


def _as(url: str, role: str) -> str:
    there = urlsplit(url)
    return there._replace(netloc=f"{role}:{PASSWORDS[role]}@{there.hostname}:{there.port}").geturl()
