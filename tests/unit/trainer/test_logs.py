"""Metrics on disk: JSONL, Parquet and TensorBoard."""

import json
from pathlib import Path

import pandas as pd
import torch
from hypothesis import given
from hypothesis import strategies as st
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from trainer.logs import Row, RunLog, read_rows, table


def rows(n: int) -> list[Row]:
    """Returns rows of which every other has a column more."""
    return [{"step": i, "d_loss": i / 7} | ({"penalty": 0.5} if i % 2 else {}) for i in range(1, n + 1)]


def test_rows_are_on_disk_at_once_and_as_a_table_at_the_end(tmp_path: Path) -> None:
    """Each row is in metrics.jsonl when it is added; closing writes the same as Parquet, gaps as nulls."""
    log = RunLog(tmp_path, 0, tensorboard=False)
    for row in rows(4):
        log.append(row)
        assert read_rows(tmp_path / "metrics.jsonl")[-1] == row
    assert not (tmp_path / "metrics.parquet").exists()
    log.close()
    frame = pd.read_parquet(tmp_path / "metrics.parquet")
    assert frame["step"].tolist() == [1, 2, 3, 4]
    assert frame["step"].dtype == "int64"
    assert frame["penalty"].isna().tolist() == [False, True, False, True]


def test_a_resumed_log_drops_what_its_checkpoint_does_not_know(tmp_path: Path) -> None:
    """Rows after the checkpoint's step and a line that was cut short are gone, the others stay."""
    log = RunLog(tmp_path, 0, tensorboard=False)
    for row in rows(6):
        log.append(row)
    with (tmp_path / "metrics.jsonl").open("a") as file:
        file.write('{"step": 7, "d_lo')
    resumed = RunLog(tmp_path, 4, tensorboard=False)
    resumed.append({"step": 5, "d_loss": 9.0})
    assert resumed.rows == read_rows(tmp_path / "metrics.jsonl") == [*rows(4), {"step": 5, "d_loss": 9.0}]


def test_tensorboard_shows_scalars_and_grids(tmp_path: Path) -> None:
    """TensorBoard's own reader finds each number under its name, and the grid."""
    log = RunLog(tmp_path, 0, tensorboard=True)
    for row in rows(3):
        log.append(row | {"diversity/van": 0.5})
    log.add_grid(torch.zeros(3, 8, 12, dtype=torch.uint8), 3)
    log.close()
    events = EventAccumulator(str(tmp_path / "tensorboard"))
    events.Reload()
    assert set(events.Tags()["scalars"]) == {"d_loss", "penalty", "diversity/van"}
    assert [event.step for event in events.Scalars("d_loss")] == [1, 2, 3]
    (grid,) = events.Images("samples")
    assert (grid.step, grid.width, grid.height) == (3, 12, 8)


NUMBERS = st.one_of(st.integers(-(2**53), 2**53), st.floats(allow_nan=False, allow_infinity=False))


@given(st.lists(st.dictionaries(st.text(min_size=1), NUMBERS).map(lambda row: row | {"step": 1}), min_size=1))
def test_any_rows_make_a_table(many: list[Row]) -> None:
    """Whatever names and numbers rows have, each finds its place in the table."""
    made = table(many).to_pylist()
    for row, cells in zip(many, made, strict=True):
        assert {name: value for name, value in cells.items() if value is not None} == row
    assert json.loads(json.dumps(many)) == many
