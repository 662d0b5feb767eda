"""The choice of images."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from client.api import GanpressClient
from client.errors import InputError
from client.experiment.pictures import Picture, choose, draw, resize
from client.samples import Rejected, Sample
from tests.helpers.images import image_file, jpeg_file, png_file, smooth_image


async def items(count: int) -> AsyncIterator[Sample | Rejected]:
    """Yields so many samples, named by their number."""
    for number in range(count):
        yield Sample(str(number), str(number), b"image")


async def chosen_names(total: int, count: int, seed: int) -> list[str]:
    """Returns the names of the images that are chosen."""
    return [picture.file for picture in await choose(items(total), count=count, seed=seed)]


@pytest.mark.parametrize("total", [0, 1, 4])
async def test_all_are_taken_when_there_are_no_more(total: int) -> None:
    """Few images are all taken, in their order."""
    assert await chosen_names(total, 4, seed=1) == [str(number) for number in range(total)]


async def test_the_seed_chooses() -> None:
    """The same seed takes the same images, another one others; each once and in the input's order."""
    names = await chosen_names(100, 10, seed=1)
    assert names == await chosen_names(100, 10, seed=1) != await chosen_names(100, 10, seed=2)
    assert len(set(names)) == 10
    assert names == sorted(names, key=int)


async def test_the_choice_is_fair() -> None:
    """Every image is taken about as often as any other."""
    taken = Counter([name for seed in range(2000) for name in await chosen_names(10, 3, seed)])
    assert len(taken) == 10
    assert all(abs(count - 600) < 5 * (600 * 0.7) ** 0.5 for count in taken.values())


async def test_labels_and_errors_come_along() -> None:
    """A real image has the label of its .json file, if there is one; what cannot be read has its reason."""

    async def given() -> AsyncIterator[Sample | Rejected]:
        yield Sample("a", "a.png", b"1", {".json": b'{"label": "suv"}'})
        yield Sample("b", "b.png", b"2", {".json": b"broken"})
        yield Sample("c", "c.png", b"3", {".json": b'{"label": 3}'})
        yield Rejected("d.png", "the file is empty")

    assert await choose(given(), count=4, seed=0) == [
        Picture("real", "a.png", b"1", label="suv"),
        Picture("real", "b.png", b"2"),
        Picture("real", "c.png", b"3"),
        Picture("real", "d.png", error="the file is empty"),
    ]


@pytest.mark.parametrize("channels", [1, 3, 4])
async def test_resizing_keeps_the_channels(channels: int) -> None:
    """A resized image is a square PNG with as many channels, and looks like the whole original."""
    original = smooth_image(96, 40, channels)
    (picture,) = await resize([Picture("real", "x.png", image_file(original), label="suv")], 16)
    assert (picture.file, picture.label, picture.error) == ("x.png", "suv", None)
    with Image.open(io.BytesIO(picture.data)) as image:
        assert (image.format, image.size) == ("PNG", (16, 16))
        pixels = np.asarray(image)
    assert np.abs(pixels.mean((0, 1)) - original.mean((0, 1))).max() < 3


async def test_what_cannot_be_resized_gets_an_error() -> None:
    """A broken image is kept with its reason; the others are resized."""
    broken = jpeg_file()[:300]
    pictures = [Picture("real", "broken.jpg", broken), Picture("real", "x.png", error="the file is empty")]
    resized: Sequence[Picture] = await resize([*pictures, Picture("real", "y.png", png_file())], 8)
    assert "truncated or broken" in (resized[0].error or "")
    assert resized[1] == pictures[1]
    assert resized[2].error is None


async def test_labels_share_the_images(model_root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first labels get one more when it does not come out even; each counts from the seed."""
    monkeypatch.setenv("GANPRESS_GENERATOR_MODELS", str(model_root))
    async with GanpressClient() as client:
        pictures = await draw(client, model="", labels=["suv", "coupe", "suv"], count=5, seed=7)
        assert [(p.label, p.seed) for p in pictures] == [
            ("suv", 7),
            ("suv", 8),
            ("suv", 9),
            ("coupe", 7),
            ("coupe", 8),
        ]
        assert pictures[3].file == "cars-coupe-7.png"
        with pytest.raises(InputError, match="--count 1 is too few for 2 labels"):
            await draw(client, model="", labels=["suv", "coupe"], count=1, seed=7)
        (dog,) = await draw(client, model="dogs", labels=[], count=1, seed=7)
        assert (dog.model, dog.label, dog.file) == ("dogs", None, "dogs-7.png")
