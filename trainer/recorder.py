"""What rank 0 does beside training: rows of metrics, sample grids, curves, and the watch for collapse."""

from __future__ import annotations

import io
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor
from torchvision.utils import make_grid

from trainer import checkpoint
from trainer.config import Config
from trainer.data.dataset import Dataset
from trainer.files import write_atomically
from trainer.logs import Row, RunLog
from trainer.models.base import Generator
from trainer.monitor import CollapseMonitor

GRID_COLUMNS, GRID_ROWS_UNCONDITIONAL, MAX_GRID_ROWS = 9, 6, 32
CURVES_EVERY_S = 300.0
"""Seconds between drawings of the curves while a run goes on: each takes one or two."""
BATCH_SIZE = 64
"""Images drawn at a time, for a bounded memory."""
BEFORE_COLLAPSE = "checkpoint-before-collapse.pt"
"""Kept from when the samples of a label began to look alike."""


class Recorder:
    """Keeps the records of one run in its folder.

    Attributes:
        monitor: the watch for collapse.
    """

    def __init__(self, run: Path, config: Config, data: Dataset, generator: Generator) -> None:
        """Prepares to record.

        Args:
            run: folder of the run.
            config: its settings.
            data: the photographs that samples are measured against.
            generator: the averaged generator, in evaluation mode; it is sampled as it is at each look.
        """
        self._run, self._config, self._generator = run, config, generator
        self.monitor = CollapseMonitor(data, generator.n_labels, config.z_dim, config.seed)
        self._z, self._label = self._fixed_inputs()
        self._log: RunLog | None = None
        self._curves_at = time.monotonic()

    def open(self, step: int) -> None:
        """Opens the logs; what was logged after `step` is dropped."""
        (self._run / "samples").mkdir(exist_ok=True)
        self._log = RunLog(self._run, step, tensorboard=self._config.tensorboard)

    def close(self) -> None:
        """Writes metrics.parquet and the curves."""
        if self._log:
            self._log.close()
            self._draw_curves()
            self._log = None

    def add_row(self, row: Row) -> None:
        """Logs one row."""
        assert self._log is not None  # noqa: S101 - `open` comes first
        self._log.append({name: _rounded(value) for name, value in row.items()})

    def save(self, state: dict[str, Any]) -> None:
        """Replaces the checkpoint, and keeps earlier ones as the settings say."""
        newest, kept = self._run / "checkpoint.pt", self._config.keep_checkpoints
        checkpoint.save(newest, state, self._config)
        if kept:
            checkpoint.keep(newest, self._run / "checkpoints" / f"step-{state['step']:08d}.pt")
            for old in sorted((self._run / "checkpoints").glob("step-*.pt"))[:-kept]:
                old.unlink()

    def look(self, step: int, epoch: float, lead: float) -> tuple[Row, str | None]:
        """Writes a sample grid and looks for collapse.

        Args:
            step: steps done.
            epoch: passes over the data.
            lead: the discriminator's lead, for the advice.

        Returns:
            The samples' diversity as a row, and what the user should know if labels have collapsed by now.
        """
        self._save_grid(step, epoch)
        if time.monotonic() - self._curves_at > CURVES_EVERY_S:
            self._draw_curves()
        if not len(self.monitor.z):
            return {}, None
        diversity = self.monitor.diversity(self._sample(self.monitor.z, self.monitor.label))
        was_suspicious = self.monitor.suspicious
        fallen = self.monitor.check(step, diversity)
        self._keep_from_before(was_suspicious)
        row: Row = {"diversity_min": min(diversity.values())}
        row |= {f"diversity/{name}": value for name, value in diversity.items() if name}
        if not fallen:
            return row, None
        kept = self._run / BEFORE_COLLAPSE
        before = f" {kept} is from before." if kept.exists() else ""
        return row, self.monitor.describe(fallen, diversity, lead) + before

    def _keep_from_before(self, was_suspicious: bool) -> None:
        """Keeps the newest checkpoint while a collapse is suspected; lets it go when it was none."""
        newest, kept = self._run / "checkpoint.pt", self._run / BEFORE_COLLAPSE
        if self.monitor.suspicious and not was_suspicious and newest.exists():
            checkpoint.keep(newest, kept)
        elif was_suspicious and not self.monitor.suspicious:
            kept.unlink(missing_ok=True)

    def _fixed_inputs(self) -> tuple[Tensor, Tensor]:
        """Returns the grid's z and labels: a row a label; the same in every grid of the run."""
        n_labels = self._generator.n_labels
        rows = min(n_labels, MAX_GRID_ROWS) if n_labels > 1 else GRID_ROWS_UNCONDITIONAL
        rng = torch.Generator().manual_seed(self._config.seed)
        z = torch.randn(rows * GRID_COLUMNS, self._config.z_dim, generator=rng)
        label = torch.arange(rows).repeat_interleave(GRID_COLUMNS) % max(n_labels, 1)
        return z, label

    @torch.no_grad()
    def _sample(self, z: Tensor, label: Tensor) -> Tensor:
        """Returns images float [N, C, S, S] in -1..1, on the CPU."""
        device = next(self._generator.parameters()).device
        pairs: Iterable[tuple[Any, Any]] = zip(z.split(BATCH_SIZE), label.split(BATCH_SIZE), strict=True)
        return torch.cat([self._generator(a.to(device), b.to(device)).cpu() for a, b in pairs])

    def _save_grid(self, step: int, epoch: float) -> None:
        """Writes samples at the run's fixed noise, a row a label, to samples/epoch-*.png."""
        images = self._sample(self._z, self._label)
        grid = make_grid(images, nrow=GRID_COLUMNS, normalize=True, value_range=(-1, 1), padding=2)
        pixels = grid.mul(255).round().to(torch.uint8)  # [3, H, W]
        buffer = io.BytesIO()
        Image.fromarray(pixels.permute(1, 2, 0).numpy()).save(buffer, "PNG")
        write_atomically(self._run / "samples" / f"epoch-{epoch:06.1f}.png", buffer.getvalue())
        if self._log:
            self._log.add_grid(pixels, step)

    def _draw_curves(self) -> None:
        from trainer.curves import save_curves  # takes a second to import

        if self._log:
            save_curves(self._log.rows, self._run)
        self._curves_at = time.monotonic()


def _rounded(value: float) -> float:
    """Returns the number with six significant digits: more would only make the file longer."""
    return value if isinstance(value, int) else float(f"{value:.6g}")
