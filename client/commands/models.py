"""`client models`: what a generator can draw."""

from __future__ import annotations

import click
from ganpress.v1.generator_service_pb2 import ListModelsResponse
from ganpress.v1.model_card_pb2 import ModelCard
from google.protobuf import json_format

from client.api import GanpressClient
from client.options import Connection, connection_options, json_option
from client.tables import print_fields, print_table


@click.command(short_help="List the models, or show one's card.")
@click.argument("name", required=False)
@click.option("--version", type=int, default=0, metavar="N", help="Version of the model; 0 is the newest.")
@json_option
@connection_options("generator")
def models(connection: Connection, name: str | None, version: int, as_json: bool) -> None:
    """List the models that the generator holds, or show the card of the model NAME."""

    async def work(client: GanpressClient) -> ListModelsResponse | ModelCard:
        return await (client.get_model(name, version) if name else client.list_models())

    answer = connection.run(work)
    if as_json:
        click.echo(json_format.MessageToJson(answer, preserving_proto_field_name=True))
    elif isinstance(answer, ModelCard):
        _print_card(answer)
    else:
        _print_models(answer)


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
        f"{runtime.execution_provider} of ONNX Runtime {runtime.onnxruntime_version}"
    )


def _print_card(card: ModelCard) -> None:
    data, training = card.data, card.training
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
            **{metric.name: f"{metric.value:.6g}  {metric.method}" for metric in card.metrics},
            "limitations": "\n".join(card.limitations),
            "terms": card.terms,
        }
    )
