"""Trains one tiny run for each preset named, in however many processes torchrun starts.

Usage: two_ranks.py SET FOLDER PRESET...
"""

import sys
from pathlib import Path

from tests.unit.trainer.conftest import TINY
from trainer import runs
from trainer.config import resolve
from trainer.data.dataset import data_record
from trainer.data.sets import open_set
from trainer.distributed import joined, pick_device

# Not bf16: its rounding, of which Adam's first steps make full ones, depends on the batch.
SETTINGS = TINY | {"epochs": 1.0, "precision": "fp32"}


def main() -> None:
    """Trains five steps a preset."""
    data = open_set(Path(sys.argv[1])).split()
    with joined(pick_device("cpu")) as group:
        for preset in sys.argv[3:]:
            config = resolve(preset, None, SETTINGS)
            runs.start(config, data, Path(sys.argv[2]) / preset, data_record(data), group=group).train()


if __name__ == "__main__":
    main()
