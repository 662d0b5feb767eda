"""Reads results, finished or not, by a query of DuckDB."""

from __future__ import annotations

import io
from collections.abc import Iterable
from importlib import import_module
from typing import Any, cast

from client.errors import InputError
from client.experiment.store.folder import Store
from client.experiment.store.schema import arrow_schema, describe_columns

RESULTS, SETS = "results.parquet", "sets.parquet"
PARTS, JOURNAL = "parts", "journal"

_QUERY = """
select {columns} from ({rows})
qualify row_number() over (partition by cell_index order by error is not null, cell_id) = 1
order by cell_index
"""
"""A cell is there twice when a run was killed between two writes, or when it was run again after it failed:
the row with a result counts."""
_BATCH_ROWS = 50_000


def load(location: str) -> Any:
    """Returns the rows of a folder or URL of results as a `pyarrow.Table`: sorted, each cell once.

    Of a run that is under way, the rows so far.

    Raises:
        InputError: There are no results.
        StoreError: They cannot be read.
    """
    with Rows([Store(location)]) as rows:
        table = rows.reader().read_all().cast(arrow_schema())
    if not table.num_rows:
        raise InputError(f"there are no results in {location}: `client experiment run` makes them")
    return table


class Rows:
    """The rows that lie in one or more stores, each cell once, in the plan's order. Use as `with`."""

    def __init__(self, stores: Iterable[Store]) -> None:
        """Looks for the files; journals are read, parts and results only when they are asked for.

        Raises:
            StoreError: They cannot be listed or read.
        """
        duckdb = cast("Any", import_module("duckdb"))
        self._connection = duckdb.connect()
        self._connection.execute("set enable_progress_bar = false")  # it would go to stdout
        parts: list[str] = []
        journals: list[Any] = []
        for store in stores:
            names = [name for name in store.names(PARTS) if name.endswith(".parquet")]
            names += [RESULTS] if store.exists(RESULTS) else []
            parts += [store.query_path(name) for name in names]
            if not store.is_local:
                self._connection.register_filesystem(store.filesystem)
            journals += read_journal(store)[1]
        arrow = cast("Any", import_module("pyarrow"))
        journal = arrow.concat_tables([arrow_schema().empty_table(), *journals])
        self._connection.register("journal", journal)
        columns = ", ".join(describe_columns())
        self._rows = f"select {columns} from journal"  # noqa: S608 - names of our own
        if parts:
            files = ", ".join("'" + path.replace("'", "''") + "'" for path in parts)
            self._rows += f" union all by name select * from read_parquet([{files}], union_by_name = true)"  # noqa: S608

    def __enter__(self) -> Rows:
        """Returns the rows."""
        return self

    def __exit__(self, *_: object) -> None:
        """Ends the query."""
        self._connection.close()

    def reader(self) -> Any:
        """Returns the rows as a `pyarrow.RecordBatchReader`; not all are held at once."""
        return self._connection.sql(_query(self._rows)).to_arrow_reader(_BATCH_ROWS)

    def finished(self) -> tuple[set[int], set[int]]:
        """Returns the places in the plan's order of cells that have a result, and of those that failed."""
        query = f"select cell_index, bool_and(error is not null) from ({self._rows}) group by all"  # noqa: S608
        found = self._connection.execute(query).fetchall()
        return {index for index, failed in found if not failed}, {index for index, failed in found if failed}

    def failures(self) -> tuple[int, str]:
        """Returns the number of cells that failed, and words for the first of them; empty without any."""
        text = f"select image, codec, setting, error from ({_query(self._rows)}) where error is not null"  # noqa: S608
        found = self._connection.execute(text).fetchall()
        return len(found), "{} with {} {}: {}".format(*found[0]) if found else ""

    def query(self, text: str) -> list[tuple[Any, ...]]:
        """Returns what a query gives that selects from `{rows}`."""
        return self._connection.execute(text.format(rows=f"({_query(self._rows)})")).fetchall()


def _query(rows: str) -> str:
    return _QUERY.format(columns=", ".join(describe_columns()), rows=rows)


def read_journal(store: Store, shard: str = "") -> tuple[list[str], list[Any]]:
    """Returns the names of the files in the journal of a shard, or of all, and the tables in them."""
    ipc = cast("Any", import_module("pyarrow.ipc"))
    names = [name for name in store.names(f"{JOURNAL}/{shard}".rstrip("/")) if name.endswith(".arrow")]
    files = ((name, store.get(name)) for name in names)
    # None: another process moved it to a part after it was listed.
    found = [(name, ipc.open_file(io.BytesIO(data)).read_all()) for name, data in files if data is not None]
    return [name for name, _ in found], [table for _, table in found]


def read_parquet(data: bytes) -> Any:
    """Returns the table in a Parquet file."""
    parquet = cast("Any", import_module("pyarrow.parquet"))
    return parquet.read_table(io.BytesIO(data))
