"""Runs of experiments that are killed, lose a service, or have no room."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from client.api import GanpressClient
from client.experiment.plan.reading import read_plan
from client.experiment.run.progress import RunProgress
from client.experiment.run.session import RunOptions, prepare, run_experiment
from client.experiment.store.folder import Store
from client.experiment.store.journal import Shard
from client.experiment.store.reading import Rows, load
from tests.helpers.cli import run_cli
from tests.helpers.experiments import comparable, plan, results, write_images, write_plan
from tests.helpers.s3 import s3_environment, s3_server
from tests.helpers.servers import server, server_process

KILLS = 20
CLIENT = (sys.executable, "-c", "from client.cli import main; main()")
CLIENT = (sys.executable, "-c", "from client.cli import main; main()")


@pytest.fixture(autouse=True)
def _models(model_root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GANPRESS_GENERATOR_MODELS", str(model_root))


@pytest.fixture
def plan_file(tmp_path: Path) -> Path:
    """A plan of 40 cells."""
    images = write_images(tmp_path / "images", 7)
    return write_plan(tmp_path / "plan.yaml", plan(images))


@pytest.mark.large
def test_killed_runs_end_as_one_that_nothing_interrupted(tmp_path: Path, plan_file: Path) -> None:
    """After 20 kills at random moments every run has the rows of the uninterrupted one, each once."""
    seed = random.randrange(10**6)
    command = [sys.executable, "-m", "tests.helpers.killed", str(plan_file), str(tmp_path / "out")]
    with (
        server("services.generator") as generator,
        server("services.compressor", "--warm-up=false") as compressor,
    ):
        services = {"GANPRESS_GENERATOR": generator, "GANPRESS_COMPRESSOR": compressor}
        done = subprocess.run(
            [*command, str(KILLS), str(seed)],
            env={**os.environ, **services},
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == 0, f"seed {seed}: {done.stderr}"
    killed, _, rounds, _ = done.stdout.split()
    assert int(killed) == KILLS
    whole = comparable(results(tmp_path / "out" / "whole"))
    assert len(whole) == 40
    for number in range(int(rounds)):
        out = tmp_path / "out" / str(number)
        assert comparable(results(out)) == whole, f"seed {seed}, run {number}"
        named = {row[column] for row in whole for column in ("input_file", "output_file") if row[column]}
        assert {str(path.relative_to(out)) for path in (out / "images").rglob("[!.]*.*")} == named


async def test_a_cell_that_is_done_is_not_done_again(tmp_path: Path, plan_file: Path) -> None:
    """Of cells that were done before a run was stopped the very times are kept; every other is done once."""
    store = Store(str(tmp_path / "out"))
    async with GanpressClient() as client:
        experiment, _ = await prepare(client, read_plan(str(plan_file)))
        first = Progress()
        task = asyncio.create_task(run_experiment(client, experiment, store, RunOptions(Shard()), first))
        await first.reaches(10)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        before = {row["cell_index"]: row for row in load(store.location).to_pylist()}
        assert 10 <= len(before) < 40
        second = Progress()
        await run_experiment(client, experiment, store, RunOptions(Shard()), second)
    assert second.progress
    assert (second.progress.before, second.progress.done) == (len(before), 40)
    rows = {row["cell_index"]: row for row in results(tmp_path / "out").to_pylist()}
    assert {index: rows[index] for index in before} == before


class Progress:
    """Holds the progress of a run."""

    def __init__(self) -> None:
        self.progress: RunProgress | None = None

    def __call__(self, progress: RunProgress) -> None:
        """Takes it."""
        self.progress = progress

    async def reaches(self, cells: int) -> None:
        """Waits until so many cells are done."""
        while self.done() < cells:  # noqa: ASYNC110 - the run knows of no one who waits
            await asyncio.sleep(0.01)

    def done(self) -> int:
        """Returns the number of cells that are done."""
        return self.progress.done if self.progress else 0


async def test_a_service_may_die_and_come_back(tmp_path: Path, plan_file: Path) -> None:
    """While the compressor is away the run waits; with the next one it ends without a failed cell."""
    options = ("--warm-up", "false")
    store = Store(str(tmp_path / "out"))
    async with server_process("services.compressor", *options) as server:
        address = server.address
        client = GanpressClient(compressor=address)
        experiment, _ = await prepare(client, read_plan(str(plan_file)))
        progress = Progress()
        run = asyncio.create_task(
            run_experiment(client, experiment, store, RunOptions(Shard(), concurrency=4), progress)
        )
        await progress.reaches(5)
        server.kill()
        await server.exit_code()
    before = progress.done()
    assert not run.done()
    async with server_process("services.compressor", *options, "--port", address.rpartition(":")[2]):
        ended = await run
    await client.close()
    assert before < 40
    assert (ended.done, ended.failed) == (40, 0)


async def test_a_service_that_stays_away_ends_the_run(tmp_path: Path, plan_file: Path) -> None:
    """When the patience is over, one line says what is kept and what goes on; resume does the rest."""
    async with server_process("services.compressor", "--warm-up", "false") as server:
        command = [*CLIENT, "experiment", "run", str(plan_file), "-o", str(tmp_path / "out")]
        options = ["--compressor", server.address, "--patience", "0.5", "--concurrency", "2"]
        process = await asyncio.create_subprocess_exec(*command, *options, stderr=asyncio.subprocess.PIPE)
        while not _rows(tmp_path / "out"):
            assert process.returncode is None
            await asyncio.sleep(0.01)
        server.kill()
        assert process.stderr
        stderr = (await process.stderr.read()).decode()
        assert await process.wait() == 1
    kept, error = stderr.splitlines()
    done = _rows(tmp_path / "out")
    assert kept == f"{done} of 40 cells are kept; `client experiment resume {tmp_path / 'out'}` goes on"
    assert error.startswith(f"error: cannot reach the compressor at {server.address}: ")
    again = await asyncio.create_subprocess_exec(*CLIENT, "experiment", "resume", str(tmp_path / "out"))
    assert await again.wait() == 0
    assert results(tmp_path / "out").num_rows == 40


def test_ctrl_c_keeps_what_is_done(tmp_path: Path, plan_file: Path) -> None:
    """The exit code is that of an interrupt, one line says how to go on, and resume does the rest."""
    command = [*CLIENT, "experiment", "run", str(plan_file), "-o", str(tmp_path / "out")]
    with subprocess.Popen([*command, "--concurrency", "1"], stderr=subprocess.PIPE, text=True) as process:
        while not _rows(tmp_path / "out"):
            assert process.poll() is None
        process.send_signal(signal.SIGINT)
        _, stderr = process.communicate()
    assert process.returncode == 130
    assert stderr.startswith(
        f"stopped: {_rows(tmp_path / 'out')} of 40 cells are kept; `client experiment resume"
    )
    assert "Traceback" not in stderr
    assert run_cli("experiment", "resume", tmp_path / "out").exit_code == 0
    assert results(tmp_path / "out").num_rows == 40


def _rows(folder: Path) -> int:
    """Returns the number of cells that are done, without reading what is just being written."""
    with Rows([Store(str(folder))]) as rows:
        assert rows.failures() == (0, "")
        return len(rows.finished()[0])


@pytest.fixture
def small_disk(tmp_path: Path) -> Path:
    """A disk of 4 MB; the test is skipped where none can be made."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "none", str(folder)], check=False)
    if mounted.returncode:
        pytest.skip("a disk cannot be mounted")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_full_disk_loses_nothing(small_disk: Path, plan_file: Path) -> None:
    """The run ends with what is kept and why; with room again the rest is done."""
    (small_disk / "other").write_bytes(b"x" * (4096 - 60) * 1024)
    result = run_cli("experiment", "run", plan_file, "-o", small_disk / "out")
    assert result.exit_code == 1
    kept, error = result.stderr.splitlines()
    assert kept.split(" of 40 cells are kept; ")[0] == str(_rows(small_disk / "out"))
    assert error.startswith(f"error: cannot write {small_disk}/out/")
    assert error.endswith(": No space left on device")
    (small_disk / "other").unlink()
    assert run_cli("experiment", "resume", small_disk / "out").exit_code == 0
    assert results(small_disk / "out").num_rows == 40


def test_results_in_an_object_store(tmp_path: Path, plan_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """At an s3:// URL shards are run, stopped, gone on with and merged as in a folder, to the same rows."""
    whole = run_cli("experiment", "run", plan_file, "-o", tmp_path / "out")
    assert whole.exit_code == 0, whole.stderr
    with s3_server() as url:
        for name, value in s3_environment(url).items():
            monkeypatch.setenv(name, value)
        import s3fs

        s3fs.S3FileSystem().mkdir("bucket")
        place = "s3://bucket/results"
        for shard in ("0/2", "1/2"):
            result = run_cli("experiment", "run", plan_file, "-o", place, "--shard", shard)
            assert result.exit_code == 0, result.stderr
        assert load(place).num_rows == 40
        merged = run_cli("experiment", "merge", place)
        assert merged.exit_code == 0, merged.stderr
        store = Store(place)
        assert comparable(load(place)) == comparable(results(tmp_path / "out"))
        names = Counter(name.partition("/")[0] for name in store.names(""))
        assert set(names) == {"images", "manifest.json", "results.parquet"}
        assert run_cli("experiment", "resume", place).exit_code == 0
        missing = run_cli("experiment", "run", plan_file, "-o", "s3://no-such-bucket/results")
        assert (missing.exit_code, missing.stderr.count("\n")) == (1, 1), missing.stderr
