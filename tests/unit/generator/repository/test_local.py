"""A model repository in a folder: what is found, what is refused."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
import onnx
import pytest

from services.generator.errors import CorruptModelError, IncompleteModelError, RepositoryError
from services.generator.repository import Entry, open_folder
from services.generator.repository.local import LocalFolder
from tests.helpers.models import damaged_model, read_card, replace_model, write_card, write_model


def entry_of(root: Path, name: str = "cars", version: int = 1) -> Entry:
    """The entry of one version."""
    return next(e for e in LocalFolder(root).scan() if (e.name, e.version) == (name, version))


def test_scan_and_fetch(model_root):
    """All versions are found, and each is fetched with what its card says, its graph where it lies."""
    folder = LocalFolder(model_root)
    entries = {(entry.name, entry.version): entry for entry in folder.scan()}
    assert entries.keys() == {("cars", 2), ("cars", 1), ("dogs", 1)}
    model = folder.fetch(entries["cars", 2])
    assert model.labels == ("coupe", "sedan", "suv")
    assert model.digest == model.card.onnx_sha256
    assert model.onnx_path == model_root / "cars" / "2" / "model.onnx"
    assert folder.fetch(entries["dogs", 1]).labels == ()


def test_file_url(model_root):
    """A file:// URL is a folder."""
    assert {entry.name for entry in open_folder(f"file://{model_root}").scan()} == {"cars", "dogs"}


def test_empty_and_absent_repository(tmp_path):
    """An empty repository has no versions; one that is not there, or is a file, cannot be read."""
    (tmp_path / "README").write_text("nothing here")
    assert LocalFolder(tmp_path).scan() == []
    with pytest.raises(RepositoryError, match=r"absent cannot be read: .*absent: No such file or directory"):
        LocalFolder(tmp_path / "absent").scan()
    with pytest.raises(RepositoryError, match="README: Not a directory"):
        LocalFolder(tmp_path / "README").scan()


def test_what_is_no_version(tmp_path, caplog):
    """Hidden folders are left out silently, others that are no NAME/VERSION once with a hint."""
    directory = write_model(tmp_path)
    for place in (".cars/1", "cars/.2", "Cars/1", "cars/01", "cars/0", "cars/one", "cars/1234567890"):
        shutil.copytree(directory, tmp_path / place)
    folder = LocalFolder(tmp_path)
    for _ in range(2):
        assert [(entry.name, entry.version) for entry in folder.scan()] == [("cars", 1)]
    assert len(caplog.messages) == 5
    assert f"{tmp_path}/Cars/1 is left out: a version lies in NAME/VERSION" in caplog.text


def test_unreadable_folder(tmp_path):
    """A folder that may not be read is no reason to fail where it cannot be a model, as lost+found."""
    if os.geteuid() == 0:
        pytest.skip("root may read everything")
    write_model(tmp_path)
    (tmp_path / "lost+found").mkdir(mode=0)
    assert len(LocalFolder(tmp_path).scan()) == 1


@pytest.mark.parametrize("change", ["replaced", "rewritten", "renamed", "linked"])
def test_fingerprint(tmp_path, change):
    """The fingerprint tells that a file was written anew, even with the same size and time."""
    directory = write_model(tmp_path)
    folder, before = LocalFolder(tmp_path), entry_of(tmp_path)
    assert folder.is_unchanged(before)
    onnx_file = directory / "model.onnx"
    if change == "replaced":
        replace_model(tmp_path)
    elif change == "rewritten":
        times = onnx_file.stat()
        onnx_file.write_bytes(onnx_file.read_bytes())
        os.utime(onnx_file, ns=(times.st_atime_ns, times.st_mtime_ns))
    elif change == "renamed":
        shutil.copy2(onnx_file, tmp_path / "copy")
        (tmp_path / "copy").rename(onnx_file)
    else:
        shutil.move(onnx_file, tmp_path / "elsewhere")
        onnx_file.symlink_to(tmp_path / "elsewhere")
    assert not folder.is_unchanged(before)
    assert entry_of(tmp_path).fingerprint != before.fingerprint


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


def linked(target: str):
    """Returns a function that replaces the graph by a link."""

    def link(directory: Path) -> None:
        (directory / "model.onnx").unlink()
        (directory / "model.onnx").symlink_to(target)

    return link


def made_a(make):
    """Returns a function that puts something else in the graph's place."""

    def change(directory: Path) -> None:
        (directory / "model.onnx").unlink()
        make(directory / "model.onnx")

    return change


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (text(b"{"), "is not a model card"),
        (text(b""), "is not a model card"),
        (text(b"\xff\xfe"), "is not a model card"),
        (text(b" " * 2_000_000), "has 1048577 bytes, a card has at most 1048576"),
        (text(b'{"colour": 1}'), 'has no field named "colour"'),
        (text(b"{}"), "format_version 0 is not known"),
        (changed(format_version=2), "format_version 2 is not known"),
        (changed(name="Cars"), "name 'Cars' is not of lower-case letters"),
        (changed(name="bikes"), "name 'bikes' is not its folder's, 'cars'"),
        (changed(version=2), "version 2 is not its folder's, 1"),
        (changed(noise="mersenne"), "noise 'mersenne' is not known, only 'philox-box-muller-1'"),
        (changed(z_dim=0), "z_dim is 0, not 1 to 65536"),
        (changed(z_dim=2**31), "z_dim is 2147483648, not 1 to 65536"),
        (changed(image_size_px=0), "image_size_px is 0, not 1 to 16384"),
        (changed(image_size_px=2**20), "image_size_px is 1048576, not 1 to 16384"),
        (changed(channels=2), "channels is 2, not 1 or 3"),
        (changed(output_min=0), "output goes from 0.0 to 1.0, not from -1 to 1"),
        (changed(labels=["suv", "suv"]), "labels has one twice"),
        (changed(labels=["suv", ""]), "labels has an empty one"),
        (changed(onnx_sha256=""), "onnx_sha256 '' is not a SHA-256"),
        (changed(onnx_sha256="../../etc"), "onnx_sha256 '../../etc' is not a SHA-256"),
        (linked("/etc/hostname"), "model.onnx is a link to /etc/hostname, outside of the repository"),
        (linked("model.onnx"), "cannot read .*model.onnx"),
        (made_a(Path.mkdir), "model.onnx is not a file"),
        (made_a(os.mkfifo), "model.onnx is not a file"),
    ],
)
def test_corrupt(tmp_path, damage, message):
    """Each kind of damage is refused with one sentence that names it."""
    damage(write_model(tmp_path))
    with pytest.raises(CorruptModelError, match=message) as caught:
        LocalFolder(tmp_path).fetch(entry_of(tmp_path))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda directory: (directory / "model.onnx").write_bytes(b""), "has 0 bytes, its card says"),
        (lambda directory: (directory / "model.onnx").unlink(), "cannot read .*model.onnx: No such file"),
        (lambda directory: (directory / "card.json").unlink(), "cannot read .*card.json: No such file"),
        (linked("/nowhere"), "cannot read .*model.onnx: No such file"),
        (changed(onnx_bytes=7), "its card says 7"),
        (changed(onnx_sha256="0" * 64), "has the SHA-256 [0-9a-f]{64}, its card says 0{64}"),
    ],
)
def test_incomplete(tmp_path, damage, message):
    """What may still be being copied is told from what is corrupt."""
    damage(write_model(tmp_path))
    with pytest.raises(IncompleteModelError, match=message):
        LocalFolder(tmp_path).fetch(entry_of(tmp_path))


def test_external_data(tmp_path):
    """A graph whose weights lie in another file, wherever that is, is refused: no digest covers them."""

    def move_out(model: onnx.ModelProto) -> None:
        tensor = model.graph.initializer[-1]
        (tmp_path / "weights").write_bytes(tensor.raw_data)
        onnx.external_data_helper.set_external_data(tensor, location="../../weights")
        tensor.ClearField("raw_data")

    damaged_model(tmp_path, move_out)
    with pytest.raises(CorruptModelError, match=r"keeps the values of '\w+' in another file"):
        LocalFolder(tmp_path).fetch(entry_of(tmp_path))


def test_not_onnx(tmp_path):
    """A file that its card describes well but that is no ONNX file is refused."""
    damaged_model(tmp_path, data=np.random.default_rng(0).bytes(1000))
    with pytest.raises(CorruptModelError, match=r"model\.onnx is not an ONNX file"):
        LocalFolder(tmp_path).fetch(entry_of(tmp_path))


@pytest.mark.parametrize("link", ["file", "version", "model", "root"])
def test_links_inside(tmp_path, link):
    """Links that stay inside the repository are followed, as in volumes of Kubernetes and git-sync."""
    root = tmp_path / "root"
    directory = write_model(root)
    hidden = root / "..data"
    hidden.mkdir()
    if link == "root":
        shutil.move(root, tmp_path / "real")
        root.symlink_to("real")
    else:
        path = {"file": directory / "model.onnx", "version": directory, "model": directory.parent}[link]
        shutil.move(path, hidden / path.name)
        path.symlink_to(hidden / path.name)
    folder = LocalFolder(root)
    (entry,) = folder.scan()
    assert folder.fetch(entry).name == "cars"
    assert folder.is_unchanged(entry)
