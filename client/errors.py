"""What can go wrong for a user of the client, and the one place where gRPC errors become that.

GanpressError
├── InputError            a file, option or address that cannot be used; nothing was sent
├── WriteError            a result cannot be written: a full disk, no permission; what was done stays
├── PartialError          some of many images failed, and each was named; the others are done
└── ServiceError          a service answered with an error, or not at all
    ├── UnreachableError  no server at the address
    └── TimeoutExceededError  no answer in time

Every message is one sentence or two for the user; none needs the traceback.
"""

from __future__ import annotations

from dataclasses import dataclass

import grpc


class GanpressError(Exception):
    """Base of all errors that the client raises on purpose."""


class InputError(GanpressError):
    """A file, option or address that cannot be used."""


class WriteError(GanpressError):
    """A result cannot be written, nor would the next ones be; what was done stays."""


class PartialError(GanpressError):
    """Some of many images failed; each was named when it did."""


class ServiceError(GanpressError):
    """A service answered with an error; `code` is its gRPC status code."""

    def __init__(self, message: str, code: grpc.StatusCode) -> None:
        super().__init__(message)
        self.code = code


class UnreachableError(ServiceError):
    """No server answers at the address."""


class TimeoutExceededError(ServiceError):
    """The service gave no answer in time."""


_UNSENT = "Internal error from Core"  # how gRPC ends a stream of which it cannot send a message


@dataclass(frozen=True)
class Peer:
    """The service at the other end, as the user knows it."""

    service: str
    """Its name, "generator" or "compressor"."""
    address: str
    """Where it was looked for; empty for the one inside this process."""

    def __str__(self) -> str:
        """Returns words for a sentence."""
        return f"the {self.service} at {self.address}" if self.address else f"the built-in {self.service}"


def from_rpc_error(error: grpc.aio.AioRpcError, peer: Peer) -> ServiceError:
    """Returns what a failed call means for the user."""
    if error.details() == _UNSENT:
        return from_status(grpc.StatusCode.UNAVAILABLE, "the connection broke as a message was sent", peer)
    return from_status(error.code(), error.details() or "", peer)


def from_status(code: grpc.StatusCode, details: str, peer: Peer) -> ServiceError:
    """Returns what a status code with its details means for the user."""
    match code:
        case grpc.StatusCode.UNAVAILABLE:
            return UnreachableError(
                f"cannot reach {peer}: start one with `client serve`, or correct --{peer.service} "
                f"(environment variable GANPRESS_{peer.service.upper()}); without either, one is "
                f"started for you [{details}]",
                code,
            )
        case grpc.StatusCode.UNAUTHENTICATED:
            return ServiceError(
                f"{peer} does not know you: give your token by --token-file or GANPRESS_TOKEN, or your "
                f"certificate by --certificate and --key [{details}]",
                code,
            )
        case grpc.StatusCode.DEADLINE_EXCEEDED:
            return TimeoutExceededError(
                f"{peer} gave no answer in time: raise --timeout (environment variable GANPRESS_TIMEOUT)",
                code,
            )
        case grpc.StatusCode.UNIMPLEMENTED:
            return ServiceError(f"{peer} is no GanPress {peer.service}, or an older one [{details}]", code)
        case grpc.StatusCode.INTERNAL | grpc.StatusCode.UNKNOWN | grpc.StatusCode.CANCELLED:
            hint = "its log says more" if peer.address else "`client --debug` says more"
            return ServiceError(f"{peer} failed: {details or code.name.lower()} ({hint})", code)
        case _:
            return ServiceError(details or f"{peer} refused: {code.name}", code)


def status_code(number: int) -> grpc.StatusCode:
    """Returns the gRPC status code with this number, UNKNOWN for a number that has none."""
    return next((code for code in grpc.StatusCode if code.value[0] == number), grpc.StatusCode.UNKNOWN)
