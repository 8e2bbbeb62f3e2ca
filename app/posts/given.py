"""The words of a sender about a file: whether each has a meaning. Pure."""

from __future__ import annotations

from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

from app.errors import BadRequest, UnknownEncoding
from app.posts import encodings
from app.posts.json import paths
from app.posts.looking import presets
from app.posts.looking.reading import FURTHER_ROLES, ROLES
from app.posts.options import Given
from app.posts.tables.header import AUTO
from app.posts.times import formats
from app.posts.times.spellings import EXCEL
from app.visible import quoted


def check_given(given: Given) -> Given:
    """The words of a sender, if each has a meaning. Raises BadRequest."""
    named = {role: name for role in ROLES if (name := getattr(given, role)) is not None}
    if len({name.strip().casefold() for name in named.values()}) < len(named):
        raise BadRequest(
            f"text, timestamp and author must be three different columns, not {', '.join(named.values())}."
        )
    if given.author is not None and given.author_is is not None:
        raise BadRequest("give author, or author_is if one person wrote every post, but not both.")
    if given.header and given.columns is not None:
        raise BadRequest("give columns only for a file without a header (header=false).")
    if given.preset is not None and given.preset not in presets.BY_NAME:
        raise BadRequest(f"there is no preset {quoted(given.preset)}. Choose one of {', '.join(presets.BY_NAME)}.")
    _check_instants(given)
    for role in (*ROLES, *FURTHER_ROLES):
        if len(getattr(given, role) or "") > paths.MAX_CHARACTERS:
            raise BadRequest(f"{role} has up to {paths.MAX_CHARACTERS} characters.")
    try:
        encoding = None if given.encoding is None else encodings.named(given.encoding)
    except UnknownEncoding as error:
        raise BadRequest(error.detail) from None
    return msgspec.structs.replace(
        given, encoding=encoding, delimiter=None if given.delimiter == AUTO else given.delimiter
    )


def _check_instants(given: Given) -> None:
    if given.timezone is not None:
        try:
            ZoneInfo(given.timezone)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise BadRequest(
                f"timezone has to be a name such as Europe/Berlin or UTC, not {quoted(given.timezone)}."
            ) from None
    if given.timestamp_format is not None and given.timestamp_format != EXCEL:
        try:
            formats.compiled(given.timestamp_format)
        except formats.BadFormat as error:
            raise BadRequest(f"timestamp_format {quoted(given.timestamp_format)} can't be used: {error}.") from error
