"""Several processes training one run, as torchrun starts them."""

import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from tests.helpers.images import jpeg_file
from tests.unit.trainer.conftest import TINY
from tests.unit.trainer.two_ranks import SETTINGS
from trainer import runs
from trainer.checkpoint import load
from trainer.config import PRESETS, ConfigError, resolve
from trainer.data.dataset import data_record
from trainer.data.prepare import prepare
from trainer.distributed import Group
from trainer.loop import Trainer

pytestmark = pytest.mark.training

TORCHRUN = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
COMPARED = [preset for preset in ("dcgan", "cgan", "wgan-gp") if preset in PRESETS]


@pytest.fixture(scope="module")
def compared(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[dict, dict]]:
    """The checkpoints of the presets after five steps: of one process and of two."""
    folder = tmp_path_factory.mktemp("ranks")
    for i in range(20):
        photo = folder / "photos" / ("coupe" if i < 12 else "van") / f"{i}.jpg"
        photo.parent.mkdir(parents=True, exist_ok=True)
        photo.write_bytes(jpeg_file(60, 40, seed=i))
    data = prepare(folder / "photos", folder / "set", size_px=32).split()
    for preset in COMPARED:
        config = resolve(preset, None, SETTINGS)
        runs.start(config, data, folder / "one" / preset, data_record(data)).train()
    script = Path(__file__).with_name("two_ranks.py")
    environment = {"PYTHONPATH": str(Path(__file__).parents[3]), "OMP_NUM_THREADS": "1", "PATH": ""}
    subprocess.run(
        [*TORCHRUN, script, folder / "set", folder / "two", *COMPARED], check=True, env=environment
    )
    pairs = {}
    for preset in COMPARED:
        one, two = (load(folder / ranks / preset / "checkpoint.pt") for ranks in ("one", "two"))
        pairs[preset] = one, two
    return pairs


@pytest.mark.parametrize("preset", COMPARED)
def test_two_processes_do_what_one_does(compared: dict[str, tuple[dict, dict]], preset: str) -> None:
    """After five steps of the same global batch in float32, gradients and weights are those of one process.

    Gradients agree to 1e-5 of their largest value and weights to 1e-6. Biases before a batch norm are left
    out: their gradient is nothing but rounding, to which Adam gives full steps, and the norm takes them away.
    """
    one, two = compared[preset]
    assert one["step"] == two["step"] == 5
    assert torch.equal(one["rng"], two["rng"])
    assert torch.equal(one["sampler"]["order"], two["sampler"]["order"])
    tested = 0
    for network in ("generator", "discriminator"):
        optimizers = [state["update"][f"{network[0]}_optimizer"]["state"] for state in (one, two)]
        weights = [state["update"][network] for state in (one, two)]
        names = [n for n in weights[0] if not re.search(r"running_|num_batches", n)]
        for i, name in enumerate(names):
            a, b = (optimizer[i]["exp_avg"] for optimizer in optimizers)
            largest = a.abs().max()
            assert (a - b).abs().max() <= 1e-5 * largest + 1e-6, name
            if largest > 1e-5:
                assert torch.allclose(weights[0][name], weights[1][name], rtol=1e-5, atol=1e-6), name
                tested += 1
        for name in weights[0]:
            if name.endswith("running_var"):
                assert torch.allclose(weights[0][name], weights[1][name], rtol=1e-5), name
    assert tested > 10


def test_a_run_goes_on_with_more_processes_and_all_stop_together(photos: Path, tmp_path: Path) -> None:
    """A run of one process is resumed by two under the command; SIGTERM ends both after the same step."""
    run = tmp_path / "run"
    data = prepare(photos, tmp_path / "set", size_px=32).split()
    runs.start(resolve("cgan", None, TINY | {"epochs": 1.0}), data, run, data_record(data)).train()
    assert load(run / "checkpoint.pt")["step"] == 5
    process = subprocess.Popen(
        [*TORCHRUN, "-m", "trainer", "resume", run, "--epochs", "2000"], stderr=subprocess.PIPE, text=True
    )
    metrics = run / "metrics.jsonl"
    before = metrics.read_text()
    while process.poll() is None and metrics.read_text() == before:
        time.sleep(0.1)
    process.send_signal(signal.SIGTERM)
    _, stderr = process.communicate(timeout=120)
    (stopped_at,) = re.findall(r"stopped at step (\d+); continue with", stderr)
    assert load(run / "checkpoint.pt")["step"] == int(stopped_at) > 5
    assert stderr.count("step 10/10000") <= 1


def test_a_batch_that_cannot_be_divided_is_refused(photos: Path, tmp_path: Path) -> None:
    """A batch of 5 in two processes is one clear sentence."""
    data = prepare(photos, tmp_path / "set", size_px=32).split()
    config = resolve("cgan", None, TINY | {"batch_size": 5})
    with pytest.raises(ConfigError, match="batch_size is 5; it must be a multiple of the 2 processes"):
        Trainer(config, data, tmp_path / "run", Group(0, 2))


def test_slices_make_up_the_batch() -> None:
    """The slices of all ranks, one after another, are the batch."""
    batch = torch.arange(12)
    assert torch.equal(torch.cat([Group(rank, 3).slice(batch) for rank in range(3)]), batch)
