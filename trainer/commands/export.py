"""`ganpress-trainer export`: writes a run's generator for the service."""

from __future__ import annotations

from pathlib import Path

import click


@click.command(short_help="Export a run's generator to ONNX with its card.")
@click.argument("run", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--out", "repository", type=click.Path(path_type=Path), required=True,
              help="Model repository; the model is written to <out>/<name>/<version>/.")  # fmt: skip
@click.option("--name", required=True, help="Model name: lower-case letters, digits and hyphens.")
@click.option("--version", "model_version", type=click.IntRange(min=1), default=1, show_default=True,
              help="Model version.")  # fmt: skip
@click.option("--description", default="", help="What the model draws, one paragraph.")
@click.option("--limitation", "limitations", multiple=True, help="What it does badly; repeatable.")
@click.option("--terms", default="", help="Terms of use of the weights.")
def export(
    run: Path, repository: Path, name: str, model_version: int, description: str,
    limitations: tuple[str, ...], terms: str,
) -> None:  # fmt: skip
    """Exports the averaged generator of RUN to ONNX with its card, checked against PyTorch first."""
    from trainer.export import CardText
    from trainer.export import export as export_run

    text = CardText(name, model_version, description, limitations, terms)
    click.echo(export_run(run, repository, text))
