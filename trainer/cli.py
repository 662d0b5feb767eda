"""The command line of the trainer: the group of commands, how errors end it, nothing else.

A command's module is imported when it is called, so `ganpress-trainer --help` does not wait for PyTorch.
"""

from __future__ import annotations

import importlib
import os
import signal
import sys
from collections.abc import Sequence
from typing import NoReturn

import click

from trainer.errors import TrainerError

# OpenMP's waiting threads spin by default, which holds up others that compute; PyTorch's import reads this.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

COMMANDS = {
    "prepare": "Decode, check and split images once, for training.",
    "train": "Train a GAN on images.",
    "resume": "Continue a run from its checkpoint.",
    "sample": "Draw images of a run.",
    "evaluate": "Measure a run, an exported model, or a folder of images.",
    "study": "Do the 2022 study's eight training runs, its figures beside ours.",
    "export": "Export a run's generator to ONNX with its card.",
}
"""Short help of each command; the command itself is `trainer.commands.<name>.<name>`."""

EXIT_ERROR = 1
EXIT_INTERRUPTED = 128 + signal.SIGINT


class LazyGroup(click.Group):
    """A group whose commands are imported when they are called."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Returns the names in the order of a user's work."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Returns a command, None when there is none of this name."""
        if cmd_name not in COMMANDS:
            return None
        return getattr(importlib.import_module(f"trainer.commands.{cmd_name}"), cmd_name)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """Writes the commands with their short help, importing none."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
)
@click.version_option(package_name="ganpress")
def cli() -> None:
    """Trains image GANs and exports their generators to ONNX with a model card."""


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Runs the command line and ends the process.

    A user's mistake and a refusal of the operating system (disk full, permission denied) end with one line
    and exit code 1; anything else is a bug and keeps its traceback.
    """
    # SIGTERM ends by an exception, so that unfinished files are removed.
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    code: object = None
    try:
        code = cli.main(
            None if arguments is None else list(arguments),
            prog_name="ganpress-trainer",
            standalone_mode=False,
        )
    except (click.Abort, KeyboardInterrupt):
        code = EXIT_INTERRUPTED
    except click.ClickException as error:
        error.show()
        code = error.exit_code
    except TrainerError as error:
        code = _fail(str(error))
    except OSError as error:
        if error.errno is None:
            raise  # some libraries derive their own from it
        code = _fail(f"{error.filename}: {error.strerror}" if error.filename else str(error.strerror))
    sys.exit(code if isinstance(code, int) else 0)


def _fail(message: str) -> int:
    click.echo(f"error: {message}", err=True)
    return EXIT_ERROR
