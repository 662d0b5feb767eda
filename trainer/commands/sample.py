"""`ganpress-trainer sample`: draws images of a run."""

from __future__ import annotations

from pathlib import Path

import click


@click.command(short_help="Draw images of a run.")
@click.argument("run", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), required=True,
              help="A .png file: one picture of all; anything else: a folder of PNG files.")  # fmt: skip
@click.option("--label", "wanted", multiple=True, help="Label to draw; repeatable. [default: all]")
@click.option("-n", "--count", type=click.IntRange(1, 100_000), default=9, show_default=True,
              help="Images of each label.")  # fmt: skip
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True,
              help="The same seed gives the same images.")  # fmt: skip
@click.option("--weights", type=click.Choice(["average", "raw"]), default="average", show_default=True,
              help="The running average, which is exported, or the weights as trained last.")  # fmt: skip
def sample(run: Path, out: Path, wanted: tuple[str, ...], count: int, seed: int, weights: str) -> None:
    """Draw images from the generator of RUN at its checkpoint.

    Each label gets the same noise, so that the labels can be compared.
    """
    import numpy as np

    from trainer.pictures import grid, picture
    from trainer.sampling import draw, label_index, load_generator

    trained = load_generator(run, weights)  # type: ignore[arg-type]
    indices = [label_index(trained.labels, name) for name in wanted] or range(max(len(trained.labels), 1))
    names = [trained.labels[i] if trained.labels else "image" for i in indices]
    images = [draw(trained.generator, np.full(count, i), seed) for i in indices]
    if out.suffix.lower() == ".png":
        out.parent.mkdir(parents=True, exist_ok=True)
        columns = count if len(names) > 1 else int(np.ceil(count**0.5))
        grid(np.concatenate(images), columns).save(out)
        click.echo(f"{out}: {len(names) * count} images, step {trained.step}, rows: {', '.join(names)}")
        return
    out.mkdir(parents=True, exist_ok=True)
    for name, drawn in zip(names, images, strict=True):
        for i, image in enumerate(drawn):
            picture(image).save(out / f"{name}-{seed}-{i:05d}.png")
    click.echo(f"{out}: {len(names) * count} images, step {trained.step}")
