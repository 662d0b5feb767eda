"""What the report of a training study says, before it becomes HTML."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean, stdev

from client.experiment.report.blocks import Chart, Column, Panel, Series, Table, Value
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


def findings(runs: Sequence[Run]) -> list[str]:
    """Returns what came out, in sentences."""
    found: list[str] = []
    if compared := [run for run in runs if run.times_as_fast]:
        speeds = [run.times_as_fast or 0 for run in compared]
        found.append(
            f"Training ran **{min(speeds):.2f} to {max(speeds):.2f} times** as fast as the study's, by "
            "images a second."
        )
    for name in dict.fromkeys(name for run in runs if run.evaluation for name in _figures(run.evaluation)):
        if name.startswith("kid_"):
            scored = [(_figures(run.evaluation)[name].value, run.name) for run in runs
                      if run.evaluation and name in _figures(run.evaluation)]  # fmt: skip
            (best, best_name), (worst, worst_name) = min(scored), max(scored)
            found.append(
                f"By {name} `{best_name}` is closest to photographs (**{best:.3g}**), `{worst_name}` "
                f"farthest ({worst:.3g})."
            )
    ended = [f"`{run.name}` {run.status}" for run in runs if run.status in ("diverged", "collapsed")]
    return [*found, *([f"Ended badly: {', '.join(ended)}."] if ended else [])]


def times(runs: Sequence[Run]) -> Table:
    """Returns a row for each run, the study's figures beside ours."""
    columns = [
        Column("run", "run"),
        Column("study_images", "images", ",d", "study"),
        Column("study_batch_size", "batch", "d", "study"),
        Column("study_min", "minutes", ".1f", "study"),
        Column("study_images_per_s", "images/s", ".0f", "study"),
        Column("images", "images", ",d", "ours"),
        Column("batch_size", "batch", "d", "ours"),
        Column("epochs", "epochs", ".4g", "ours"),
        Column("min", "minutes", ".1f", "ours"),
        Column("images_per_s", "images/s", ".0f", "ours"),
        Column("status", "state", group="ours"),
        Column("times_as_fast", "times as fast", ".2f", "compared"),
        Column("at_study_size_min", "minutes at the study's size", ".1f", "compared"),
    ]
    caption = "Training, the study's runs beside ours."
    return Table("times", caption, columns, [_times_row(run) for run in runs])


def _times_row(run: Run) -> list[Value]:
    theirs = run.published
    study: list[Value] = [None] * 4
    if theirs:
        study = [theirs.images, theirs.batch_size, theirs.duration_s / 60, theirs.images_per_s]
    return [
        run.name,
        *study,
        run.images,
        run.config.batch_size,
        run.config.epochs if run.epochs is None else run.epochs,
        _minutes(run.duration_s),
        run.images_per_s,
        run.status,
        run.times_as_fast,
        _minutes(run.at_study_size_s),
    ]


def times_chart(runs: Sequence[Run]) -> Chart | None:
    """Returns the study's times, and what its work takes at our speed; None when there is no pair."""
    both = [(run.name, run.published.duration_s, run.at_study_size_s) for run in runs if run.published]
    pairs = [(name, theirs / 60, ours / 60) for name, theirs, ours in both if ours]
    if not pairs:
        return None
    names, theirs, ours = zip(*pairs, strict=True)
    zeros = [0.0] * len(pairs)
    panel = Panel(
        "Time for the study's images and epochs",
        [
            Series("the study", 7, zeros, {"minutes": theirs}, names),
            Series("ours", 0, zeros, {"minutes": ours}, names),
        ],
    )
    caption = "Minutes that each run took the study on one Colab GPU, and that its work takes at our speed."
    return Chart("times", "intervals", caption, "", {"minutes": "minutes"}, [panel])


def losses(runs: Sequence[Run]) -> Table:
    """Returns a row for each run with its state, final losses and diversity."""
    columns = [
        Column("run", "run"),
        Column("status", "state"),
        Column("d_loss", "D loss", ".3f"),
        Column("g_loss", "G loss", ".3f"),
        Column("diversity", "diversity", ".2f"),
    ]
    rows: list[list[Value]] = [
        [
            run.name,
            run.status,
            run.losses.discriminator if run.losses else None,
            run.losses.generator if run.losses else None,
            run.diversity,
        ]
        for run in runs
    ]
    return Table("losses", "Losses and diversity at the end.", columns, rows)


def quality(runs: Sequence[Run]) -> list[Table]:
    """Returns for each kind of features a table of the metrics on them.

    For each data set and split the photographs come first, then the runs; several seeds of a run are
    followed by their mean.
    """
    measured = [(run, run.evaluation) for run in runs if run.evaluation]
    features = dict.fromkeys(name.rpartition("_")[2] for _, one in measured for name in _figures(one))
    return [_quality_table(measured, name) for name in features]


def _quality_table(measured: Sequence[tuple[Run, Evaluation]], features: str) -> Table:
    there = {name for _, one in measured for name in _figures(one)}
    names = [f"{kind}_{features}" for kind in KINDS if f"{kind}_{features}" in there]
    rows: list[list[Value]] = []
    parts = dict.fromkeys((run.data, run.split) for run, _ in measured)
    for data, split in parts:
        own = [pair for pair in measured if (pair[0].data, pair[0].split) == (data, split)]
        rows.append(
            [f"photographs, {data}-{split}", None, *(cell for n in names for cell in (_real(own, n), None))]
        )
        for preset in dict.fromkeys(run.preset for run, _ in own):
            same = [pair for pair in own if pair[0].preset == preset]
            for run, one in same:
                cells = [cell for name in names for cell in _figure(_figures(one).get(name))]
                rows.append([run.name, f"{one.seeds} x {one.images:,}", *cells])
            if len(same) > 1:
                cells = [
                    cell for name in names for cell in _mean([_figures(one).get(name) for _, one in same])
                ]
                rows.append([f"{data}-{split}-{preset}, mean", f"{len(same)} seeds", *cells])
    columns = [Column("run", "images"), Column("drawn", "drawn")]
    for name in names:
        group = KINDS[name.rpartition("_")[0]]
        columns += [Column(name, "mean", ".4g", group), Column(f"{name}_spread", "±", ".2g", group)]
    return Table(f"quality_{features}", f"Quality by {features} features.", columns, rows)


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


def _minutes(seconds: float | None) -> float | None:
    return None if seconds is None else seconds / 60


def _figures(evaluation: Evaluation) -> dict[str, Figure]:
    return {figure.name: figure for figure in evaluation.figures}


def _real(measured: Sequence[tuple[Run, Evaluation]], name: str) -> float | None:
    """Returns what photographs score; the same for all runs on a set but for the number of images."""
    values = [figure.real for _, one in measured if (figure := _figures(one).get(name))]
    return next((value for value in values if value is not None), None)


def _figure(figure: Figure | None) -> tuple[float | None, float | None]:
    return (figure.value, figure.spread) if figure else (None, None)


def _mean(figures: Sequence[Figure | None]) -> tuple[float | None, float | None]:
    values = [figure.value for figure in figures if figure]
    return (fmean(values), stdev(values)) if len(values) > 1 else (None, None)
