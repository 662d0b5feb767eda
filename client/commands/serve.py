"""`client serve`: both services in one process."""

from __future__ import annotations

import asyncio

import click

from client.channel import check_address
from client.embedded import SERVICE_NAMES, build_service
from client.errors import GanpressError
from services.common.logs import configure_logging
from services.common.server import Server, ServerOptions
from services.common.starting import StartError


@click.command(short_help="Run both services until stopped.")
@click.option(
    "--address",
    default="127.0.0.1:50051",
    show_default=True,
    metavar="HOST:PORT",
    help="Where to listen: HOST:PORT, port 0 for any free one, or unix:PATH.",
)
@click.option("--insecure", is_flag=True, help="Serve other machines, in plain text and whoever calls.")
@click.option("--log-format", type=click.Choice(["text", "json"]), default="text", show_default=True)
def serve(address: str, insecure: bool, log_format: str) -> None:
    """Run both services in one process until SIGTERM or Ctrl-C.

    Prints one line for other shells to run, which points their commands at these services. Settings come
    from the environment (docs/settings.md). For TLS and tokens run the two servers one by one.
    """
    check_address(address)
    configure_logging("info", "json" if log_format == "json" else "text")
    asyncio.run(_serve(address, insecure=insecure))


async def _serve(address: str, *, insecure: bool) -> None:
    services = [build_service(name) for name in SERVICE_NAMES]
    errors = tuple(error for service in services for error in service.errors)
    try:
        await Server(services, ServerOptions(insecure=insecure)).run(address, _tell)
    except (StartError, *errors) as error:
        raise GanpressError(str(error)) from error


def _tell(bound: str) -> None:
    click.echo(f"export GANPRESS_GENERATOR={bound} GANPRESS_COMPRESSOR={bound}")
