"""Settings: from the environment, from files, and passwords that go into URLs."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.errors import BadSetting
from app.settings import environment, load
from app.store.postgres import where

SECRET = "p@ss/w:rd?"
QUOTED = "p%40ss%2Fw%3Ard%3F"


@pytest.fixture
def secret(tmp_path: Path) -> str:
    file = tmp_path / "secret"
    file.write_text(SECRET + "\n")
    return str(file)


def test_every_setting_may_be_in_a_file(tmp_path: Path) -> None:
    file = tmp_path / "port"
    file.write_text("1234\n")

    assert load({"MENTIONGRAPH_PORT_FILE": str(file)}).port == 1234


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadSetting, match=r"MENTIONGRAPH_PORT_FILE=.*nowhere"):
        load({"MENTIONGRAPH_PORT_FILE": str(tmp_path / "nowhere")})


def test_a_setting_and_its_file_exclude_each_other(secret: str) -> None:
    with pytest.raises(BadSetting, match="MENTIONGRAPH_REDIS_PASSWORD and MENTIONGRAPH_REDIS_PASSWORD_FILE"):
        load({"MENTIONGRAPH_REDIS_PASSWORD": "x", "MENTIONGRAPH_REDIS_PASSWORD_FILE": secret})


@pytest.mark.parametrize(
    ("url", "wanted"),
    [
        ("postgresql://ada@db:5432/graph", f"postgresql://ada:{QUOTED}@db:5432/graph"),
        (
            "postgresql://ada@db1:5432,db2:5432/graph?target_session_attrs=read-write",
            f"postgresql://ada:{QUOTED}@db1:5432,db2:5432/graph?target_session_attrs=read-write",
        ),
        ("postgresql://db/graph", f"postgresql://:{QUOTED}@db/graph"),
    ],
)
def test_the_database_password_goes_into_the_url(url: str, wanted: str, secret: str) -> None:
    settings = load({"MENTIONGRAPH_DATABASE_URL": url, "MENTIONGRAPH_DATABASE_PASSWORD_FILE": secret})

    assert settings.database_url == wanted
    assert settings.database_password == ""


def test_the_passwords_of_redis_and_of_the_sentinels_go_into_the_url(secret: str) -> None:
    settings = load(
        {
            "MENTIONGRAPH_REDIS_URL": "sentinel://ada@s1:26379,s2:26379/main",
            "MENTIONGRAPH_REDIS_PASSWORD_FILE": secret,
            "MENTIONGRAPH_SENTINEL_PASSWORD_FILE": secret,
        }
    )

    assert settings.redis_url == f"sentinel://ada:{QUOTED}@s1:26379,s2:26379/main?sentinel_password={QUOTED}"


def test_settings_are_handed_down_whole(secret: str) -> None:
    settings = load(
        {"MENTIONGRAPH_DATABASE_URL": "postgresql://ada@db/graph", "MENTIONGRAPH_DATABASE_PASSWORD_FILE": secret}
    )

    assert load(environment(settings)) == settings


def test_two_passwords_are_one_too_many(secret: str) -> None:
    with pytest.raises(BadSetting, match="has a password already"):
        load(
            {
                "MENTIONGRAPH_REDIS_URL": "redis://:one@redis:6379/0",
                "MENTIONGRAPH_REDIS_PASSWORD_FILE": secret,
            }
        )


def test_no_message_holds_a_password(secret: str) -> None:
    with pytest.raises(BadSetting) as refused:
        load({"MENTIONGRAPH_DATABASE_URL": "host=db dbname=graph", "MENTIONGRAPH_DATABASE_PASSWORD_FILE": secret})

    assert SECRET not in str(refused.value)


def test_several_servers_are_named_together() -> None:
    url = "postgresql://ada:secret@db1:5433,db2:5434/graph?target_session_attrs=read-write"

    assert where(url) == "PostgreSQL at db1:5433 or db2:5434, database graph"
