"""Batches: order, balance, mirroring, continuation, several processes."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from trainer.config import ConfigError
from trainer.data.dataset import Dataset
from trainer.data.prepare import prepare
from trainer.data.sampler import Sampler


def dataset(counts: list[int], unlabelled: int = 0) -> Dataset:
    """Returns images of one grey level each, by which a batch tells which it holds."""
    labels = np.repeat(np.arange(-1, len(counts)), [unlabelled, *counts])
    images = np.arange(len(labels), dtype=np.uint8)[:, None, None, None] * np.ones((1, 1, 4, 4), np.uint8)
    return Dataset(images, labels, tuple("abcdef"[: len(counts)]))


def numbers(images: torch.Tensor) -> list[int]:
    """Returns which images of `dataset` a batch holds."""
    return [round((float(x) + 1) * 127.5) for x in images[:, 0, 0, 0]]


def test_batch() -> None:
    """Images are float32 in -1..1 and channels last, labels int64."""
    data = Dataset(
        np.random.default_rng(0).integers(0, 256, (9, 3, 32, 32), np.uint8), np.arange(9) % 2, ("a", "b")
    )
    images, labels = Sampler(data, 8, balance=0, flip=False, seed=1).next()
    assert (images.shape, images.dtype, labels.dtype) == ((8, 3, 32, 32), torch.float32, torch.int64)
    assert images.is_contiguous(memory_format=torch.channels_last)
    assert images.min() == -1
    assert images.max() == 1


@given(st.integers(1, 40), st.integers(1, 9))
def test_without_balance_every_image_comes_once_before_any_comes_again(n: int, batch_size: int) -> None:
    """The stream of images is one permutation after the other, wherever batches begin."""
    sampler = Sampler(dataset([n]), batch_size, balance=0, flip=False, seed=1)
    stream = [i for _ in range(3 * n) for i in numbers(sampler.next()[0])]
    for start in range(0, 3 * n * batch_size - n + 1, n):
        assert sorted(stream[start : start + n]) == list(range(n))


def test_balance_draws_labels_alike_and_leaves_the_unlabelled_their_share() -> None:
    """With balance 1 every label comes equally often; with 0.5 in proportion to the root of its number."""
    data = dataset([60, 4], unlabelled=64)
    shares = {}
    for balance in (0.5, 1.0):
        sampler = Sampler(data, 64, balance=balance, flip=False, seed=1)
        seen = Counter(label for _ in range(400) for label in sampler.next()[1].tolist())
        shares[balance] = {label: count / seen.total() for label, count in seen.items()}
    assert shares[1.0] == pytest.approx({-1: 0.5, 0: 0.25, 1: 0.25}, abs=0.02)
    root = 60**0.5 / (60**0.5 + 4**0.5)
    assert shares[0.5] == pytest.approx({-1: 0.5, 0: root / 2, 1: (1 - root) / 2}, abs=0.02)


def test_half_of_the_images_are_mirrored() -> None:
    """An image comes as it is or turned left to right, each about half of the time."""
    images = np.zeros((1, 1, 4, 4), np.uint8)
    images[..., :2] = 255
    sampler = Sampler(Dataset(images, np.zeros(1, np.int64), ("a",)), 400, balance=0, flip=True, seed=1)
    batch, _ = sampler.next()
    mirrored = batch[:, 0, 0, 0] == -1
    assert (batch[mirrored].flip(3) == batch[~mirrored][:1]).all()
    assert 150 < int(mirrored.sum()) < 250


@pytest.mark.parametrize("balance", [0.0, 0.5])
def test_continues_where_its_state_was_taken(balance: float) -> None:
    """Restoring a state gives the batches that came after it."""
    data = dataset([10, 5])
    sampler = Sampler(data, 4, balance=balance, flip=True, seed=1)
    sampler.next()
    state = sampler.state()
    expected = [sampler.next() for _ in range(9)]
    other = Sampler(data, 4, balance=balance, flip=True, seed=2)
    other.restore(state)
    for images, labels in expected:
        again = other.next()
        assert torch.equal(images, again[0])
        assert torch.equal(labels, again[1])


@pytest.mark.parametrize("world", [2, 4])
def test_processes_share_the_batch_of_one(world: int) -> None:
    """The slices of all processes, one after the other, are the batch that one process draws."""
    data = dataset([20, 9])
    alone = Sampler(data, 8, balance=0.5, flip=True, seed=3)
    together = [
        Sampler(data, 8, balance=0.5, flip=True, seed=3, rank=rank, world=world) for rank in range(world)
    ]
    for _ in range(7):
        images, labels = alone.next()
        parts = [sampler.next() for sampler in together]
        assert torch.equal(torch.cat([part[0] for part in parts]), images)
        assert torch.equal(torch.cat([part[1] for part in parts]), labels)
    with pytest.raises(ConfigError, match="batch_size is 8; it must be a multiple of the 3 processes"):
        Sampler(data, 8, balance=0, flip=True, seed=3, world=3)


def test_a_mapped_set_is_not_changed(photos: Path, tmp_path: Path) -> None:
    """Drawing from a prepared set leaves its files as they are."""
    prepared = prepare(photos, tmp_path / "set", size_px=32)
    sampler = Sampler(prepared.split(), 8, balance=0.5, flip=True, seed=1)
    for _ in range(5):
        sampler.next()
    prepared.verify()


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")
@pytest.mark.parametrize("share", [0.0, 1.0])
def test_gpu_gets_the_batches_of_the_cpu(monkeypatch: pytest.MonkeyPatch, share: float) -> None:
    """Whether the set is on the GPU or stays in host memory, the same images arrive there."""
    monkeypatch.setattr("trainer.data.sampler.SHARE_OF_GPU_MEMORY", share)
    data = dataset([20, 9])
    cpu, gpu = (Sampler(data, 8, balance=0.5, flip=True, seed=3, device=device) for device in ("cpu", "cuda"))
    for _ in range(5):
        expected, images = cpu.next()[0], gpu.next()[0]
        assert images.device.type == "cuda"
        assert torch.allclose(images.cpu(), expected, atol=1e-6)
