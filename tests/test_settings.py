"""Settings: from the environment, from files, and passwords that go into URLs."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.errors import BadSetting
from app.settings import Settings, describe, environment, load, loading, networks, require_known
from app.settings.durations import duration, text_of
from app.store.addresses import where

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


def test_a_server_of_the_same_kind_gets_the_password_unless_it_has_its_own(secret: str) -> None:
    def standbys(url: str) -> str:
        environ = {"MENTIONGRAPH_DATABASE_URL": "postgresql://db/graph", "MENTIONGRAPH_READ_DATABASE_URL": url}
        return load({**environ, "MENTIONGRAPH_DATABASE_PASSWORD_FILE": secret}).read_database_url

    assert standbys("postgresql://ada@r1:5432,r2:5432/graph") == f"postgresql://ada:{QUOTED}@r1:5432,r2:5432/graph"
    assert standbys("postgresql://ada:own@r1/graph") == "postgresql://ada:own@r1/graph"
    assert standbys("host=r1 dbname=graph") == "host=r1 dbname=graph"
    assert not standbys("")
    settings = load(
        {
            "MENTIONGRAPH_REDIS_URL": "redis://redis:6379/0?db=1",
            "MENTIONGRAPH_CACHE_REPLICAS": "redis://c1:6379/0 redis://:own@c2:6379/0",
            "MENTIONGRAPH_REDIS_PASSWORD_FILE": secret,
            "MENTIONGRAPH_SENTINEL_PASSWORD_FILE": secret,
        }
    )
    assert settings.cache_replicas == f"redis://:{QUOTED}@c1:6379/0 redis://:own@c2:6379/0"
    assert settings.redis_url == f"redis://:{QUOTED}@redis:6379/0?db=1&sentinel_password={QUOTED}"


def test_without_passwords_the_urls_are_as_they_were_given() -> None:
    environ = {
        "MENTIONGRAPH_DATABASE_URL": "postgresql://ada:x@db/graph",
        "MENTIONGRAPH_READ_DATABASE_URL": "postgresql://ada@r1/graph",
        "MENTIONGRAPH_REDIS_URL": "redis://redis:6379/0",
        "MENTIONGRAPH_CACHE_REPLICAS": "redis://c1:6379/0",
    }

    settings = load(environ)

    assert {name: environment(settings)[name] for name in environ} == environ


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


def test_what_is_shown_of_a_password_is_its_variable() -> None:
    environ = {"MENTIONGRAPH_REDIS_PASSWORD": SECRET, "MENTIONGRAPH_PORT": "80"}

    assert [each.shown for each in loading.given(environ).values()] == [
        "MENTIONGRAPH_REDIS_PASSWORD",
        "MENTIONGRAPH_PORT='80'",
    ]


def test_several_servers_are_named_together() -> None:
    url = "postgresql://ada:secret@db1:5433,db2:5434/graph?target_session_attrs=read-write"

    assert where(url) == "PostgreSQL at db1:5433 or db2:5434, database graph"


# What a person who made a mistake is told -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("variable", "nearest"),
    [
        ("MENTIONGRAPH_DATABSE_URL", "MENTIONGRAPH_DATABASE_URL"),
        ("MENTIONGRAPH_PORTS", "MENTIONGRAPH_PORT"),
        ("mentiongraph_port", "MENTIONGRAPH_PORT"),
        ("MENTIONGRAPH_ARCHIVE_UNDER", "MENTIONGRAPH_ARCHIVE_BELOW"),
        ("MENTIONGRAPH_REDIS_PASSWROD_FILE", "MENTIONGRAPH_REDIS_PASSWORD_FILE"),
        ("MENTIONGRAPH_PORT_FILE_FILE", "MENTIONGRAPH_PORT_FILE"),
    ],
)
def test_a_misspelt_variable_is_refused_with_the_nearest_setting(variable: str, nearest: str) -> None:
    with pytest.raises(BadSetting) as refused:
        load({variable: "a secret"})

    assert f"{variable} is no setting. Did you mean {nearest}?" in str(refused.value)
    assert "a secret" not in str(refused.value)


def test_a_variable_that_is_like_no_setting_is_refused_all_the_same() -> None:
    with pytest.raises(BadSetting, match=r"MENTIONGRAPH_XYZZY is no setting\. Unset the variable"):
        load({"MENTIONGRAPH_XYZZY": "1"})
    with pytest.raises(BadSetting, match="MENTIONGRAPH_XYZZY"):
        load({"MENTIONGRAPH_XYZZY": "tcp://10.0.0.7:80"})
    with pytest.raises(BadSetting, match="MENTIONGRAPH_API_PORT"):
        load({"MENTIONGRAPH_API_PORT": "80"})
    with pytest.raises(BadSetting, match="MENTIONGRAPH_API_PORT"):
        require_known(["PATH", "MENTIONGRAPH_API_PORT"])
    require_known(["PATH", "MENTIONGRAPH_PORT"])


def test_variables_of_compose_and_of_kubernetes_are_left_alone() -> None:
    environ = {
        "MENTIONGRAPH_VERSION": "local",
        "MENTIONGRAPH_REVISION": "unknown",
        "MENTIONGRAPH_SERVICE_HOST": "10.0.0.7",
        "MENTIONGRAPH_SERVICE_PORT_HTTP": "80",
        "MENTIONGRAPH_PORT_80_TCP": "tcp://10.0.0.7:80",
        "MENTIONGRAPH_PORT_80_TCP_ADDR": "10.0.0.7",
        "MENTIONGRAPH_API_PORT": "tcp://10.0.0.7:80",
        "MENTIONGRAPH_API_SERVICE_PORT": "80",
    }

    assert load(environ) == Settings()


def test_an_address_that_kubernetes_sets_for_the_port_is_explained() -> None:
    with pytest.raises(BadSetting, match="enableServiceLinks"):
        load({"MENTIONGRAPH_PORT": "tcp://10.0.0.7:80"})


def test_every_setting_and_every_file_of_one_is_known(tmp_path: Path) -> None:
    for row in describe():
        file = tmp_path / row.name
        file.write_text(row.default)
        assert load({row.variable + "_FILE": str(file)}) == Settings()


@pytest.mark.parametrize(
    ("setting", "value", "wanted"),
    [
        ("PORT", "eighty", "a whole number from 0 to 65535"),
        ("PORT", "65536", "a whole number from 0 to 65535"),
        ("MAX_ATTEMPTS", "1.5", "a whole number from 1 to 1000"),
        ("MAX_ATTEMPTS", "tcp://10.0.0.7:80", "a whole number from 1 to 1000"),
        ("CLAIM_SECONDS", "0", "a number greater than 0"),
        ("CLAIM_SECONDS", "nan", "a number greater than 0"),
        ("CLAIM_SECONDS", "inf", "a number greater than 0"),
        ("ARCHIVE_BELOW", "-1", "a number of 0 or more"),
        ("CACHE", "maybe", "true or false"),
        ("LOG_LEVEL", "loud", "debug, info, warning or error"),
        ("NAMESPACE", "", "text of at least one character"),
        ("ALLOWED_HOSTS", "graph.example:80", "names without ports, separated by commas"),
        ("DECAY_EVERY", "30s", "a duration from 1m to 366d, such as 1d, 12h, 90m or 1h30m"),
        ("PURGE_EVERY", "3600", "a duration from 1m to 366d, such as 1d, 12h, 90m or 1h30m"),
        ("PURGE_EVERY", "367d", "a duration from 1m to 366d, such as 1d, 12h, 90m or 1h30m"),
        ("PURGE_EVERY", "", "a duration from 1m to 366d, such as 1d, 12h, 90m or 1h30m"),
        ("DECAY_EVERY", "P1Y", "a duration from 1m to 366d, such as 1d, 12h, 90m or 1h30m"),
    ],
)
def test_a_value_that_cannot_be_used_is_told_what_is_wanted(setting: str, value: str, wanted: str) -> None:
    with pytest.raises(BadSetting) as refused:
        load({f"MENTIONGRAPH_{setting}": value})

    assert str(refused.value) == f"MENTIONGRAPH_{setting}={value!r}: the value must be {wanted}."


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("1d", timedelta(days=1)),
        ("12h", timedelta(hours=12)),
        ("90m", timedelta(minutes=90)),
        ("1h30m", timedelta(minutes=90)),
        ("1d2h3m4s", timedelta(days=1, hours=2, minutes=3, seconds=4)),
        ("PT90M", timedelta(minutes=90)),
        ("P1D", timedelta(days=1)),
        ("60s", timedelta(minutes=1)),
        ("366d", timedelta(days=366)),
    ],
)
def test_a_duration(text: str, meant: timedelta) -> None:
    assert load({"MENTIONGRAPH_DECAY_EVERY": text}).decay_every == meant


@given(st.integers(60, 366 * 86400).map(lambda seconds: timedelta(seconds=seconds)))
def test_a_duration_is_written_as_it_is_read(value: timedelta) -> None:
    assert duration(text_of(value)) == value


def test_no_time_is_a_duration_and_no_text_is_none() -> None:
    assert text_of(timedelta()) == "0s"
    assert duration("0s") == timedelta()
    assert duration("") is None


def test_blanks_around_a_number_do_not_matter_and_belong_to_a_text() -> None:
    settings = load({"MENTIONGRAPH_PORT": " 80 ", "MENTIONGRAPH_NAMESPACE": " x "})

    assert (settings.port, settings.namespace) == (80, " x ")


def test_proxies_are_addresses_or_networks() -> None:
    assert [str(each) for each in networks("10.0.0.0/8, ::1,, 192.0.2.7/24")] == [
        "10.0.0.0/8",
        "::1/128",
        "192.0.2.0/24",
    ]
    with pytest.raises(BadSetting, match="MENTIONGRAPH_TRUSTED_PROXIES: 'proxy' does not appear"):
        networks("proxy")


def test_every_text_may_be_empty_but_those_that_say_so() -> None:
    wanted = {row.name: row.wanted for row in describe()}

    assert (wanted["database_password"], wanted["namespace"]) == ("text", "text of at least one character")


def test_every_row_has_a_meaning_of_short_sentences() -> None:
    for row in describe():
        sentences = [each for each in re.split(r"(?<=[.:]) ", row.meaning) if each]
        assert row.meaning.endswith("."), row.variable
        assert all(len(each.split()) <= 25 for each in sentences), row.variable
