"""Who asks: what a process knows of whoever sent a request or runs a command."""

from __future__ import annotations

import os
import pwd
from datetime import datetime
from enum import StrEnum

import msgspec

OS_PREFIX = "os:"
"""What the owner begins with where an account of the operating system acts. No key has such an owner."""
_OWNER_CHARACTERS = 64


class Scope(StrEnum):
    """What a key allows. Scopes are flat, so none includes another; `admin` alone includes all."""

    GRAPH_READ = "graph:read"
    """Ask about users, edges, networks and rankings."""
    GRAPH_EXPORT = "graph:export"
    """Take the graph out as a file."""
    UPLOADS_WRITE = "uploads:write"
    """Send files, and see, follow, cancel, retract and replay the uploads of one's owner, and write notes on them."""
    UPLOADS_READ = "uploads:read"
    """See the uploads of every owner."""
    UPLOADS_MANAGE = "uploads:manage"
    """Cancel, retract and replay the uploads of every owner, and write notes on them."""
    METRICS = "metrics"
    """Read the metrics."""
    ADMIN = "admin"
    """Everything, and also keys, graphs, audit events and forgetting a person."""


class Caller(msgspec.Struct, frozen=True):
    """Who asks, from where, and for what the key is good."""

    scopes: frozenset[Scope]
    graphs: frozenset[str] | None = None
    """Names of the graphs that the caller may use. None: all."""
    key_id: str | None = None
    """None where no key is needed."""
    owner: str | None = None
    """Whose key it is. On the command line without a key: the account of the operating system, as `os:name`."""
    address: str | None = None
    """The client's address, as the server or a trusted proxy tells it."""
    expires_at: datetime | None = None
    """When the key expires. None: it does not, or there is no key."""

    def may(self, scope: Scope, graph: str) -> bool:
        """Whether the caller may do what `scope` allows on the graph of this name."""
        allowed = scope in self.scopes or Scope.ADMIN in self.scopes
        return allowed and (self.graphs is None or graph in self.graphs)

    def uses(self, graph: str) -> bool:
        """Whether the caller may do anything at all on the graph of this name."""
        return bool(self.scopes) and (self.graphs is None or graph in self.graphs)

    def sees_who(self, owner: str | None) -> bool:
        """Whether the caller may know from where the owner came, and with which key: for what is the caller's own, and
        with a scope that shows the uploads of all owners."""
        own = owner is not None and owner == self.owner
        return own or not self.scopes.isdisjoint((Scope.UPLOADS_READ, Scope.ADMIN))

    def process_shown(self, process: str) -> str:
        """The name of a process as the caller may know it: without host and pid, but for whoever may list the
        processes."""
        lists = self.graphs is None and not self.scopes.isdisjoint((Scope.METRICS, Scope.ADMIN))
        return process if lists else process.partition("@")[0]


NOBODY = Caller(frozenset())
"""Where nobody asked: what the service does by itself."""


def of_operating_system() -> Caller:
    """Whoever runs this process: a command that works on the database itself needs no key, and may do everything."""
    uid = os.getuid()
    try:
        name = pwd.getpwuid(uid).pw_name
    except KeyError:  # an account that this machine has no name for, as in containers
        name = str(uid)
    return Caller(frozenset(Scope), owner=f"{OS_PREFIX}{name}"[:_OWNER_CHARACTERS])
