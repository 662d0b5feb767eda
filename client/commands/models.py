"""`client models`: what a generator can draw, and which versions it serves."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import click
from ganpress.v1.generator_service_pb2 import ListModelsResponse
from ganpress.v1.model_card_pb2 import ModelCard
from ganpress.v1.model_repository_service_pb2 import (
    ListModelVersionsResponse,
    LoadModelResponse,
    ModelState,
    ModelVersion,
    UnloadModelResponse,
)
from google.protobuf import json_format

from client.api import GanpressClient
from client.options import Connection, connection_options, json_option
from client.tables import print_fields, print_table

Answer = ListModelsResponse | ModelCard | ListModelVersionsResponse | LoadModelResponse | UnloadModelResponse


@click.command(short_help="List the models, show one's card, load and unload.")
@click.argument("name", required=False)
@click.option("--version", type=int, default=0, metavar="N", help="Version of the model; 0 is the newest.")
@click.option("--all", "action", flag_value="all", help="List what is not served, too, with the reasons.")
@click.option("--load", "action", flag_value="load", help="Load NAME: a version, or what the server chooses.")
@click.option(
    "--unload", "action", flag_value="unload", help="Unload NAME: a version, or with 0 all of them."
)
@json_option
@connection_options("generator")
def models(
    connection: Connection,
    name: str | None,
    version: int,
    action: Literal["all", "load", "unload"] | None,
    as_json: bool,
) -> None:
    """List the models that the generator holds, or show the card of the model NAME.

    Loading and unloading needs a server whose setting model_control allows it.
    """
    if action == "all" and name:
        raise click.UsageError("--all lists all models: leave out NAME")
    if action in {"load", "unload"} and not name:
        raise click.UsageError(f"--{action} needs the NAME of a model")
    if not 0 <= version < 2**32:
        raise click.UsageError(f"--version has to be 0 to {2**32 - 1}, not {version}")

    async def work(client: GanpressClient) -> Answer:
        match action:
            case "all":
                return await client.model_versions()
            case "load":
                return await client.load_model(name or "", version)
            case "unload":
                return await client.unload_model(name or "", version)
            case None:
                return await (client.get_model(name, version) if name else client.list_models())

    answer = connection.run(work)
    if as_json:
        click.echo(json_format.MessageToJson(answer, preserving_proto_field_name=True))
    elif isinstance(answer, ModelCard):
        _print_card(answer)
    elif isinstance(answer, ListModelsResponse):
        _print_models(answer)
    else:
        _print_versions(answer.versions)
        if isinstance(answer, ListModelVersionsResponse):
            click.echo(f"\nrepository: {answer.repository}")
            if answer.problem:
                click.echo(answer.problem)


def _print_versions(versions: Sequence[ModelVersion]) -> None:
    rows = [
        [
            version.name,
            str(version.version),
            ModelState.Name(version.state).removeprefix("MODEL_STATE_").lower().replace("_", " "),
            str(version.calls),
            version.digest[:12],
            version.reason,
        ]
        for version in versions
    ]
    print_table(["model", "version", "state", "calls", "digest", "reason"], rows)


def _print_models(answer: ListModelsResponse) -> None:
    rows = [
        [
            model.name,
            str(model.version),
            f"{model.size.width_px}x{model.size.height_px}",
            ", ".join(model.labels),
            model.digest[:12],
        ]
        for model in answer.models
    ]
    print_table(["model", "version", "size", "labels", "digest"], rows)
    runtime = answer.runtime
    click.echo(
        f"\ndefault: {answer.default_model}; at most {runtime.max_count} images a request; "
        f"{runtime.runtime} {runtime.runtime_version}, {runtime.execution_provider}"
    )


def _print_card(card: ModelCard) -> None:
    data, training, origin = card.data, card.training, card.quantization
    per_label = ", ".join(f"{label} {count}" for label, count in sorted(data.images_per_label.items()))
    print_fields(
        {
            "model": f"{card.name} {card.version}",
            "description": card.description,
            "architecture": card.architecture,
            "labels": ", ".join(card.labels),
            "image": f"{card.image_size_px}x{card.image_size_px}, {card.channels} channels",
            "noise": f"{card.noise}, {card.z_dim} values",
            "weights": f"{card.onnx_bytes} bytes, {card.weights_dtype}",
            "sha256": card.onnx_sha256,
            "data": data.name and f"{data.name}: {data.images} images" + (per_label and f" ({per_label})"),
            "data terms": data.terms,
            "training": training.steps
            and f"{training.steps} steps, {training.images_seen} images seen, {training.epochs:.1f} epochs, "
            f"{training.duration_s / 60:.0f} min on {training.device}",
            "exported": training.exported_at,
            "quantized from": origin.parent_name
            and f"{origin.parent_name} {origin.parent_version}, {origin.parent_sha256}\n{origin.method}",
            **{metric.name: f"{metric.value:.6g}  {metric.method}" for metric in card.metrics},
            "limitations": "\n".join(card.limitations),
            "terms": card.terms,
        }
    )
