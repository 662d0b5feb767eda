"""Puts the parts of a run, or of its shards, into one file."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, cast

from client.errors import InputError
from client.experiment.store.folder import Store
from client.experiment.store.manifest import FILE, Manifest, read_manifest
from client.experiment.store.reading import JOURNAL, PARTS, RESULTS, SETS, Rows
from client.experiment.store.schema import arrow_schema


def merge(stores: Sequence[Store], output: Store, *, partial: bool = False) -> int:
    """Writes `results.parquet` of all rows in the stores, and returns their number.

    The output may be one of the stores: its parts and journal are deleted then. Images stay where they
    are, but are copied when the output is another store.

    Args:
        stores: Results of the same plan.
        output: Where to write.
        partial: Write even when cells are missing.

    Raises:
        InputError: The stores hold no results, or those of different plans, or cells are missing.
        StoreError: They cannot be read or written.
    """
    manifest = common_manifest(stores)
    with Rows(stores) as rows:
        done, failed = rows.finished()
        missing = manifest.cells - len(done) - len(failed)
        if missing and not partial:
            raise InputError(
                f"{missing} of {manifest.cells} cells are missing: `client experiment resume` does them, "
                "--partial merges what is there"
            )
        _write(rows, manifest, output)
    if all(store.location != output.location for store in stores):
        output.put(FILE, manifest.to_json())
        for store in stores:
            for name in [*store.names("images"), SETS]:
                data = store.get(name)
                if data is not None:
                    output.put(name, data)
    elif not partial:
        output.delete_folder(PARTS)
        output.delete_folder(JOURNAL)
    return len(done) + len(failed)


def common_manifest(stores: Sequence[Store]) -> Manifest:
    """Returns the manifest that all stores have.

    Raises:
        InputError: One has none, or they are of different plans.
    """
    manifests: list[Manifest] = []
    for store in stores:
        manifest = read_manifest(store)
        if not manifest:
            raise InputError(f"{store.location} holds no results: it has no {FILE}")
        manifests.append(manifest)
    first = manifests[0]
    for store, manifest in zip(stores, manifests, strict=True):
        if difference := first.difference(manifest):
            raise InputError(f"{store.location} cannot be merged with {stores[0].location}: {difference}")
    return first


def _write(rows: Rows, manifest: Manifest, output: Store) -> None:
    parquet = cast("Any", import_module("pyarrow.parquet"))
    schema = arrow_schema(metadata={"ganpress:manifest": manifest.model_dump_json()})
    with tempfile.TemporaryDirectory(prefix="ganpress-") as folder:
        path = Path(folder) / RESULTS
        with parquet.ParquetWriter(path, schema, compression="zstd") as writer:
            for batch in rows.reader():
                writer.write_batch(batch.cast(schema))
        output.put_file(RESULTS, path)
