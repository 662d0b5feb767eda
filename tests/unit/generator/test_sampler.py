"""The generator as a library: what names an image decides every bit of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing, asynccontextmanager

import numpy as np
import pytest

from services.generator import noise
from services.generator.batcher import BatcherClosedError, QueueFullError
from services.generator.errors import NoModelsError, RequestError, UnknownModelError
from services.generator.images import encode_png
from services.generator.sampler import Sample, Sampler, SampleRequest
from tests.helpers.models import BODY_TYPES, write_model


@asynccontextmanager
async def started(root, **options) -> AsyncGenerator[Sampler]:
    """A sampler that is stopped in the end."""
    sampler = Sampler(root, **options)
    await sampler.start()
    try:
        yield sampler
    finally:
        await sampler.stop()


@pytest.fixture
async def sampler(model_root):
    """A sampler of the random models with two threads and small batches."""
    async with started(model_root, threads=2, max_batch_size=8, max_count=200) as sampler:
        yield sampler


async def draw(sampler: Sampler, **fields) -> list[Sample]:
    """Draws all images of a request."""
    return [sample async for sample in sampler.sample(SampleRequest(**fields))]


async def test_provenance(sampler):
    """Each image carries the model, label, truncation and its own seed."""
    samples = await draw(sampler, label="suv", count=3, seed=7, truncation=0.5)
    model = sampler.catalogue.find("cars")
    assert [sample.provenance.seed for sample in samples] == [7, 8, 9]
    assert {
        (p.model, p.version, p.digest, p.label, p.truncation)
        for p in (sample.provenance for sample in samples)
    } == {("cars", 2, model.digest, "suv", 0.5)}
    assert all(sample.pixels.shape == (16, 16, 3) for sample in samples)


@pytest.mark.parametrize("threads", [1, 2])
async def test_an_image_is_named_by_four_things(model_root, threads):
    """Digest, label, seed, truncation give the same bytes alone, in a batch of 17 and under mixed load."""
    async with started(model_root) as reference:
        (alone,) = await draw(reference, label="suv", seed=1010, truncation=0.8)
        expected = encode_png(alone.pixels, alone.provenance)
    async with started(model_root, threads=threads, max_batch_size=17) as sampler:
        batch = await draw(sampler, label="suv", seed=1000, count=17, truncation=0.8)
        assert encode_png(batch[10].pixels, batch[10].provenance) == expected
        load = [
            draw(sampler, label=label, seed=seed, count=count, truncation=truncation)
            for label in ("", *BODY_TYPES)
            for seed, count, truncation in ((0, 40, 1.0), (1009, 1, 0.3), (5, 3, 0.7))
        ]
        probes = [draw(sampler, label="suv", seed=1010, truncation=0.8) for _ in range(5)]
        probes.append(draw(sampler, label="suv", seed=1005, count=9, truncation=0.8))
        results = await asyncio.gather(*load, draw(sampler, model="dogs", count=20), *probes)
        for probe in results[-6:]:
            sample = next(sample for sample in probe if sample.provenance.seed == 1010)
            assert encode_png(sample.pixels, sample.provenance) == expected


async def test_each_of_the_four_matters(sampler):
    """Another digest, label, seed or truncation gives another image."""
    base = {"model": "cars", "version": 2, "label": "suv", "seed": 5, "truncation": 1.0}
    variants = [{}, {"version": 1}, {"label": "coupe"}, {"seed": 6}, {"truncation": 0.5}]
    images = {(await draw(sampler, **{**base, **variant}))[0].pixels.tobytes() for variant in variants}
    assert len(images) == len(variants)


async def test_drawn_label(sampler):
    """Without a label each image has the one its seed draws, and giving that label gives the same image."""
    samples = await draw(sampler, model="cars", count=30, seed=0)
    labels = [sample.provenance.label for sample in samples]
    assert labels == [BODY_TYPES[noise.drawn_label_index(seed, 3)] for seed in range(30)]
    assert set(labels) == set(BODY_TYPES)
    (again,) = await draw(sampler, model="cars", label=labels[4], seed=4)
    assert np.array_equal(again.pixels, samples[4].pixels)


async def test_unconditional_model(sampler):
    """A model without labels draws images with an empty label."""
    (sample,) = await draw(sampler, model="dogs", seed=1)
    assert (sample.provenance.model, sample.provenance.label) == ("dogs", "")


async def test_undrawn_seed(sampler):
    """Without a seed every request has its own, below 2^53, and that seed gives the images again."""
    first, second = await draw(sampler, count=2), await draw(sampler, count=2)
    seeds = [sample.provenance.seed for sample in (*first, *second)]
    assert len(set(seeds)) == 4
    assert max(seeds) < 2**53 + 2
    again = await draw(sampler, seed=seeds[0], count=2)
    assert all(np.array_equal(a.pixels, b.pixels) for a, b in zip(first, again, strict=True))


async def test_largest_seeds(sampler):
    """The last seed is 2^64 - 1."""
    samples = await draw(sampler, seed=2**64 - 2, count=2)
    assert [sample.provenance.seed for sample in samples] == [2**64 - 2, 2**64 - 1]


@pytest.mark.parametrize(
    ("fields", "error", "message"),
    [
        ({"count": 0}, RequestError, "count has to be 1 to 200, not 0"),
        ({"count": -1}, RequestError, "count has to be 1 to 200, not -1"),
        ({"count": 201}, RequestError, "count has to be 1 to 200, not 201"),
        ({"seed": 2**64}, RequestError, "seeds go from 0 to 18446744073709551615"),
        ({"seed": 2**64 - 1, "count": 2}, RequestError, "2 from 18446744073709551615 on are not among them"),
        ({"seed": -1}, RequestError, "1 from -1 on are not among them"),
        ({"truncation": 0.0}, RequestError, r"truncation has to be above 0 and at most 1, not 0\.0"),
        ({"truncation": 1.01}, RequestError, r"not 1\.01"),
        ({"truncation": float("nan")}, RequestError, "not nan"),
        ({"label": "bus"}, RequestError, "no model has the label 'bus'"),
        ({"model": "cats"}, UnknownModelError, "the models are cars, dogs"),
        ({"version": 9}, UnknownModelError, "its versions are 1, 2"),
    ],
)
async def test_refusal(sampler, fields, error, message):
    """What is out of range or does not exist is refused with a sentence, and nothing stays behind."""
    with pytest.raises(error, match=message):
        await draw(sampler, **fields)
    assert sampler.images_under_way == 0


async def test_leaving_early(sampler):
    """A caller that leaves in the middle leaves no work behind."""
    async with aclosing(sampler.sample(SampleRequest(count=200))) as samples:
        await anext(samples)
        assert 0 < sampler.images_under_way < 200
    assert sampler.images_under_way == 0


async def test_full_queue(model_root):
    """Beyond the queue's size a request is refused; the one under way ends well."""
    async with started(model_root, max_batch_size=4, queue_size=8) as sampler:
        async with aclosing(sampler.sample(SampleRequest(seed=0, count=100))) as samples:
            await anext(samples)
            with pytest.raises(QueueFullError, match="try again"):
                await draw(sampler)
            assert len([sample async for sample in samples]) == 99
        assert len(await draw(sampler)) == 1


async def test_stopped(model_root):
    """After it was stopped a sampler refuses."""
    async with started(model_root) as sampler:
        pass
    with pytest.raises(BatcherClosedError):
        await draw(sampler)


async def test_corrupt_models_are_left_out(tmp_path, caplog):
    """A graph that is not what its card says is named in the log; the other models are served."""
    write_model(tmp_path, "dogs", labels=())
    (tmp_path / "cars").mkdir()
    damaged = write_model(tmp_path / "x", "cars", z_dim=13)
    card = (damaged / "card.json").read_text().replace('"zDim": 13', '"zDim": 12')
    (damaged / "card.json").write_text(card)
    damaged.rename(tmp_path / "cars" / "1")
    async with started(tmp_path) as sampler:
        assert [model.name for model in sampler.catalogue.models] == ["dogs"]
        assert len(await draw(sampler, count=3)) == 3
    assert "model left out" in caplog.text
    assert "'z' is tensor(float)" in caplog.text


async def test_nothing_to_serve(tmp_path):
    """Without a sound model the sampler does not start and says where it looked."""
    with pytest.raises(NoModelsError, match=f"there is no sound model in {tmp_path}"):
        async with started(tmp_path):
            pass
