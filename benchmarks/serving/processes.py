"""What a server's processes use, as the kernel counts it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path


class Processes:
    """A process and its descendants."""

    def __init__(self, pid: int) -> None:
        self._pid = pid

    def cpu_s(self) -> float:
        """Returns the CPU time that their living threads have used."""
        nanoseconds = 0
        for pid in self._pids():
            for path in Path(f"/proc/{pid}/task").glob("*/schedstat"):
                with contextlib.suppress(OSError):
                    nanoseconds += int(path.read_text().split()[0])
        return nanoseconds / 1e9

    def memory_mb(self, kind: str = "Pss") -> float:
        """Returns their memory: `Pss` counts shared pages by part, `Rss` in full."""
        kilobytes = 0
        for pid in self._pids():
            with contextlib.suppress(OSError):
                text = Path(f"/proc/{pid}/smaps_rollup").read_text()
                match = re.search(rf"^{kind}:\s+(\d+) kB", text, re.MULTILINE)
                kilobytes += int(match[1]) if match else 0
        return kilobytes / 1024

    def _pids(self) -> list[int]:
        found, pending = [], [self._pid]
        while pending:
            pid = pending.pop()
            found.append(pid)
            for path in Path(f"/proc/{pid}/task").glob("*/children"):
                with contextlib.suppress(OSError):
                    pending += map(int, path.read_text().split())
        return found


@asynccontextmanager
async def running(
    command: Sequence[str], ready: str, *, env: Mapping[str, str] | None = None, timeout_s: float = 120
) -> AsyncIterator[tuple[Processes, str]]:
    """Runs a server; yields its processes and what `ready` found on stderr; ends it.

    Args:
        command: The server's command line.
        ready: Regular expression of the line that says it is ready; its first group is yielded.
        env: Environment variables in addition.
        timeout_s: Longest wait for that line.
    """
    process = await asyncio.create_subprocess_exec(
        *command,
        stderr=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.DEVNULL,
        env={**os.environ, **(env or {})},
        start_new_session=True,
    )
    assert process.stderr
    log, found = "", ""
    try:
        async with asyncio.timeout(timeout_s):
            async for line in process.stderr:
                log += line.decode(errors="replace")
                if match := re.search(ready, log):
                    found = match[1]
                    break
            else:
                raise SystemExit(f"{command[0]} ended before it was ready:\n{log}")
        drain = asyncio.create_task(process.stderr.read())
        yield Processes(process.pid), found
        drain.cancel()
    except TimeoutError:
        raise SystemExit(f"{command[0]} was not ready after {timeout_s:g} s:\n{log}") from None
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, 15)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(process.wait(), 15)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, 9)
        await process.wait()
