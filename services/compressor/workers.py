"""Threads that compute while the event loop answers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from time import perf_counter
from typing import Any, ParamSpec, TypeVar

from threadpoolctl import threadpool_limits  # pyright: ignore[reportMissingTypeStubs]

from services.common.access import current_caller
from services.common.turns import Turns

P = ParamSpec("P")
T = TypeVar("T")


class Workers:
    """A bounded pool of threads.

    A task takes a slot and then runs its steps one by one: so no more images are held decoded than
    there are threads, and a task that is cancelled does not start its next step.
    """

    def __init__(self, count: int, *, queue_size: int = 256, queue_timeout_s: float = 30.0) -> None:
        """Takes the number of threads, at least 1, and how many tasks may wait for how long.

        `start` before use.
        """
        self.count = count
        self.turns = Turns("ganpress_compressor", count, queue_size, queue_timeout_s)
        self._executor = ThreadPoolExecutor(count, thread_name_prefix="compressor")
        self._blas_limit: Any = None

    def start(self) -> None:
        """Keeps BLAS to one thread: it is the requests that run in parallel."""
        self._blas_limit = threadpool_limits(1, "blas")

    def stop(self) -> None:
        """Waits for running steps and ends the threads."""
        self._executor.shutdown(cancel_futures=True)
        if self._blas_limit:
            self._blas_limit.restore_original_limits()

    @asynccontextmanager
    async def slot(self, *, refusable: bool = True) -> AsyncGenerator[None]:
        """Waits for the caller's turn and holds a slot in the context.

        Args:
            refusable: As `Turns.turn` takes it.

        Raises:
            BusyError: Too much waits, or the wait grew too long.
        """
        caller = current_caller.get()
        async with self.turns.turn(caller.name if caller else None, refusable=refusable):
            yield

    async def run(self, step: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> tuple[T, float]:
        """Runs one step on a thread.

        Returns:
            Its result, and the milliseconds that it took.
        """

        def timed() -> tuple[T, float]:
            start_s = perf_counter()
            result = step(*args, **kwargs)
            return result, 1000 * (perf_counter() - start_s)

        return await asyncio.get_running_loop().run_in_executor(self._executor, timed)
