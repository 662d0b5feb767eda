"""What the report of a training study says, before it becomes HTML."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from statistics import fmean, stdev

from client.experiment.report import Table
from client.experiment.training.record import Evaluation, Figure, Run, TrainingStudy

KINDS = {
    "kid": "KID",
    "fd": "FD",
    "coverage": "coverage",
    "cas": "CAS",
    "label_accuracy": "label accuracy",
    "copied_share": "copied",
}
"""Metrics that are shown, with their names in the report."""

TIMES_NOTE = (
    "Our times are those of training with its sample grids and checkpoints, without metrics. The last column "
    "is what the study's number of images and epochs takes at our speed: that is what compares, where the "
    "numbers of images differ. The study ran on one Colab GPU."
)
QUALITY_NOTE = (
    "KID and FD are distances of generated images from real ones, the smaller the better; coverage is the "
    "share of real images that have a generated one near. ± is the standard deviation over the draws. What "
    "photographs score among themselves is in the rows of photographs. The study computed no metric."
)
LOSSES_NOTE = (
    "Losses are means over the last epoch; those of different models do not compare. Diversity is how far "
    "apart the samples of the worst label lie, 1 being as far as photographs."
)


def title(study: TrainingStudy) -> str:
    """Returns the title of the report."""
    ended = sum(run.status in ("finished", "diverged", "collapsed") for run in study.runs)
    of = f"{ended} of {len(study.runs)}" if ended < len(study.runs) else str(ended)
    return f"Training study: {of} run{'s' * (len(study.runs) != 1)}"


def facts(study: TrainingStudy) -> list[str]:
    """Returns where and how the study was done, one sentence each."""
    machine = study.machine
    gpu = f", {machine.gpu}" if machine.gpu else ""
    devices = sorted({run.device for run in study.runs if run.device})
    memory = f"{machine.memory_bytes / 2**30:.0f} GiB"
    trained = f" Trained on {', '.join(devices)}." if devices else ""
    sizes = sorted({run.config.image_size_px for run in study.runs})
    return [
        f"{machine.cpu}, {machine.cores} cores{gpu}, {memory}; {machine.system}.{trained}",
        f"Images of {', '.join(f'{size}x{size}' for size in sizes)} pixels.",
        ", ".join(f"{name} {number}" for name, number in study.versions.items()) + ".",
        study.command,
    ]


def times(runs: Sequence[Run]) -> Table:
    """Returns a row for each run, the study's figures beside ours."""
    groups = [("", 1), ("study", 4), ("ours", 5), ("compared", 2)]
    head = [
        "run", "images", "batch", "time", "images/s", "images", "batch", "epochs", "time", "images/s",
        "times as fast", "time at the study's size",
    ]  # fmt: skip
    return Table(groups, head, [_times_row(run) for run in runs])


def _times_row(run: Run) -> list[str]:
    theirs = run.published
    study = ["", "", "", ""]
    if theirs:
        study = [
            f"{theirs.images:,}", str(theirs.batch_size), time_text(theirs.duration_s),
            f"{theirs.images_per_s:.0f}",
        ]  # fmt: skip
    ours = [
        f"{run.images:,}",
        str(run.config.batch_size),
        f"{run.config.epochs if run.epochs is None else run.epochs:.4g}",
        time_text(run.duration_s) or run.status,
        _number(run.images_per_s, ".0f"),
    ]
    return [run.name, *study, *ours, _number(run.times_as_fast, ".2f"), time_text(run.at_study_size_s)]


def losses(runs: Sequence[Run]) -> Table:
    """Returns a row for each run with its state, final losses and diversity."""
    rows = [
        [
            run.name,
            run.status,
            _number(run.losses.discriminator if run.losses else None, ".3f"),
            _number(run.losses.generator if run.losses else None, ".3f"),
            _number(run.diversity, ".2f"),
        ]
        for run in runs
    ]
    return Table([("", 2), ("", 3)], ["run", "state", "D loss", "G loss", "diversity"], rows)


def quality(runs: Sequence[Run]) -> list[tuple[str, Table]]:
    """Returns for each kind of features their name and a table of the metrics on them.

    For each data set and split the photographs come first, then the runs; several seeds of a run are
    followed by their mean.
    """
    measured = [(run, run.evaluation) for run in runs if run.evaluation]
    features = dict.fromkeys(name.rpartition("_")[2] for _, one in measured for name in _figures(one))
    return [(name, _quality_table(measured, name)) for name in features]


def _quality_table(measured: Sequence[tuple[Run, Evaluation]], features: str) -> Table:
    there = {name for _, one in measured for name in _figures(one)}
    names = [f"{kind}_{features}" for kind in KINDS if f"{kind}_{features}" in there]
    rows: list[list[str]] = []
    parts = dict.fromkeys((run.data, run.split) for run, _ in measured)
    for data, split in parts:
        own = [pair for pair in measured if (pair[0].data, pair[0].split) == (data, split)]
        rows.append([f"photographs, {data}-{split}", "", *(_real(own, name) for name in names)])
        for preset in dict.fromkeys(run.preset for run, _ in own):
            same = [pair for pair in own if pair[0].preset == preset]
            for run, one in same:
                cells = [_figure(_figures(one).get(name)) for name in names]
                rows.append([run.name, f"{one.seeds} x {one.images:,}", *cells])
            if len(same) > 1:
                cells = [_mean([_figures(one).get(name) for _, one in same]) for name in names]
                rows.append([f"{data}-{split}-{preset}, mean", f"{len(same)} seeds", *cells])
    head = ["images", "drawn", *(KINDS[name.rpartition("_")[0]] for name in names)]
    return Table([("", 2), ("mean ± standard deviation", len(names))], head, rows)


def notes(runs: Sequence[Run]) -> list[str]:
    """Returns what went wrong or should be known, each matter once with the runs it concerns."""
    found: dict[str, list[str]] = {}
    for run in runs:
        texts = [run.error or "", *run.warnings]
        if run.not_measured:
            texts.append(f"quality was not measured: {run.not_measured}")
        if one := run.evaluation:
            for reason in dict.fromkeys(one.not_measured.values()):
                names = [name for name, why in one.not_measured.items() if why == reason]
                texts.append(f"not measured: {', '.join(names)}: {reason}")
            texts += one.notes
        for text in filter(None, texts):
            found.setdefault(text, []).append(run.name)
    return [f"{', '.join(names)}: {text}" for text, names in found.items()]


def time_text(seconds: float | None) -> str:
    """Returns a time as h:mm:ss, nothing for None."""
    return "" if seconds is None else str(dt.timedelta(seconds=round(seconds)))


def _figures(evaluation: Evaluation) -> dict[str, Figure]:
    return {figure.name: figure for figure in evaluation.figures}


def _real(measured: Sequence[tuple[Run, Evaluation]], name: str) -> str:
    """Returns what photographs score; the same for all runs on a set but for the number of images."""
    values = [figure.real for _, one in measured if (figure := _figures(one).get(name))]
    return _short(next((value for value in values if value is not None), None))


def _figure(figure: Figure | None) -> str:
    return "" if figure is None else _with_spread(figure.value, figure.spread)


def _mean(figures: Sequence[Figure | None]) -> str:
    values = [figure.value for figure in figures if figure]
    return _with_spread(fmean(values), stdev(values)) if len(values) > 1 else ""


def _with_spread(value: float, spread: float | None) -> str:
    return _short(value) + ("" if spread is None else f" ± {_short(spread)}")


def _short(value: float | None) -> str:
    """Returns a number with as many digits as mean something."""
    if value is None:
        return ""
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.1f}" if abs(value) >= 10 else f"{value:.3f}"


def _number(value: float | None, form: str) -> str:
    return "" if value is None else format(value, form)
