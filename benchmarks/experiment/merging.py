"""Prints how long `client experiment merge` takes for many rows, and how much memory.

    python -m benchmarks.experiment.merging RESULTS --rows 100000 --rows 1000000

The rows are those of RESULTS, which a run has left, again and again under new places, in parts of 5,000 as
four shards write them.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from client.experiment.store.folder import Store
from client.experiment.store.manifest import FILE, read_manifest
from client.experiment.store.reading import load
from client.tables import print_table

SHARDS = 4
ROWS_A_PART = 5000
MERGE = "from client.cli import main; main()"


@dataclass(frozen=True)
class Merged:
    """What a merge took."""

    parts_bytes: int
    wall_s: float
    cpu_s: float
    peak_bytes: int
    results_bytes: int


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("results", help="a folder that `client experiment run` wrote to its end")
    parser.add_argument("--rows", type=int, action="append", help="rows to merge (default 100000, 1000000)")
    arguments = parser.parse_args()
    rows: list[list[str]] = []
    for count in arguments.rows or (100_000, 1_000_000):
        with tempfile.TemporaryDirectory(prefix="ganpress-") as folder:
            write_parts(Path(folder), arguments.results, count)
            one = merge(Path(folder), count)
        sizes = [f"{size / 1e6:.0f}" for size in (one.parts_bytes, one.results_bytes, one.peak_bytes)]
        rows.append([f"{count:,}", *sizes, f"{one.wall_s:.1f}", f"{one.cpu_s:.1f}"])
    print_table(["rows", "parts MB", "results MB", "peak MB", "seconds", "CPU seconds"], rows)


def write_parts(folder: Path, results: str, count: int) -> None:
    """Writes a manifest and the parts of shards that hold `count` rows."""
    table = load(results)
    manifest = read_manifest(Store(results))
    assert manifest
    (folder / FILE).write_bytes(manifest.model_copy(update={"cells": count}).to_json())
    order = np.random.default_rng(0).permutation(-(-count // ROWS_A_PART))
    for number, part in enumerate(order):
        index = np.arange(part * ROWS_A_PART, min((part + 1) * ROWS_A_PART, count))
        rows = table.take(pa.array(index % table.num_rows))
        rows = _with(rows, "cell_index", pa.array(index, pa.uint64()))
        rows = _with(rows, "cell_id", pa.array([f"{place:016x}" for place in index]))
        # Other seeds than those of the run: no column repeats from one round to the next as a whole.
        rows = _with(rows, "output_sha256", pa.array([f"{place:064x}" for place in index * 2654435761]))
        path = folder / "parts" / f"{number % SHARDS}-of-{SHARDS}" / f"bench-{number:06}.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(rows, path, compression="zstd")


def _with(table: pa.Table, name: str, values: pa.Array) -> pa.Table:
    place = table.schema.get_field_index(name)
    return table.set_column(place, table.schema.field(place), values)


def merge(folder: Path, count: int) -> Merged:
    """Merges the parts by the command, in a process of its own."""
    parts_bytes = sum(path.stat().st_size for path in (folder / "parts").rglob("*.parquet"))
    begin_s = time.monotonic()
    command = [sys.executable, "-c", MERGE, "experiment", "merge", str(folder)]
    process = os.posix_spawn(sys.executable, command, dict(os.environ))
    _, status, usage = os.wait4(process, 0)
    wall_s = time.monotonic() - begin_s
    if status:
        raise SystemExit(f"the merge ended with status {os.waitstatus_to_exitcode(status)}")
    written = pq.read_table(folder / "results.parquet", columns=["cell_index"])["cell_index"].to_numpy()
    assert np.array_equal(written, np.arange(count))
    size = (folder / "results.parquet").stat().st_size
    return Merged(parts_bytes, wall_s, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024, size)


if __name__ == "__main__":
    main()
