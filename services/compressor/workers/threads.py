"""Workers that are threads of this process: quick to start, but a crash of a decoder ends them all."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from threadpoolctl import threadpool_limits  # pyright: ignore[reportMissingTypeStubs]

from services.compressor.failures import out_of_memory
from services.compressor.jobs import JOBS
from services.compressor.workers.base import Limits, Workers


class _StoppedError(Exception):
    """Nobody waits for the job any more."""


class ThreadWorkers(Workers):
    """Threads. They run side by side where the libraries release the GIL, as all codecs' inner loops do."""

    def __init__(self, count: int, limits: Limits, **queue: Any) -> None:
        """See `Workers`; memory is not limited here."""
        super().__init__(count, limits, **queue)
        self._executor = ThreadPoolExecutor(count, thread_name_prefix="compressor")
        self._blas_limit: Any = None
        self._busy = 0

    @property
    def busy(self) -> int:
        """See `Workers.busy`."""
        return self._busy

    async def start(self, *, prepare: bool) -> None:
        """Keeps BLAS to one thread: it is the requests that run in parallel."""
        self._blas_limit = threadpool_limits(1, "blas")
        if prepare:
            await self.work("prepare", None)

    def stop(self) -> None:
        """Waits for running steps and ends the threads."""
        self._executor.shutdown(cancel_futures=True)
        if self._blas_limit:
            self._blas_limit.restore_original_limits()

    async def work(self, job: str, request: Any) -> Any:
        """See `Workers.work`."""
        stopped = threading.Event()
        work = asyncio.get_running_loop().run_in_executor(self._executor, self._do, job, request, stopped)
        try:
            return await work
        except MemoryError:
            raise out_of_memory() from None
        finally:
            stopped.set()

    def _do(self, job: str, request: Any, stopped: threading.Event) -> Any:
        def go_on() -> None:
            if stopped.is_set():
                raise _StoppedError

        self._busy += 1
        try:
            return JOBS[job][0](request, self.limits.max_pixels, go_on)
        finally:
            self._busy -= 1
