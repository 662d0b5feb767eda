"""How the client shows who it is, and knows whom it speaks to."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc

from client.errors import InputError
from client.interceptors import intercepting, with_metadata
from services.common.addresses import is_local


@dataclass(frozen=True)
class Security:
    """What a user says about TLS and tokens; by default nothing, which is plain text."""

    ca: Path | None = None
    """Certificates in PEM of who vouches for the servers."""
    certificate: Path | None = None
    """The client's own certificate chain in PEM."""
    key: Path | None = None
    """Its private key in PEM."""
    token: str = ""
    """Token that every call carries; empty: none."""
    tls: bool = False
    """TLS with servers for which the machine's own authorities vouch; `ca` and `certificate` mean it, too."""

    @property
    def uses_tls(self) -> bool:
        """Whether calls go over TLS."""
        return self.tls or self.ca is not None or self.certificate is not None

    def credentials(self) -> grpc.ChannelCredentials | None:
        """Returns the credentials of a channel; None: plain text.

        Raises:
            InputError: A file cannot be used, or certificate and key do not come together.
        """
        if (self.certificate is None) != (self.key is None):
            raise InputError("--certificate and --key go together: give both or neither")
        if not self.uses_tls:
            return None
        if self.certificate and self.key:
            try:
                context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
                context.load_cert_chain(self.certificate, self.key, password="")
            except (ssl.SSLError, OSError) as error:
                raise InputError(
                    f"{self.certificate} and {self.key} are no PEM certificate with its plain key: {error}"
                ) from error
        return grpc.ssl_channel_credentials(_read(self.ca), _read(self.key), _read(self.certificate))

    def check(self, address: str) -> None:
        """Refuses to show the token to whoever listens on the way.

        Raises:
            InputError: It would travel in plain text to another machine.
        """
        if self.token and not self.uses_tls and not is_local(address):
            raise InputError(
                f"the token would travel to {address} in plain text: give --tls, or --ca with the "
                "certificate of its authority"
            )

    def interceptors(self) -> list[grpc.aio.ClientInterceptor]:
        """Returns what makes each call carry the token."""
        if not self.token:
            return []
        item = ("authorization", f"Bearer {self.token}")

        async def carry(continuation: Callable[[Any, Any], Any], details: Any, request: Any) -> Any:
            return await continuation(with_metadata(details, item), request)

        return intercepting(carry)


def read_token(path: Path) -> str:
    """Returns the token in a file.

    Raises:
        InputError: It cannot be read or holds none.
    """
    token = (_read(path) or b"").decode("ascii", errors="replace").strip()
    if not token.isprintable() or not token or " " in token:
        raise InputError(f"{path} holds no token: it should be one word")
    return token


def _read(path: Path | None) -> bytes | None:
    if path is None:
        return None
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from error
