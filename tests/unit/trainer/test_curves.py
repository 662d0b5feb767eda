"""Loss curves."""

import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from PIL import Image

from trainer.curves import draw, save_curves
from trainer.logs import Row


def run_of(n: int, *, penalty: bool) -> list[Row]:
    """Returns the rows of a run."""
    extra = {"penalty": 0.2} if penalty else {}
    return [
        {"step": 50 * i, "epoch": i / 4, "d_loss": 1 / i, "g_loss": 2 - 1 / i, "lead": 0.5, "augment_p": 0.1}
        | extra
        | ({"diversity_min": 0.9} if i % 4 == 0 else {})
        for i in range(1, n + 1)
    ]


@pytest.mark.parametrize(("n", "penalty"), [(5, False), (40, True)])
def test_curves_are_drawn(tmp_path: Path, n: int, penalty: bool) -> None:
    """PNG and SVG are written, are what they say, and are the same for the same metrics."""
    run = tmp_path / "my-run"
    run.mkdir()
    save_curves(run_of(n, penalty=penalty), run)
    first = {path.name: path.read_bytes() for path in run.iterdir()}
    assert first.keys() == {"loss-curves.png", "loss-curves.svg"}
    image = Image.open(run / "loss-curves.png")
    assert image.width > 800
    assert len(image.convert("L").getcolors(256) or []) > 20
    assert ET.parse(run / "loss-curves.svg").getroot().tag.endswith("svg")
    for path in run.iterdir():
        path.unlink()
    save_curves(run_of(n, penalty=penalty), run)
    assert {path.name: path.read_bytes() for path in run.iterdir()} == first


def test_a_run_of_few_rows_has_no_curves(tmp_path: Path) -> None:
    """Four points make no curve; nothing is written."""
    save_curves(run_of(4, penalty=True), tmp_path)
    assert not list(tmp_path.iterdir())


def test_spikes_do_not_flatten_the_curves() -> None:
    """One loss of a million leaves the scale of the others as it was."""
    rows = run_of(200, penalty=False)
    rows[1] = rows[1] | {"g_loss": 1e6}
    losses = draw(rows, "run").axes[0]
    assert losses.get_ylim()[1] < 3
