"""The command `mentiongraph`, as a module with a name of its own: `python -m mentiongraph` runs the command, too.

Our packages have common names. If another package of the same name comes first on Python's path, an import would fail
deep inside with a traceback. So this module looks first, and imports nothing of ours before. Nor does this module
import what takes long: `--version` and a refusal come at once.
"""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from importlib.machinery import PathFinder

PACKAGES = ("app", "ops", "sql", "workers")
SHADOWED = 7
"""Exit code; also in ops.cli.EXIT_CODES."""


def main() -> None:
    """Run the command of the command line."""
    hidden = shadowed()
    if hidden:
        sys.stderr.write("".join(f"error: {line}\n" for line in hidden))
        sys.exit(SHADOWED)
    if sys.argv[1:] == ["--version"]:
        sys.stdout.write(f"mentiongraph, version {version()}\n")
        return
    from ops.cli import main as run  # noqa: PLC0415 (only now are our packages known to be ours)

    run(prog_name="mentiongraph")


def version() -> str:
    """The installed version, by the name of the directory with the distribution's metadata.

    importlib.metadata knows the version as well. Its import takes twice as long as everything else here.
    """
    for place in sys.path:
        with suppress(OSError):
            for name in os.listdir(place):  # noqa: PTH208 (pathlib takes long to import)
                if name.startswith("mentiongraph-") and name.endswith(".dist-info"):
                    return name.removeprefix("mentiongraph-").removesuffix(".dist-info")
    return "unknown"


def shadowed() -> list[str]:
    """A line for each of our packages that another package hides: which one, where that lies, what to do."""
    ours = os.path.dirname(os.path.realpath(__file__))  # noqa: PTH120 (as above)
    lines: list[str] = []
    for name in PACKAGES:
        spec = PathFinder.find_spec(name)
        places = list(spec.submodule_search_locations or [spec.origin or ""]) if spec else []
        if places and os.path.realpath(places[0]) != f"{ours}{os.sep}{name}":
            lines.append(
                f"another Python package named {name} hides mentiongraph's own: {places[0]}. Remove its directory from "
                "PYTHONPATH, or run the command from another directory."
            )
    return lines


if __name__ == "__main__":
    main()
