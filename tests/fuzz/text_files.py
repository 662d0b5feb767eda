"""Targets: tars of images and of training data, plans of a study and of an experiment, and sidecars."""

from __future__ import annotations

import atexit
import gzip
import io
import json
import lzma
import shutil
import tarfile
import tempfile
from contextlib import suppress
from pathlib import Path

from client import sidecar
from client.errors import InputError
from client.experiment.plan.reading import parse_plan, read_plan, ready_made
from client.samples import Rejected, Source
from client.tarstream import BrokenTarError, PeekedFile, TarReader, is_tar, write_tar
from tests.fuzz.mending import mended_tar
from tests.fuzz.targets import Target
from tests.helpers.images import png_file
from trainer.config import PRESETS
from trainer.data.errors import SourceError
from trainer.data.tars import read_tars
from trainer.errors import TrainerError
from trainer.study.plan import plan_runs


def read_tar(data: bytes) -> None:
    """Reads the images of a tar as commands do, and every member by itself."""
    for tar in {data, mended_tar(data)}:
        file = PeekedFile(io.BytesIO(tar))
        if not is_tar(file.head):
            continue
        with suppress(BrokenTarError):
            reader = TarReader(file)
            for member in reader:
                if member.isfile() and member.size <= len(tar):
                    reader.read(member)
        for sample in Source.of_stream(io.BytesIO(tar)):
            assert ".." not in sample.name.split("/") or isinstance(sample, Rejected)


def _tars() -> list[bytes]:
    ours = io.BytesIO()
    with write_tar(ours) as tar:
        tar.add("a/1.png", png_file(8, 8))
        tar.add("a/1.json", b'{"seed": 7}')
    plain = ours.getvalue()
    return [plain, gzip.compress(plain), lzma.compress(plain), *map(_tar, ("gnu", "pax", "ustar"))]


def _tar(name: str) -> bytes:
    kind = {"gnu": tarfile.GNU_FORMAT, "pax": tarfile.PAX_FORMAT, "ustar": tarfile.USTAR_FORMAT}[name]
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w", format=kind) as tar:
        long = "x" * (60 if name == "ustar" else 120)
        for path, target in ((long, None), ("link", "a/1.png"), ("hard", long), ("ü", None)):
            member = tarfile.TarInfo(path)
            if target is not None:
                member.type = tarfile.LNKTYPE if path == "hard" else tarfile.SYMTYPE
                member.linkname = target
                tar.addfile(member)
            else:
                member.size = 20
                tar.addfile(member, io.BytesIO(bytes(20)))
        if name == "pax":
            member = tarfile.TarInfo("sparse")
            member.pax_headers = {
                "GNU.sparse.major": "0", "GNU.sparse.minor": "1", "GNU.sparse.name": "sparse",
                "GNU.sparse.map": "0,10,20,10", "GNU.sparse.size": "30",
            }  # fmt: skip
            member.size = 20
            tar.addfile(member, io.BytesIO(bytes(20)))
    return file.getvalue()


_FOLDER = Path(tempfile.mkdtemp(prefix="ganpress-fuzz-"))
atexit.register(shutil.rmtree, _FOLDER, ignore_errors=True)
_SHARD, _PLAN = _FOLDER / "shard.tar", _FOLDER / "plan.toml"


def read_shard(data: bytes) -> None:
    """Reads a tar of images that are to be trained with."""
    for tar in {data, mended_tar(data)}:
        _SHARD.write_bytes(tar)
        with suppress(SourceError):
            for image in read_tars([str(_SHARD)], lambda _: True):
                assert image.name


def _shards() -> list[bytes]:
    shard = io.BytesIO()
    with write_tar(shard) as tar:
        for name, data in (
            ("1.jpg", b"jpg"),
            ("1.cls", b"3"),
            ("a/2.jpg", b"jpg"),
            ("a/2.json", b'{"label": "suv"}'),
        ):
            tar.add(name, data)
    return [shard.getvalue(), gzip.compress(shard.getvalue()), *_tars()]


def plan(data: bytes) -> None:
    """Plans a study by a file of settings."""
    _PLAN.write_bytes(data)
    with suppress(TrainerError):
        plan_runs(file=_PLAN)


def _plans() -> list[bytes]:
    presets = [
        "\n".join(f"{name} = {json.dumps(value)}" for name, value in settings.items()).encode()
        for settings in PRESETS.values()
    ]
    return [*presets, b'minutes = 1.5\nepochs = 1e3\narchitecture = """cgan"""\n[table]\na = [1, {b = 2}]\n']


def plan_experiment(data: bytes) -> None:
    """Reads the plan of an experiment."""
    with suppress(InputError):
        parse_plan(data.decode(errors="replace"), "plan.yaml")


def _experiments() -> list[bytes]:
    aliases = b"a: &a [1, 2]\nb: [*a, *a]\n<<: {c: 2001-01-01}\n"
    return [*(read_plan(name).text.encode() for name in ready_made()), aliases]


def read_sidecar(data: bytes) -> None:
    """Reads the JSON file beside an image."""
    with suppress(InputError):
        sidecar.parse(data)


TARGETS = (
    Target("tar", read_tar, _tars, max_bytes=16384),
    Target("shard", read_shard, _shards, max_bytes=16384),
    Target("plan", plan, _plans, max_bytes=2048),
    Target("experiment", plan_experiment, _experiments, max_bytes=2048),
    Target(
        "sidecar",
        read_sidecar,
        lambda: [b'{"seed": 7, "label": "suv", "truncation": 0.5}\n'],
        max_bytes=1024,
    ),
)
