"""What commands say of the stack that they start, and in what form."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from app.errors import BadSetting
from app.settings import Settings
from ops.cli import local, options
from ops.cli.entries import Entry
from ops.demo import show
from tests.system.test_cli_watch import ENTRY


def warned(capsys: pytest.CaptureFixture[str], **changed: object) -> str:
    local._warn_of_plain_http(msgspec.structs.replace(Settings(), **changed))  # pyright: ignore[reportPrivateUsage]
    return capsys.readouterr().err


def test_up_warns_where_others_reach_the_api_over_plain_http(capsys: pytest.CaptureFixture[str]) -> None:
    everywhere = {"host": "0.0.0.0"}  # noqa: S104 (nothing listens)
    assert "over plain HTTP" in warned(capsys, **everywhere)
    assert "over plain HTTP" in warned(capsys, host="192.0.2.7")
    assert "over plain HTTP" in warned(capsys, published_on="192.0.2.7")
    assert not warned(capsys)
    assert not warned(capsys, host="::1")
    assert not warned(capsys, **everywhere, tls_certificate="graph.pem")
    assert not warned(capsys, **everywhere, published_on="127.0.0.1")
    assert not warned(capsys, **everywhere, trusted_proxies="192.0.2.1")


def test_up_says_who_reaches_the_api() -> None:
    def said(host: str) -> str:
        return local._reached_by(msgspec.structs.replace(Settings(), host=host))  # pyright: ignore[reportPrivateUsage]

    assert not said("127.0.0.1")
    assert "other machines too, on port 8000" in said("0.0.0.0")  # noqa: S104 (nothing listens)
    assert "192.0.2.7" in said("192.0.2.7")


def test_the_rejects_of_the_demo_have_short_lines_in_a_file(capsys: pytest.CaptureFixture[str]) -> None:
    reject = show._Reject(7, "bad-timestamp", "why " * 200, "a row " * 200)  # pyright: ignore[reportPrivateUsage]
    show._print_rejects([reject], msgspec.convert(ENTRY, Entry))  # pyright: ignore[reportPrivateUsage]
    printed = capsys.readouterr().out
    assert max(map(len, printed.splitlines())) < 200
    assert printed.count("why") == 200 + 1, "whole, with the head of the column"


def test_a_key_file_that_cannot_be_read_is_told_from_one_that_is_no_text(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "ada.key"
    monkeypatch.delenv("MENTIONGRAPH_KEY", raising=False)
    monkeypatch.setenv("MENTIONGRAPH_KEY_FILE", str(file))
    with pytest.raises(BadSetting, match="cannot be read \\(No such file or directory\\)"):
        options.key(None, nearby=False)
    file.write_bytes(b"\xff")
    with pytest.raises(BadSetting, match="no text"):
        options.key(None, nearby=False)
