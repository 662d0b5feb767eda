"""The models in the box."""

from contextlib import aclosing

import numpy as np
import pytest

from services.generator.models import PACKAGED_MODELS
from services.generator.repository.local import find_models
from services.generator.requests import SampleRequest
from services.generator.sampler import Sampler

BODY_TYPES = {
    "convertible", "coupe", "hatchback", "minivan", "pickup", "sedan", "suv", "van", "wagon",
}  # fmt: skip


async def draw(request: SampleRequest) -> np.ndarray:
    """Returns the images of a request to the packaged models, uint8 [N, H, W, C]."""
    sampler = Sampler(threads=1)
    await sampler.start()
    try:
        async with aclosing(sampler.sample(request)) as samples:
            return np.concatenate([part.pixels async for part in samples])
    finally:
        await sampler.stop()


def test_cards_say_where_the_models_come_from() -> None:
    """Cars and dogs are there, at most 12 MB together, with data, terms, limits and checks in their cards."""
    models = {model.name: model.card for model in find_models(PACKAGED_MODELS)}
    assert models.keys() == {"cars", "dogs"}
    assert set(models["cars"].labels) == BODY_TYPES
    assert list(models["dogs"].labels) == ["dog"]
    assert sum(card.onnx_bytes for card in models.values()) <= 12_000_000
    for card in models.values():
        assert "research" in card.terms.lower()
        assert card.description
        assert card.limitations
        assert card.data.terms
        assert card.data.images == sum(card.data.images_per_label.values()) > 3000
        assert card.training.images_seen > 50_000
        assert {m.name: m.value for m in card.metrics}["onnx_max_abs_diff"] < 1e-4


@pytest.mark.parametrize("label", [*sorted(BODY_TYPES), "dog"])
async def test_every_label_is_drawn_with_variety(label: str) -> None:
    """Each label gives 64-pixel colour pictures that differ from seed to seed and are not flat or noise."""
    images = (await draw(SampleRequest(label=label, count=8, seed=100))).astype(float)
    assert images.shape == (8, 64, 64, 3)
    assert images.std(axis=(1, 2, 3)).min() > 20
    assert images.std(axis=0).mean() > 15
    neighbours = np.abs(np.diff(images, axis=2)).mean()
    shuffled = np.random.default_rng(0).permuted(images, axis=2)
    assert neighbours < 0.6 * np.abs(np.diff(shuffled, axis=2)).mean()


async def test_labels_matter() -> None:
    """The same seed under two labels gives two pictures."""
    (sedan,), (pickup,) = [await draw(SampleRequest(label=label, seed=5)) for label in ("sedan", "pickup")]
    assert np.abs(sedan.astype(int) - pickup).mean() > 5


async def test_cars_mix() -> None:
    """A mix of body types is a picture of its own, the same in every batch; one label alone is that label."""
    mix, weights = {"sedan": 1.0, "pickup": 2.0, "van": 0.5}, {"sedan": 1.0}
    alone = [await draw(SampleRequest(label_mix=mix, seed=seed)) for seed in (5, 6, 7)]
    assert np.array_equal(await draw(SampleRequest(label_mix=mix, seed=5, count=3)), np.concatenate(alone))
    (sedan,) = await draw(SampleRequest(label="sedan", seed=5))
    assert np.array_equal(await draw(SampleRequest(label_mix=weights, seed=5)), sedan[None])
    assert np.abs(sedan.astype(int) - alone[0][0]).mean() > 3
