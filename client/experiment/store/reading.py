"""Reads results, finished or not."""

from __future__ import annotations

import io
from collections.abc import Iterable
from importlib import import_module
from typing import Any, cast

from client.errors import InputError
from client.experiment.store.folder import Store
from client.experiment.store.schema import arrow_schema

RESULTS, SETS = "results.parquet", "sets.parquet"
PARTS, JOURNAL = "parts", "journal"


def load(location: str) -> Any:
    """Returns the rows of a folder or URL of results as a `pyarrow.Table`: sorted, each cell once.

    Of a run that is under way, the rows so far.

    Raises:
        InputError: There are no results.
        StoreError: They cannot be read.
    """
    store = Store(location)
    finished = store.get(RESULTS)
    if finished is not None:
        return read_parquet(finished)
    table = combine([*read_parts(store), *read_journal(store)])
    if not table.num_rows:
        raise InputError(f"there are no results in {location}: `client experiment run` makes them")
    return table


def read_parts(store: Store, shard: str = "") -> list[Any]:
    """Returns the tables in the parts of a shard, or of all."""
    names = store.names(f"{PARTS}/{shard}")
    return [read_parquet(store.get(name) or b"") for name in names if name.endswith(".parquet")]


def read_journal(store: Store, shard: str = "") -> list[Any]:
    """Returns the tables in the journal of a shard, or of all."""
    ipc = cast("Any", import_module("pyarrow.ipc"))
    files = (store.get(name) for name in store.names(f"{JOURNAL}/{shard}") if name.endswith(".arrow"))
    # None: another process moved it to the parts after it was listed.
    return [ipc.open_file(io.BytesIO(data)).read_all() for data in files if data is not None]


def combine(tables: Iterable[Any]) -> Any:
    """Returns the rows of all tables in the plan's order, each cell once.

    A cell that is there twice was killed between two writes, or run again after it failed: the row with a
    result counts.
    """
    arrow = cast("Any", import_module("pyarrow"))
    compute = cast("Any", import_module("pyarrow.compute"))
    schema = arrow_schema()
    table = arrow.concat_tables([schema.empty_table(), *(table.cast(schema) for table in tables)])
    failed = compute.is_valid(table["error"])
    order = compute.sort_indices(
        arrow.table({"cell_index": table["cell_index"], "failed": failed}),
        sort_keys=[("cell_index", "ascending"), ("failed", "ascending")],
    )
    table = table.take(order).combine_chunks()
    if table.num_rows < 2:
        return table
    index = table["cell_index"]
    is_first = compute.not_equal(index.slice(1), index.slice(0, table.num_rows - 1))
    return table.filter(arrow.concat_arrays([arrow.array([True]), is_first.combine_chunks()]))


def read_parquet(data: bytes) -> Any:
    """Returns the table in a Parquet file."""
    parquet = cast("Any", import_module("pyarrow.parquet"))
    return parquet.read_table(io.BytesIO(data))
