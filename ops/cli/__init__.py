"""The command line: `mentiongraph COMMAND`. A command's module is imported when the command runs."""

from __future__ import annotations

import importlib
import io
import sys
from collections.abc import Sequence
from typing import Any, NamedTuple, cast

import click

from ops.cli.saying import say, show_error, show_traceback

# Also in the documentation of every command. app.errors gives each failure its code.
EXIT_CODES: dict[int, str] = {
    0: "done",
    1: "something failed: an upload, the audit, a comparison, a strict check, a health check, or this program",
    2: "the command was used wrongly, or a setting cannot be used",
    3: "the upload was refused, or would be; nothing was applied",
    4: "the user, edge, upload or batch does not exist, or its state does not allow this",
    5: "PostgreSQL, Redis or the API cannot be reached, or the database is not migrated",
    6: "a server or process did not start",
    7: "another Python package has the name of one of this program's",
    8: "the API needs a key, or the key does not allow this",
    130: "Ctrl-C interrupted the command",
}


class _Entry(NamedTuple):
    module: str
    summary: str


SECTIONS: dict[str, dict[str, _Entry]] = {
    "Start here": {
        "demo": _Entry("local", "Start everything, upload a sample and show the graph."),
        "up": _Entry("local", "Run everything on this machine, with the data in one directory."),
    },
    "Uploads": {
        "check": _Entry("check", "Read and count files here, without a server."),
        "presets": _Entry("presets", "List the tools whose files are known, and the profiles."),
        "upload": _Entry("upload", "Send files of posts, and wait until they are applied."),
        "watch": _Entry("watch", "Take in whatever file appears in a folder."),
        "status": _Entry("status", "Show the state of an upload, or of the latest uploads."),
        "note": _Entry("notes", "Write a note on an upload, for other people."),
        "cancel": _Entry("withdrawals", "Stop an upload that is not applied yet."),
        "retract": _Entry("withdrawals", "Take an applied upload out of the graph."),
        "bulk": _Entry("bulk", "Cancel, retract or replay all uploads that match."),
    },
    "Graph": {
        "rank": _Entry("asking.rankings", "Rank users by mentions, or edges by weight."),
        "trending": _Entry("asking.rankings", "List users who are mentioned more than before."),
        "user": _Entry("asking.users", "Show a user with the strongest ties, or find users."),
        "edge": _Entry("asking.edges", "Show how one user mentions another, and where from."),
        "path": _Entry("asking.edges", "Find a shortest path from one user to another."),
        "compare": _Entry("compare", "Say what two graphs have in common, and what not."),
        "export": _Entry("export", "Write the graph to a file for Gephi, networkx, Neo4j, …"),
    },
    "Operation": {
        "audit": _Entry("ledger", "Prove that the graph is what the ledger says."),
        "audit-log": _Entry("audit_log", "List who did what, and what was denied."),
        "replay": _Entry("ledger", "Try failed batches again."),
        "decay": _Entry("upkeep", "Store the present weight of stale edges, archive the lightest."),
        "purge": _Entry("upkeep", "Delete payloads, deltas and rejects that are too old."),
        "rebuild": _Entry("upkeep", "Count the whole graph again from the ledger."),
        "forget": _Entry("forget", "Take a person out of the graph and of all that is kept."),
        "backup": _Entry("backup", "Write ledger and graph to a file while work goes on."),
        "restore": _Entry("backup", "Restore a backup into an empty database."),
        "keys": _Entry("keys", "Make, list, rotate and revoke keys of the API."),
        "migrate": _Entry("ledger", "Bring the database's schema up to date."),
        "graphs": _Entry("graphs", "Create, list, show, rename, change and drop graphs."),
    },
    "Processes": {
        "serve": _Entry("run", "Run the API."),
        "worker": _Entry("run", "Run workers, which count uploads and merge the results."),
        "scheduler": _Entry("run", "Run the scheduler, which asks for periodic work."),
        "top": _Entry("top", "Watch the service at work: rates, backlog, age, workers, steps."),
        "processes": _Entry("health", "List workers, schedulers and periodic work."),
        "health": _Entry("health", "Check the processes of this machine, for health checks."),
        "settings": _Entry("knobs", "List every setting with its value and meaning."),
    },
}
# The functions of these commands have other names: `ops.processes` is a module, and a function has no hyphen.
_NAMES = {"processes": "list_processes", "audit-log": "audit_log"}
COMMANDS: dict[str, _Entry] = {name: entry for section in SECTIONS.values() for name, entry in section.items()}


class _Commands(click.Group):
    json = False
    """Whether --json was given: failures are printed as JSON then, too."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 (click's signature)
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"ops.cli.{COMMANDS[cmd_name].module}")
        return cast("click.Command", getattr(module, _NAMES.get(cmd_name, cmd_name)))

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        for title, section in SECTIONS.items():
            with formatter.section(title):
                formatter.write_dl([(name, entry.summary) for name, entry in section.items()])
        with formatter.section("Exit codes"):
            formatter.write_dl([(str(code), meaning) for code, meaning in EXIT_CODES.items()])

    def main(self, args: Sequence[str] | None = None, *more: Any, **extra: Any) -> Any:  # noqa: ANN401 (as click has it)
        given = list(sys.argv[1:] if args is None else args)
        # Before click reads them: a command that is written wrongly fails in JSON, too.
        self.json = "--json" in (given[: given.index("--")] if "--" in given else given)
        sys.excepthook = show_traceback
        return super().main(given, *more, **extra)

    def make_context(self, *given: Any, **extra: Any) -> click.Context:  # noqa: ANN401 (as click has it)
        try:
            return super().make_context(*given, **extra)
        except click.ClickException as error:
            raise show_error(error) from None

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except click.ClickException as error:
            error = _with_a_hint(error)
            if self.json:
                _print_problem(importlib.import_module("ops.cli.failure").of_usage(error))
            raise show_error(error) from None
        except (click.exceptions.Exit, click.Abort, BrokenPipeError):
            raise
        except KeyboardInterrupt:
            say("interrupted", err=True)
            raise click.exceptions.Exit(130) from None
        except Exception as error:
            # Imported now: the module knows the errors of libraries that most commands do without.
            failures = importlib.import_module("ops.cli.failure")
            failure = failures.failure(error)
            if self.json:
                _print_problem(failures.of_a_fault(error) if failure is None else failure.problem)
            if failure is None:
                raise
            raise failure from error


def _with_a_hint(error: click.ClickException) -> click.ClickException:
    """The error; it says where --graph stands, if the option stands behind the command."""
    if not isinstance(error, click.NoSuchOption) or error.option_name != "--graph":
        return error
    said = "No such option '--graph' here. Write it before the command: mentiongraph --graph NAME …"
    return click.UsageError(said, error.ctx)


def _print_problem(problem: object) -> None:
    importlib.import_module("ops.cli.console").print_json(problem)


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="mentiongraph")
@click.option(
    "--graph",
    metavar="NAME",
    default="default",
    envvar="MENTIONGRAPH_GRAPH",
    help="Work with this graph; `mentiongraph graphs list` lists them. Default: MENTIONGRAPH_GRAPH, or default.",
)
def main(graph: str) -> None:  # noqa: ARG001 (ops.cli.options reads it)
    """Count who mentions whom: posts go in as CSV, JSON, xlsx or Parquet, a weighted graph of mentions comes out.

    \b
    New here?
      mentiongraph demo                     starts everything and uploads a sample
    Your own files:
      mentiongraph up                       in one terminal
      mentiongraph upload posts.csv         in another

    Settings are environment variables, MENTIONGRAPH_…: `mentiongraph settings` lists them.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # where a terminal cannot show a character
            stream.reconfigure(errors="backslashreplace")
