"""Checkpoints: written whole or not at all, and refused with a sentence when they are not what is needed."""

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch

from trainer import checkpoint
from trainer.checkpoint import RunError
from trainer.config import Config

STATE = {"step": 7, "weights": torch.arange(50_000.0)}


@contextmanager
def no_file_larger_than(size_bytes: int) -> Iterator[None]:
    """Lets the kernel refuse to write more than so much to any file, as a full disk does."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


def test_a_state_comes_back(tmp_path: Path) -> None:
    """What was saved is loaded, with the settings it was made with; no temporary file is left."""
    path = tmp_path / "checkpoint.pt"
    checkpoint.save(path, STATE, Config(z_dim=3))
    state = checkpoint.load(path)
    assert state["step"] == 7
    assert torch.equal(state["weights"], STATE["weights"])
    assert state["config"]["z_dim"] == 3
    assert [p.name for p in tmp_path.iterdir()] == ["checkpoint.pt"]


def test_a_full_disk_leaves_the_checkpoint_before(tmp_path: Path) -> None:
    """When the disk is full while writing, one sentence says so and the previous checkpoint is intact."""
    path = tmp_path / "checkpoint.pt"
    with (
        no_file_larger_than(10_000),
        pytest.raises(RunError, match=r"step 7 cannot be .*; there is none before"),
    ):
        checkpoint.save(path, STATE, Config())
    checkpoint.save(path, STATE, Config())
    before = path.read_bytes()
    with no_file_larger_than(10_000), pytest.raises(RunError, match="the checkpoint before it is untouched"):
        checkpoint.save(path, STATE | {"step": 8}, Config())
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["checkpoint.pt"]


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.99])
def test_a_checkpoint_cut_short_is_named(tmp_path: Path, share: float) -> None:
    """A truncated file is refused in one line, however much of it is there."""
    path = tmp_path / "checkpoint.pt"
    checkpoint.save(path, STATE, Config())
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
    with pytest.raises(RunError, match=r"checkpoint\.pt is damaged or cut short") as caught:
        checkpoint.load(path)
    assert "\n" not in str(caught.value)


def test_a_checkpoint_of_another_kind_is_named(tmp_path: Path) -> None:
    """A file of another program, another version of the format and a missing file are told apart."""
    path = tmp_path / "checkpoint.pt"
    with pytest.raises(RunError, match="the run has no checkpoint yet"):
        checkpoint.load(path)
    torch.save({"epoch": 3}, path)
    with pytest.raises(RunError, match="is no checkpoint of this program"):
        checkpoint.load(path)
    torch.save({"format": checkpoint.FORMAT, "version": 9}, path)
    with pytest.raises(RunError, match="has version 9 of the format, this program reads 1"):
        checkpoint.load(path)


def test_other_settings_are_named() -> None:
    """A setting that shapes the run must be the checkpoint's; its end and its device may change."""
    state = {"config": {"z_dim": 100, "epochs": 3.0, "device": "cuda"}}
    checkpoint.require_settings(Path("checkpoint.pt"), state, Config(epochs=5.0, device="cpu"))
    with pytest.raises(RunError, match=r"was made with z_dim 100, but the run's config.json says 64"):
        checkpoint.require_settings(Path("checkpoint.pt"), state, Config(z_dim=64))


@pytest.mark.parametrize("text", ["", "{", "[]", '{"colour": 3}', '{"epochs": -1.0}'])
def test_damaged_settings_are_named(tmp_path: Path, text: str) -> None:
    """A config.json that is no settings is refused in one line."""
    (tmp_path / "config.json").write_text(text)
    with pytest.raises(RunError, match=r"config\.json"):
        checkpoint.load_config(tmp_path)


def test_a_kept_checkpoint_stays_when_the_newest_is_replaced(tmp_path: Path) -> None:
    """A copy that is kept has the content it was kept with."""
    path, kept = tmp_path / "checkpoint.pt", tmp_path / "checkpoints/step-7.pt"
    checkpoint.save(path, STATE, Config())
    checkpoint.keep(path, kept)
    checkpoint.save(path, STATE | {"step": 8}, Config())
    assert (checkpoint.load(kept)["step"], checkpoint.load(path)["step"]) == (7, 8)
