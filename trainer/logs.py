"""What a run writes down of itself: one row of numbers a logged step, and the sample grids.

metrics.jsonl grows while the run trains; metrics.parquet is the same table, written when it ends or is
stopped; tensorboard/ holds the same numbers and the grids as TensorBoard events.
"""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from torch import Tensor

from trainer.files import write_atomically

Row = dict[str, float]
"""Numbers of one step by name; `step` is always there."""


class RunLog:
    """Metrics of one run.

    Attributes:
        rows: all rows since the start of the run, in the order of their steps.
    """

    def __init__(self, run: Path, step: int, *, tensorboard: bool) -> None:
        """Opens the logs in the folder `run`; rows after `step`, left by a run that died, are dropped."""
        self._jsonl, self._parquet = run / "metrics.jsonl", run / "metrics.parquet"
        self.rows = [row for row in read_rows(self._jsonl) if row["step"] <= step]
        if self._jsonl.exists():
            write_atomically(self._jsonl, "".join(map(_line, self.rows)).encode())
        self._tensorboard = None
        if tensorboard:
            from torch.utils.tensorboard import SummaryWriter

            self._tensorboard = SummaryWriter(run / "tensorboard", purge_step=step + 1 if step else None)

    def append(self, row: Row) -> None:
        """Adds a row; it is in metrics.jsonl when this returns."""
        self.rows.append(row)
        with self._jsonl.open("a") as file:
            file.write(_line(row))
        if self._tensorboard:
            for name, value in row.items():
                if name != "step":
                    self._tensorboard.add_scalar(name, value, int(row["step"]))

    def add_grid(self, grid: Tensor, step: int) -> None:
        """Shows the sample grid uint8 [C, H, W] in TensorBoard."""
        if self._tensorboard:
            self._tensorboard.add_image("samples", grid, step)

    def close(self) -> None:
        """Writes metrics.parquet and ends the event file."""
        if self._tensorboard:
            self._tensorboard.close()
        if self.rows:
            buffer = pa.BufferOutputStream()
            pq.write_table(table(self.rows), buffer)
            write_atomically(self._parquet, buffer.getvalue().to_pybytes())


def read_rows(path: Path) -> list[Row]:
    """Returns the rows of a metrics.jsonl; none if there is no such file. A line cut short is left out."""
    rows: list[Row] = []
    if path.exists():
        for line in path.read_text().splitlines():
            try:
                rows.append(json.loads(line))
            except json.JSONDecodeError:
                continue
    return rows


def table(rows: list[Row]) -> pa.Table:
    """Returns the rows as a table: a column a name, null where a row lacks it."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    return pa.table({name: [row.get(name) for row in rows] for name in names})


def _line(row: Row) -> str:
    return json.dumps(row) + "\n"
