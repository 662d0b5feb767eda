"""Channels to the services."""

from __future__ import annotations

import json
import re

import grpc

from client import tracing
from client.errors import InputError
from client.security import Security
from services.common.server import CHANNEL_OPTIONS, KEEPALIVE_MS, MAX_MESSAGE_BYTES

# Calls go in turn to all servers that a name resolves to. One that never reached a server, or whose server
# went away before it answered, is sent again, to another. So is one that a server had no room for, when the
# server says; whatever else a server answered is final.
SERVICE_CONFIG = json.dumps(
    {
        "loadBalancingConfig": [{"round_robin": {}}],
        "methodConfig": [
            {
                "name": [{}],
                "retryPolicy": {
                    "maxAttempts": 5,
                    "initialBackoff": "0.1s",
                    "maxBackoff": "1s",
                    "backoffMultiplier": 3,
                    # A server that stops cancels the calls that it has not begun.
                    # One without room names the time to come again, or says that it is no use.
                    "retryableStatusCodes": ["UNAVAILABLE", "CANCELLED", "RESOURCE_EXHAUSTED"],
                },
            }
        ],
    }
)

_OPTIONS: tuple[tuple[str, str | int], ...] = (
    *CHANNEL_OPTIONS,
    ("grpc.service_config", SERVICE_CONFIG),
    # A call can be sent again while its messages are kept: by default 256 KiB, less than a photograph.
    ("grpc.per_rpc_retry_buffer_size", MAX_MESSAGE_BYTES),
    # A proxy of the environment is for the web, and never knows the Unix socket.
    ("grpc.enable_http_proxy", 0),
    # A connection that ends is the sign to ask for the name again: servers come and go within seconds.
    ("grpc.dns_min_time_between_resolutions_ms", 1000),
    ("grpc.initial_reconnect_backoff_ms", 200),
    ("grpc.min_reconnect_backoff_ms", 1000),
    ("grpc.max_reconnect_backoff_ms", 5000),
    # A machine that vanishes says nothing: who waits for its answer asks whether it is there.
    ("grpc.keepalive_time_ms", KEEPALIVE_MS),
    ("grpc.keepalive_timeout_ms", 5000),
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
    interceptors = [*tracing.interceptors(), *security.interceptors()]
    if credentials := security.credentials():
        return grpc.aio.secure_channel(address, credentials, _OPTIONS, interceptors=interceptors)
    return grpc.aio.insecure_channel(address, _OPTIONS, interceptors=interceptors)
