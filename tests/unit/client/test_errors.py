"""From gRPC errors to sentences."""

from __future__ import annotations

import grpc
import pytest

from client.errors import Peer, ServiceError, TimeoutExceededError, UnreachableError, from_status, status_code

REMOTE = Peer("generator", "gpu7:50051")
EMBEDDED = Peer("compressor", "")


@pytest.mark.parametrize("code", [code for code in grpc.StatusCode if code is not grpc.StatusCode.OK])
@pytest.mark.parametrize("peer", [REMOTE, EMBEDDED])
@pytest.mark.parametrize("details", ["", "k takes 1..256, not 0"])
def test_every_code_becomes_one_line(code: grpc.StatusCode, peer: Peer, details: str) -> None:
    """Whatever comes over the wire is a single line that keeps its code."""
    error = from_status(code, details, peer)
    assert isinstance(error, ServiceError)
    assert error.code is code
    assert len(str(error).splitlines()) == 1


def test_the_users_mistake_is_told_in_the_services_words() -> None:
    """A refused argument needs no decoration."""
    error = from_status(grpc.StatusCode.INVALID_ARGUMENT, "k takes 1..256, not 0", REMOTE)
    assert str(error) == "k takes 1..256, not 0"


def test_an_unreachable_server_is_named_with_what_to_do() -> None:
    """The address, the option and its variable are in the message."""
    error = from_status(grpc.StatusCode.UNAVAILABLE, "connection refused", REMOTE)
    assert isinstance(error, UnreachableError)
    for words in ("gpu7:50051", "client serve", "--generator", "GANPRESS_GENERATOR", "connection refused"):
        assert words in str(error)


def test_a_timeout_names_its_option() -> None:
    """A user learns which knob to turn."""
    error = from_status(grpc.StatusCode.DEADLINE_EXCEEDED, "", EMBEDDED)
    assert isinstance(error, TimeoutExceededError)
    assert "--timeout" in str(error)


def test_numbers_become_codes() -> None:
    """A stream's errors carry the code as a number; unknown ones are UNKNOWN."""
    assert status_code(3) is grpc.StatusCode.INVALID_ARGUMENT
    assert status_code(99) is grpc.StatusCode.UNKNOWN
