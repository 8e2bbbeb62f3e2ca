"""This module is the command `mentiongraph`. `python -m mentiongraph` runs the command too.

Our packages have common names. If another package of the same name comes first on Python's path, an import would fail
deep inside with a traceback. So this module checks the path before it imports a package of ours. This module also
imports nothing that takes long, so that `--version` and a refusal come at once.
"""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from importlib.machinery import PathFinder

PACKAGES = ("app", "ops", "sql", "workers")
SHADOWED = 7
"""Exit code if another package hides a package of ours. ops.cli.EXIT_CODES lists this code too."""


def main() -> None:
    """Run the command that the command line names."""
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
    """Returns the installed version, from the name of the directory with the distribution's metadata.

    importlib.metadata knows the version too, but the import of importlib.metadata takes twice as long as everything
    else here.
    """
    for place in sys.path:
        with suppress(OSError):
            for name in os.listdir(place):  # noqa: PTH208 (pathlib takes long to import)
                if name.startswith("mentiongraph-") and name.endswith(".dist-info"):
                    return name.removeprefix("mentiongraph-").removesuffix(".dist-info")
    return "unknown"


def shadowed() -> list[str]:
    """Returns a line for each of our packages that another package hides.

    The line says which package is hidden, where the other package is, and what to do.
    """
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
