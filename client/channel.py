"""Channels to the services."""

from __future__ import annotations

import json
import re

import grpc

from client.errors import InputError
from client.security import Security
from services.common.server import CHANNEL_OPTIONS

# A call that never reached a server may be sent again; whatever a server answered is final.
SERVICE_CONFIG = json.dumps(
    {
        "methodConfig": [
            {
                "name": [{}],
                "retryPolicy": {
                    "maxAttempts": 4,
                    "initialBackoff": "0.1s",
                    "maxBackoff": "1s",
                    "backoffMultiplier": 3,
                    "retryableStatusCodes": ["UNAVAILABLE"],
                },
            }
        ]
    }
)

_ADDRESS = re.compile(r"unix:.+|(?P<host>[^\s:/\[\]]+|\[[0-9a-fA-F:.]+\]):(?P<port>\d{1,5})")


def check_address(address: str) -> str:
    """Returns the address when it is `HOST:PORT`, `[IPv6]:PORT` or `unix:PATH`.

    Raises:
        InputError: It is none of them.
    """
    match = _ADDRESS.fullmatch(address)
    if not match or (match["port"] and not 0 <= int(match["port"]) <= 65535):
        raise InputError(f"{address!r} is no address: give HOST:PORT, such as localhost:50051, or unix:PATH")
    return address


def open_channel(address: str, security: Security | None = None) -> grpc.aio.Channel:
    """Returns a channel to an address; it connects on the first call.

    Raises:
        InputError: A file of `security` cannot be used, or its token would travel in plain text.
    """
    security = security or Security()
    security.check(address)
    options = [
        *CHANNEL_OPTIONS,
        ("grpc.service_config", SERVICE_CONFIG),
        # A proxy of the environment is for the web, and never knows the Unix socket.
        ("grpc.enable_http_proxy", 0),
    ]
    interceptors = security.interceptors()
    if credentials := security.credentials():
        return grpc.aio.secure_channel(address, credentials, options, interceptors=interceptors)
    return grpc.aio.insecure_channel(address, options, interceptors=interceptors)
