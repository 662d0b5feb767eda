"""A picture of generated images beside the training images nearest to them."""

from __future__ import annotations

import numpy as np
from PIL import Image

from trainer.metrics.evaluation import Neighbours
from trainer.pictures import GAP_PX, picture

ROWS, COLUMNS = 8, 3
"""Groups of a generated image and its neighbours."""
SCALE_TO_PX = 96
WIDE_GAP_PX = 14


def neighbour_sheet(neighbours: Neighbours) -> Image.Image:
    """Returns a sheet of the 24 generated images that come nearest to a training image, the nearest first.

    Each stands at the left of its three nearest training images; the nearest of all is at the top left, the
    next below it.
    """
    order = np.argsort(neighbours.nearest.distance[:, 0])[: ROWS * COLUMNS]
    side = max(SCALE_TO_PX, neighbours.images.shape[-1])
    tiles = 1 + neighbours.nearest.index.shape[1]
    group = tiles * (side + GAP_PX) + 2 * WIDE_GAP_PX
    sheet = Image.new("RGB", (COLUMNS * group, ROWS * (side + GAP_PX)), "white")
    for place, i in enumerate(order):
        column, row = divmod(place, ROWS)
        images = [neighbours.images[i], *(neighbours.train[j] for j in neighbours.nearest.index[i])]
        for tile, image in enumerate(images):
            x = column * group + tile * (side + GAP_PX) + (WIDE_GAP_PX if tile else 0)
            sheet.paste(
                picture(image).resize((side, side), Image.Resampling.NEAREST), (x, row * (side + GAP_PX))
            )
    return sheet
