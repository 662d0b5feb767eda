"""An evaluation's figures, for people."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table

from trainer.metrics.record import Evaluation


def print_evaluation(evaluation: Evaluation, console: Console) -> None:
    """Writes each figure beside what real images and guessing score, then what is missing or noteworthy."""
    table = Table("metric")
    for column in ("generated", "±", "real", "chance"):
        table.add_column(column, justify="right")
    for figure in evaluation.figures:
        numbers = (figure.value, figure.spread, figure.real, figure.chance)
        table.add_row(figure.name, *("" if number is None else _short(number) for number in numbers))
    console.print(table)
    step = "" if evaluation.step is None else f" at step {evaluation.step}, {evaluation.weights} weights"
    draws = f"{evaluation.images} images a seed, {evaluation.seeds} seeds"
    if evaluation.images_per_label:
        draws += f"; for labels {evaluation.images_per_label} of each"
    lines = [f"{evaluation.target}{step}, against {evaluation.data}: {draws}"]
    lines += [f"not measured: {name}: {reason}" for name, reason in evaluation.not_measured.items()]
    lines += [f"note: {note}" for note in evaluation.notes]
    for line in lines:
        console.print(line, soft_wrap=True, highlight=False, markup=False)


def _short(number: float) -> str:
    """Returns a number with three significant digits, or with three decimals where that is more."""
    return (
        f"{number:.3f}"
        if 0.1 <= abs(number) < 10
        else f"{number:.3g}"
        if abs(number) < 1000
        else f"{number:.0f}"
    )
