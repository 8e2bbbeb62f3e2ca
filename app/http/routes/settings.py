"""Settings over HTTP: those of the API process that answers, without a secret."""

from __future__ import annotations

import msgspec
from litestar import Response, Router, get

from app.control.callers import Scope
from app.http import problems
from app.http.openapi import examples
from app.http.openapi.examples import answering
from app.http.services import Injected
from app.settings import as_text, describe, hidden


class SettingAnswer(msgspec.Struct, frozen=True):
    """A setting with its value."""

    group: str
    name: str
    variable: str
    """Environment variable that sets it."""
    value: str
    """The value as the variable has it. Passwords are `***`, those in addresses, too."""
    default: str
    differs: bool
    """Whether the value is not the default."""
    unit: str
    wanted: str
    """Which values can be used."""
    meaning: str


class SettingsAnswer(msgspec.Struct, frozen=True):
    """Every setting of the API process that answers. Workers and schedulers may have others."""

    settings: list[SettingAnswer]


@get(
    "/settings",
    summary="How is the service set up?",
    scope=Scope.ADMIN,
    everywhere=True,
    operation_class=answering(examples.SETTINGS),
    responses=problems.responses(),
    sync_to_thread=False,
)
def get_settings(control: Injected) -> Response[SettingsAnswer]:
    """Lists every setting of the API process that answers, with its value, its default, and whether they differ. No
    password is in the answer."""
    listed = [
        SettingAnswer(
            group=row.group,
            name=row.name,
            variable=row.variable,
            value=hidden(row, value),
            default=row.default,
            differs=value != row.default,
            unit=row.unit,
            wanted=row.wanted,
            meaning=row.meaning,
        )
        for row in describe()
        for value in [as_text(getattr(control.settings, row.name))]
    ]
    return Response(SettingsAnswer(listed), headers={"Cache-Control": "no-store"})


ROUTER = Router("/", tags=["health"], route_handlers=[get_settings])
