"""Writes rows so that a finished one is never lost."""

from __future__ import annotations

import asyncio
import io
import threading
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any, cast

from client.experiment.store.folder import Store
from client.experiment.store.reading import JOURNAL, PARTS
from client.experiment.store.schema import Row, to_table

_FILES_A_PART = 500
_ROWS_A_PART = 5000


@dataclass(frozen=True)
class Shard:
    """One of several runs that share a plan."""

    number: int = 0
    """Which, from 0."""
    count: int = 1
    """Of how many."""

    def __str__(self) -> str:
        """Returns the name of its folder."""
        return f"{self.number}-of-{self.count}"

    def owns(self, image: int) -> bool:
        """Tells whether the image of this number belongs to the shard."""
        return image % self.count == self.number


class _Batch:
    """Rows that are written together."""

    def __init__(self) -> None:
        self.rows: list[Row] = []
        self.files: dict[str, bytes] = {}
        self.is_written = False


class Journal:
    """Takes the rows of one shard and makes them durable, many at a time when they come quickly.

    Rows go to small files in `journal/`, each written whole; when there are many, their rows are written
    to a part and the files are deleted. To be killed between the two leaves rows twice, which readers know.
    Files of images are written before the rows that name them.
    """

    def __init__(self, store: Store, shard: Shard) -> None:
        """Takes the store; nothing is written yet."""
        self._store = store
        self._shard = shard
        self._run = uuid.uuid4().hex[:8]  # no two processes write to the same names
        self._files = 0
        self._tables: list[Any] = []
        self._names: list[str] = []
        self._kept: set[str] = set()
        self._batch = _Batch()
        self._turn = asyncio.Lock()
        self._lock = threading.Lock()  # a write goes on when who waits for it is cancelled

    async def add(self, row: Row, files: dict[str, bytes]) -> None:
        """Returns when a row, and files by their names, are durable.

        Raises:
            StoreError: They cannot be written.
        """
        batch = self._batch
        batch.rows.append(row)
        batch.files |= files
        async with self._turn:
            # Whoever comes while a file is being written is in the next one, which holds them all.
            if batch.is_written:
                return
            if self._batch is batch:
                self._batch = _Batch()
            await asyncio.to_thread(self._write, batch)
            batch.is_written = True

    async def close(self) -> None:
        """Moves what is in the journal to a part."""
        await asyncio.to_thread(self._close)

    def adopt(self, names: Sequence[str], tables: Sequence[Any]) -> None:
        """Takes over the journal of an earlier run of the same shard."""
        self._names += names
        self._tables += tables

    def _write(self, batch: _Batch) -> None:
        with self._lock:
            for name, data in batch.files.items():
                if name not in self._kept:  # names are digests: the same name is the same file
                    self._store.put(name, data)
                    self._kept.add(name)
            table = to_table(batch.rows)
            name = f"{JOURNAL}/{self._shard}/{self._run}-{self._files:06}.arrow"
            self._store.put(name, _ipc_file(table))
            self._files += 1
            self._names.append(name)
            self._tables.append(table)
            if len(self._names) >= _FILES_A_PART or sum(one.num_rows for one in self._tables) >= _ROWS_A_PART:
                self._roll()

    def _close(self) -> None:
        with self._lock:
            self._roll()

    def _roll(self) -> None:
        if not self._tables:
            return
        arrow = cast("Any", import_module("pyarrow"))
        parquet = cast("Any", import_module("pyarrow.parquet"))
        table = arrow.concat_tables(self._tables)
        file = io.BytesIO()
        parquet.write_table(table, file, compression="zstd")
        self._store.put(f"{PARTS}/{self._shard}/{self._run}-{self._files:06}.parquet", file.getvalue())
        self._store.delete(self._names)
        self._files += 1
        self._names, self._tables = [], []


def _ipc_file(table: Any) -> bytes:
    ipc = cast("Any", import_module("pyarrow.ipc"))
    arrow = cast("Any", import_module("pyarrow"))
    # Without the descriptions of the columns, which are twice as large as a row.
    schema = arrow.schema([column.remove_metadata() for column in table.schema])
    file = io.BytesIO()
    with ipc.new_file(file, schema) as writer:
        writer.write_table(table.cast(schema))
    return file.getvalue()
