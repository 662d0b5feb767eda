"""Loads both services for as long as told, with faults injected, and reports what leaked, failed or slowed.

`python -m benchmarks.soak --minutes 60 --report soak.json`
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from benchmarks.ready import wait_until_serving
from benchmarks.serving.processes import Processes, free_port, running
from benchmarks.soak.faults import TIMEOUT_S, Faults, Target
from benchmarks.soak.load import Load
from benchmarks.soak.tally import Tally
from client.api import GanpressClient
from client.security import Security
from services.generator.models import PACKAGED_MODELS

_SAMPLE_S = 10.0
_PARTS = 6  # of the time, whose p99 are reported beside each other
_WARM_UP_SHARE = 0.2  # of the time, which the slopes leave out
# Model files that were made corrupt, and callers' files that were broken, are to be logged as errors.
_EXPECTED_LOG = re.compile(r"cannot be used, what it held before|cars.?.? ?9|cars/9|version 9")


@dataclass
class Watch:
    """Memory and files of one service over time."""

    name: str
    processes: Processes
    at_s: list[float] = field(default_factory=list)
    rss_mb: list[float] = field(default_factory=list)
    """Of all processes; pages that they share count in each."""
    server_rss_mb: list[float] = field(default_factory=list)
    """Of the first, which answers the calls."""
    descriptors: list[int] = field(default_factory=list)

    def sample(self, now_s: float) -> None:
        """Looks once."""
        self.at_s.append(now_s)
        self.rss_mb.append(self.processes.memory_mb("Rss"))
        self.server_rss_mb.append(self.processes.memory_mb("Rss", is_first_only=True))
        self.descriptors.append(self.processes.descriptors())

    def slope(self, values: list[float] | list[int]) -> float:
        """Returns the growth an hour, by least squares, after the warm-up."""
        first = int(_WARM_UP_SHARE * len(values))
        if len(values) - first < 3:
            return float("nan")
        return float(np.polyfit(self.at_s[first:], values[first:], 1)[0] * 3600)

    def report(self) -> dict[str, object]:
        """Returns the figures."""
        kinds = {
            "rss_mb": self.rss_mb,
            "server_rss_mb": self.server_rss_mb,
            "descriptors": self.descriptors,
        }
        return {
            **{
                name: [round(values[0]), round(max(values)), round(values[-1])]
                for name, values in kinds.items()
            },
            "slopes_per_h": {name: round(self.slope(values), 1) for name, values in kinds.items()},
            "alive": self.processes.is_alive,
            "log": _alarming(self.processes.log),
        }


async def soak(
    minutes: float, pause_s: float, fault_pause_s: float, report: Path | None, logs: Path | None
) -> bool:
    """Runs, prints and writes the report every minute, and returns whether nothing unexpected happened."""
    with tempfile.TemporaryDirectory() as name:
        kept = logs or Path(name)
        kept.mkdir(parents=True, exist_ok=True)
        folder = Path(name)
        models, callers = folder / "models", folder / "callers.toml"
        shutil.copytree(PACKAGED_MODELS, models)
        tokens = {name: _new_token(callers, name) for name in ("load", "faults")}
        ports = {service: free_port() for service in ("generator", "compressor")}
        options = ["--callers", str(callers), "--log-format", "json", "--host", "127.0.0.1"]
        commands = {
            service: [sys.executable, "-m", f"services.{service}", "--port", str(port), *options]
            for service, port in ports.items()
        }
        commands["generator"] += ["--models", str(models), "--watch-s", "2", "--queue-size", "2048"]
        env = {"PYTHONPATH": os.pathsep.join(sys.path)}
        async with (
            running(commands["generator"], env=env, log=kept / "generator.log") as generator,
            running(commands["compressor"], env=env, log=kept / "compressor.log") as compressor,
        ):
            addresses = {service: f"127.0.0.1:{port}" for service, port in ports.items()}
            for address in addresses.values():
                await wait_until_serving(address)
            watches = [Watch("generator", generator), Watch("compressor", compressor)]
            target = Target(
                **addresses,
                token=tokens["faults"],
                models=models,
                callers=callers,
                compressor_processes=compressor,
            )
            tally = Tally()
            faults = Faults(target, tally, fault_pause_s)
            access = Security(token=tokens["load"])
            async with GanpressClient(
                generator=addresses["generator"],
                compressor=addresses["compressor"],
                security=access,
                timeout_s=TIMEOUT_S,
            ) as client:
                load = Load(client, tally, pause_s)
                tasks = [asyncio.create_task(work.run()) for work in (load, faults)]
                while tally.now_s < 60 * minutes and not any(task.done() for task in tasks):
                    await asyncio.sleep(_SAMPLE_S)
                    for watch in watches:
                        watch.sample(tally.now_s)
                    if len(watches[0].at_s) % 6 == 0:
                        _write(report, _report(tally, faults, watches))
                for task in tasks:
                    task.cancel()
                for ended in await asyncio.gather(*tasks, return_exceptions=True):
                    if not isinstance(ended, asyncio.CancelledError):
                        tally.unexpected.append(f"the soak itself failed: {ended!r}")
            result = _report(tally, faults, watches)
            sound = not tally.unexpected and all(watch.processes.is_alive for watch in watches)
        _write(report, result)
        print(json.dumps(result, indent=1))
        return sound


def _report(tally: Tally, faults: Faults, watches: list[Watch]) -> dict[str, object]:
    part_s = tally.now_s / _PARTS
    parts = [(number * part_s, (number + 1) * part_s) for number in range(_PARTS)]
    return {
        "minutes": round(tally.now_s / 60, 1),
        "calls": sum(tally.outcomes.values()),
        "outcomes": {f"{kind}: {code}": count for (kind, code), count in sorted(tally.outcomes.items())},
        "p50_ms": {
            kind: [round(tally.quantile_ms(kind, 0.5, *part), 1) for part in parts]
            for kind in sorted(tally.durations_s)
        },
        "p99_ms": {
            kind: [round(tally.quantile_ms(kind, 0.99, *part), 1) for part in parts]
            for kind in sorted(tally.durations_s)
        },
        "faults": dict(sorted(faults.injected.items())),
        "lost_with_killed_workers": tally.lost,
        "unexpected": tally.unexpected[:50],
        "unexpected_count": len(tally.unexpected),
        "services": {watch.name: watch.report() for watch in watches if watch.at_s},
    }


def _alarming(log: str) -> list[str]:
    """Returns the lines of a log that a bug or an unexpected failure wrote."""
    lines = [line for line in log.splitlines() if '"level": "error"' in line or "Traceback" in line]
    return [line[:400] for line in lines if not _EXPECTED_LOG.search(line)][:20]


def _write(path: Path | None, result: dict[str, object]) -> None:
    if path:
        path.write_text(json.dumps(result, indent=1) + "\n")


def _new_token(callers: Path, name: str) -> str:
    command = [
        *(sys.executable, "-m", "services.compressor", "token", name, "--callers", str(callers)),
        *("--scope", "generate", "--scope", "compress"),
    ]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def main() -> None:
    """Reads the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--pause", type=float, default=0.5, help="mean seconds between a caller's calls")
    parser.add_argument("--fault-pause", type=float, default=10, help="mean seconds between faults")
    parser.add_argument("--report", type=Path, help="file for the report, renewed every minute")
    parser.add_argument("--logs", type=Path, help="folder in which to keep the services' logs")
    given = parser.parse_args()
    sound = asyncio.run(soak(given.minutes, given.pause, given.fault_pause, given.report, given.logs))
    raise SystemExit(0 if sound else 1)


if __name__ == "__main__":
    main()
