"""What an option of the command line is: one field of the settings, which a variable sets as well."""

from collections.abc import Callable
from typing import Any

import click

from control.settings import JobSettings, Limits, MeetingSettings, Rates, Settings

Command = Callable[..., None]

GROUPS: dict[str, type[Any]] = {
    "rates": Rates,
    "limits": Limits,
    "jobs": JobSettings,
    "meetings": MeetingSettings,
}
DEFAULTS: dict[str, Any] = {
    name: value
    for defaults in (Settings(), Rates(), Limits(), JobSettings(), MeetingSettings())
    for name, value in vars(defaults).items()
}


def option(flag: str, variable: str, field: str, kind: Any, text: str) -> Callable[[Command], Command]:
    """Return the option of one field of the settings; the environment variable sets it as well."""
    return click.option(
        flag,
        field,
        type=kind,
        default=DEFAULTS[field],
        help=text,
        envvar=variable,
        show_envvar=True,
        show_default=True,
    )
