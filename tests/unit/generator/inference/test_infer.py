"""ModelInfer over a real socket, with our own stubs: what is given, what is drawn, what is refused."""

from __future__ import annotations

import grpc
import numpy as np
import pytest
from ganpress.inference import grpc_service_pb2 as pb
from ganpress.inference.grpc_service_pb2_grpc import GRPCInferenceServiceStub
from ganpress.v1 import generator_service_pb2 as generator_pb
from ganpress.v1.generator_service_pb2_grpc import GeneratorServiceStub
from ganpress.v1.image_pb2 import IMAGE_FORMAT_RAW_U8

from services.generator import noise
from services.generator.service import build_service
from services.generator.settings import GeneratorSettings
from tests.helpers.inference import output, request, samples
from tests.helpers.models import BODY_TYPES, read_card, write_model
from tests.helpers.servers import serving

Z = np.random.default_rng(0).normal(size=(5, 12)).astype(np.float32)


async def test_given_latents(stub, model_root):
    """Images of given z and label come in the order of the rows, the same alone, together and as samples."""
    label = np.array([0, 1, 2, 1, 0])
    whole = await stub.ModelInfer(request(z=Z, label=label, name="abc"))
    images = output(whole)
    assert (images.dtype, images.shape) == (np.float32, (5, 3, 16, 16))
    assert output(whole, "label").tolist() == [[0], [1], [2], [1], [0]]
    assert (whole.id, whole.model_name, whole.model_version) == ("abc", "cars", "2")
    card = read_card(model_root / "cars" / "2")
    assert whole.parameters["digest"].string_param == card.onnx_sha256
    assert set(whole.parameters) == {"digest"}
    for row in range(5):
        alone = await stub.ModelInfer(request(z=Z[row : row + 1], label=label[row : row + 1, None]))
        np.testing.assert_array_equal(output(alone)[0], images[row])
    pixels = output(await stub.ModelInfer(request(z=Z, label=label, format="UINT8")))
    np.testing.assert_array_equal(pixels, samples(images))


async def test_seed_gives_the_image_of_the_generator_service(stub, channel):
    """A seed gives the very images that GeneratorService gives, with the labels that it draws."""
    asked = request(seed=7, count=6, truncation=0.5, format="UINT8")
    answer = await stub.ModelInfer(asked)
    wanted = await GeneratorServiceStub(channel).Generate(
        generator_pb.GenerateRequest(
            model="cars", seed=7, count=6, truncation=0.5, format=IMAGE_FORMAT_RAW_U8
        )
    )
    assert [pixels.tobytes() for pixels in output(answer)] == [image.data for image in wanted.images]
    assert [BODY_TYPES[i] for i in output(answer, "label").ravel()] == [
        image.label for image in wanted.images
    ]
    assert answer.parameters["seed"].int64_param == 7
    assert answer.parameters["truncation"].double_param == 0.5


@pytest.mark.parametrize("model", ["cars", "dogs"])
async def test_what_is_not_given_is_drawn(stub, model):
    """A request without any input gets one image of a seed that it is told, and gets it again with that."""
    first = await stub.ModelInfer(request(model))
    assert output(first).shape == (1, 3, 16, 16)
    again = await stub.ModelInfer(request(model, seed=first.parameters["seed"].int64_param))
    np.testing.assert_array_equal(output(again), output(first))


async def test_labels_of_given_latents_are_drawn(stub):
    """Rows without a label get the ones that their seeds draw."""
    answer = await stub.ModelInfer(request(z=Z, seed=2**64 - 5))
    seeds = range(2**64 - 5, 2**64)
    labels = np.array([noise.drawn_label_index(seed, 3) for seed in seeds])
    np.testing.assert_array_equal(output(answer, "label").ravel(), labels)
    assert answer.parameters["seed"].uint64_param == 2**64 - 5
    given = await stub.ModelInfer(request(z=Z, label=labels))
    np.testing.assert_array_equal(output(answer), output(given))


async def test_latents_of_given_labels_are_drawn(stub):
    """Labels without z get images of a seed, as many as there are labels."""
    answer = await stub.ModelInfer(request(label=np.array([2, 0]), seed=3))
    z = noise.latents([3, 4], 12)
    given = await stub.ModelInfer(request(z=z, label=np.array([2, 0])))
    np.testing.assert_array_equal(output(answer), output(given))


async def test_label_names_and_typed_contents(stub):
    """Labels may be named, and elements may be in typed contents."""
    message = pb.ModelInferRequest(model_name="cars")
    message.inputs.add(name="z", datatype="FP32", shape=Z.shape)
    message.inputs[0].contents.fp32_contents.extend(Z.ravel().tolist())
    message.inputs.add(name="label", datatype="BYTES", shape=[5, 1])
    message.inputs[1].contents.bytes_contents.extend([b"suv", b"coupe", b"suv", b"sedan", b"coupe"])
    named = await stub.ModelInfer(message)
    given = await stub.ModelInfer(request(z=Z, label=np.array([2, 0, 2, 1, 0])))
    np.testing.assert_array_equal(output(named), output(given))


async def test_mixed_labels(tmp_path):
    """A model that mixes labels takes weights, and tells them."""
    write_model(tmp_path / "models", "cars", mixes_labels=True)
    settings = GeneratorSettings(models=tmp_path / "models", threads=1)
    async with serving([build_service(settings)], tmp_path) as channel:
        stub = GRPCInferenceServiceStub(channel)
        weights = np.eye(3, dtype=np.float32)
        mixed = await stub.ModelInfer(request(z=Z[:3], label=weights))
        plain = await stub.ModelInfer(request(z=Z[:3], label=np.arange(3)))
    np.testing.assert_array_equal(output(mixed), output(plain))
    np.testing.assert_array_equal(output(mixed, "label"), weights)


async def test_outputs(stub):
    """Only the outputs that are wanted come, in their order; an output may have its own format."""
    wanted = {"label": {}, "image": {"format": "UINT8"}}
    answer = await stub.ModelInfer(request(seed=1, outputs=wanted))
    assert [tensor.name for tensor in answer.outputs] == ["label", "image"]
    assert output(answer).dtype == np.uint8
    answer = await stub.ModelInfer(request(seed=1, outputs={"label": {}}))
    assert [tensor.name for tensor in answer.outputs] == ["label"]


INVALID, NOT_FOUND = grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.NOT_FOUND


REFUSED = [
    (request("cats"), NOT_FOUND, "there is no model 'cats'; the models are cars, dogs"),
    (request(""), NOT_FOUND, "there is no model ''"),
    (request(version="3"), NOT_FOUND, "model 'cars' has no version 3; its versions are 1, 2"),
    (request(version="-1"), INVALID, "version has to be a number from 1 on, or empty"),
    (request(z=Z[:, :11]), INVALID, "'z' of model 'cars' has to have the shape [N, 12], not [5, 11]"),
    (request(z=Z[0]), INVALID, "has to have the shape [N, 12], not [12]"),
    (request(z=Z * np.float32(np.nan)), INVALID, "'z' has to hold finite numbers"),
    (request(z=Z, label=np.array([0, 1, 2, 3, 0])), INVALID, "indices of model 'cars' go from 0 to 2, not 3"),
    (request(z=Z, label=np.array([-1] * 5)), INVALID, "go from 0 to 2, not -1"),
    (request(z=Z, label=np.zeros((5, 2), np.int64)), INVALID, "shape [N] or [N, 1], not [5, 2]"),
    (request(z=Z, label=np.zeros(4, np.int64)), INVALID, "same everywhere, not 5 by 'z', 4 by 'label'"),
    (
        request(z=Z, label=np.zeros((5, 3), np.float32)),
        INVALID,
        "'label' has to be INT64 or BYTES, not 'FP32'",
    ),
    (request(z=Z, count=4), INVALID, "same everywhere, not 5 by 'z', 4 by 'count'"),
    (request("dogs", label=np.zeros(1, np.int64)), INVALID, "no input 'label'; the inputs are z"),
    (request(z=Z[:0]), INVALID, "may ask for 1 to 5000 images in this format, not for 0"),
    (request(count=5001), INVALID, "may ask for 1 to 5000 images in this format, not for 5001"),
    (request(count=10_000_000), INVALID, "not for 10000000"),
    (request(count=0), INVALID, "'count' has to be 1 to"),
    (request(seed=-1), INVALID, "'seed' has to be 0 to 18446744073709551615, not -1"),
    (request(seed="7"), INVALID, "'seed' has to be an integer, not '7'"),
    (request(seed=True), INVALID, "'seed' has to be an integer, not True"),
    (request(seed=2**64 - 1, count=2), INVALID, "seeds go from 0 to"),
    (request(z=Z, label=np.zeros(5, np.int64), seed=1), INVALID, "'seed' is for what is not given"),
    (request(truncation=0.0), INVALID, "'truncation' has to be above 0 and at most 1, not 0.0"),
    (request(truncation=float("nan")), INVALID, "at most 1, not nan"),
    (request(truncation="1"), INVALID, "'truncation' has to be a number, not '1'"),
    (request(z=Z, truncation=0.5), INVALID, "'truncation' goes with a seed, not with a given z"),
    (request(format="JPEG"), INVALID, "'format' has to be 'FP32' or 'UINT8', not 'JPEG'"),
    (request(priority=4), INVALID, "'priority' has to be 0 to 3, not 4"),
    (request(timeout=-1), INVALID, "'timeout' has to be 0 to"),
    (request(trunctation=1.0), INVALID, "'trunctation' is not known: seed, count, truncation, format"),
    (request(outputs={"label": {}, "mask": {}}), INVALID, "no output 'mask'; its outputs are image, label"),
    (request(outputs={"image": {"classification": 3}}), INVALID, "'classification' of output 'image' is not"),
]


@pytest.mark.parametrize(("message", "code", "sentence"), REFUSED, ids=[case[2] for case in REFUSED])
async def test_refusal(stub, message, code, sentence):
    """A bad request is answered as Triton answers it, with a sentence that says what would be accepted."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await stub.ModelInfer(message)
    assert caught.value.code() == code
    assert sentence in caught.value.details()


async def test_unknown_label_name(stub):
    """A label that the model does not have is refused by name, also one that is not text."""
    message = pb.ModelInferRequest(model_name="cars")
    message.inputs.add(name="label", datatype="BYTES", shape=[1])
    message.inputs[0].contents.bytes_contents.append(b"bus\xff")
    with pytest.raises(grpc.aio.AioRpcError, match="no label 'bus\ufffd'; its labels are coupe, sedan, suv"):
        await stub.ModelInfer(message)


async def test_most_images_of_a_message(tmp_path):
    """The largest request whose answer fits into a message is answered, a larger one refused."""
    write_model(tmp_path / "models", "large", labels=(), image_size_px=1024, width=1)
    settings = GeneratorSettings(models=tmp_path / "models", threads=2)
    async with serving([build_service(settings)], tmp_path) as channel:
        stub = GRPCInferenceServiceStub(channel)
        most = (await stub.ModelConfig(pb.ModelConfigRequest(name="large"))).config.max_batch_size
        assert most == 5
        assert len(output(await stub.ModelInfer(request("large", count=most)))) == most
        for count, form, limit in ((6, "FP32", 5), (22, "UINT8", 21)):
            with pytest.raises(grpc.aio.AioRpcError, match=f"1 to {limit} images in this format, not for"):
                await stub.ModelInfer(request("large", count=count, format=form))
