"""Rows and where they lie."""

from __future__ import annotations

import asyncio
import dataclasses
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from client.errors import InputError
from client.experiment.store.folder import Store, StoreError
from client.experiment.store.journal import Journal, Shard
from client.experiment.store.manifest import FILE, Manifest
from client.experiment.store.merge import merge
from client.experiment.store.reading import RESULTS, Rows, load, read_journal
from client.experiment.store.schema import Row, SetRow, arrow_schema, describe_columns, to_table
from scripts.gen_docs import DOCS


def row(index: int, error: str | None = None, **columns: Any) -> Row:
    """Returns the row of a cell."""
    names = {"source": "cars", "source_kind": "real", "image": "a.png", "codec": "png", "setting": "lossless"}
    fixed = {"plan_digest": "d", "perturbation": "none", "options": "{}", "libraries": "{}", "cpu": "c"}
    columns |= {"cell_index": index, "cell_id": f"{index:016x}", "error": error, "ganpress_version": "1"}
    return Row(**names, **fixed, **columns)


def manifest(cells: int) -> Manifest:
    """Returns the manifest of a plan with so many cells."""
    return Manifest(
        plan={"name": "x"},
        plan_digest="d",
        data=".",
        cells=cells,
        sources=[],
        perturbations=[],
        settings=[],
        command="",
    )


values = st.builds(
    row,
    st.integers(0, 2**64 - 1),
    error=st.none() | st.text(max_size=5).filter(lambda text: text < "\ud800" or text > "\udfff"),
    seed=st.none() | st.integers(0, 2**64 - 1),
    psnr_rgb_db=st.none() | st.floats(allow_nan=False),
    compressed_bytes=st.none() | st.integers(0, 2**64 - 1),
)


@given(st.lists(values, max_size=5))
def test_rows_keep_their_values(rows: list[Row]) -> None:
    """What a row holds is what its line in the table holds."""
    assert to_table(rows).to_pylist() == [dataclasses.asdict(one) for one in rows]


def test_every_column_is_documented() -> None:
    """docs/experiment-results.md has each column with its type and words."""
    text = (DOCS / "experiment-results.md").read_text(encoding="utf-8")
    for kind in (Row, SetRow):
        for field in arrow_schema(kind):
            assert f"| `{field.name}` | {field.type} | {describe_columns(kind)[field.name]} |" in text


async def test_rows_are_there_as_soon_as_they_are_added(tmp_path: Path) -> None:
    """A row and its files are read back before the journal is closed, and the same afterwards."""
    store = Store(str(tmp_path / "out"))
    journal = Journal(store, Shard())
    await asyncio.gather(*(journal.add(row(index), {f"images/{index}": b"x"}) for index in range(20)))
    before = load(store.location)
    assert before["cell_index"].to_pylist() == list(range(20))
    assert store.get("images/7") == b"x"
    await journal.close()
    assert read_journal(store)[0] == []
    assert load(store.location).equals(before)


class _Kills(RuleBasedStateMachine):
    """Runs that are killed between any two writes, and gone on with."""

    def __init__(self) -> None:
        super().__init__()
        self.store = Store(f"memory://kills-{id(self)}")
        self.expected: dict[int, str | None] = {}
        self.begin()

    @rule()
    def begin(self) -> None:
        self.journal = Journal(self.store, Shard())
        self.journal.adopt(*read_journal(self.store))

    @rule(indices=st.lists(st.integers(0, 30), max_size=5), fails=st.booleans())
    def add(self, indices: list[int], fails: bool) -> None:
        for index in indices:
            if self.expected.get(index, "never run") is not None:
                error = "refused" if fails else None
                asyncio.run(self.journal.add(row(index, error), {}))
                self.expected[index] = error

    @rule()
    def close(self) -> None:
        asyncio.run(self.journal.close())
        self.begin()

    @rule()
    def is_killed_before_the_journal_is_deleted(self) -> None:
        kept = {name: self.store.get(name) or b"" for name in read_journal(self.store)[0]}
        asyncio.run(self.journal.close())
        for name, data in kept.items():
            self.store.put(name, data)
        self.begin()

    @rule()
    def ends(self) -> None:
        self.store.put(FILE, manifest(len(self.expected)).to_json())
        asyncio.run(self.journal.close())
        merge([self.store], self.store)
        self.begin()

    @invariant()
    def nothing_is_lost_or_twice(self) -> None:
        with Rows([self.store]) as rows:
            table = rows.reader().read_all()
        assert (
            dict(zip(table["cell_index"].to_pylist(), table["error"].to_pylist(), strict=True))
            == self.expected
        )
        assert table["cell_index"].to_pylist() == sorted(self.expected)


_Kills.TestCase.settings = settings(max_examples=8, stateful_step_count=8, deadline=None)
TestKills = _Kills.TestCase


def test_many_rows_become_parts_and_merge(tmp_path: Path) -> None:
    """Thousands of rows leave few files, and are sorted into one whose size memory does not bound."""
    store = Store(str(tmp_path))

    async def write() -> None:
        journal = Journal(store, Shard(1, 3))
        await asyncio.gather(*(journal.add(row(index), {}) for index in reversed(range(12_000))))
        await journal.close()

    asyncio.run(write())
    store.put(FILE, manifest(12_000).to_json())
    assert len(store.names("")) <= 5
    assert merge([store], store) == 12_000
    file = pq.ParquetFile(tmp_path / RESULTS)
    assert file.metadata.num_rows == 12_000
    assert file.read()["cell_index"].to_pylist() == list(range(12_000))
    assert sorted(store.names("")) == [FILE, RESULTS]


def test_stores_that_do_not_belong_together_are_not_merged(tmp_path: Path) -> None:
    """Results of another plan, or none, are told by name."""
    a, b = Store(str(tmp_path / "a")), Store(str(tmp_path / "b"))
    a.put(FILE, manifest(1).to_json())
    with pytest.raises(InputError, match="b holds no results"):
        merge([a, b], a)
    b.put(FILE, manifest(1).model_copy(update={"plan_digest": "e"}).to_json())
    with pytest.raises(
        InputError, match=r"b cannot be merged with .*a: it is of the plan x \(d\), not x \(e\)"
    ):
        merge([a, b], a)


def test_what_cannot_be_written_is_told(tmp_path: Path) -> None:
    """A file in the way is one sentence, and nothing unfinished stays."""
    (tmp_path / "file").write_text("x")
    with pytest.raises(StoreError, match=r"cannot write .*file/out/x: Not a directory"):
        Store(str(tmp_path / "file" / "out")).put("x", b"1")
    with pytest.raises(InputError, match="cannot write to nosuch://x"):
        Store("nosuch://x")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
