"""The command line: the group of commands, how errors end it, nothing else.

A command's module is imported when it is called, so `client --help` does not wait for gRPC.
"""

from __future__ import annotations

import importlib
import os
import signal
import sys
import traceback
from collections.abc import Sequence
from typing import TYPE_CHECKING, NoReturn

import click
from click.shell_completion import CompletionItem

if TYPE_CHECKING:
    from types import FrameType

    from services.common.tracing import Traces

COMMANDS = {
    "generate": "Draw images from a generator.",
    "compress": "Compress images.",
    "decompress": "Give compressed images back as PNG.",
    "evaluate": "Measure what images have lost.",
    "compare": "Compare all codecs on one image at equal size or quality.",
    "archive": "Put many images into one file, list them, take them out.",
    "inspect": "Tell what image files are and where they come from.",
    "seal": "Seal files, so that any change of them is found.",
    "verify": "Tell what has changed since files were sealed.",
    "models": "List the models, show one's card, load and unload.",
    "codecs": "List the codecs, or show one's options.",
    "doctor": "Check both servers, versions, limits and certificates.",
    "serve": "Run both services until stopped.",
    "experiment": "Compare the codecs on generated and real images.",
    "completion": "Print what makes a shell complete commands.",
}
"""Short help of each command; the command itself is `client.commands.<name>.<name>`."""

EXIT_ERROR = 1
EXIT_BROKEN_PIPE = 141  # what a shell reports of a program that SIGPIPE ended


class LazyGroup(click.Group):
    """A group whose commands are imported when they are called."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Returns the names in the order of a user's work."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Returns a command, None when there is none of this name."""
        if cmd_name not in COMMANDS:
            return None
        return getattr(importlib.import_module(f"client.commands.{cmd_name}"), cmd_name)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """Writes the commands with their short help, importing none."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Returns the commands and options that begin so, importing none."""
        commands = [
            CompletionItem(name, help=text) for name, text in COMMANDS.items() if name.startswith(incomplete)
        ]
        return commands + click.Command.shell_complete(self, ctx, incomplete)

    def invoke(self, ctx: click.Context) -> object:
        """Runs the command; one whose reader has gone ends as if by SIGPIPE."""
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            # Here, because click would make it exit code 1.
            raise click.exceptions.Exit(EXIT_BROKEN_PIPE) from None


@click.group(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
)
@click.version_option(package_name="ganpress")
@click.option(
    "--debug", is_flag=True, envvar="GANPRESS_DEBUG", show_envvar=True, help="Show tracebacks and logs."
)
@click.option(
    "--traces",
    type=click.Choice(["off", "otlp", "console"]),
    default="off",
    envvar="GANPRESS_TRACES",
    show_envvar=True,
    help="Where OpenTelemetry's traces go; needs ganpress[tracing].",
)
@click.pass_context
def cli(ctx: click.Context, debug: bool, traces: Traces) -> None:
    """GanPress: images from GANs, generated and stored small.

    \b
    client generate --label sedan | client compress --method kmeans -o sedan.png

    Images and tars go through pipes; messages go to stderr. Without addresses of servers the services run
    inside the command.
    """  # noqa: D301 - click keeps the lines after \b as they are
    # Imported here because logging is not free, and --help needs none.
    import logging

    logging.basicConfig(level=logging.INFO if debug else logging.CRITICAL)
    if traces != "off":
        from client.tracing import traced

        ctx.with_resource(traced(traces, f"client {ctx.invoked_subcommand}"))


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Runs the command line and ends the process."""
    # gRPC would write of every connection that ends.
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    ended_by = signal.SIGINT

    def terminate(number: int, frame: FrameType | None) -> None:
        """Ends as Ctrl-C does, of which asyncio knows: what has begun is left in order, no file half done."""
        nonlocal ended_by
        ended_by = signal.Signals(number)
        interrupt = signal.getsignal(signal.SIGINT)
        if not callable(interrupt):  # Ctrl-C is ignored, as a shell has it for what runs in the background
            sys.exit(128 + number)
        interrupt(signal.SIGINT, frame)

    signal.signal(signal.SIGTERM, terminate)
    arguments = sys.argv[1:] if arguments is None else arguments
    try:
        code = cli.main(args=list(arguments), prog_name="client", standalone_mode=False)
        sys.stdout.flush()
    except (KeyboardInterrupt, click.Abort):
        code = 128 + ended_by
    except Exception as error:  # noqa: BLE001 - the last place where an error can become a sentence
        code = _explain(error, debug="--debug" in arguments or bool(os.environ.get("GANPRESS_DEBUG")))
    if code == EXIT_BROKEN_PIPE:
        # Python would fail again when it flushes stdout at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    sys.exit(code)


def _explain(error: Exception, *, debug: bool) -> int:
    """Writes an error to stderr as one line and returns the exit code; unknown ones are bugs."""
    # Imported late: it needs gRPC.
    from client.errors import GanpressError

    match error:
        case click.ClickException():
            error.show()
            return error.exit_code
        case GanpressError():
            message = str(error)
        case OSError() if error.filename:
            message = f"{error.filename}: {error.strerror}"
        case _:
            message = f"this is a bug in GanPress, please report it: {type(error).__name__}: {error}"
    if debug:
        traceback.print_exception(error)
    else:
        click.echo(f"error: {message}", err=True)
    return EXIT_ERROR
