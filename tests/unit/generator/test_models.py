"""The model repository: what is found, what is refused."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from services.generator.errors import CorruptModelError
from services.generator.models import find_models, read_model
from tests.helpers.models import read_card, write_card, write_model


def test_find_models(model_root):
    """All versions are found, sorted by name, newest first, with what the card says."""
    models = find_models(model_root)
    assert [(model.name, model.version) for model in models] == [("cars", 2), ("cars", 1), ("dogs", 1)]
    assert models[0].labels == ("coupe", "sedan", "suv")
    assert models[2].labels == ()
    assert models[0].digest == models[0].card.onnx_sha256
    assert models[0].onnx_path == model_root / "cars" / "2" / "model.onnx"


def test_versions_are_numbers(tmp_path):
    """Version 10 is newer than version 9."""
    for version in (9, 10):
        write_model(tmp_path, version=version)
    assert [model.version for model in find_models(tmp_path)] == [10, 9]


def test_empty_and_absent_repository(tmp_path):
    """A repository without models, or one that is not there, has none."""
    (tmp_path / "README").write_text("nothing here")
    assert find_models(tmp_path) == find_models(tmp_path / "absent") == []


def test_corrupt_model_is_left_out(tmp_path, caplog):
    """A corrupt model is named in the log with the reason; the others are found."""
    write_model(tmp_path, "dogs", labels=())
    onnx = write_model(tmp_path, "cars") / "model.onnx"
    onnx.write_bytes(onnx.read_bytes()[:-1])
    assert [model.name for model in find_models(tmp_path)] == ["dogs"]
    assert f"model left out: {onnx} has the SHA-256" in caplog.text


def changed(**fields):
    """Returns a function that changes fields of a model's card."""

    def change(directory: Path) -> None:
        card = read_card(directory)
        for name, value in fields.items():
            if name == "labels":
                card.labels[:] = value
            else:
                setattr(card, name, value)
        write_card(directory, card)

    return change


def text(content: bytes):
    """Returns a function that replaces a model's card."""
    return lambda directory: (directory / "card.json").write_bytes(content)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (text(b"{"), "is not a model card"),
        (text(b""), "is not a model card"),
        (text(b"\xff\xfe"), "is not a model card"),
        (text(b'{"colour": 1}'), 'has no field named "colour"'),
        (text(b"{}"), "format_version 0 is not known"),
        (changed(format_version=2), "format_version 2 is not known"),
        (changed(name="Cars"), "name 'Cars' is not of lower-case letters"),
        (changed(name="bikes"), "name 'bikes' is not its directory's"),
        (changed(version=2), "version 2 is not its directory's"),
        (changed(noise="mersenne"), "noise 'mersenne' is not known, only 'philox-box-muller-1'"),
        (changed(z_dim=0), "z_dim is 0"),
        (changed(image_size_px=0), "image_size_px is 0"),
        (changed(channels=2), "channels is 2, not 1 or 3"),
        (changed(output_min=0), "output goes from 0.0 to 1.0, not from -1 to 1"),
        (changed(labels=["suv", "suv"]), "labels has one twice"),
        (changed(labels=["suv", ""]), "labels has an empty one"),
        (changed(onnx_sha256=""), "its card says nothing"),
        (lambda directory: (directory / "model.onnx").write_bytes(b""), "has the SHA-256 e3b0c442"),
        (lambda directory: (directory / "model.onnx").unlink(), "cannot read .*model.onnx: No such file"),
        (lambda directory: (directory / "card.json").unlink(), "cannot read .*card.json: No such file"),
    ],
)
def test_damage_is_named(tmp_path, damage, message):
    """Each kind of damage is refused with a sentence that names it."""
    directory = write_model(tmp_path)
    damage(directory)
    with pytest.raises(CorruptModelError, match=message):
        read_model(directory)


@pytest.mark.parametrize("version", ["0", "01", "one"])
def test_version_directory_is_a_plain_number(tmp_path, version):
    """A version directory is named by the number in the card, 1 or more, without leading zeros."""
    directory = write_model(tmp_path)
    if version == "0":
        changed(version=0)(directory)
    moved = directory.with_name(version)
    shutil.move(directory, moved)
    with pytest.raises(CorruptModelError, match="is not its directory's"):
        read_model(moved)
