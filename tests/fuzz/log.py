"""What was fuzzed for how long: one JSON line a run, and their sums as a table."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

from tests.fuzz.inputs import WORK

_LOG = WORK / "log.jsonl"


@dataclass(frozen=True)
class Run:
    """One run of a target."""

    target: str
    """Its name."""
    is_interpreted: bool
    """Whether Numba's functions ran as Python."""
    executions: int
    """Inputs tried."""
    cpu_s: float
    """CPU time, seconds."""
    wall_s: float
    """Time, seconds."""
    exit_status: int
    """libFuzzer's exit status; not 0 when an input took too much time or memory, or crashed the process."""


def append(run: Run) -> None:
    """Notes a run."""
    WORK.mkdir(parents=True, exist_ok=True)
    with _LOG.open("a") as file:
        file.write(json.dumps(asdict(run)) + "\n")


def table() -> str:
    """Returns the sums of all runs noted, by target and kind, as Markdown."""
    sums: dict[tuple[str, bool], list[float]] = {}
    for line in _LOG.read_text().splitlines():
        run = Run(**json.loads(line))
        total = sums.setdefault((run.target, run.is_interpreted), [0, 0])
        total[0] += run.executions
        total[1] += run.cpu_s
    rows = ["| target | functions of Numba | inputs | CPU minutes |", "| --- | --- | ---: | ---: |"]
    for (target, is_interpreted), (executions, cpu_s) in sorted(sums.items()):
        kind = "interpreted" if is_interpreted else "compiled, checked"
        rows.append(f"| `{target}` | {kind} | {int(executions):,} | {cpu_s / 60:.1f} |")
    return "\n".join(rows)


if __name__ == "__main__":
    print(table())
