"""The generator as a library: what names an image decides every bit of it."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncGenerator
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pytest

from services.generator import noise
from services.generator.errors import NoModelsError, RequestError, UnknownModelError
from services.generator.images import Provenance
from services.generator.requests import SampleRequest, Walk
from services.generator.sampler import Sampler
from services.generator.scheduling import QueueFullError
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


@dataclass(frozen=True)
class Sample:
    """One image."""

    pixels: np.ndarray
    provenance: Provenance


async def draw(sampler: Sampler, **fields) -> list[Sample]:
    """Draws all images of a request, at once when they are few, as a stream when they are many."""
    request = SampleRequest(**fields)
    batches = (
        [await sampler.draw(request)]
        if request.size < 8
        else [batch async for batch in sampler.sample(request)]
    )
    return [
        Sample(pixels, provenance)
        for batch in batches
        for pixels, provenance in zip(batch.pixels, batch.provenances, strict=True)
    ]


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


async def test_at_once_or_as_a_stream(sampler):
    """A request gives the same images at once and as a stream, in batches of at most the largest size."""
    request = SampleRequest(label="suv", seed=3, count=50)
    whole = await sampler.draw(request)
    batches = [batch async for batch in sampler.sample(request)]
    assert np.array_equal(np.concatenate([batch.pixels for batch in batches]), whole.pixels)
    assert [p for batch in batches for p in batch.provenances] == whole.provenances
    assert max(len(batch.pixels) for batch in batches) <= 8


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


async def test_given_seeds(sampler):
    """A list of seeds gives their images in its order, whatever it is."""
    seeds = [9, 3, 2**64 - 1, 3]
    samples = await draw(sampler, label="suv", seeds=seeds)
    assert [sample.provenance.seed for sample in samples] == seeds
    for sample in samples:
        (alone,) = await draw(sampler, label="suv", seed=sample.provenance.seed)
        assert np.array_equal(sample.pixels, alone.pixels)


async def test_walk(sampler):
    """A walk goes from one seed's image to another's; each image on it can be drawn alone."""
    walk = await draw(sampler, label="suv", seed=5, count=9, walk=Walk(11))
    assert [s.provenance.position for s in walk] == [i / 8 for i in range(9)]
    assert {(s.provenance.seed, s.provenance.to_seed) for s in walk} == {(5, 11)}
    for sample, seed in ((walk[0], 5), (walk[8], 11)):
        (end,) = await draw(sampler, label="suv", seed=seed)
        assert np.array_equal(sample.pixels, end.pixels)
    (again,) = await draw(sampler, label="suv", seed=5, walk=Walk(11, walk[3].provenance.position))
    assert np.array_equal(again.pixels, walk[3].pixels)
    assert again.provenance == walk[3].provenance
    steps = [np.abs(a.pixels.astype(int) - b.pixels).mean() for a, b in pairwise(walk)]
    assert 0 < max(steps) < np.abs(walk[0].pixels.astype(int) - walk[8].pixels).mean()


async def test_walk_draws_its_label_once(sampler):
    """Without a label all images of a walk have the one that the first seed draws."""
    walk = await draw(sampler, model="cars", seed=5, count=20, walk=Walk(6))
    assert {s.provenance.label for s in walk} == {BODY_TYPES[noise.drawn_label_index(5, 3)]}


async def test_label_mix(tmp_path):
    """A mix has its shares in its provenance and lies between its labels; one label alone is that label."""
    write_model(tmp_path, "cars", mixes_labels=True)
    async with started(tmp_path) as sampler:
        (mixed,) = await draw(sampler, seed=1, label_mix={"suv": 3, "coupe": 1})
        (suv,) = await draw(sampler, seed=1, label="suv")
        (coupe,) = await draw(sampler, seed=1, label="coupe")
        (only,) = await draw(sampler, seed=1, label_mix={"suv": 0.1})
    assert mixed.provenance.label_mix == {"suv": 0.75, "coupe": 0.25}
    assert mixed.provenance.label == ""
    assert np.array_equal(only.pixels, suv.pixels)
    to_suv, to_coupe = (np.abs(mixed.pixels.astype(int) - s.pixels).mean() for s in (suv, coupe))
    assert 0 < to_suv < to_coupe


async def test_infer(sampler):
    """Given latent vectors draw what the graph gives, and the samples of the seeds that they come from."""
    z, labels = noise.latents(range(30), 12), np.arange(30) % 3
    images = await sampler.infer("cars", 0, z, labels)
    assert (images.dtype, images.shape) == (np.float32, (30, 3, 16, 16))
    assert np.array_equal(images, sampler.served("cars").engine.run(z, labels))
    pixels, floats = await asyncio.gather(
        sampler.infer("cars", 0, z, labels, as_pixels=True), sampler.infer("cars", 0, z, labels)
    )
    assert np.array_equal(floats, images)
    for i in (0, 4, 29):
        (drawn,) = await draw(sampler, model="cars", seed=i, label=BODY_TYPES[i % 3])
        assert np.array_equal(pixels[i], drawn.pixels)
    assert (await sampler.infer("dogs", 1, z)).shape == (30, 3, 16, 16)


Z = np.zeros((2, 12), np.float32)


@pytest.mark.parametrize(
    ("model", "z", "labels", "message"),
    [
        (
            "cars",
            Z[:, :11],
            np.zeros(2, np.int64),
            r"z of model 'cars' has to be float32 \[N, 12\], not float32 \[2, 11\]",
        ),
        ("cars", Z.astype(np.float64), np.zeros(2, np.int64), r"not float64 \[2, 12\]"),
        ("cars", np.full((1, 12), np.nan, np.float32), np.zeros(1, np.int64), "finite"),
        ("cars", Z[:0], np.zeros(0, np.int64), "has to be 1 to 200, not 0"),
        ("cars", np.zeros((201, 12), np.float32), np.zeros(201, np.int64), "has to be 1 to 200, not 201"),
        ("cars", Z, None, r"int64 \[2\], it is missing"),
        ("cars", Z, np.zeros(3, np.int64), r"int64 \[2\], not int64 \[3\]"),
        ("cars", Z, np.zeros((2, 3), np.float32), r"int64 \[2\], not float32 \[2, 3\]"),
        ("cars", Z, np.array([0, 3]), "go from 0 to 2, not 3"),
        ("cars", Z, np.array([0, -1]), "go from 0 to 2, not -1"),
        ("dogs", Z, np.zeros(2, np.int64), "model 'dogs' has no labels"),
    ],
)
async def test_infer_refusal(sampler, model, z, labels, message):
    """Arrays that are not the graph's inputs are refused with what they have to be."""
    with pytest.raises(RequestError, match=message):
        await sampler.infer(model, 0, z, labels)
    assert sampler.images_under_way == 0


async def test_probe_digest(model_root, sampler):
    """The probe digest is of the samples of seeds 0 to 7, at any number of threads; models differ in it."""
    served = sampler.served("cars")
    samples = await draw(sampler, model="cars", seed=0, count=8)
    pixels = np.stack([sample.pixels for sample in samples])
    assert served.probe_digest == hashlib.sha256(pixels.tobytes()).hexdigest()
    assert served.probe_digest != sampler.served("cars", 1).probe_digest
    async with started(model_root, threads=1) as other:
        assert other.served("cars").probe_digest == served.probe_digest


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
        ({"seeds": [1, 2**64]}, RequestError, "18446744073709551616 is not among them"),
        ({"seeds": [1, 2], "seed": 1}, RequestError, "neither with a first seed nor with a walk"),
        ({"seeds": [1] * 201}, RequestError, "count has to be 1 to 200, not 201"),
        ({"walk": Walk(2**64)}, RequestError, "1 from 18446744073709551616 on are not among them"),
        ({"walk": Walk(1, -0.1)}, RequestError, "positions of a walk go from 0 to 1, -0.1 is not among them"),
        ({"walk": Walk(1, 0, float("nan"))}, RequestError, "nan is not among them"),
        ({"label_mix": {"suv": 1.0}}, RequestError, "model 'cars' cannot mix labels"),
        ({"label_mix": {"suv": -1.0}}, RequestError, "weight of label 'suv' has to be 0 or more, not -1.0"),
        ({"label_mix": {"suv": float("nan")}}, RequestError, "not nan"),
        ({"label_mix": {"suv": 0.0}}, RequestError, "at least one label of a mix has to weigh more than 0"),
        ({"label_mix": {"suv": 1.0, "bus": 1.0}}, RequestError, "model 'cars' has no label 'bus'"),
        ({"label_mix": {"suv": 1.0}, "label": "suv"}, RequestError, "not for both"),
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
    async with aclosing(sampler.sample(SampleRequest(count=200))) as batches:
        await anext(batches)
        assert 0 < sampler.images_under_way < 200
    assert sampler.images_under_way == 0


async def test_full_queue(model_root):
    """Beyond the queue's size a request is refused; the one under way ends well."""
    async with started(model_root, max_batch_size=4, queue_size=8) as sampler:
        async with aclosing(sampler.sample(SampleRequest(seed=0, count=100))) as batches:
            drawn = len((await anext(batches)).pixels)
            with pytest.raises(QueueFullError, match="try again"):
                await draw(sampler)
            async for batch in batches:
                drawn += len(batch.pixels)
            assert drawn == 100
        assert len(await draw(sampler)) == 1


async def test_stopped(model_root):
    """After it was stopped a sampler has no models."""
    async with started(model_root) as sampler:
        pass
    with pytest.raises(UnknownModelError, match="the models are none"):
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
    assert "model cars version 1 cannot be loaded, it is left out" in caplog.text
    assert "'z' is tensor(float)" in caplog.text


async def test_nothing_to_serve(tmp_path):
    """Without a sound model the sampler does not start and says where it looked."""
    with pytest.raises(NoModelsError, match=f"there is no sound model in {tmp_path}"):
        async with started(tmp_path):
            pass
