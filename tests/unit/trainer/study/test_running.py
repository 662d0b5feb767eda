"""Runs of a study: done once, resumed, recorded."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from PIL import Image

from tests.helpers.photographs import write_blobs
from trainer.checkpoint import load
from trainer.data.prepare import prepare
from trainer.data.sets import PreparedSet
from trainer.loop import Trainer, Watcher
from trainer.study import record
from trainer.study.outcome import Measuring
from trainer.study.plan import RunPlan, StudyError
from trainer.study.record import RecordError, StudyRecord
from trainer.study.running import Shown, StoppedError, Task, do_runs, open_study
from trainer.study.sets import open_run_set

pytestmark = pytest.mark.training

NOTHING = Measuring([])


class Watching:
    """Looks on; stops the run of a name at a step."""

    def __init__(self, stop: tuple[str, int] = ("", 0)) -> None:
        self.begun: list[str] = []
        self.notes: list[str] = []
        self._stop = stop

    def shown(self) -> Shown:
        """Returns what the study reports to."""
        return Shown(lambda task, *_: self.begun.append(task.plan.name), self._training, self.notes.append)

    @contextmanager
    def _training(self, trainer: Trainer) -> Iterator[Watcher]:
        def tick(step: int, _: float) -> None:
            if (trainer.run.name, step) == self._stop:
                trainer.stop()

        yield Watcher(tick=tick)


@pytest.fixture
def tasks(cars: PreparedSet, plans: list[RunPlan], tmp_path: Path) -> list[Task]:
    """Two runs, of either model on the test split of cars: 2 steps an epoch."""
    chosen = [plan for plan in plans if plan.name.startswith("cars-test")]
    return [Task(plan, open_run_set(cars, plan, tmp_path)) for plan in chosen]


def study(folder: Path, tasks: list[Task], watching: Watching, measuring: Measuring = NOTHING) -> StudyRecord:
    """Does a study, or goes on with it."""
    folder.mkdir(exist_ok=True)
    open_study(folder, tasks, "the command")
    return do_runs(folder, tasks, measuring, watching.shown())


def test_a_stopped_study_goes_on(tasks: list[Task], tmp_path: Path) -> None:
    """What has ended is not done again, and a stopped run ends with the weights of an uninterrupted one."""
    straight = study(tmp_path / "a", tasks, Watching())
    with pytest.raises(StoppedError):
        study(tmp_path / "b", tasks, Watching(stop=("cars-test-wgan-gp", 1)))
    there = record.read(tmp_path / "b")
    assert [run.status for run in there.runs] == ["finished", "begun"]
    second = Watching()
    resumed = study(tmp_path / "b", tasks, second)
    assert second.begun == ["cars-test-wgan-gp"]
    assert "cars-test-dcgan: done already" in second.notes
    for one, other in zip(straight.runs, resumed.runs, strict=True):
        assert (one.status, one.steps, one.epochs) == ("finished", 4, 2.0)
        assert (other.status, other.steps, other.epochs) == ("finished", 4, 2.0)
        states = [load(tmp_path / name / one.files.run / "checkpoint.pt")["update"] for name in "ab"]
        weights = [state["generator"] for state in states]
        assert all((weights[0][name] == weights[1][name]).all() for name in weights[0])


def test_what_is_kept_of_a_run(tasks: list[Task], tmp_path: Path) -> None:
    """Numbers, the study's figures, grids of equal size, and the tables are where the record says."""
    done = study(tmp_path / "out", tasks, Watching())
    for run in done.runs:
        assert run.images == 11
        assert run.images_per_s == pytest.approx(4 * 4 / run.duration_s)
        assert run.published.images == 8000
        assert run.device == "cpu (1 thread)"
        grids = [Image.open(tmp_path / "out" / name) for name in (run.files.real, run.files.generated)]
        assert grids[0].size == grids[1].size
        assert run.not_measured == "no features were asked for"
    rows = pd.read_csv(tmp_path / "out/study.csv")
    pd.testing.assert_frame_equal(rows, pd.read_parquet(tmp_path / "out/study.parquet"), check_dtype=False)
    assert list(rows["name"]) == ["cars-test-dcgan", "cars-test-wgan-gp"]
    assert (rows["times_as_fast"] - rows["images_per_s"] / rows["study_images_per_s"]).abs().max() < 1e-9
    assert rows["time_at_study_size_s"][0] == pytest.approx(400_000 / rows["images_per_s"][0])
    text = (tmp_path / "out/study.md").read_text(encoding="utf-8")
    assert "| cars-test-dcgan | 8,000 | 0:48:00 | 139 | 11 | 2 |" in text


def test_quality_is_measured(plans: list[RunPlan], tmp_path: Path) -> None:
    """With enough images the metrics are in the record, the tables and the run's folder."""
    folder = write_blobs(tmp_path / "dogs", {"train/a": 110, "train/b": 110, "test/a": 60, "test/b": 60})
    prepared = prepare(folder, tmp_path / "set", size_px=32)
    plan = next(plan for plan in plans if plan.name == "dogs-train-dcgan")
    plan = replace(plan, config=replace(plan.config, epochs=0.1))
    task = Task(plan, open_run_set(prepared, plan, tmp_path))
    (run,) = study(tmp_path / "out", [task], Watching(), Measuring(["hog"], images=100, seeds=2)).runs
    assert run.evaluation
    assert (run.evaluation.images, run.evaluation.seeds) == (100, 2)
    kid = next(figure for figure in run.evaluation.figures if figure.name == "kid_hog")
    rows = pd.read_parquet(tmp_path / "out/study.parquet")
    assert rows["kid_hog"][0] == kid.value
    assert rows["kid_hog_real"][0] == kid.real
    assert "KID (hog)" in (tmp_path / "out/study.md").read_text(encoding="utf-8")
    assert (tmp_path / "out" / run.files.neighbours).is_file()


def test_a_run_that_diverges_does_not_stop_the_rest(tasks: list[Task], tmp_path: Path) -> None:
    """It is recorded with its reason; the next run is done; and it is not tried again."""
    dcgan = tasks[0].plan
    config = replace(dcgan.config, learning_rate=1e30, final_learning_rate=1e30)
    wild = Task(replace(dcgan, config=config), tasks[0].prepared)
    watching = Watching()
    done = study(tmp_path / "out", [wild, tasks[1]], watching)
    assert [run.status for run in done.runs] == ["diverged", "finished"]
    assert "training diverged at step" in done.runs[0].error
    assert any("training diverged" in note for note in watching.notes)
    again = Watching()
    study(tmp_path / "out", [wild, tasks[1]], again)
    assert again.begun == []


def test_a_run_of_another_process_is_left_to_it(tasks: list[Task], tmp_path: Path) -> None:
    """Two processes share the runs of a study, and neither loses what the other recorded."""
    (tmp_path / "out/runs").mkdir(parents=True)
    with record.locked(tmp_path / "out/runs/.cars-test-dcgan.lock") as got:
        assert got
        watching = Watching()
        done = study(tmp_path / "out", tasks, watching)
    assert watching.notes[0] == "cars-test-dcgan: another process is at it"
    assert [run.status for run in done.runs] == ["planned", "finished"]


def test_a_study_is_extended_but_not_changed(tasks: list[Task], tmp_path: Path) -> None:
    """Further runs join those that are there; other settings of a run are refused by name."""
    study(tmp_path / "out", tasks[:1], Watching())
    both = study(tmp_path / "out", tasks, Watching())
    assert [run.status for run in both.runs] == ["finished", "finished"]
    plan = tasks[0].plan
    other = replace(plan, config=replace(plan.config, epochs=9.0))
    with pytest.raises(StudyError, match=r"has the run cars-test-dcgan with epochs 2.0, not 9.0"):
        open_study(tmp_path / "out", [Task(other, tasks[0].prepared)], "")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "is damaged: "),
        ('{"version": 2}', "is of format version 2; this program reads 1"),
        ('{"format": "ganpress-study", "version": 1}', "is damaged, or of another GanPress: command"),
    ],
)
def test_a_damaged_record_is_named(content: str, message: str, tasks: list[Task], tmp_path: Path) -> None:
    """A study.json that cannot be read is not overwritten."""
    (tmp_path / "study.json").write_text(content)
    with pytest.raises(RecordError, match=message):
        open_study(tmp_path, tasks, "")
    assert (tmp_path / "study.json").read_text() == content
