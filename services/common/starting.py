"""What keeps a server from starting."""

from __future__ import annotations


class StartError(Exception):
    """The server cannot start; the message names the setting or address, for a user to read."""


class AddressError(StartError):
    """The server cannot listen on an address; the message names it."""
