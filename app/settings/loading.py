"""Settings from the environment, and what is wrong with a variable that cannot be used."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Iterable, Mapping
from datetime import timedelta
from importlib.util import find_spec
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Any, get_args, get_type_hints
from urllib.parse import quote

import msgspec
from msgspec import Meta

from app.errors import BadSetting
from app.settings.durations import DAY, MINUTE, duration, text_of
from app.settings.rows import Group, Settings

PREFIX = "MENTIONGRAPH_"
FILE_SUFFIX = "_FILE"

LONGEST = 366 * DAY
"""Of a duration."""

# Compose reads the first two (see .env.example), and commands read the others of this line. Kubernetes sets those of
# the next line for each service whose name begins with ours.
_NOT_SETTINGS = re.compile(
    r"MENTIONGRAPH_(VERSION|REVISION|KEY|KEY_FILE|GRAPH|DATA|API"
    r"|([A-Z0-9_]+_)?(SERVICE_HOST|SERVICE_PORT(_[A-Z0-9_]+)?|PORT_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?))"
)
_SERVICE_ADDRESS = re.compile(r"(tcp|udp|sctp)://")


_IN_URL = re.compile(r"(\w+://[^:/?#\s]*:)(\S+)(?=@)")
_IN_TEXT = re.compile(r"(password\s*=\s*)('(?:[^'\\]|\\.)*'|[^\s&]+)", re.IGNORECASE)
_HIDDEN = "***"


class Row(msgspec.Struct, frozen=True):
    """A setting as lists and documents show it."""

    name: str
    variable: str
    group: Group
    unit: str
    default: str
    meaning: str
    wanted: str
    """Which values can be used."""
    secret: bool


class Given(msgspec.Struct, frozen=True):
    """The text of a setting that the environment gives, and the variable it comes from."""

    text: str
    variable: str
    shown: str
    """The variable with its value as a message may show it: without a password or a file's content."""


def describe() -> list[Row]:
    """Every setting, in the order of the groups."""
    defaults = {field.name: field.default for field in msgspec.structs.fields(Settings)}
    rows: list[Row] = []
    for name, hint in _hints().items():
        [about] = hint.__metadata__
        group, unit = about.extra["group"], about.extra["unit"]
        wanted, secret = _wanted(hint), name.endswith("_password")
        rows.append(
            Row(name, PREFIX + name.upper(), group, unit, as_text(defaults[name]), about.description, wanted, secret)
        )
    return rows


def load(environ: Mapping[str, str] = os.environ) -> Settings:
    """Settings from `MENTIONGRAPH_*` and from the files that `MENTIONGRAPH_*_FILE` name; passwords go into the URLs.

    Raises BadSetting, which names the variable and what is wanted, for a value that cannot be used and for a
    `MENTIONGRAPH_*` that is no setting. The message shows no password and no file's content.
    """
    require_known(environ)
    hints = _hints()
    values = {name: _value(found, hints[name]) for name, found in given(environ).items()}
    settings = Settings(**values)
    if settings.traces and find_spec("opentelemetry") is None:
        raise BadSetting(
            "MENTIONGRAPH_TRACES needs OpenTelemetry, which is not installed: pip install '.[traces]' in the checkout."
        )
    return _with_passwords(settings)


def given(environ: Mapping[str, str]) -> dict[str, Given]:
    """Those settings that the environment gives. Raises BadSetting for a file that cannot be read."""
    found: dict[str, Given] = {}
    for name in _hints():
        variable = PREFIX + name.upper()
        if (file := environ.get(variable + FILE_SUFFIX)) is not None:
            if variable in environ:
                raise BadSetting(f"{variable} and {variable}{FILE_SUFFIX} are both set. Unset one of them.")
            shown = f"{variable}{FILE_SUFFIX}={file!r}"
            found[name] = Given(_read(file, shown), variable + FILE_SUFFIX, shown)
        elif variable in environ:
            shown = variable if name.endswith("_password") else f"{variable}={environ[variable]!r}"
            found[name] = Given(environ[variable], variable, shown)
    return found


def require_known(environ: Iterable[str]) -> None:
    """Raises BadSetting for a variable that begins like ours and names no setting, with the nearest one that does."""
    known = {PREFIX + name.upper() for name in Settings.__struct_fields__}
    known |= {name + FILE_SUFFIX for name in known}
    for variable in sorted(environ):
        if not variable.upper().startswith(PREFIX) or variable in known or _NOT_SETTINGS.fullmatch(variable):
            continue
        if variable.endswith("_PORT") and isinstance(environ, Mapping) and _SERVICE_ADDRESS.match(environ[variable]):
            continue
        from difflib import get_close_matches  # noqa: PLC0415 (only a misspelt name needs the import)

        bare = {name.removeprefix(PREFIX): name for name in sorted(known)}
        near = get_close_matches(variable.upper().removeprefix(PREFIX), bare, n=1, cutoff=0.5)
        advice = f"Did you mean {bare[near[0]]}?" if near else "Unset the variable."
        raise BadSetting(f"{variable} is no setting. {advice} `mentiongraph settings` lists all settings.")


def environment(settings: Settings) -> dict[str, str]:
    """The environment from which `load` makes the same settings in another process."""
    return {PREFIX + name.upper(): as_text(value) for name, value in msgspec.structs.asdict(settings).items()}


def as_text(value: object) -> str:
    """A setting's value as the environment has it."""
    match value:
        case bool():
            return str(value).lower()
        case timedelta():
            return text_of(value)
        case float():
            return str(value).removesuffix(".0")
        case _:
            return str(value)


def networks(addresses: str) -> list[IPv4Network | IPv6Network]:
    """The networks that a list of addresses or networks names, with commas in between. Raises BadSetting."""
    named = [each.strip() for each in addresses.split(",")]
    try:
        return [ip_network(each, strict=False) for each in named if each]
    except ValueError as error:
        raise BadSetting(
            f"{PREFIX}TRUSTED_PROXIES: {error}. Name addresses or networks, such as 10.0.0.0/8."
        ) from error


def hidden(row: Row, value: str) -> str:
    """The value of a setting without a password in it."""
    if row.secret:
        return _HIDDEN if value else ""
    return _IN_TEXT.sub(rf"\1{_HIDDEN}", _IN_URL.sub(rf"\1{_HIDDEN}", value))


def _hints() -> dict[str, Any]:
    return get_type_hints(Settings, include_extras=True)


def _value(found: Given, hint: Any) -> Any:  # noqa: ANN401 (each setting has its type)
    """Raises BadSetting, in words of our own, for a text that is no such value."""
    if hint.__origin__ is timedelta:
        value = duration(found.text)
        usable = value is not None and MINUTE <= value <= LONGEST
    else:
        try:
            value = msgspec.convert(
                found.text.strip() if hint.__origin__ is not str else found.text, type=hint, strict=False
            )
            usable = not isinstance(value, float) or math.isfinite(value)
        except msgspec.ValidationError:
            value, usable = None, False
    if not usable:
        advice = ""
        if found.variable == PREFIX + "PORT" and _SERVICE_ADDRESS.match(found.text):
            advice = " Kubernetes sets this variable for a service named mentiongraph: set enableServiceLinks to false."
        raise BadSetting(f"{found.shown}: the value must be {_wanted(hint)}.{advice}")
    return value


def _wanted(hint: Any) -> str:  # noqa: ANN401 (as above)
    """Which values a setting takes, in words."""
    [about] = hint.__metadata__
    match hint.__origin__:
        case kind if kind is bool:
            return "true or false"
        case kind if kind is timedelta:
            return f"a duration from 1m to {text_of(LONGEST)}, such as 1d, 12h, 90m or 1h30m"
        case kind if kind is str and about.pattern:
            return "names without ports, separated by commas"
        case kind if kind is str:
            return "text of at least one character" if about.min_length else "text"
        case kind if kind in {int, float}:
            return ("a whole number" if kind is int else "a number") + _limits(about)
        case kind:
            *names, last = get_args(kind)
            return f"{', '.join(names)} or {last}"


def _limits(about: Meta) -> str:
    if about.gt is not None:
        return f" greater than {about.gt}"
    if about.le is not None:
        return f" from {about.ge} to {about.le}"
    return f" of {about.ge} or more" if about.ge is not None else ""


def _read(file: str, shown: str) -> str:
    try:
        return Path(file).read_text(encoding="utf-8").removesuffix("\n")
    except OSError as error:
        raise BadSetting(f"{shown}: the file cannot be read ({error.strerror}).") from error
    except UnicodeDecodeError as error:
        raise BadSetting(f"{shown}: the file is not text in UTF-8.") from error


def _with_passwords(settings: Settings) -> Settings:
    """The settings with the passwords moved into the URLs: no other module needs to know of them."""
    database, redis = settings.database_url, settings.redis_url
    standbys = settings.read_database_url
    if settings.database_password:
        database = _with_password(database, "DATABASE", settings.database_password)
        if _lacks_password(standbys):
            standbys = _with_password(standbys, "READ_DATABASE", settings.database_password)
    replicas = settings.cache_replicas.split()
    if settings.redis_password:
        redis = _with_password(redis, "REDIS", settings.redis_password)
        replicas = [
            _with_password(each, "REDIS", settings.redis_password) if _lacks_password(each) else each
            for each in replicas
        ]
    if settings.sentinel_password:
        separator = "&" if "?" in redis else "?"
        redis += f"{separator}sentinel_password={quote(settings.sentinel_password, safe='')}"
    return msgspec.structs.replace(
        settings,
        database_url=database,
        read_database_url=standbys,
        redis_url=redis,
        cache_replicas=" ".join(replicas),
        database_password="",
        redis_password="",
        sentinel_password="",
    )


def _lacks_password(url: str) -> bool:
    """Whether it is a URL of a server, without a password."""
    return "://" in url and ":" not in url.partition("://")[2].partition("/")[0].rpartition("@")[0]


def _with_password(url: str, which: str, password: str) -> str:
    scheme, separator, rest = url.partition("://")
    if not separator:
        raise BadSetting(f"{PREFIX}{which}_PASSWORD needs a URL in {PREFIX}{which}_URL, such as scheme://user@host.")
    authority, slash, path = rest.partition("/")
    user, _, hosts = authority.rpartition("@")
    if ":" in user:
        raise BadSetting(
            f"{PREFIX}{which}_URL has a password already. Remove it there, or unset {PREFIX}{which}_PASSWORD."
        )
    return f"{scheme}://{user}:{quote(password, safe='')}@{hosts}{slash}{path}"
