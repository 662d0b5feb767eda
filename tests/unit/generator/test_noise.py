"""The noise contract, against a second implementation and the vectors of docs/noise.md."""

from __future__ import annotations

import json
import math
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.generator import noise

DOCS = Path(__file__).parents[3] / "docs" / "noise.md"
VECTORS = json.loads(re.search(r"```json\n(.*?)```", DOCS.read_text(), re.DOTALL)[1])

SEEDS = st.integers(0, noise.MAX_SEED)
MASK = 2**64 - 1


def philox4x64(counter: tuple[int, int, int, int], key: tuple[int, int]) -> tuple[int, int, int, int]:
    """Philox4x64-10 as in Salmon et al. 2011, on Python's integers."""
    c0, c1, c2, c3 = counter
    k0, k1 = key
    for _ in range(10):
        low, high = 0xD2E7470EE14C6C93 * c0, 0xCA5A826395121157 * c2
        c0, c1, c2, c3 = (high >> 64) ^ c1 ^ k0, high & MASK, (low >> 64) ^ c3 ^ k1, low & MASK
        k0, k1 = (k0 + 0x9E3779B97F4A7C15) & MASK, (k1 + 0xBB67AE8584CAA73B) & MASK
    return c0, c1, c2, c3


def words_of(seed: int, count: int) -> list[int]:
    """The first words of a seed: blocks 1, 2, ... under the key (seed, 0)."""
    blocks = range(1, -(-count // 4) + 1)
    return [word for block in blocks for word in philox4x64((block, 0, 0, 0), (seed, 0))][:count]


def latent_of(seed: int, z_dim: int) -> list[float]:
    """The latent vector of a seed by the contract's text."""
    words = words_of(seed, z_dim + z_dim % 2)
    uniform = [((word >> 11) + 0.5) * 2.0**-53 for word in words]
    normal: list[float] = []
    for u1, u2 in zip(uniform[0::2], uniform[1::2], strict=True):
        radius = math.sqrt(-2 * math.log(u1))
        normal += [radius * math.cos(2 * math.pi * u2), radius * math.sin(2 * math.pi * u2)]
    return [round(value * 2**16) / 2**16 for value in normal[:z_dim]]


@pytest.mark.parametrize("vector", VECTORS["latents"], ids=lambda vector: str(vector["seed"]))
def test_documented_latents(vector):
    """The documented words and latent vectors are those of both implementations."""
    seed, z = int(vector["seed"]), vector["z"]
    assert [f"{word:016x}" for word in words_of(seed, len(vector["words"]))] == vector["words"]
    assert latent_of(seed, len(z)) == z
    assert noise.latents([seed], len(z))[0].tolist() == z


@pytest.mark.parametrize(
    "vector", VECTORS["labels"], ids=lambda vector: f"{vector['seed']}-{vector['labels']}"
)
def test_documented_labels(vector):
    """The documented label draws are those of both implementations."""
    seed, n_labels = int(vector["seed"]), vector["labels"]
    word = philox4x64((1, 1, 0, 0), (seed, 0))[0]
    assert f"{word:016x}" == vector["word"]
    assert (word * n_labels) >> 64 == vector["index"] == noise.drawn_label_index(seed, n_labels)


@pytest.mark.parametrize("vector", VECTORS["truncated"])
def test_documented_truncation(vector):
    """The documented truncated latent vectors are what truncation gives."""
    z = noise.latents([int(vector["seed"])], len(vector["z"]))
    assert noise.truncated(z, vector["truncation"])[0].tolist() == vector["z"]


@given(seed=SEEDS, z_dim=st.integers(1, 130))
def test_latents_of_any_seed(seed, z_dim):
    """Any seed and length give the vector that the pure Python implementation gives."""
    z = noise.latents([seed], z_dim)
    assert z.dtype == np.float32
    assert z[0].tolist() == latent_of(seed, z_dim)


@given(seeds=st.lists(SEEDS, min_size=1, max_size=20), z_dim=st.integers(1, 9))
def test_latents_do_not_depend_on_each_other(seeds, z_dim):
    """A row depends on its own seed alone, and a shorter vector is the beginning of a longer one."""
    together = noise.latents(seeds, z_dim)
    alone = [noise.latents([seed], z_dim + 1)[0, :z_dim] for seed in seeds]
    assert np.array_equal(together, alone)


@given(seed=SEEDS, n_labels=st.integers(1, 2**32))
def test_label_draw_is_in_range(seed, n_labels):
    """A drawn label is one that exists."""
    assert 0 <= noise.drawn_label_index(seed, n_labels) < n_labels


def test_distribution():
    """Latents are standard normal and labels uniform, within what 20,000 numbers allow."""
    z = noise.latents(range(2000), 10)
    assert abs(z.mean()) < 0.03
    assert abs(z.std() - 1) < 0.03
    assert abs(np.corrcoef(z.T) - np.eye(10)).max() < 0.1
    counts = np.bincount([noise.drawn_label_index(seed, 4) for seed in range(2000)])
    assert abs(counts - 500).max() < 100


def test_truncation_of_one_changes_nothing():
    """Truncation 1 leaves every bit as it is."""
    z = noise.latents([1, 2], 50)
    assert np.array_equal(noise.truncated(z, 1.0), z)


@given(seed=SEEDS, count=st.integers(1, 20))
def test_words_are_those_of_philox(seed, count):
    """The raw words are those of NumPy's own generator for the key, whatever was asked before."""
    noise.latents([seed ^ 1], 3)
    words = np.random.Philox(key=seed, counter=0).random_raw(count)
    assert [int(word) for word in words] == words_of(seed, count)
    z_dim = count + count % 2
    assert noise.latents([seed], z_dim)[0].tolist() == latent_of(seed, z_dim)


def test_threads_do_not_disturb_each_other():
    """Several threads that make noise at the same time get what each gets alone."""
    expected = [noise.latents(range(start, start + 50), 20) for start in range(8)]
    with ThreadPoolExecutor(4) as pool:
        for _ in range(5):
            results = list(pool.map(lambda start: noise.latents(range(start, start + 50), 20), range(8)))
            assert all(np.array_equal(a, b) for a, b in zip(results, expected, strict=True))


def walked(seed: int, to_seed: int, z_dim: int, position: float) -> list[float]:
    """A walk's latent vector by the contract's text, on Python's floats."""
    a, b = latent_of(seed, z_dim), latent_of(to_seed, z_dim)
    aa, bb, ab = (math.fsum(x * y for x, y in zip(p, q, strict=True)) for p, q in ((a, a), (b, b), (a, b)))
    cosine = ab / math.sqrt(aa * bb) if aa and bb else 1.0
    angle = math.acos(min(max(cosine, -1), 1))
    if math.sin(angle) < 2**-16:
        values = [(1 - position) * x + position * y for x, y in zip(a, b, strict=True)]
    else:
        weights = math.sin((1 - position) * angle), math.sin(position * angle)
        values = [(weights[0] * x + weights[1] * y) / math.sin(angle) for x, y in zip(a, b, strict=True)]
    return [round(value * 2**16) / 2**16 for value in values]


def between(seed: int, to_seed: int, z_dim: int, positions: list[float]) -> np.ndarray:
    """The latent vectors of a walk."""
    start, end = noise.latents([seed, to_seed], z_dim)
    return noise.between(start, end, np.array(positions))


@pytest.mark.parametrize("vector", VECTORS["walks"])
def test_documented_walks(vector):
    """The documented walks are those of both implementations."""
    seeds = int(vector["seed"]), int(vector["to_seed"])
    z, position = vector["z"], vector["position"]
    assert between(*seeds, len(z), [position])[0].tolist() == walked(*seeds, len(z), position) == z


@given(seeds=st.tuples(SEEDS, SEEDS), z_dim=st.integers(2, 130), position=st.floats(0, 1))
def test_walks_of_any_seeds(seeds, z_dim, position):
    """Any walk gives what the pure Python implementation gives, and its ends are the seeds' own vectors."""
    z = between(*seeds, z_dim, [position, 0, 1])
    assert z[0].tolist() == pytest.approx(walked(*seeds, z_dim, position), rel=1e-6, abs=2**-16)
    assert np.array_equal(z[1:], noise.latents(seeds, z_dim))


def test_walks_keep_their_length():
    """In the middle of a walk a vector is as long as at its ends; a straight line would be shorter."""
    z = between(1, 2, 1000, [0, 0.25, 0.5, 0.75, 1])
    assert np.linalg.norm(z, axis=1) == pytest.approx(1000**0.5, rel=0.05)


def test_walks_to_oneself_and_to_the_opposite():
    """A walk to the same seed stands still; one between opposite vectors is a straight line."""
    assert np.array_equal(between(5, 5, 9, [0.3])[0], noise.latents([5], 9)[0])
    z = noise.latents([5], 9)[0]
    assert np.array_equal(noise.between(z, -z, np.array([0.5]))[0], np.zeros(9))
