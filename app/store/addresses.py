"""What the address of a database says, as libpq reads it."""

from __future__ import annotations

from typing import Any, NamedTuple

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from app.errors import BadSetting


class Parts(NamedTuple):
    """Where a database is."""

    server: str
    """Hosts and ports, the same for every database of a server whose addresses are written alike."""
    database: str


def parts(database_url: str) -> Parts:
    """Returns the server and the name of the database."""
    info = conninfo_to_dict(database_url)
    server = " ".join(str(info.get(each, "")) for each in ("host", "hostaddr", "port"))
    return Parts(server, str(info.get("dbname") or info.get("user") or ""))


def where(database_url: str) -> str:
    """Returns the server (or servers) and the database, for people, and never a password."""
    info = conninfo_to_dict(database_url)
    hosts = str(info.get("host", "localhost")).split(",")
    ports = str(info.get("port", 5432)).split(",")
    ports = ports * len(hosts) if len(ports) == 1 else ports
    places = " or ".join(f"{host}:{port}" for host, port in zip(hosts, ports, strict=False))
    return f"PostgreSQL at {places}, database {info.get('dbname', '')}"


def servers(database_url: str) -> list[str]:
    """Returns an address for each host that the address names, in their order. An empty address names none.

    Raises BadSetting, with no part of the address, which may hold a password.
    """
    if not database_url:
        return []
    try:
        info: dict[str, Any] = conninfo_to_dict(database_url)
    except psycopg.ProgrammingError:
        raise BadSetting("MENTIONGRAPH_READ_DATABASE_URL: it is no address of PostgreSQL as libpq takes it.") from None
    several = {name: str(info[name]).split(",") for name in ("host", "hostaddr", "port") if info.get(name)}
    number = max(len(several.get(name, "")) for name in ("host", "hostaddr")) or 1
    return [
        make_conninfo(**info | {name: each[place if len(each) > 1 else 0] for name, each in several.items()})
        for place in range(number)
    ]
