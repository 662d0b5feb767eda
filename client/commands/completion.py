"""`client completion`: what makes a shell complete commands, options and codecs."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from client.cli import cli
from client.errors import InputError

PROGRAMS = ("client", "ganpress")


@click.command(short_help="Print what makes a shell complete commands.")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print what makes a SHELL complete commands, options, codecs and files.

    \b
    eval "$(client completion bash)"                  # in ~/.bashrc
    eval "$(client completion zsh)"                   # in ~/.zshrc, after compinit
    client completion fish | source                   # in ~/.config/fish/config.fish
    """  # noqa: D301 - click keeps the lines after \b as they are
    kind = get_completion_class(shell)
    if kind is None:
        raise InputError(f"there is no completion for {shell!r}: bash, zsh and fish have one")
    for program in PROGRAMS:
        # Both programs call themselves client, whose variable asks for completions.
        click.echo(kind(cli, {}, program, "_CLIENT_COMPLETE").source())
