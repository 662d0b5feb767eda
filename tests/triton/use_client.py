"""Uses a server as programs written for Triton do, with tritonclient, and prints what it saw as JSON.

`python use_client.py ADDRESS`, in an environment with tritonclient. `ganpress.inference` is imported as well:
both have messages of the same names.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import queue
import sys
from functools import partial

import numpy as np
import tritonclient.grpc as triton
import tritonclient.grpc.aio as triton_aio
from ganpress.inference import grpc_service_pb2 as own_pb
from tritonclient.grpc import service_pb2, service_pb2_grpc
from tritonclient.utils import InferenceServerException

Z = np.random.default_rng(0).normal(size=(5, 12)).astype(np.float32)
LABELS = np.array([0, 1, 2, 1, 0])


def tensor(name: str, array: np.ndarray, datatype: str) -> triton.InferInput:
    """An input with its data."""
    given = triton.InferInput(name, list(array.shape), datatype)
    given.set_data_from_numpy(array)
    return given


def inputs() -> list[triton.InferInput]:
    """Five rows."""
    return [tensor("z", Z, "FP32"), tensor("label", LABELS, "INT64")]


def digest(array: np.ndarray) -> str:
    """An array in short."""
    return hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()


def status_of(call) -> list[str]:
    """How a call fails."""
    try:
        call()
    except InferenceServerException as error:
        return [error.status(), error.message()]
    return ["OK", ""]


def server(client: triton.InferenceServerClient) -> dict:
    """What the server says of itself and its models."""
    return {
        "live": client.is_server_live(),
        "ready": client.is_server_ready(),
        "models": [
            client.is_model_ready("cars"),
            client.is_model_ready("cars", "1"),
            client.is_model_ready("x"),
        ],
        "metadata": client.get_server_metadata(as_json=True),
        "model": client.get_model_metadata("cars", as_json=True),
        "config": client.get_model_config("cars", as_json=True)["config"],
    }


def infer(client: triton.InferenceServerClient) -> dict:
    """Inference in every form."""
    result = client.infer("cars", inputs(), request_id="five", priority=1, timeout=60_000_000)
    image = result.as_numpy("image")
    names = np.array([b"coupe", b"sedan", b"suv", b"sedan", b"coupe"], dtype=object)
    named = client.infer("cars", [tensor("z", Z, "FP32"), tensor("label", names, "BYTES")])
    answered: queue.Queue = queue.Queue()
    client.async_infer("cars", inputs(), lambda result, error: answered.put((result, error)))
    later, error = answered.get(timeout=60)
    seeded = partial(client.infer, "cars", [], model_version="1")
    pixels = seeded(parameters={"seed": 7, "count": 3, "truncation": 0.5, "format": "UINT8"})
    wanted = seeded(outputs=[triton.InferRequestedOutput("label")], parameters={"seed": 7, "count": 3})
    return {
        "id": result.get_response().id,
        "version": result.get_response().model_version,
        "image": [list(image.shape), str(image.dtype), digest(image)],
        "label": result.as_numpy("label").ravel().tolist(),
        "named": digest(named.as_numpy("image")),
        "asynchronous": [digest(later.as_numpy("image")), str(error)],
        "typed": digest(typed(client)),
        "aio": digest(asyncio.run(with_aio())),
        "pixels": [list(pixels.as_numpy("image").shape), digest(pixels.as_numpy("image"))],
        "seed": pixels.get_response().parameters["seed"].int64_param,
        "wanted": [output.name for output in wanted.get_response().outputs],
    }


def typed(client: triton.InferenceServerClient) -> np.ndarray:
    """The images of five rows in typed contents, sent by the stubs of tritonclient."""
    request = service_pb2.ModelInferRequest(model_name="cars")
    request.inputs.add(name="z", datatype="FP32", shape=Z.shape).contents.fp32_contents.extend(Z.ravel())
    request.inputs.add(name="label", datatype="INT64", shape=[5]).contents.int64_contents.extend(LABELS)
    response = service_pb2_grpc.GRPCInferenceServiceStub(client._channel).ModelInfer(request)
    return np.frombuffer(response.raw_output_contents[0], np.float32).reshape(response.outputs[0].shape)


async def with_aio() -> np.ndarray:
    """The images of five rows by the asyncio client."""
    async with triton_aio.InferenceServerClient(sys.argv[1]) as client:
        given = [triton_aio.InferInput("z", [5, 12], "FP32"), triton_aio.InferInput("label", [5], "INT64")]
        given[0].set_data_from_numpy(Z)
        given[1].set_data_from_numpy(LABELS)
        return (await client.infer("cars", given)).as_numpy("image")


def stream(client: triton.InferenceServerClient) -> list:
    """Twenty requests in one stream, the tenth of an unknown model."""
    answered: queue.Queue = queue.Queue()
    client.start_stream(lambda result, error: answered.put((result, error)))
    for number in range(20):
        name = "cats" if number == 10 else "cars"
        client.async_stream_infer(name, [], request_id=str(number), parameters={"seed": number})
    answers = [answered.get(timeout=60) for _ in range(20)]
    client.stop_stream()
    return [
        str(error) if error else [result.get_response().id, digest(result.as_numpy("image"))]
        for result, error in answers
    ]


def statistics(client: triton.InferenceServerClient) -> list:
    """What one version did before and after a request for five images."""
    told = []
    for _ in range(2):
        (cars,) = client.get_inference_statistics("cars", "2", as_json=True)["model_stats"]
        told.append([int(cars["inference_count"]), int(cars["inference_stats"]["success"]["count"])])
        client.infer("cars", inputs())
    return told


def repository(client: triton.InferenceServerClient) -> dict:
    """A model that goes and comes back."""
    told = {"index": client.get_model_repository_index(as_json=True)["models"]}
    client.unload_model("dogs")
    told["unloaded"] = status_of(lambda: client.infer("dogs", []))
    told["index_without"] = client.get_model_repository_index(as_json=True)["models"]
    client.load_model("dogs")
    told["loaded"] = status_of(lambda: client.infer("dogs", []))
    return told


def errors(client: triton.InferenceServerClient) -> dict:
    """How calls fail."""
    ask = client.infer
    wide = np.zeros((1, 13), np.float32)
    return {
        "unknown model": status_of(lambda: ask("cats", inputs())),
        "unknown version": status_of(lambda: ask("cars", inputs(), model_version="9")),
        "bad version": status_of(lambda: ask("cars", inputs(), model_version="newest")),
        "unknown input": status_of(lambda: ask("cars", [tensor("y", Z, "FP32")])),
        "bad type": status_of(lambda: ask("cars", [tensor("z", Z.astype(np.float64), "FP64")])),
        "bad shape": status_of(lambda: ask("cars", [tensor("z", wide, "FP32")])),
        "unknown output": status_of(
            lambda: ask("cars", inputs(), outputs=[triton.InferRequestedOutput("mask")])
        ),
        "too many": status_of(lambda: ask("cars", [], parameters={"count": 10_000_000})),
        "sequence": status_of(lambda: ask("cars", inputs(), sequence_id=3, sequence_start=True)),
        "deadline": status_of(lambda: ask("cars", [], parameters={"count": 5000}, client_timeout=0.001)),
        "shared memory": status_of(lambda: client.register_system_shared_memory("r", "/r", 64)),
        "shared memory status": status_of(client.get_cuda_shared_memory_status),
        "trace": status_of(client.get_trace_settings),
        "log": status_of(client.get_log_settings),
        "load unknown": status_of(lambda: client.load_model("cats")),
        "load with files": status_of(lambda: client.load_model("cars", config="{}", files={"file:1/m": b""})),
    }


def main() -> None:
    """Does all of it."""
    client = triton.InferenceServerClient(sys.argv[1])
    told = {part.__name__: part(client) for part in (server, infer, stream, statistics, repository, errors)}
    told["names"] = [
        m.DESCRIPTOR.full_name for m in (own_pb.ModelInferRequest, service_pb2.ModelInferRequest)
    ]
    json.dump(told, sys.stdout)


if __name__ == "__main__":
    main()
