"""Fuzzes one target: `python -m tests.fuzz dct --seconds 120`."""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import time
from pathlib import Path

from tests.fuzz.inputs import WORK, read_findings, write_corpus
from tests.fuzz.log import Run, append
from tests.fuzz.targets import NAMES

_CHILD = "GANPRESS_FUZZ_CHILD"


def main() -> None:
    """Runs a target for as long as told; the exit code is 1 when inputs made it fail."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("target", choices=NAMES)
    parser.add_argument("--seconds", type=int, default=120, help="how long to run")
    parser.add_argument(
        "--interpreted",
        action="store_true",
        help="run Numba's functions as Python, so that their branches guide the fuzzer; slow",
    )
    parser.add_argument(
        "--keep", action="store_true", help="do not fuzz; keep the inputs that reach different code as corpus"
    )
    parser.add_argument("--merge-flags", nargs=argparse.REMAINDER, default=[], help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if os.environ.get(_CHILD):
        from tests.fuzz.engine import fuzz

        fuzz(
            arguments.target,
            arguments.seconds,
            is_interpreted=arguments.interpreted,
            merge=arguments.keep,
            merge_flags=arguments.merge_flags,
        )
        return
    if arguments.keep:
        status, output = _run_child(0)
        if status:
            sys.exit(f"the corpus could not be merged:\n{output[-3000:]}")
        write_corpus(arguments.target)
        return
    deadline_s = time.monotonic() + arguments.seconds
    before = set(read_findings(arguments.target))
    while (left_s := round(deadline_s - time.monotonic())) > 0:
        start_s, start_cpu_s = time.monotonic(), sum(os.times()[2:4])
        status, output = _run_child(left_s)
        executions = re.findall(r"^(?:#|stat::number_of_executed_units: )(\d+)", output, re.MULTILINE)
        append(
            Run(
                target=arguments.target,
                is_interpreted=arguments.interpreted,
                executions=int(executions[-1]) if executions else 0,
                cpu_s=round(sum(os.times()[2:4]) - start_cpu_s, 1),
                wall_s=round(time.monotonic() - start_s, 1),
                exit_status=status,
            )
        )
        if status and not executions:
            sys.exit(f"the fuzzer does not start:\n{output[-3000:]}")
    new = sorted(set(read_findings(arguments.target)) - before)
    for name in new:
        print(f"{arguments.target} failed: {WORK / arguments.target / 'found' / name}")
    sys.exit(1 if new else 0)


def _run_child(seconds: int) -> tuple[int, str]:
    """Runs libFuzzer, which ends its process as it likes; returns exit status and the end of its words."""
    command = [sys.executable, "-m", "tests.fuzz", *sys.argv[1:], "--seconds", str(seconds)]
    environment = os.environ | {_CHILD: "1"}
    root = Path(__file__).parents[2]
    child = subprocess.run(
        command, env=environment, cwd=root, stderr=subprocess.PIPE, text=True, errors="replace", check=False
    )
    return child.returncode, child.stderr[-100_000:]


if __name__ == "__main__":
    main()
