"""Draws a contact sheet of a model: a row a label, the same seeds in every row.

python examples/contact_sheet.py cars sheet.png --columns 9 --seed 100
"""

from __future__ import annotations

import argparse
import io

from PIL import Image

from client.api import GanpressClient, run


async def rows(client: GanpressClient, model: str, columns: int, seed: int) -> list[list[Image.Image]]:
    """Returns the images of each label, from `seed` on."""
    card = await client.get_model(model)
    return [
        [
            Image.open(io.BytesIO(image.data))
            async for image in client.generate(model=model, label=label, count=columns, seed=seed)
        ]
        for label in card.labels or [""]
    ]


def sheet(images: list[list[Image.Image]], gap_px: int = 2) -> Image.Image:
    """Returns the images side by side, a row a list."""
    width, height = images[0][0].size
    step_x, step_y = width + gap_px, height + gap_px
    canvas = Image.new("RGB", (len(images[0]) * step_x - gap_px, len(images) * step_y - gap_px), "white")
    for y, row in enumerate(images):
        for x, image in enumerate(row):
            canvas.paste(image, (x * step_x, y * step_y))
    return canvas


def main() -> None:
    """Runs the example."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("output")
    parser.add_argument("--columns", type=int, default=9)
    parser.add_argument("--seed", type=int, default=100)
    arguments = parser.parse_args()
    images = run(lambda client: rows(client, arguments.model, arguments.columns, arguments.seed))
    sheet(images).save(arguments.output)


if __name__ == "__main__":
    main()
