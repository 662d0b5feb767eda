"""A constant load from the real client: so many calls a second, whether answers come or not.

`python -m tests.k8s.emulation.load GENERATOR COMPRESSOR RATE [SECRET]` calls until SIGTERM and prints a JSON
line for each call: when it began, milliseconds, "generate" or "compress", and the error. SECRET is a folder
with a client's certificate.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import signal
import sys
import time
from pathlib import Path

from client.api import GanpressClient
from client.errors import GanpressError
from client.security import Security
from tests.k8s.emulation.secrets import security_of

TIMEOUT_S = 20.0


async def main(generator: str, compressor: str, rate: float, security: Security) -> None:
    """Calls, and prints each call."""
    async with GanpressClient(
        generator=generator, compressor=compressor, timeout_s=TIMEOUT_S, security=security
    ) as client:
        image = b""
        async for drawn in client.generate(label="sedan", seed=1):
            image = drawn.data

        async def call(index: int) -> None:
            begun_s, error = time.time(), ""
            kind = "compress" if index % 2 else "generate"
            try:
                if index % 2:
                    await client.compress(image, "jpeg", skip_metrics=True)
                else:
                    async for _ in client.generate(label="sedan", seed=index):
                        pass
            except GanpressError as caught:
                error = str(caught)
            took_ms = round((time.time() - begun_s) * 1e3, 2)
            print(json.dumps([round(begun_s, 3), took_ms, kind, error]), flush=error != "")

        stopping = asyncio.Event()
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopping.set)
        start_s = time.monotonic()
        print("ready", flush=True)
        async with asyncio.TaskGroup() as group:
            for index in itertools.takewhile(lambda _: not stopping.is_set(), itertools.count()):
                await asyncio.sleep(max(0.0, start_s + index / rate - time.monotonic()))
                group.create_task(call(index))


if __name__ == "__main__":
    shown = security_of(Path(sys.argv[4])) if len(sys.argv) > 4 else Security()
    asyncio.run(main(sys.argv[1], sys.argv[2], float(sys.argv[3]), shown))
