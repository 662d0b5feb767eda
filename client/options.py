"""Options that several commands share."""

from __future__ import annotations

import functools
import os
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import click

from client.api import DEFAULT_TIMEOUT_S, GanpressClient, run
from client.embedded import ServiceName
from client.security import Security, read_token
from services.common.memory import keep_freed_memory

PLACE = click.Path(readable=False)
"""A path, a URL or "-" as text: nothing is looked at, but a shell completes it."""
T = TypeVar("T")
Command = TypeVar("Command", bound=Callable[..., Any])


@dataclass(frozen=True)
class Connection:
    """Where the services are, as the user said."""

    generator: str | None = None
    """Address of the generator; None starts one in this process."""
    compressor: str | None = None
    """Address of the compressor; None starts one in this process."""
    timeout_s: float = DEFAULT_TIMEOUT_S
    """Longest wait for any one answer."""
    security: Security = field(default_factory=Security)
    """TLS and token for the servers."""

    def run(self, work: Callable[[GanpressClient], Awaitable[T]], *, jobs: int | None = None) -> T:
        """Returns what `work(client)` returns; at most `jobs` images are worked on at a time."""
        keep_freed_memory()
        return run(
            work,
            generator=self.generator,
            compressor=self.compressor,
            timeout_s=self.timeout_s,
            jobs=jobs,
            security=self.security,
        )


_FILE = click.Path(path_type=Path, dir_okay=False)
_SECURITY_OPTIONS: dict[str, Callable[[Any], Any]] = {
    "tls": click.option(
        "--tls",
        is_flag=True,
        envvar="GANPRESS_TLS",
        show_envvar=True,
        help="Speak TLS with servers for which this machine's authorities vouch.",
    ),
    "ca": click.option(
        "--ca",
        type=_FILE,
        envvar="GANPRESS_CA",
        show_envvar=True,
        help="Speak TLS with servers for which these certificates (PEM) vouch.",
    ),
    "certificate": click.option(
        "--certificate",
        type=_FILE,
        envvar="GANPRESS_CERTIFICATE",
        show_envvar=True,
        help="Your own certificate (PEM), for servers that ask for one.",
    ),
    "key": click.option(
        "--key", type=_FILE, envvar="GANPRESS_KEY", show_envvar=True, help="Its private key (PEM)."
    ),
    "token_file": click.option(
        "--token-file",
        type=_FILE,
        envvar="GANPRESS_TOKEN_FILE",
        show_envvar=True,
        help="File with your token for the servers; GANPRESS_TOKEN in the environment may hold it, too.",
    ),
}


def _security(
    tls: bool, ca: Path | None, certificate: Path | None, key: Path | None, token_file: Path | None
) -> Security:
    # Not an option: everybody on a machine sees the command lines of all.
    token = read_token(token_file) if token_file else os.environ.get("GANPRESS_TOKEN", "")
    return Security(ca, certificate, key, token, tls)


def connection_options(*services: ServiceName) -> Callable[[Command], Command]:
    """Adds --timeout and the address options of these services; the command gets a `connection`."""

    def decorate(command: Command) -> Command:
        @functools.wraps(command)
        def wrapped(timeout: float, **arguments: Any) -> Any:
            addresses = {name: arguments.pop(name) for name in services}
            security = _security(**{name: arguments.pop(name) for name in _SECURITY_OPTIONS})
            connection = Connection(**addresses, timeout_s=timeout, security=security)
            return command(connection=connection, **arguments)

        options = [
            click.option(
                f"--{name}",
                metavar="HOST:PORT",
                envvar=f"GANPRESS_{name.upper()}",
                show_envvar=True,
                help=f"Address of the {name}; without it one is started inside this command.",
            )
            for name in services
        ]
        timeout = click.option(
            "--timeout",
            type=click.FloatRange(0, min_open=True),
            default=DEFAULT_TIMEOUT_S,
            show_default=True,
            metavar="SECONDS",
            envvar="GANPRESS_TIMEOUT",
            show_envvar=True,
            help="Longest wait for any one answer of a service.",
        )
        for option in (*reversed(_SECURITY_OPTIONS.values()), timeout, *reversed(options)):
            wrapped = option(wrapped)
        return wrapped  # type: ignore[return-value] - click's options keep the function

    return decorate


output_option = click.option(
    "-o",
    "--output",
    metavar="PATH",
    type=PLACE,
    help="Where to write: a file for one image, NAME.tar for a tar, a folder (existing, or a name that ends "
    "in /) for a file each, or a URL of fsspec such as s3://bucket/small/; - or nothing is stdout.",
)

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON for machines.")


def complete_codec(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:  # noqa: ARG001
    """Returns the names of codecs that begin so, for the shell."""
    from client.codec_options import AUTO, codec_names

    return [name for name in (*codec_names(), AUTO, "seed") if name.startswith(incomplete)]


inputs_argument = click.argument("inputs", nargs=-1, type=click.Path(allow_dash=True))

force_option = click.option("--force", is_flag=True, help="Replace files that exist.")

resume_option = click.option(
    "--resume", is_flag=True, help="Leave out what an earlier run into the same folder has done."
)


@dataclass(frozen=True)
class Wording:
    """What a command says of its work."""

    json: bool
    """A JSON line for each image."""
    verbose: bool
    """A line for each image, however many."""
    quiet: bool
    """Nothing but errors."""


def wording_options(command: Command) -> Command:
    """Adds --json, --verbose and --quiet; the command gets a `wording`."""

    @functools.wraps(command)
    def wrapped(as_json: bool, verbose: bool, quiet: bool, **arguments: Any) -> Any:
        return command(wording=Wording(as_json, verbose, quiet), **arguments)

    options = [
        click.option(
            "--json",
            "as_json",
            is_flag=True,
            help="A JSON line for each image, on stdout unless the images go there.",
        ),
        click.option("-v", "--verbose", is_flag=True, help="A line for each image, however many."),
        click.option("-q", "--quiet", is_flag=True, help="Write nothing to stderr but errors."),
    ]
    for option in reversed(options):
        wrapped = option(wrapped)
    return wrapped  # type: ignore[return-value] - click's options keep the function
