"""The real services inside this process, for as long as one client lives.

Each is started on a Unix socket when it is first asked for (on 127.0.0.1 where there are no Unix
sockets), so that a command works without any server and runs the very code that a server runs.
"""

from __future__ import annotations

import importlib
import shutil
import socket
import tempfile
from pathlib import Path
from typing import Literal

from client.errors import GanpressError
from services.common.server import Server, ServerOptions, Service
from services.common.settings import SettingsError
from services.common.starting import StartError

ServiceName = Literal["generator", "compressor"]
SERVICE_NAMES: tuple[ServiceName, ...] = ("generator", "compressor")

# One command waits for its own codec only, and harms nobody else: a server loads all codecs before it is
# ready, and works in processes of their own.
_FLAGS: dict[ServiceName, dict[str, object]] = {
    "generator": {},
    "compressor": {"warm_up": False, "isolation": "thread"},
}
_MAX_SOCKET_PATH_BYTES = 100  # sockaddr_un holds 104 bytes on macOS, 108 on Linux


def build_service(name: ServiceName, **flags: object) -> Service:
    """Returns a service with its settings from the environment, `flags` above them.

    Raises:
        GanpressError: A setting is not acceptable.
    """
    # By name: a command that compresses must not wait for ONNX Runtime to be imported.
    settings = importlib.import_module(f"services.{name}.settings")
    service = importlib.import_module(f"services.{name}.service")
    settings_class = getattr(settings, f"{name.capitalize()}Settings")
    try:
        return service.build_service(settings_class.load(**flags))
    except SettingsError as error:
        raise GanpressError(str(error)) from error


class EmbeddedServers:
    """Starts the services of this process; `close` stops them."""

    def __init__(self, *, compressor_threads: int = 0) -> None:
        """Takes the threads of a compressor; 0 leaves that to its settings."""
        self._flags = dict(_FLAGS)
        if compressor_threads:
            self._flags["compressor"] = {**_FLAGS["compressor"], "threads": compressor_threads}
        self._dir: Path | None = None
        self._servers: list[Server] = []

    async def start(self, name: ServiceName) -> str:
        """Starts a service and returns its address.

        Raises:
            GanpressError: It cannot start: a bad setting, no model, no free port.
        """
        service = build_service(name, **self._flags[name])
        server = Server([service], ServerOptions(grace_s=0))
        try:
            address = await server.start(self._address(name))
        except (StartError, *service.errors) as error:
            raise GanpressError(f"the built-in {name} cannot start: {error}") from error
        self._servers.append(server)
        return address

    async def close(self) -> None:
        """Stops what was started."""
        for server in self._servers:
            await server.stop()
        if self._dir:
            shutil.rmtree(self._dir, ignore_errors=True)

    def _address(self, name: ServiceName) -> str:
        if hasattr(socket, "AF_UNIX"):
            self._dir = self._dir or Path(tempfile.mkdtemp(prefix="ganpress-"))
            path = str(self._dir / name)
            if len(path.encode()) <= _MAX_SOCKET_PATH_BYTES:
                return f"unix:{path}"
        return "127.0.0.1:0"
