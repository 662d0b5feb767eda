"""Addresses."""

from __future__ import annotations

import pytest

from client.channel import check_address
from client.errors import InputError


@pytest.mark.parametrize(
    "address", ["localhost:50051", "10.0.0.7:1", "[::1]:50051", "a-b.svc.cluster.local:80", "unix:/tmp/x"]
)
def test_addresses_are_kept(address: str) -> None:
    """HOST:PORT, [IPv6]:PORT and unix:PATH are addresses."""
    assert check_address(address) == address


@pytest.mark.parametrize(
    "address",
    ["", "localhost", ":50051", "localhost:", "localhost:http", "h:70000", "http://h:1", "::1:5", "unix:"],
)
def test_other_text_is_refused(address: str) -> None:
    """Anything else is refused at once, naming what would do."""
    with pytest.raises(InputError, match="HOST:PORT"):
        check_address(address)
