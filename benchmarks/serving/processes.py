"""A server's processes: started, watched as the kernel counts them, ended."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
import socket
import tempfile
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path


class Processes:
    """A process and all that it started."""

    def __init__(self, process: asyncio.subprocess.Process, log: Path) -> None:
        """Takes a process and the file that it writes to."""
        self._process = process
        self._log = log

    @property
    def is_alive(self) -> bool:
        """Whether the first process still runs."""
        return self._process.returncode is None

    @property
    def last_words(self) -> str:
        """The end of what the processes wrote."""
        return self._log.read_text(errors="replace")[-2000:]

    def cpu_s(self) -> float:
        """Returns the CPU time that their living threads have used."""
        nanoseconds = 0
        for pid in self._pids():
            for path in Path(f"/proc/{pid}/task").glob("*/schedstat"):
                with contextlib.suppress(OSError):
                    nanoseconds += int(path.read_text().split()[0])
        return nanoseconds / 1e9

    def memory_mb(self, kind: str = "Pss", *, is_first_only: bool = False) -> float:
        """Returns their memory, or that of the first: `Pss` counts shared pages by part, `Rss` in full."""
        kilobytes = 0
        for pid in [self._process.pid] if is_first_only else self._pids():
            with contextlib.suppress(OSError):
                text = Path(f"/proc/{pid}/smaps_rollup").read_text()
                match = re.search(rf"^{kind}:\s+(\d+) kB", text, re.MULTILINE)
                kilobytes += int(match[1]) if match else 0
        return kilobytes / 1024

    def children(self) -> list[int]:
        """Returns the process ids of all but the first."""
        return self._pids()[1:]

    def descriptors(self) -> int:
        """Returns how many files and sockets they hold open."""
        count = 0
        for pid in self._pids():
            with contextlib.suppress(OSError):
                count += sum(1 for _ in Path(f"/proc/{pid}/fd").iterdir())
        return count

    @property
    def log(self) -> str:
        """All that the processes wrote."""
        return self._log.read_text(errors="replace")

    def _pids(self) -> list[int]:
        """Returns the processes of the session, the first one first: some have outlived their parents."""
        first = self._process.pid
        found = [first]
        for pid in (int(path.name) for path in Path("/proc").glob("[0-9]*")):
            with contextlib.suppress(ProcessLookupError):
                if pid != first and os.getsid(pid) == first:
                    found.append(pid)
        return found


def free_port() -> int:
    """Returns a TCP port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@asynccontextmanager
async def running(
    command: Sequence[str], *, env: Mapping[str, str] | None = None, log: Path | None = None
) -> AsyncIterator[Processes]:
    """Runs a server, with these environment variables in addition; ends it and its descendants.

    What it writes goes to the file `log`; without one it is gone with the server.
    """
    with tempfile.TemporaryDirectory() as folder:
        log = log or Path(folder) / "log"
        with log.open("wb") as output:
            process = await asyncio.create_subprocess_exec(
                *command,
                stdout=output,
                stderr=output,
                env={**os.environ, **(env or {})},
                cwd=folder,
                start_new_session=True,
            )
        try:
            yield Processes(process, log)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGTERM)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(process.wait(), 15)
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            await process.wait()
