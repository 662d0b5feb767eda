"""How a server greets: in TLS or plain text, with which certificate; gRPC's errors tell little of it."""

from __future__ import annotations

import asyncio
import ssl
from contextlib import suppress
from typing import Any

from cryptography import x509

from client.errors import GanpressError
from client.security import Security

_TIMEOUT_S = 5.0
_EXPIRED, _NOT_YET, _OTHER_NAME = 10, 9, 62  # OpenSSL's X509_V_ERR_...


class HandshakeError(GanpressError):
    """No call can be made with these settings, though somebody listens; the message says what to change."""


async def handshake(address: str, security: Security) -> x509.Certificate | None:
    """Returns the server's certificate, checked; None in plain text, or where nobody listens.

    Args:
        address: `HOST:PORT` or `unix:PATH`.
        security: As for calls.

    Raises:
        HandshakeError: Client and server do not agree.
    """
    if address.startswith("unix:"):
        return None
    with suppress(OSError, TimeoutError):
        await _connect(address, None)
        return await (_checked if security.uses_tls else _plain)(address, security)
    return None


async def _plain(address: str, security: Security) -> None:  # noqa: ARG001
    """Finds out whether a server that is called in plain text knows TLS alone."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with suppress(ssl.SSLError, OSError):
        await _connect(address, context)
        raise HandshakeError("it speaks TLS: give --ca with its authority's certificate, or --tls")


async def _checked(address: str, security: Security) -> x509.Certificate | None:
    context = ssl.create_default_context(cafile=security.ca)
    if security.certificate and security.key:
        context.load_cert_chain(security.certificate, security.key)
    try:
        der = await _connect(address, context)
    except ssl.SSLCertVerificationError as error:
        raise HandshakeError(_refused(error)) from error
    except (ssl.SSLError, ConnectionError) as error:
        raise HandshakeError(
            "it ends the handshake of TLS: if it speaks plain text, leave out --tls, --ca and --certificate "
            f"[{error}]"
        ) from error
    return x509.load_der_x509_certificate(der) if der else None


def _refused(error: ssl.SSLCertVerificationError) -> str:
    advice = {
        _EXPIRED: "renew it there",
        _NOT_YET: "one of the two clocks is wrong",
        _OTHER_NAME: "call it by a name that stands in it",
    }
    what = advice.get(error.verify_code, "give the certificate of its authority by --ca")
    return f"its certificate cannot be accepted, {error.verify_message.rstrip('.')}: {what}"


async def _connect(address: str, context: ssl.SSLContext | None) -> bytes | None:
    """Connects and leaves; returns the certificate in DER."""
    host, _, port = address.rpartition(":")
    host = host.strip("[]")
    if context:
        context.set_alpn_protocols(["h2"])
    name = host if context else None
    async with asyncio.timeout(_TIMEOUT_S):
        _, writer = await asyncio.open_connection(host, int(port), ssl=context, server_hostname=name)
    try:
        session: Any = writer.get_extra_info("ssl_object")
        return session.getpeercert(binary_form=True) if session else None
    finally:
        writer.transport.abort()
