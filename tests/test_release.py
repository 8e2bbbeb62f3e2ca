"""What a release must hold: NOTICE is what is installed; the check before a release refuses what is not in order."""

from __future__ import annotations

from pathlib import Path

import pytest

from ops.release import check, licences
from ops.release.check import Refused


def test_notice_says_what_is_installed() -> None:
    assert licences.out_of_date() == [], "`make notice` writes it anew"


def test_licences_that_ask_for_more_are_named() -> None:
    found = licences.in_notice()

    assert {"dramatiq", "periodiq", "psycopg", "psycopg-binary", "psycopg-pool"} == {
        name for name, licence in found.items() if licence.startswith("LGPL")
    }
    assert not [name for name, licence in found.items() if licence.startswith("unknown")]


@pytest.mark.parametrize(
    ("metadata", "licence"),
    [
        ("License-Expression: MIT AND BSD-3-Clause\n", "MIT AND BSD-3-Clause"),
        ("License: BSD-3-Clause\nClassifier: License :: OSI Approved :: BSD License\n", "BSD-3-Clause"),
        ("License: Apache\nClassifier: License :: OSI Approved :: Apache Software License\n", "Apache-2.0"),
        ("License: Some words of its own\n", "Some words of its own"),
        ("", "unknown: see its .dist-info directory"),
    ],
)
def test_a_licence_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, metadata: str, licence: str) -> None:
    folder = tmp_path / "licensed_somehow-1.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text(f"Metadata-Version: 2.4\nName: licensed-somehow\nVersion: 1\n{metadata}")
    monkeypatch.syspath_prepend(tmp_path)

    assert licences.licence("licensed-somehow") == licence


def test_version_and_changelog_agree() -> None:
    assert check.check_version()


@pytest.mark.parametrize(
    ("changelog", "why"),
    [
        ("## [Unreleased]\n", "no release"),
        ("## [Unreleased]\n\n## [99.0.0] - 2026-01-01\n", "99.0.0"),
        ("## [0.1.0] - soon\n", "soon in place of a date"),
    ],
)
def test_a_changelog_of_another_version_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changelog: str, why: str
) -> None:
    (tmp_path / "pyproject.toml").write_text('[project]\nversion = "0.1.0"\n')
    (tmp_path / "CHANGELOG.md").write_text(changelog)
    monkeypatch.setattr(check, "ROOT", tmp_path)

    with pytest.raises(Refused, match=why):
        check.check_version()


def test_a_migration_that_changed_or_has_no_sum_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(check, "ROOT", tmp_path)
    monkeypatch.setattr(check, "MIGRATIONS", tmp_path)
    monkeypatch.setattr(check, "RELEASED", tmp_path / "released.sha256")
    (tmp_path / "0001_first.sql").write_text("SELECT 1;\n")
    digest = "b4e0497804e46e0a0b0b8c31975b062152d551bac49c3c2e80932567b4085dcd"
    check.RELEASED.write_text(f"# 0.1.0\n{digest}  0001_first.sql\n")
    check.check_migrations()

    (tmp_path / "0002_second.sql").write_text("SELECT 2;\n")
    with pytest.raises(Refused, match=r"add to released.sha256.*\n[0-9a-f]{64}  0002_second.sql"):
        check.check_migrations()
    (tmp_path / "0001_first.sql").write_text("SELECT 3;\n")
    with pytest.raises(Refused, match=r"0001_first\.sql is not as it was released"):
        check.check_migrations()


@pytest.mark.parametrize(("oldest_release", "good"), [("0.1", True), ("0.2.0", True), ("0.2.1", False), ("0.3", False)])
def test_a_migration_must_not_stop_the_release_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, oldest_release: str, good: bool
) -> None:
    monkeypatch.setattr(check, "ROOT", tmp_path)
    monkeypatch.setattr(check, "MIGRATIONS", tmp_path)
    (tmp_path / "CHANGELOG.md").write_text("## [0.3.0] - 2027-01-01\n\n## [0.2.0] - 2026-12-01\n")
    (tmp_path / "0004_next.sql").write_text(f"-- Something.\n-- oldest-release: {oldest_release}\nSELECT 1;\n")

    if good:
        check.check_compatibility("0.3.0")
    else:
        with pytest.raises(Refused, match="expand in this release"):
            check.check_compatibility("0.3.0")
