"""Images of the same key in two inputs."""

from __future__ import annotations

import io

from hypothesis import given
from hypothesis import strategies as st

from client.pairs import Pair, pairs
from client.samples import Rejected, Source
from tests.helpers.cli import make_tar
from tests.helpers.images import png_file

PNG = png_file(4, 4)
NAMES = st.lists(st.sampled_from("abcdefgh"), unique=True)


def source(names: list[str]) -> Source:
    """Returns a tar of images of these names."""
    return Source.of_stream(io.BytesIO(make_tar({f"{name}.png": PNG for name in names})))


@given(NAMES, NAMES)
def test_every_image_is_in_a_pair_or_named(first: list[str], second: list[str]) -> None:
    """In any two orders: those in both are pairs, the others are told, none twice."""
    found = list(pairs(source(first), source(second)))
    paired = [item.original.key for item in found if isinstance(item, Pair)]
    alone = [item.name for item in found if isinstance(item, Rejected)]
    assert sorted(paired) == sorted(set(first) & set(second))
    assert sorted(alone) == sorted(f"{name}.png" for name in set(first) ^ set(second))
