"""`token`: makes a caller and its token."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import get_args

import click

from services.common.access.callers import Callers, CallersError, Scope, new_token, token_digest


@click.command(short_help="Make a token for a new caller.")
@click.argument("name")
@click.option(
    "--scope",
    "scopes",
    multiple=True,
    required=True,
    type=click.Choice(get_args(Scope)),
    help="What the caller may do; several times for several.",
)
@click.option(
    "--callers",
    "path",
    required=True,
    type=click.Path(path_type=Path, dir_okay=False),
    help="File of callers; it is made when it is not there.",
)
def token(name: str, scopes: tuple[Scope, ...], path: Path) -> None:
    """Add the caller NAME to a file of callers and print its token, which is kept nowhere.

    Servers that run read the file again. To take a token back, remove its entry.
    """
    made = new_token()
    quoted = ", ".join(f'"{scope}"' for scope in dict.fromkeys(scopes))
    entry = f'[callers."{name}"]\ntoken_sha256 = "{token_digest(made)}"\nscopes = [{quoted}]\n'
    try:
        before = path.read_text(encoding="utf-8") if path.exists() else ""
        Callers.parse(text := before + ("\n" if before else "") + entry)
        _replace(path, text)
    except CallersError as error:
        raise click.ClickException(f"cannot add {name!r} to {str(path)!r}: {error}") from error
    except OSError as error:
        raise click.ClickException(f"cannot write {str(path)!r}: {error.strerror}") from error
    click.echo(made)


def _replace(path: Path, text: str) -> None:
    """Writes a file whole or not at all; a new one for its owner alone."""
    mode = path.stat().st_mode & 0o777 if path.exists() else 0o600
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        Path(name).chmod(mode)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
