"""Generates the Python stubs beside the .proto files.

`python scripts/gen_protos.py` writes them; `--check` writes nothing and exits 1 when the
committed ones are not what the .proto files give.
"""

from __future__ import annotations

import argparse
import importlib.resources
import sys
import tempfile
from pathlib import Path

from grpc_tools import protoc

PROTO_ROOT = Path(__file__).resolve().parent.parent / "protos"
PACKAGES = ("ganpress/v1", "ganpress/inference")
SUFFIXES = ("_pb2.py", "_pb2.pyi", "_pb2_grpc.py", "_pb2_grpc.pyi")


def generate(out: Path) -> dict[str, bytes]:
    """Returns the stubs by their path below `out`, where they are written."""
    bin_dir = Path(sys.executable).parent
    protos = sorted(
        str(p.relative_to(PROTO_ROOT)) for folder in PACKAGES for p in (PROTO_ROOT / folder).glob("*.proto")
    )
    args = [
        "protoc",
        f"-I{PROTO_ROOT}",
        f"-I{importlib.resources.files('grpc_tools') / '_proto'}",
        f"--plugin=protoc-gen-mypy={bin_dir / 'protoc-gen-mypy'}",
        f"--plugin=protoc-gen-mypy_grpc={bin_dir / 'protoc-gen-mypy_grpc'}",
        f"--python_out={out}",
        f"--grpc_python_out={out}",
        f"--mypy_out=quiet:{out}",
        f"--mypy_grpc_out=quiet,only_async:{out}",
        *protos,
    ]
    if protoc.main(args):
        raise SystemExit("protoc failed")
    # protoc writes a service stub for files without a service, too: empty, so left out.
    for stub in out.rglob("*_pb2_grpc.py*"):
        if "_service_pb2" not in stub.name:
            stub.unlink()
    for stub in out.glob("ganpress/inference/*_pb2.py"):
        _use_own_pool(stub)
    return {
        str(p.relative_to(out)): p.read_bytes() for p in sorted(out.rglob("*")) if p.name.endswith(SUFFIXES)
    }


def _use_own_pool(stub: Path) -> None:
    """Lets a stub register its messages in the pool of `ganpress.inference`: others have the same names."""
    text = stub.read_text(encoding="utf-8")
    parts = text.split("_descriptor_pool.Default()")
    if len(parts) != 2:
        raise SystemExit(f"protoc writes {stub.name} in another way: it uses the default pool elsewhere")
    text = "POOL".join(parts).replace(
        "from google.protobuf import descriptor_pool as _descriptor_pool\n",
        "from ganpress.inference import POOL\n",
    )
    stub.write_text(text, encoding="utf-8")


def committed() -> dict[str, bytes]:
    """Returns the stubs that lie beside the .proto files, by their path below protos/."""
    return {
        str(p.relative_to(PROTO_ROOT)): p.read_bytes()
        for p in sorted(PROTO_ROOT.rglob("*"))
        if p.name.endswith(SUFFIXES)
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="compare only; exit 1 on a difference")
    check = parser.parse_args().check
    with tempfile.TemporaryDirectory() as tmp:
        fresh = generate(Path(tmp))
    old = committed()
    stale = sorted(name for name in fresh.keys() | old.keys() if fresh.get(name) != old.get(name))
    if check:
        if stale:
            raise SystemExit(f"stubs are not current ({', '.join(stale)}): run scripts/gen_protos.py")
        return
    for name in stale:
        path = PROTO_ROOT / name
        if name in fresh:
            path.write_bytes(fresh[name])
        else:
            path.unlink()
        print(name)


if __name__ == "__main__":
    main()
