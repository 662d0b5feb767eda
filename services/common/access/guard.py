"""Who makes a call: its token, else its certificate, else its address."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Collection, Iterable, Mapping
from pathlib import Path
from typing import Any, get_args

from services.common.access.callers import Caller, Callers, CallersError, Entry, Scope
from services.common.access.errors import PermissionDeniedError, UnauthenticatedError
from services.common.access.quotas import Allowance, Quota
from services.common.watched import Watched

TOKEN_KEY = "authorization"  # noqa: S105
_SCHEME = "bearer "
_CERTIFICATE_KEYS = ("x509_subject_alternative_name", "x509_common_name")
_ALL: frozenset[Scope] = frozenset(get_args(Scope))
_USERS: frozenset[Scope] = frozenset({"generate", "compress"})
_MAX_QUOTAS = 10_000  # of callers that come and go; the least recent one starts anew


class Guard:
    """Names callers and holds their quotas. Belongs to one event loop.

    - With a file of callers, a call needs the token of one, or a certificate that one names.
    - Without, but where certificates are demanded, any sound one may generate and compress.
    - With neither, everybody may do everything.
    """

    def __init__(
        self,
        callers: Path | None = None,
        *,
        demands_certificates: bool = False,
        allowance: Allowance | None = None,
    ) -> None:
        """Reads the file.

        Args:
            callers: The file, read again when it changes; None: there is none.
            demands_certificates: Whether nobody gets a connection without a certificate.
            allowance: What a caller may ask for of whom the file says nothing else.

        Raises:
            CallersError: The file cannot be read or used.
        """
        self._allowance = allowance or Allowance()
        self._demands_certificates = demands_certificates
        self._quotas: OrderedDict[str, Quota] = OrderedDict()
        self._callers: Watched[Callers] | None = None
        if callers:
            try:
                self._callers = Watched([callers], lambda: read_callers(callers), (CallersError,))
            except OSError as error:
                raise CallersError(
                    f"cannot read the callers in {str(callers)!r}: {error.strerror}"
                ) from error

    @property
    def authenticates(self) -> bool:
        """Whether a call needs a token or a certificate."""
        return self._callers is not None or self._demands_certificates

    def identify(
        self,
        metadata: Iterable[tuple[str, Any]] | None,
        certificate: Callable[[], Mapping[str, Iterable[bytes]]],
        peer: str,
    ) -> Caller:
        """Returns who makes a call.

        Args:
            metadata: What the call carries.
            certificate: Returns what gRPC knows of the connection; asked only where it matters.
            peer: Address of the other end, as gRPC writes it.

        Raises:
            UnauthenticatedError: It is nobody who is known.
        """
        if not self.authenticates:
            return Caller(peer, _ALL, self._quota(_host(peer), self._allowance))
        token = _token(metadata)
        names = _names(certificate()) if self._demands_certificates and token is None else frozenset[str]()
        if not self._callers:
            if not names:
                raise UnauthenticatedError("the connection has no certificate with a name")
            name = min(names)
            return Caller(name, _USERS, self._quota(name, self._allowance))
        return self._known(self._callers.value, token, names)

    def identify_token(self, header: str) -> Caller:
        """Returns who sends an Authorization header.

        Raises:
            UnauthenticatedError: It is nobody who is known.
        """
        return self.identify([(TOKEN_KEY, header)] if header else (), dict, "http")

    def _known(self, callers: Callers, token: str | None, names: frozenset[str]) -> Caller:
        name = callers.of_token(token) if token is not None else callers.of_certificate(names)
        if name is None:
            if token is not None:
                raise UnauthenticatedError("the token is not known to this server")
            if names:
                raise UnauthenticatedError(f"the certificate of {min(names)!r} belongs to no caller")
            raise UnauthenticatedError("a token is needed: send the metadata authorization: Bearer TOKEN")
        entry: Entry = callers.by_name[name]
        if entry.expires and entry.expired:
            raise UnauthenticatedError(f"the access of caller {name!r} ended at {entry.expires.isoformat()}")
        return Caller(name, entry.scopes, self._quota(name, entry.allowance(self._allowance)))

    def _quota(self, name: str, allowance: Allowance) -> Quota:
        """Returns a caller's quota, a fresh one when its allowance has changed."""
        quota = self._quotas.get(name)
        if quota is None or quota.allowance != allowance:
            quota = self._quotas[name] = Quota(allowance)
            if len(self._quotas) > _MAX_QUOTAS:
                self._quotas.popitem(last=False)
        self._quotas.move_to_end(name)
        return quota


def demand(caller: Caller, scope: Scope | None, what: str) -> None:
    """Lets a caller pass that has a scope; None: anyone.

    Raises:
        PermissionDeniedError: It has not.
    """
    if scope and scope not in caller.scopes:
        raise PermissionDeniedError(
            f"{what} needs the scope {scope!r}; caller {caller.name!r} has {', '.join(sorted(caller.scopes))}"
        )


def read_callers(path: Path) -> Callers:
    """Returns the callers of a file.

    Raises:
        CallersError: It cannot be used; the message names it.
        OSError: It cannot be read.
    """
    try:
        return Callers.parse(path.read_text(encoding="utf-8"))
    except (CallersError, UnicodeDecodeError) as error:
        raise CallersError(f"the file of callers {str(path)!r} cannot be used: {error}") from error


def _token(metadata: Iterable[tuple[str, Any]] | None) -> str | None:
    for key, value in metadata or ():
        if key == TOKEN_KEY and isinstance(value, str) and value[: len(_SCHEME)].lower() == _SCHEME:
            return value[len(_SCHEME) :].strip()
    return None


def _names(known: Mapping[str, Collection[bytes] | Iterable[bytes]]) -> frozenset[str]:
    return frozenset(
        name.decode(errors="replace") for key in _CERTIFICATE_KEYS for name in known.get(key, ()) if name
    )


def _host(peer: str) -> str:
    """Returns an address without its port, so that a caller cannot take a fresh quota by connecting anew."""
    return peer.rpartition(":")[0] if peer.startswith("ipv") else peer
