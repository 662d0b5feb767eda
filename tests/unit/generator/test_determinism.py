"""The promise of the service: what names an image decides every byte of it, at any load."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.generator.images import encode_image
from services.generator.requests import SampleRequest, Samples, Walk
from services.generator.sampler import Sampler
from services.generator.served import Ticket
from tests.helpers.models import BODY_TYPES

Image = tuple[str, int, bytes]

REQUESTS = st.lists(
    st.builds(
        SampleRequest,
        model=st.sampled_from(["cars", "dogs"]),
        count=st.integers(1, 30),
        seed=st.integers(0, 40),
        truncation=st.sampled_from([1.0, 0.7]),
        walk=st.none() | st.builds(Walk, st.integers(0, 40), start=st.sampled_from([0.0, 0.25])),
    ),
    min_size=2,
    max_size=12,
)
TICKETS = st.builds(Ticket, caller=st.sampled_from("ab"), priority=st.integers(1, 3))


def named(samples: Samples) -> dict[object, bytes]:
    """The files of images, by what names them."""
    return {
        (p.digest, p.label, p.seed, p.truncation, p.to_seed, p.position): encode_image(pixels, p)
        for pixels, p in zip(samples.pixels, samples.provenances, strict=True)
    }


async def one_by_one(root: Path, names: list[tuple]) -> dict[object, bytes]:
    """Draws each image alone, on one thread."""
    sampler = Sampler(root, threads=1, max_batch_size=1)
    await sampler.start()
    digests = {model.digest: model for model in sampler.catalogue.models}
    drawn: dict[object, bytes] = {}
    for digest, label, seed, truncation, to_seed, position in names:
        model = digests[digest]
        walk = None if to_seed is None else Walk(to_seed, position)
        request = SampleRequest(
            model=model.name, version=model.version, label=label, seed=seed, truncation=truncation, walk=walk
        )
        drawn |= named(await sampler.draw(request))
    await sampler.stop()
    return drawn


@settings(max_examples=15)
@given(
    requests=REQUESTS,
    tickets=st.lists(TICKETS, min_size=12, max_size=12),
    threads=st.integers(1, 3),
    max_batch_size=st.sampled_from([1, 3, 8, 32]),
    leaving=st.integers(0, 3),
)
def test_load_changes_no_byte(model_root, requests, tickets, threads, max_batch_size, leaving):
    """Whatever is asked at the same time, in any batches, threads and turns: an image is the same bytes."""

    async def ask(sampler: Sampler, number: int) -> dict[object, bytes]:
        request, ticket = requests[number], tickets[number]
        if number % 2:
            return named(await sampler.draw(request, ticket))
        files: dict[object, bytes] = {}
        async for batch in sampler.sample(request, ticket):
            files |= named(batch)
        return files

    async def main() -> None:
        sampler = Sampler(
            model_root, threads=threads, max_batch_size=max_batch_size, max_queue_delay_ms=1, max_count=1000
        )
        await sampler.start()
        leavers = [asyncio.create_task(ask(sampler, i % len(requests))) for i in range(leaving)]
        tasks = [asyncio.create_task(ask(sampler, number)) for number in range(len(requests))]
        await asyncio.sleep(0)
        for task in leavers:
            task.cancel()
        results = await asyncio.gather(*tasks)
        await sampler.stop()
        alone = await one_by_one(model_root, list({name for files in results for name in files}))
        for request, files in zip(requests, results, strict=True):
            assert len(files) == request.count or (request.walk and len(files) <= request.count)
            assert all(alone[name] == data for name, data in files.items())

    asyncio.run(main())


@pytest.mark.parametrize("threads", [1, 2, 4])
async def test_heavy_load(model_root, threads):
    """A hundred callers at once, most of them leaving early, and each image is what it is alone."""
    sampler = Sampler(model_root, threads=threads, max_batch_size=16, max_queue_delay_ms=2)
    await sampler.start()
    try:
        request = SampleRequest(model="cars", label=BODY_TYPES[0], seed=0, count=40, truncation=0.8)
        expected = named(await sampler.draw(request))

        async def caller(number: int) -> None:
            label = BODY_TYPES[number % 3]
            own = SampleRequest(
                model="cars", label=label, seed=number % 30, count=1 + number % 11, truncation=0.8
            )
            if number % 4 == 3:
                async for _ in sampler.sample(own, Ticket(number)):
                    return
            files = named(await sampler.draw(own, Ticket(number)))
            assert label != BODY_TYPES[0] or files.items() <= expected.items()

        await asyncio.gather(*(caller(number) for number in range(100)))
        assert named(await sampler.draw(request)) == expected
    finally:
        await sampler.stop()
