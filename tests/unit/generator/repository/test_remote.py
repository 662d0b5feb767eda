"""A model repository behind a URL: in memory, and on a real S3 API."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import fsspec
import pytest
from s3fs import S3FileSystem

from services.generator.errors import CorruptModelError, IncompleteModelError, RepositoryError
from services.generator.repository import Entry, RegistryOptions, VersionPolicies, open_folder
from services.generator.repository.cache import default_cache
from services.generator.requests import SampleRequest
from services.generator.sampler import Sampler
from tests.helpers.models import read_card, replace_model, write_model
from tests.helpers.s3 import s3_environment, s3_server
from tests.helpers.servers import server_process


@pytest.fixture(scope="session")
def s3() -> Iterator[str]:
    """The URL of an S3 server."""
    with s3_server() as url:
        yield url


@pytest.fixture(params=["memory", "s3"])
def url(request, monkeypatch) -> str:
    """An empty place behind a URL."""
    name = uuid4().hex
    if request.param == "memory":
        return f"memory://{name}/models"
    for variable, value in s3_environment(request.getfixturevalue("s3")).items():
        monkeypatch.setenv(variable, value)
    files("s3://").mkdir(name)
    return f"s3://{name}/some/models"


@pytest.fixture
def root(tmp_path) -> Path:
    """A folder with versions 1 and 2 of `cars`, to be copied to the URL."""
    for version in (1, 2):
        write_model(tmp_path / "local", version=version, seed=version)
    return tmp_path / "local"


def files(url: str) -> Any:
    """The file system of a URL, which believes no old listing."""
    return fsspec.core.url_to_fs(url, use_listings_cache=False)[0]


def copy(root: Path, url: str, *paths: str) -> None:
    """Copies files, all of them or those named, from a folder to a URL."""
    there = files(url)
    for path in paths or [str(p.relative_to(root)) for p in root.glob("*/*/*")]:
        there.put_file(str(root / path), f"{url}/{path}")


def entries(folder) -> dict[int, Entry]:
    """The entries of `cars` by version."""
    return {entry.version: entry for entry in folder.scan()}


def test_scan_and_fetch(url, root, tmp_path):
    """Versions are found and fetched once: the cache has each graph under its digest."""
    copy(root, url)
    files(url).pipe_file(f"{url}/README.md", b"")
    files(url).pipe_file(f"{url}/cars/2/samples/grid.png", b"")
    folder = open_folder(url, tmp_path / "cache")
    found = entries(folder)
    assert found.keys() == {1, 2}
    model = folder.fetch(found[2])
    assert model.card == read_card(root / "cars" / "2")
    assert model.onnx_path == tmp_path / "cache" / f"{model.digest}.onnx"
    assert model.onnx_path.read_bytes() == (root / "cars" / "2" / "model.onnx").read_bytes()
    assert folder.is_unchanged(found[2])
    written_ns = model.onnx_path.stat().st_ino
    assert folder.fetch(found[2]).onnx_path.stat().st_ino == written_ns
    assert sorted(path.name for path in (tmp_path / "cache").iterdir()) == [f"{model.digest}.onnx"]


def test_fingerprint(url, root, tmp_path):
    """The fingerprint changes with a file, and only with it."""
    copy(root, url)
    folder = open_folder(url, tmp_path / "cache")
    before = entries(folder)
    assert entries(folder) == before
    replace_model(root, version=2, seed=22)
    copy(root, url, "cars/2/model.onnx")
    after = entries(folder)
    assert after[1] == before[1]
    assert after[2] != before[2]


def test_trailing_slash_and_credentials(url, root, tmp_path):
    """The URL may end in a slash; credentials in it are not shown."""
    copy(root, url)
    assert entries(open_folder(f"{url}/", tmp_path)).keys() == {1, 2}
    assert open_folder("ftp://me:secret@host/models", tmp_path).url == "ftp://host/models"


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ("no card", IncompleteModelError, "there is no {url}/cars/2/card.json"),
        ("no graph", IncompleteModelError, "there is no {url}/cars/2/model.onnx"),
        ("other size", IncompleteModelError, "{url}/cars/2/model.onnx has 3 bytes, its card says"),
        ("other bytes", IncompleteModelError, "{url}/cars/2/model.onnx has the SHA-256"),
        ("other version", CorruptModelError, "{url}/cars/2/card.json: version 1 is not its folder's, 2"),
    ],
)
def test_refusal(url, root, tmp_path, change, error, message):
    """What is missing or not what the card says is refused by its URL, and nothing of it is kept."""
    copy(root, url)
    there, place = files(url), f"{url}/cars/2"
    match change:
        case "no card":
            there.rm_file(f"{place}/card.json")
        case "no graph":
            there.rm_file(f"{place}/model.onnx")
        case "other size":
            there.pipe_file(f"{place}/model.onnx", b"abc")
        case "other bytes":
            there.pipe_file(f"{place}/model.onnx", bytes(read_card(root / "cars" / "2").onnx_bytes))
        case _:
            there.put_file(str(root / "cars/1/card.json"), f"{place}/card.json")
    folder = open_folder(url, tmp_path / "cache")
    with pytest.raises(error) as caught:
        folder.fetch(entries(folder)[2])
    assert message.format(url=url) in str(caught.value)
    assert not list(tmp_path.glob("cache/*"))


def test_damaged_cache(url, root, tmp_path):
    """A file of the cache that is not what its name says is fetched again."""
    copy(root, url)
    folder = open_folder(url, tmp_path / "cache")
    model = folder.fetch(entries(folder)[2])
    model.onnx_path.write_bytes(b"abc")
    assert folder.fetch(entries(folder)[2]).onnx_path.stat().st_size == model.card.onnx_bytes


def test_cache_is_bounded(url, root, tmp_path):
    """Files that nobody used for an hour are removed, other than those in use."""
    copy(root, url)
    folder = open_folder(url, tmp_path / "cache")
    models = {version: folder.fetch(entry) for version, entry in entries(folder).items()}
    folder.release([])
    assert all(model.onnx_path.exists() for model in models.values())
    for model in models.values():
        os.utime(model.onnx_path, (0, time.time() - 3700))
    folder.release([models[2]])
    assert [models[version].onnx_path.exists() for version in (1, 2)] == [False, True]


def test_cache_cannot_be_written(url, root, tmp_path):
    """A cache that cannot be used is named in one sentence."""
    copy(root, url)
    (tmp_path / "cache").write_text("a file")
    folder = open_folder(url, tmp_path / "cache")
    with pytest.raises(RepositoryError, match=f"the model cache {tmp_path}/cache cannot be used: "):
        folder.fetch(entries(folder)[2])


def test_default_cache(monkeypatch):
    """The cache is in the user's cache folder, which XDG_CACHE_HOME may say."""
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    assert default_cache() == Path.home() / ".cache/ganpress/models"
    monkeypatch.setenv("XDG_CACHE_HOME", "/var/cache")
    assert default_cache() == Path("/var/cache/ganpress/models")


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("nosuch://x", "the model repository nosuch://x cannot be opened: Protocol not known: nosuch"),
        ("s3://nosuch-bucket/models", "there is no model repository s3://nosuch-bucket/models"),
    ],
)
def test_what_cannot_be_scanned(s3, monkeypatch, tmp_path, url, message):
    """A protocol or bucket that does not exist is named in one sentence."""
    for variable, value in s3_environment(s3).items():
        monkeypatch.setenv(variable, value)
    with pytest.raises(RepositoryError, match=message):
        open_folder(url, tmp_path).scan()


def test_server_is_gone(monkeypatch, tmp_path):
    """An S3 server that does not answer is a sentence, too."""
    for variable, value in s3_environment("http://127.0.0.1:9").items():
        monkeypatch.setenv(variable, value)
    monkeypatch.setattr(S3FileSystem, "_cache", {})  # of file systems for the other server
    with pytest.raises(RepositoryError, match="s3://bucket/models cannot be read: Could not connect"):
        open_folder("s3://bucket/models", tmp_path).scan()


async def test_hot_reload(url, root, tmp_path):
    """A version that is copied to the URL file by file is drawn from as soon as it is whole."""
    copy(root, url, "cars/1/card.json", "cars/1/model.onnx")
    following = RegistryOptions(VersionPolicies.parse("latest"), "cars", watch_s=0.01)
    sampler = Sampler(url, cache=tmp_path / "cache", following=following)
    served = asyncio.Queue[int]()
    sampler.registry.subscribe(lambda event: served.put_nowait(event.version if event.kind == "ready" else 0))
    try:
        await sampler.start()
        assert await served.get() == 1
        copy(root, url, "cars/2/model.onnx")
        assert await served.get() == 0  # it has no card
        copy(root, url, "cars/2/card.json")
        assert await served.get() == 2
        samples = await sampler.draw(SampleRequest(seed=1))
        assert samples.provenances[0].digest == read_card(root / "cars" / "2").onnx_sha256
    finally:
        await sampler.stop()


async def test_server_process_on_s3(s3, root, monkeypatch, tmp_path):
    """The program serves from S3 with the usual environment, and follows what is published there."""
    for variable, value in s3_environment(s3).items():
        monkeypatch.setenv(variable, value)
    files("s3://").mkdir("served")
    copy(root, "s3://served/models")
    options = ("--models", "s3://served/models", "--model-cache", str(tmp_path / "cache"))
    async with server_process(
        "services.generator", *options, "--watch-s", "0.1", "--versions", "latest"
    ) as server:
        write_model(root, version=3, seed=3)
        copy(root, "s3://served/models", "cars/3/model.onnx", "cars/3/card.json")
        await server.read_log_until("model cars version (3) is ready")
        await server.read_log_until("model cars version (2) is served no longer")
        server.terminate()
        assert await server.exit_code() == 0
        assert "Traceback" not in server.log
