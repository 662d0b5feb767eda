"""What is in memory follows the repository, while it is used."""

from __future__ import annotations

import asyncio
import logging
import shutil
from collections.abc import AsyncGenerator
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path

import pytest

from services.generator.errors import (
    CorruptModelError,
    ModelControlError,
    NoModelsError,
    RepositoryError,
    UnknownModelError,
)
from services.generator.models import Model
from services.generator.repository import ModelEvent, Registry, RegistryOptions, VersionPolicies, open_folder
from tests.helpers.models import read_card, replace_model, write_card, write_model


class Runner:
    """Serves nothing; knows whether it was closed."""

    def __init__(self, model: Model) -> None:
        self.model = model
        self.closed = 0

    async def close(self) -> None:
        """Counts."""
        self.closed += 1


async def open_runner(model: Model) -> Runner:
    """Takes a moment, as loading does."""
    await asyncio.sleep(0)
    return Runner(model)


@asynccontextmanager
async def registry_of(root: Path, policies: str = "all", **options) -> AsyncGenerator[Registry[Runner]]:
    """A registry that has started."""
    options = {"model_control": True, "default_model": "cars", **options}
    followed = RegistryOptions(policies=VersionPolicies.parse(policies), **options)
    registry = Registry(open_folder(root), open_runner, followed)
    try:
        await registry.start()
        yield registry
    finally:
        await registry.stop()


def served(registry: Registry[Runner]) -> list[tuple[str, int]]:
    """What the registry serves."""
    return [(model.name, model.version) for model in registry.catalogue.models]


def states(statuses) -> dict[int, str]:
    """The state of each version of one model."""
    return {status.version: status.state for status in statuses}


def events_of(registry: Registry[Runner]) -> list[tuple[str, int]]:
    """A list that grows by kind and version of each event."""
    events: list[tuple[str, int]] = []

    def listen(event: ModelEvent) -> None:
        events.append((event.kind, event.version))

    registry.subscribe(listen)
    return events


async def ready(registry: Registry[Runner], name: str, version: int) -> None:
    """Waits until a version is served."""
    is_ready = asyncio.Event()

    def listen(event: ModelEvent) -> None:
        if (event.kind, event.name, event.version) == ("ready", name, version):
            is_ready.set()

    registry.subscribe(listen)
    if (name, version) not in served(registry):
        await is_ready.wait()


@pytest.fixture
def root(tmp_path) -> Path:
    """A repository with versions 1 and 2 of `cars`."""
    for version in (1, 2):
        write_model(tmp_path, version=version, seed=version)
    return tmp_path


@pytest.mark.parametrize(
    ("policies", "expected"),
    [
        ("all", [("cars", 10), ("cars", 2), ("cars", 1), ("dogs", 1)]),
        ("latest", [("cars", 10), ("dogs", 1)]),
        ("latest:2", [("cars", 10), ("cars", 2), ("dogs", 1)]),
        ("1,2", [("cars", 2), ("cars", 1), ("dogs", 1)]),
        ("latest cars=all", [("cars", 10), ("cars", 2), ("cars", 1), ("dogs", 1)]),
        ("cars=9", [("dogs", 1)]),
    ],
)
async def test_policy(root, policies, expected):
    """At the start the versions are loaded that the policy chooses; the others are named in the index."""
    write_model(root, version=10, seed=10)
    write_model(root, "dogs", labels=())
    async with registry_of(root, policies) as registry:
        assert served(registry) == expected
        index = (await registry.index()).versions
        assert [(status.name, status.version) for status in index if status.state == "ready"] == expected
        assert len(index) == 4
        assert {s.reason for s in index if s.state == "not_loaded"} <= {"the version policy leaves it out"}


async def test_new_version(root):
    """A version that appears is served; one that disappears is not, and is freed."""
    async with registry_of(root) as registry:
        events = events_of(registry)
        write_model(root, version=3, seed=3)
        await registry.sync()
        assert served(registry) == [("cars", 3), ("cars", 2), ("cars", 1)]
        with registry.lease("cars", 1) as lease:
            runner = lease.runner
        shutil.rmtree(root / "cars" / "1")
        await registry.sync()
        assert served(registry) == [("cars", 3), ("cars", 2)]
        await asyncio.sleep(0.01)
        assert runner.closed == 1
        assert events == [("ready", 3), ("gone", 1)]


async def test_new_content(root):
    """Another file under the same version takes the old one's place; the same file again changes nothing."""
    async with registry_of(root) as registry:
        before = registry.catalogue.find("cars")
        events = events_of(registry)
        replace_model(root, version=2, seed=2)  # the same bytes
        await registry.sync()
        assert registry.catalogue.find("cars") is before
        replace_model(root, version=2, seed=22)
        await registry.sync()
        assert registry.catalogue.find("cars").digest == read_card(root / "cars" / "2").onnx_sha256
        assert registry.catalogue.find("cars").digest != before.digest
        assert events == [("ready", 2)]


async def test_new_card(root):
    """A card that is changed is told by the catalogue, without another graph."""
    async with registry_of(root) as registry:
        card = read_card(root / "cars" / "2")
        card.description = "Better known."
        write_card(root / "cars" / "2", card)
        await registry.sync()
        assert registry.catalogue.find("cars").card.description == "Better known."


async def test_lease_keeps_what_is_replaced(root):
    """What is replaced or unloaded is freed when its last user is done, not before, and once."""
    async with registry_of(root, "latest") as registry:
        first, second = ExitStack(), ExitStack()
        old = first.enter_context(registry.lease("cars")).runner
        second.enter_context(registry.lease("cars"))
        write_model(root, version=3, seed=3)
        await registry.sync()
        assert registry.lease("cars").model.version == 3
        assert states((await registry.index()).versions) == {3: "ready", 2: "unloading", 1: "not_loaded"}
        first.close()
        await asyncio.sleep(0.01)
        assert old.closed == 0
        assert next(status.calls for status in (await registry.index()).versions if status.version == 2) == 1
        second.close()
        await asyncio.sleep(0.01)
        assert old.closed == 1
        assert states((await registry.index()).versions)[2] == "not_loaded"
    assert old.closed == 1


async def test_stop_frees_everything_once(root):
    """Stopping frees what is served and what still has users."""
    async with registry_of(root) as registry:
        with registry.lease("cars", 1) as unloaded, registry.lease("cars", 2) as kept:
            await registry.unload("cars", 1)
            await asyncio.sleep(0.01)
            await registry.stop()
            assert unloaded.runner.closed == kept.runner.closed == 1
        assert served(registry) == []


async def test_newest_is_not_sound(root, caplog):
    """Of `latest` the newest sound version is served; a corrupt newer one is named once with the reason."""
    onnx = write_model(root, version=3, seed=3) / "model.onnx"
    onnx.write_bytes(onnx.read_bytes()[:-1])
    async with registry_of(root, "latest") as registry:
        for _ in range(3):
            await registry.sync()
        assert served(registry) == [("cars", 2)]
        index = {status.version: status for status in (await registry.index()).versions}
        assert index[3].state == "failed"
        assert "model.onnx has" in index[3].reason
        assert caplog.text.count("version 3 cannot be loaded, it is left out") == 1
        replace_model(root, version=3, seed=3)
        await registry.sync()
        assert served(registry) == [("cars", 3)]


async def test_corrupt_content_keeps_the_old(root, caplog):
    """Where a version's file is damaged its earlier content stays, and the index says why."""
    async with registry_of(root) as registry:
        before = registry.catalogue.find("cars")
        onnx = root / "cars" / "2" / "model.onnx"
        sound = onnx.read_bytes()
        onnx.write_bytes(bytes(len(sound)))
        await registry.sync()
        assert registry.catalogue.find("cars") is before
        status = ((await registry.index()).versions)[0]
        assert (status.state, status.digest) == ("ready", before.digest)
        assert "has the SHA-256" in status.reason
        assert "its earlier content stays" in caplog.text
        onnx.write_bytes(sound)
        await registry.sync()
        assert not ((await registry.index()).versions)[0].reason


async def test_copying(root, caplog):
    """A version that is copied piece by piece is served when it is whole, and named once before."""
    whole = write_model(root.parent / "elsewhere", version=3, seed=3)
    async with registry_of(root, watch_s=0.001) as registry:
        caplog.clear()
        events = events_of(registry)
        target = root / "cars" / "3"
        target.mkdir()
        await asyncio.sleep(0.05)
        with (target / "model.onnx").open("wb") as file:
            data = (whole / "model.onnx").read_bytes()
            for start in range(0, len(data), 1000):
                file.write(data[start : start + 1000])
                file.flush()
                await asyncio.sleep(0.01)
        assert served(registry) == [("cars", 2), ("cars", 1)]
        shutil.copy(whole / "card.json", target)
        await ready(registry, "cars", 3)
        assert events == [("failed", 3), ("ready", 3)]
        assert len([r for r in caplog.records if r.levelno >= logging.WARNING]) == 1


async def test_last_version_stays_until_another_is_sound(root):
    """A folder is emptied and filled anew: the version in use stays until the new one is whole."""
    async with registry_of(root, "latest") as registry:
        shutil.rmtree(root / "cars")
        directory = write_model(root, version=3, seed=3)
        card = (directory / "card.json").read_bytes()
        (directory / "card.json").unlink()
        await registry.sync()
        assert served(registry) == [("cars", 2)]
        (directory / "card.json").write_bytes(card)
        await registry.sync()
        assert served(registry) == [("cars", 3)]


async def test_removed_model(root):
    """A model whose folder is gone is served no longer."""
    write_model(root, "dogs", labels=())
    async with registry_of(root) as registry:
        shutil.rmtree(root / "cars")
        await registry.sync()
        assert served(registry) == [("dogs", 1)]


@pytest.mark.parametrize("loss", ["emptied", "gone"])
async def test_repository_is_lost(root, loss):
    """Where the whole repository is empty or gone, as if it were not mounted, everything stays."""
    async with registry_of(root) as registry:
        shutil.move(root, root.parent / "elsewhere")
        if loss == "emptied":
            root.mkdir()
        with pytest.raises(RepositoryError, match="is empty" if loss == "emptied" else "cannot be read"):
            await registry.sync()
        assert served(registry) == [("cars", 2), ("cars", 1)]
        shutil.move(root.parent / "elsewhere", root / "x" if loss == "emptied" else root)


async def test_unload_and_load(root):
    """What a client unloads stays away, whatever appears, until it is loaded again."""
    async with registry_of(root) as registry:
        assert states(await registry.unload("cars", 2)) == {2: "not_loaded", 1: "ready"}
        assert registry.catalogue.find("cars").version == 1
        await registry.unload("cars")
        write_model(root, version=3, seed=3)
        await registry.sync()
        assert served(registry) == []
        with pytest.raises(UnknownModelError, match="there is no model 'cars'; the models are none"):
            registry.lease("cars")
        with pytest.raises(UnknownModelError):
            registry.lease()
        index = (await registry.index()).versions
        assert {status.reason for status in index} == {"it was unloaded by request"}
        assert states(await registry.load("cars")) == {3: "ready", 2: "ready", 1: "ready"}


async def test_roll_back(root):
    """Unloading the newest version brings the one before back, without a moment without any."""
    async with registry_of(root, "latest") as registry:
        events = events_of(registry)
        await registry.unload("cars", 2)
        assert served(registry) == [("cars", 1)]
        assert events == [("ready", 1), ("gone", 2)]


async def test_load_against_the_policy(root):
    """A version that a client loads is served beside those that the policy chooses."""
    async with registry_of(root, "latest") as registry:
        assert states(await registry.load("cars", 1)) == {2: "ready", 1: "ready"}
        write_model(root, version=3, seed=3)
        await registry.sync()
        assert served(registry) == [("cars", 3), ("cars", 1)]
        await registry.unload("cars", 1)
        assert served(registry) == [("cars", 3)]


async def test_load_of_a_corrupt_version(root):
    """A client that loads a corrupt version is told why, and what is served instead."""
    directory = write_model(root, version=3, seed=3)
    (directory / "card.json").write_text("{}")
    async with registry_of(root) as registry:
        for version in (0, 3):
            with pytest.raises(
                CorruptModelError, match="format_version 0 is not known; served of model 'cars': 2, 1"
            ):
                await registry.load("cars", version)
        replace_model(root, version=3, seed=3)
        assert states(await registry.load("cars", 3))[3] == "ready"


@pytest.mark.parametrize("action", ["load", "unload"])
async def test_unknown(root, action):
    """What the repository does not have can be neither loaded nor unloaded; the message lists what it has."""
    async with registry_of(root) as registry:
        change = getattr(registry, action)
        with pytest.raises(UnknownModelError, match="the repository has no model 'cats'; it has cars"):
            await change("cats")
        with pytest.raises(UnknownModelError, match="no version 9 of model 'cars'; it has 1, 2"):
            await change("cars", 9)


async def test_load_where_the_policy_leaves_out_everything(root):
    """A model of which the policy serves nothing can be loaded by version only."""
    write_model(root, "dogs", labels=())
    async with registry_of(root, "all cars=7") as registry:
        with pytest.raises(
            UnknownModelError, match="the version policy leaves out all versions of model 'cars'"
        ):
            await registry.load("cars")
        assert states(await registry.load("cars", 1))[1] == "ready"


async def test_control_is_off(root):
    """Unless it is allowed, clients can load and unload nothing."""
    async with registry_of(root, model_control=False) as registry:
        for change in (registry.load, registry.unload):
            with pytest.raises(ModelControlError, match="model_control"):
                await change("cars")
        assert len(served(registry)) == 2


async def test_a_load_goes_on_without_its_caller(root):
    """A client that leaves while a version is loaded does not leave it half loaded."""
    async with registry_of(root, "latest") as registry:
        load = asyncio.create_task(registry.load("cars", 1))
        await asyncio.sleep(0)
        load.cancel()
        await ready(registry, "cars", 1)


async def test_changed_while_it_was_loaded(root):
    """Files that change while a version is loaded are loaded again, and what was loaded is freed."""
    opened: list[Runner] = []

    async def open_and_change(model: Model) -> Runner:
        if not opened:
            replace_model(root, version=2, seed=22)
        opened.append(Runner(model))
        return opened[-1]

    registry = Registry(open_folder(root), open_and_change, RegistryOptions(VersionPolicies.parse("latest")))
    await registry.start()
    assert opened[0].closed == 1
    assert "changed while it was loaded" in ((await registry.index()).versions)[0].reason
    await registry.sync()
    assert registry.catalogue.find("cars").digest == read_card(root / "cars" / "2").onnx_sha256
    await registry.stop()


async def test_a_fault_of_the_loader_is_contained(root, caplog):
    """Whatever loading a model raises, the other models are served and the watch goes on."""

    async def open_some(model: Model) -> Runner:
        if model.version == 2:
            raise MemoryError
        return Runner(model)

    registry = Registry(open_folder(root), open_some, RegistryOptions(watch_s=0.001))
    await registry.start()
    await asyncio.sleep(0.05)
    assert served(registry) == [("cars", 1)]
    reasons: set[str] = set()
    while not reasons - {""}:  # none while it is being tried again
        reasons |= {status.reason for status in (await registry.index()).versions if status.version == 2}
        await asyncio.sleep(0)
    assert reasons - {""} == {"MemoryError"}
    write_model(root, "dogs", labels=())
    await ready(registry, "dogs", 1)
    await registry.stop()


async def test_nothing_sound(tmp_path):
    """Without a sound version the registry does not start, and says where it looked and what is wrong."""
    with pytest.raises(NoModelsError, match=f"there is no sound model in {tmp_path}: it has no NAME/VERSION"):
        async with registry_of(tmp_path):
            pass
    (write_model(tmp_path) / "card.json").unlink()
    with pytest.raises(NoModelsError, match=r"cannot read .*card.json: No such file"):
        async with registry_of(tmp_path):
            pass


async def test_absent_default(root, caplog):
    """Where the default model is absent the first one takes its place, and the log says so once."""
    async with registry_of(root, default_model="birds") as registry:
        await registry.sync()
        assert registry.lease().model.name == "cars"
    assert caplog.text.count("there is no model 'birds': 'cars' is the default") == 1
