"""Certificates of a server, read again when they change.

gRPC and Python's ssl take TLS 1.2 and 1.3 only; a test holds both to it.
"""

from __future__ import annotations

import socket
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc

from services.common.starting import StartError
from services.common.watched import Watched


class TlsError(StartError):
    """A certificate or key cannot be used; the message names the files and why."""


@dataclass(frozen=True)
class TlsFiles:
    """Files in PEM."""

    certificate: Path
    """Certificate of the server, then those that vouch for it."""
    key: Path
    """Its private key, unencrypted."""
    client_ca: Path | None = None
    """Certificates of who vouches for callers; None: callers need none."""


@dataclass(frozen=True)
class _Loaded:
    configuration: Any
    context: ssl.SSLContext


class Certificates:
    """What the files hold: a new connection gets what they hold then, open ones stay as they are."""

    def __init__(self, files: TlsFiles) -> None:
        """Reads the files.

        Raises:
            TlsError: They cannot be read, or do not fit together.
        """
        self._files = files
        paths = [path for path in (files.certificate, files.key, files.client_ca) if path]
        try:
            self._loaded = Watched(paths, self._load, (TlsError,))
        except OSError as error:
            raise TlsError(f"cannot read {error.filename}: {error.strerror}") from error
        self._told = 0

    @property
    def demands_certificates(self) -> bool:
        """Whether callers need a certificate."""
        return self._files.client_ca is not None

    def server_credentials(self) -> grpc.ServerCredentials:
        """Returns what a gRPC server takes; it has to be kept as long as the server lives."""
        first = self._loaded.value.configuration
        self._told = self._loaded.version
        return grpc.dynamic_ssl_server_credentials(first, self._fetch, self.demands_certificates)

    def wrap(self, connection: socket.socket) -> ssl.SSLSocket:
        """Returns a connection under TLS; its handshake is made by the first read or write."""
        context = self._loaded.value.context
        return context.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)

    def _fetch(self) -> Any:
        """Called by gRPC before each handshake; returns None where nothing has changed."""
        loaded = self._loaded.value
        if self._loaded.version == self._told:
            return None
        self._told = self._loaded.version
        return loaded.configuration

    def _load(self) -> _Loaded:
        files = self._files
        certificate, key = files.certificate.read_bytes(), files.key.read_bytes()
        client_ca = files.client_ca.read_bytes() if files.client_ca else None
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        try:
            # With a password: OpenSSL would ask for one on the terminal.
            context.load_cert_chain(files.certificate, files.key, password="")
            if client_ca is not None:
                context.verify_mode = ssl.CERT_REQUIRED
                context.load_verify_locations(cadata=client_ca.decode("ascii"))
        except (ssl.SSLError, ValueError) as error:
            reason = getattr(error, "reason", None) or error
            raise TlsError(
                f"{files.certificate} and {files.key} are no certificate in PEM with its unencrypted key"
                + (f", or {files.client_ca} holds no certificates" if client_ca is not None else "")
                + f": {reason}"
            ) from error
        if (certificate, key) != (files.certificate.read_bytes(), files.key.read_bytes()):
            raise TlsError(f"{files.certificate} and {files.key} are just being changed")
        configuration = grpc.ssl_server_certificate_configuration([(key, certificate)], client_ca)
        return _Loaded(configuration, context)
