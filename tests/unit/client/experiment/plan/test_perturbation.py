"""What plans do to images."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from client.experiment.plan.perturbation import Perturbation
from tests.helpers.images import smooth_image

IMAGE = smooth_image(20, 12)


@given(
    st.fixed_dictionaries(
        {},
        optional={
            "grey": st.just(True),
            "flip": st.sampled_from(["horizontal", "vertical"]),
            "rotate": st.floats(-360, 360),
            "zoom": st.floats(0.1, 3),
            "brightness": st.floats(0, 4),
            "contrast": st.floats(0, 4),
            "saturation": st.floats(0, 4),
            "hue": st.floats(-360, 360),
        },
    ).filter(bool),
    st.sampled_from([1, 3, 4]),
)
def test_every_change_gives_an_image(changes: dict[str, object], channels: int) -> None:
    """Whatever is combined, the result is an image of the same sides, turned or not, and always the same."""
    image = smooth_image(20, 12, channels).reshape(12, 20, channels)
    change = Perturbation.model_validate(changes)
    changed = change.apply(image)
    assert sorted(changed.shape[:2]) == [12, 20]
    assert changed.shape[2] in ({1, channels} if channels < 4 else {4})
    assert changed.dtype == np.uint8
    assert np.array_equal(changed, change.apply(image))


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"rotate": 90}, np.rot90(IMAGE)),
        ({"rotate": 180}, np.rot90(IMAGE, 2)),
        ({"rotate": 360}, IMAGE),
        ({"flip": "horizontal"}, IMAGE[:, ::-1]),
        ({"brightness": 1}, IMAGE),
        ({"contrast": 1}, IMAGE),
        ({"zoom": 1}, IMAGE),
        ({"brightness": 0}, np.zeros_like(IMAGE)),
    ],
)
def test_changes_are_what_they_are_called(changes: dict[str, object], expected: np.ndarray) -> None:
    """Quarter turns and mirrors move pixels only; factors of 1 change nothing."""
    assert np.array_equal(Perturbation.model_validate(changes).apply(IMAGE), expected)


def test_zoom_makes_objects_larger_or_smaller() -> None:
    """A disc in the middle covers four times the area at zoom 2 and a quarter at 0.5, at the same size."""
    y, x = np.mgrid[0:64, 0:64]
    disc = np.where(np.hypot(x - 31.5, y - 31.5) < 8, 255, 0).astype(np.uint8)[..., None].repeat(3, axis=2)
    areas = [
        (disc if zoom == 1 else Perturbation(zoom=zoom).apply(disc))[16:48, 16:48].mean()
        for zoom in (0.5, 1, 2)
    ]
    assert areas[0] < areas[1] / 3
    assert areas[2] > areas[1] * 3


def test_names_tell_the_changes() -> None:
    """The name in the results lists what is changed."""
    assert Perturbation(rotate=90.0, grey=True).name == "grey=true rotate=90"
