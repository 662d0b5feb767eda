"""Runs a plan again and again, each time killed at a random moment, until it was killed often enough.

`python -m tests.helpers.killed PLAN FOLDER KILLS SEED`: `FOLDER/whole` is a run that nothing interrupted,
`FOLDER/0`, `FOLDER/1` and so on are runs that were killed and gone on with to their end. Each run is a
process of its own, forked from this one, which has imported everything: so it takes no second to start.
The services are those of the environment, for ONNX Runtime does not stand a fork.
"""

from __future__ import annotations

import importlib
import os
import random
import signal
import sys
import time
from pathlib import Path

MODULES = ("client.commands.experiment_run", "client.experiment.means", "pandas", "pyarrow.parquet",
           "pyarrow.ipc", "duckdb")  # fmt: skip


def start(*arguments: str) -> int:
    """Starts the client and returns its process id."""
    process = os.fork()
    if process == 0:
        from client.cli import main

        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        main(arguments)
    return process


def main(plan: str, folder: Path, kills: int, seed: int) -> None:
    """Runs the plan to its end, then to the kills."""
    for module in MODULES:
        importlib.import_module(module)
    begin_s = time.monotonic()
    assert os.waitpid(start("experiment", "run", plan, "-q", "-o", str(folder / "whole")), 0)[1] == 0
    whole_s = time.monotonic() - begin_s
    chance = random.Random(seed)
    rounds, killed, is_over = 0, 0, False
    while not is_over:
        out = str(folder / str(rounds))
        process = start("experiment", "run", plan, "-q", "-o", out)
        if killed < kills:
            time.sleep(chance.uniform(0, whole_s))
            os.kill(process, signal.SIGKILL)
        status = os.waitpid(process, 0)[1]
        if status == signal.SIGKILL:
            killed += 1
        else:
            assert status == 0, status
            rounds, is_over = rounds + 1, killed >= kills
    print(killed, "kills", rounds, "runs")


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]))
