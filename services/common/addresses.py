"""Addresses to listen on, and who can reach them."""

from __future__ import annotations

import ipaddress
import socket

import grpc

from services.common.starting import AddressError
from services.common.tls import Certificates


def is_local(address: str) -> bool:
    """Whether only this machine reaches `host:port` or `unix:/path`.

    A name is local only if it is localhost: what another one means is not ours to know.
    """
    if address.startswith("unix:"):
        return True
    host = address.rpartition(":")[0].strip("[]")
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def join(host: str, port: int) -> str:
    """Returns `host:port`, an IPv6 host in brackets."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def bind(server: grpc.aio.Server, address: str, credentials: grpc.ServerCredentials | None = None) -> str:
    """Lets a server listen, under TLS where it has credentials; returns the address with the real port.

    Raises:
        AddressError: The address is taken or makes no sense.
    """
    if address.startswith("unix:") and _answers(address.removeprefix("unix:")):
        raise AddressError(f"cannot listen on {address!r}: another server does")
    try:
        port = (
            server.add_secure_port(address, credentials) if credentials else server.add_insecure_port(address)
        )
    except RuntimeError as error:
        raise AddressError(
            f"cannot listen on {address!r}: it is taken, or neither host:port nor unix:/path"
        ) from error
    return address if address.startswith("unix:") else f"{address.rpartition(':')[0]}:{port}"


def require_protection(
    address: str, certificates: Certificates | None, *, authenticates: bool, what: str = ""
) -> None:
    """Refuses an address that other machines reach, unless callers are known and nobody can listen in.

    Raises:
        AddressError: It would serve strangers, or send tokens and images in the clear.
    """
    if is_local(address) or (certificates and authenticates):
        return
    missing = [
        *([] if certificates else ["--tls-certificate and --tls-key"]),
        *([] if authenticates else ["--callers or --tls-client-ca"]),
    ]
    raise AddressError(
        f"other machines reach {what}{address!r}: give {' and '.join(missing)}, or --insecure to serve it "
        "without"
    )


def _answers(path: str) -> bool:
    """Whether a server listens on a Unix socket: gRPC would take the path away from it."""
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(path)
        except OSError:
            return False
        return True
