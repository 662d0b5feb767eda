"""What the report reads of an experiment's results."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import duckdb

from client.errors import InputError
from client.experiment.store.folder import Store
from client.experiment.store.manifest import Manifest, read_manifest
from client.experiment.store.reading import SETS, load, read_parquet


@dataclass(frozen=True)
class Results:
    """The results of an experiment in a folder or below a URL."""

    store: Store
    """Where they lie."""
    manifest: Manifest
    """What was run."""
    cells: Any
    """The cells: a `pyarrow.Table`, see docs/experiment-results.md."""
    sets: Any
    """Figures of whole sets of generated images, a `pyarrow.Table`; None without any."""

    def query(self, sql: str, **values: object) -> list[tuple[Any, ...]]:
        """Returns the rows of a query over `cells`, `good` and `plain`, and `sets` where there are any.

        `good` are the cells without an error, `plain` those of them whose image was not perturbed.
        """
        return self._connection.execute(sql, values or None).fetchall()

    @cached_property
    def _connection(self) -> duckdb.DuckDBPyConnection:
        connection = duckdb.connect()
        connection.execute("set enable_progress_bar = false")  # it would go to stdout
        connection.register("cells", self.cells)
        connection.execute("create view good as select * from cells where error is null")
        connection.execute("create view plain as select * from good where perturbation = 'none'")
        if self.sets is not None:
            connection.register("sets", self.sets)
        return connection


def read_results(location: str) -> Results:
    """Returns the results of an experiment, finished or not.

    Raises:
        InputError: There are none, or they are damaged.
        StoreError: They cannot be read.
    """
    store = Store(location)
    manifest = read_manifest(store)
    if manifest is None:
        raise InputError(f"{location} holds no results of an experiment: it has no manifest.json")
    sets = store.get(SETS)
    return Results(store, manifest, load(location), None if sets is None else read_parquet(sets))
