"""The command that runs one service."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click
from pydantic.fields import FieldInfo

from services.common.logs import configure_logging
from services.common.server import Server, Service
from services.common.settings import (
    ServiceSettings,
    SettingsError,
    accepted_range,
    choices_of,
    default_of,
    env_of,
    flag_of,
)
from services.common.starting import StartError
from services.common.token_command import token

Settings = TypeVar("Settings", bound=ServiceSettings)

_METAVARS: dict[object, str] = {int: "INTEGER", int | None: "INTEGER", float: "NUMBER", str: "TEXT"}


def service_command(
    name: str,
    settings_class: type[Settings],
    build_service: Callable[[Settings], Service],
    commands: Sequence[click.Command] = (),
) -> click.Command:
    """Returns the click command `name` that serves one service until SIGTERM or SIGINT.

    Its options are the fields of the settings class; its help text is that class's docstring. Where its first
    argument is `token`, or names one of `commands`, that runs in place of the service.
    """

    def run(config: Path | None, **given: Any) -> None:
        if click.get_current_context().invoked_subcommand:
            return
        flags = {key: value for key, value in given.items() if value is not None}
        try:
            settings = settings_class.load(config, **flags)
        except SettingsError as error:
            raise click.UsageError(str(error)) from error
        configure_logging(settings.log_level, settings.log_format)
        service = build_service(settings)
        try:
            server = Server([service], settings.server_options)
            asyncio.run(server.run(settings.listen_address))
        except (StartError, *service.errors) as error:
            raise click.ClickException(str(error)) from error

    options = [_option(settings_class, field, info) for field, info in settings_class.model_fields.items()]
    config = click.Option(
        ["--config"],
        type=click.Path(path_type=Path),
        envvar=env_of(settings_class, "config"),
        show_envvar=True,
        help="TOML file with settings, named as below with underscores.",
    )
    about: dict[str, Any] = {
        "params": [config, *options],
        "callback": run,
        "help": inspect.getdoc(settings_class),
        "context_settings": {"max_content_width": 110},
    }
    return click.Group(name, commands=[*commands, token], invoke_without_command=True, **about)


def _option(settings_class: type[ServiceSettings], name: str, field: FieldInfo) -> click.Option:
    """Returns the option of one setting, unset by default: pydantic knows the defaults and checks values."""
    choices = choices_of(field)
    notes = [f"env var: {env_of(settings_class, name)}"]
    if default := default_of(field):
        notes.append(f"default: {default}")
    if accepted := accepted_range(field):
        notes.append(accepted)
    return click.Option(
        [flag_of(name)],
        type=click.Choice(choices) if choices else click.STRING,
        metavar=None if choices else _METAVARS.get(field.annotation, "PATH"),
        help=f"{field.description}  [{'; '.join(notes)}]",
    )
