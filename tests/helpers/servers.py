"""Real servers for tests: on a Unix socket in a temporary directory, or in a process of their own."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import subprocess
import sys
from collections.abc import AsyncGenerator, Generator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import grpc

from services.common.server import CHANNEL_OPTIONS, Server, ServerOptions, Service


@asynccontextmanager
async def serving(
    services: Sequence[Service], socket_dir: Path, *, grace_s: float = 0.0
) -> AsyncGenerator[grpc.aio.Channel]:
    """Serves on a Unix socket in `socket_dir` and yields a channel to it."""
    server = Server(services, ServerOptions(grace_s=grace_s))
    address = await server.start(f"unix:{socket_dir / 'server.sock'}")
    try:
        async with grpc.aio.insecure_channel(address, options=CHANNEL_OPTIONS) as channel:
            yield channel
    finally:
        await server.stop()


def metrics_url(log: str) -> str:
    """Returns where a server of which this is the log gives its metrics."""
    found = re.findall(r"metrics on (http://\S+)", log)
    assert found, f"no metrics in:\n{log}"
    return found[-1]


class ServerProcess:
    """A service run as `python -m MODULE --port 0 ...`, with its log."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self.log = ""
        self.address = ""

    async def read_log_until(self, pattern: str) -> str:
        """Reads stderr until a line matches, and returns the match's first group.

        Raises:
            AssertionError: The process ended before; the message is its log.
        """
        assert self._process.stderr
        while line := (await self._process.stderr.readline()).decode():
            self.log += line
            if match := re.search(pattern, line):
                return match[1]
        raise AssertionError(f"no line matches {pattern!r} in:\n{self.log}")

    def terminate(self) -> None:
        """Sends SIGTERM."""
        self._process.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """Sends SIGKILL."""
        self._process.kill()

    async def exit_code(self) -> int:
        """Waits for the end; the rest of stderr goes to `log`."""
        assert self._process.stderr
        self.log += (await self._process.stderr.read()).decode()
        return await self._process.wait()


@asynccontextmanager
async def server_process(
    module: str, *options: str, env: Mapping[str, str] | None = None
) -> AsyncGenerator[ServerProcess]:
    """Starts a service on a free port and yields it once it listens; kills it in the end if it still runs."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", module, "--port", "0", *options),
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, **(env or {})},
    )
    server = ServerProcess(process)
    try:
        server.address = await server.read_log_until(r"listening on (\S+)")
        yield server
    finally:
        if process.returncode is None:
            process.kill()
            await process.communicate()  # a full pipe of stderr would keep wait() for ever


@contextmanager
def server(module: str, *options: str) -> Generator[str]:
    """Runs a service as `python -m MODULE --port 0 ...`, yields its address; for tests that do not await."""
    command = [sys.executable, "-m", module, "--port", "0", *options]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stderr
            yield next(
                match[1] for line in process.stderr if (match := re.search(r"listening on (\S+)", line))
            )
        finally:
            process.terminate()
            process.communicate()
