"""The JSON file beside an image in a tar or a folder (docs/pipes.md)."""

from __future__ import annotations

import json
import re
from typing import Any, cast

from ganpress.v1.generator_service_pb2 import GeneratedImage

from client.errors import InputError

EXTENSION = ".json"


def parse(data: bytes) -> dict[str, Any]:
    """Returns the fields of a sidecar.

    Raises:
        InputError: It is no JSON object.
    """
    try:
        fields = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise InputError(f"its .json file is not JSON: {error}") from error
    if not isinstance(fields, dict):
        raise InputError("its .json file holds no JSON object")
    return cast("dict[str, Any]", fields)


def dump(fields: dict[str, Any]) -> bytes:
    """Returns a sidecar as a file."""
    return (json.dumps(fields, ensure_ascii=False) + "\n").encode()


def of_generated(image: GeneratedImage) -> dict[str, Any]:
    """Returns what names a generated image: with it the same image can be drawn again."""
    fields: dict[str, Any] = {
        "model": image.model,
        "model_version": image.model_version,
        "model_digest": image.model_digest,
        "label": image.label,
        "seed": image.seed,
        "truncation": image.truncation,
        "width_px": image.size.width_px,
        "height_px": image.size.height_px,
    }
    if image.label_mix:
        fields["label_mix"] = dict(image.label_mix)
    if image.HasField("to_seed"):
        fields |= {"to_seed": image.to_seed, "position": image.position}
    return fields


def key_of_generated(image: GeneratedImage) -> str:
    """Returns `<model>-<label>-<seed>`, without the label where there is none.

    A mix of labels has them all; an image of a walk has the other seed and its position behind.
    """
    labels = [image.label, *(f"{label}_{share:.3g}" for label, share in sorted(image.label_mix.items()))]
    walk = [str(image.to_seed), f"{image.position:.6f}"] if image.HasField("to_seed") else []
    # A dot would end the key, a slash make a folder.
    words = (image.model, *labels, str(image.seed), *walk)
    return "-".join(re.sub(r"[^\w-]+", "_", word) for word in words if word)
