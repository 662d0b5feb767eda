"""Versions that are swapped while many callers draw."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.generator.errors import CorruptModelError
from services.generator.repository import RegistryOptions, VersionPolicies
from services.generator.requests import SampleRequest, Samples
from services.generator.sampler import Sampler
from tests.helpers.models import read_card, replace_model, write_model

CALLERS = 20


@asynccontextmanager
async def sampler_of(root: Path, policies: str = "latest") -> AsyncGenerator[Sampler]:
    """A sampler that has started."""
    following = RegistryOptions(VersionPolicies.parse(policies), "cars", model_control=True)
    sampler = Sampler(root, following=following, threads=2, max_batch_size=8)
    try:
        await sampler.start()
        yield sampler
    finally:
        await sampler.stop()


async def drawn(sampler: Sampler, count: int, *, stream: bool) -> tuple[str, bytes]:
    """Draws images from seed 7 on; returns the digest that all of them have, and the first one's samples."""
    request = SampleRequest(model="cars", seed=7, count=count)
    parts: list[Samples] = []
    if stream:
        parts += [part async for part in sampler.sample(request)]
    else:
        parts.append(await sampler.draw(request))
    (digest,) = {provenance.digest for part in parts for provenance in part.provenances}
    assert sum(len(part.pixels) for part in parts) == count
    return digest, parts[0].pixels[0].tobytes()


async def answers_during(
    sampler: Sampler, change: Callable[[], Awaitable[None]]
) -> tuple[list[tuple[str, bytes]], list[tuple[str, bytes]]]:
    """Lets 20 callers draw, one call after the other.

    Returns:
        The answers of calls that began before the change was done, and one of each caller after it.
    """
    answers: list[tuple[str, bytes]] = []
    last: list[tuple[str, bytes]] = []
    begun, changed = asyncio.Barrier(CALLERS + 1), asyncio.Event()

    async def call(number: int) -> None:
        count, stream = (100, True) if number < 2 else (1 + number % 5, bool(number % 2))
        answers.append(await drawn(sampler, count, stream=stream))
        await begun.wait()
        while not changed.is_set():
            answers.append(await drawn(sampler, count, stream=stream))
        last.append(await drawn(sampler, count, stream=stream))

    async with asyncio.TaskGroup() as group:
        for number in range(CALLERS):
            group.create_task(call(number))
        await begun.wait()
        await change()
        changed.set()
    return answers, last


@pytest.mark.parametrize("kind", ["version", "content"])
async def test_swap(tmp_path, kind):
    """While a version takes another's place 20 callers get the one or the other, and then the new one."""
    write_model(tmp_path, version=1, seed=1)
    async with sampler_of(tmp_path) as sampler:
        old = sampler.catalogue.find("cars").digest

        async def change() -> None:
            if kind == "version":
                write_model(tmp_path, version=2, seed=2)
            else:
                replace_model(tmp_path, version=1, seed=2)
            await sampler.registry.sync()

        answers, last = await answers_during(sampler, change)
        new = sampler.catalogue.find("cars").digest
        assert {old} <= {digest for digest, _ in answers} <= {old, new}
        assert {digest for digest, _ in last} == {new}
        assert len({*answers, *last}) == 2  # each digest has one image
        await asyncio.sleep(0.1)
        assert len(sampler.registry.runners) == 1  # the old one is freed


class Operator:
    """Changes a repository in any way, while at least one version of its model is served."""

    def __init__(self, root: Path, sampler: Sampler) -> None:
        self.root, self.registry = root, sampler.registry
        self.seed = 1
        self.digests = {sampler.catalogue.find("cars").digest}

    @property
    def versions(self) -> list[int]:
        """The versions in the repository, oldest first."""
        return sorted(int(path.name) for path in (self.root / "cars").iterdir())

    async def publish(self) -> None:
        """A new version."""
        self.seed += 1
        self._know(write_model(self.root, version=self.versions[-1] + 1, seed=self.seed))

    async def replace(self) -> None:
        """Another graph in the newest version."""
        self.seed += 1
        self._know(replace_model(self.root, version=self.versions[-1], seed=self.seed))

    async def damage(self) -> None:
        """The newest version's graph is cut."""
        onnx = self.root / "cars" / str(self.versions[-1]) / "model.onnx"
        onnx.write_bytes(onnx.read_bytes()[:-1])

    async def remove(self) -> None:
        """The oldest version's folder is removed, unless none newer is served."""
        if self.versions[0] < self.registry.catalogue.find("cars").version:
            shutil.rmtree(self.root / "cars" / str(self.versions[0]))

    async def roll_back(self) -> None:
        """The newest version that is served is unloaded, unless it is the last that could be."""
        sound = [v for v in self.versions if (self.root / "cars" / str(v) / "model.onnx").stat().st_size
                 == read_card(self.root / "cars" / str(v)).onnx_bytes]  # fmt: skip
        newest = self.registry.catalogue.find("cars").version
        if [version for version in sound if version < newest]:
            await self.registry.unload("cars", newest)
            await self.registry.load("cars", max(v for v in sound if v < newest))

    async def load(self) -> None:
        """All of the model is loaded again, which says so when the newest version is damaged."""
        with suppress(CorruptModelError):
            await self.registry.load("cars")

    def _know(self, directory: Path) -> None:
        self.digests.add(read_card(directory).onnx_sha256)


OPERATIONS = st.sampled_from(["publish", "replace", "damage", "remove", "roll_back", "load"])


@settings(max_examples=5)
@given(st.lists(OPERATIONS, min_size=2, max_size=5), st.sampled_from(["all", "latest", "latest:2"]))
def test_any_changes(operations, policies):
    """Whatever happens to a repository, no call fails and each digest has one image."""

    async def run(root: Path) -> None:
        write_model(root, version=1, seed=1)
        async with sampler_of(root, policies) as sampler:
            operator = Operator(root, sampler)

            async def change() -> None:
                for operation in operations:
                    await getattr(operator, operation)()
                    await sampler.registry.sync()

            answers, last = await answers_during(sampler, change)
            digests = {digest for digest, _ in (*answers, *last)}
            assert digests <= operator.digests
            assert len({*answers, *last}) == len(digests)

    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(run(Path(folder)))
