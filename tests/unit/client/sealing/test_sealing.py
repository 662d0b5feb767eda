"""Seals: what was changed is found and named."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from client.errors import InputError
from client.sealing import (
    SEAL_FILE,
    check,
    generate_key,
    read_manifest,
    read_private_key,
    read_public_key,
    seal,
)
from client.sealing.manifest import Manifest, SealedFile
from tests.helpers.cli import run_cli

KEY = Ed25519PrivateKey.from_private_bytes(bytes(32))
FILES = {"a.gpc": b"one image", "sub/b.png": b"another", "sub/empty": b"", 'ü \n".json': b"{}"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A sealed folder."""
    root = tmp_path / "stored"
    for name, data in FILES.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(data)
    _, data = seal(root / SEAL_FILE, None, KEY)
    (root / SEAL_FILE).write_bytes(data)
    return root


def problems(folder: Path) -> dict[str, str]:
    """Returns what is found in a folder."""
    path = folder / SEAL_FILE
    manifest = read_manifest(path.read_bytes(), str(path), KEY.public_key())
    return {finding.path: finding.problem for finding in check(manifest, path) if finding.problem}


def test_nothing_changed(folder: Path) -> None:
    """Files that are as they were are found so, and the same files give the same seal."""
    assert problems(folder) == {}
    assert seal(folder / SEAL_FILE, None, KEY)[1] == (folder / SEAL_FILE).read_bytes()


def test_every_bit_of_the_files(folder: Path) -> None:
    """One flipped bit in any file is found, and the file named, no other."""
    for name, data in FILES.items():
        for place in range(8 * len(data)):
            changed = bytearray(data)
            changed[place // 8] ^= 1 << place % 8
            (folder / name).write_bytes(changed)
            assert list(problems(folder)) == [name]
            assert "SHA-256" in problems(folder)[name]
        (folder / name).write_bytes(data)


def test_every_bit_of_the_seal(folder: Path) -> None:
    """One flipped bit in the seal, its signature included, is found; so is any cut, and anything after it."""
    data = (folder / SEAL_FILE).read_bytes()
    for place in range(8 * len(data)):
        changed = bytearray(data)
        changed[place // 8] ^= 1 << place % 8
        for trusted in (KEY.public_key(), None):
            with pytest.raises(InputError, match=r"is no seal|was altered|was signed by"):
                read_manifest(bytes(changed), "seal", trusted)
    for size in range(len(data)):
        with pytest.raises(InputError):
            read_manifest(data[:size], "seal")
    for more in (b"\n", b" ", b"\0", data):
        with pytest.raises(InputError):
            read_manifest(data + more, "seal")


def test_missing_added_moved(folder: Path) -> None:
    """Files that are missing, were added, renamed, replaced by folders or links are named."""
    (folder / "a.gpc").rename(folder / "c.gpc")
    (folder / "sub/b.png").unlink()
    (folder / "sub/b.png").symlink_to(folder / "c.gpc")
    (folder / "sub/empty").unlink()
    (folder / "sub/empty").mkdir()
    (folder / "link").symlink_to(folder / "sub")
    assert problems(folder) == {
        "a.gpc": "it is missing",
        "sub/b.png": "it is no longer a file",
        "sub/empty": "it is no longer a file",
        "c.gpc": "it was added after the folder was sealed",
        "link": "it was added after the folder was sealed",
    }


def test_size_is_named(folder: Path) -> None:
    """Of a file of another size the sizes are told."""
    (folder / "a.gpc").write_bytes(b"one imag")
    assert problems(folder) == {"a.gpc": "it was altered: it has 8 bytes, sealed were 9"}


def test_another_key(folder: Path) -> None:
    """A seal that somebody else has signed anew is refused where the key is known."""
    (folder / "a.gpc").write_bytes(b"forged!!!")
    _, forged = seal(folder / SEAL_FILE, None, Ed25519PrivateKey.generate())
    (folder / SEAL_FILE).write_bytes(forged)
    with pytest.raises(InputError, match="was signed by the key"):
        problems(folder)


@pytest.mark.parametrize("path", ["", "/etc/passwd", "../a", "a/../../b", "a//b", "./a", "a\0b"])
def test_paths_that_lead_out(path: str) -> None:
    """A seal of a file outside of its folder is refused, whoever has signed it."""
    data = Manifest(KEY.public_key(), False, (SealedFile(path, "0" * 64, 1),)).signed(KEY)
    with pytest.raises(InputError, match="describes no file in its folder"):
        read_manifest(data, "seal", KEY.public_key())


paths = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\0/"), min_size=1, max_size=20
).filter(lambda name: name not in {".", ".."})
sealed_files = st.builds(
    SealedFile,
    path=st.lists(paths, min_size=1, max_size=3).map("/".join),
    sha256=st.binary(min_size=32, max_size=32).map(bytes.hex),
    size_bytes=st.integers(0, 2**60),
)


@given(st.lists(sealed_files, max_size=5, unique_by=lambda file: file.path), st.booleans())
def test_round_trip(files: list[SealedFile], covers_folder: bool) -> None:
    """Whatever the files are called, what is signed is read."""
    manifest = Manifest(KEY.public_key(), covers_folder, tuple(sorted(files)))
    read = read_manifest(manifest.signed(KEY), "seal", KEY.public_key())
    assert (read.files, read.covers_folder) == (manifest.files, manifest.covers_folder)


@given(st.binary(max_size=400))
def test_any_bytes(data: bytes) -> None:
    """Bytes that are no seal are refused."""
    with pytest.raises(InputError):
        read_manifest(data, "seal")


def test_order_and_doubles() -> None:
    """A seal that names a file twice, or not in order, is refused: there is one spelling of each."""
    one, two = SealedFile("a", "0" * 64, 1), SealedFile("b", "1" * 64, 2)
    for files in ((two, one), (one, one), (one, SealedFile("a", "1" * 64, 1))):
        with pytest.raises(InputError, match="twice, or not in order"):
            read_manifest(Manifest(KEY.public_key(), False, files).signed(KEY), "seal")


def test_keys(tmp_path: Path) -> None:
    """A new key is readable by its owner alone, is not replaced unasked, and its halves fit."""
    path = tmp_path / "seal.key"
    public = generate_key(path)
    assert public == tmp_path / "seal.key.pub"
    assert path.stat().st_mode & 0o777 == 0o600
    key = read_private_key(path)
    assert key.public_key().public_bytes_raw() == read_public_key(public).public_bytes_raw()
    with pytest.raises(InputError, match="exists: --force replaces it"):
        generate_key(path)
    generate_key(path, force=True)
    assert read_private_key(path).private_bytes_raw() != key.private_bytes_raw()
    with pytest.raises(InputError, match="holds no private key of Ed25519"):
        read_private_key(public)
    with pytest.raises(InputError, match="holds no public key of Ed25519"):
        read_public_key(path)


def test_commands(tmp_path: Path) -> None:
    """A user makes a key, seals a folder, verifies it, and is told what was altered, with exit code 1."""
    stored = tmp_path / "stored"
    stored.mkdir()
    (stored / "a.gpc").write_bytes(b"image")
    key = tmp_path / "seal.key"
    assert run_cli("seal", "--new-key", key).exit_code == 0
    assert "is not sealed: there is no ganpress.seal" in run_cli("verify", stored, "--any-key").stderr
    sealed = run_cli("seal", stored, "--sign-with", key)
    assert (sealed.exit_code, "1 files sealed" in sealed.stderr) == (0, True)
    assert "exists: --force replaces it" in run_cli("seal", stored, "--sign-with", key).stderr
    assert run_cli("verify", stored, "--public-key", f"{key}.pub").exit_code == 0
    assert run_cli("verify", stored, "--any-key").exit_code == 0
    (stored / "a.gpc").write_bytes(b"imagE")
    (stored / "b.gpc").write_bytes(b"")
    result = run_cli("verify", stored, "--public-key", f"{key}.pub", "--json")
    assert result.exit_code == 1
    found = [json.loads(line) for line in result.stdout.splitlines()]
    assert [line["path"] for line in found] == ["a.gpc", "b.gpc"]
    assert all(line["problem"] for line in found)
    assert "2 of 2 files are not as they were sealed" in result.stderr
    assert "'a.gpc': it was altered" in run_cli("verify", stored, "--any-key").stderr


def test_files(tmp_path: Path) -> None:
    """Files that are sealed by name have a seal beside them, which says nothing of others."""
    for name in ("a", "b", "c"):
        (tmp_path / name).write_bytes(name.encode())
    key, target = tmp_path / "key", tmp_path / "ab.seal"
    result = run_cli("seal", tmp_path / "a", tmp_path / "b", "-o", target, "--new-key", key)
    assert (result.exit_code, "2 files sealed" in result.stderr) == (0, True)
    assert run_cli("verify", target, "--public-key", f"{key}.pub").exit_code == 0
    (tmp_path / "b").unlink()
    assert "'b': it is missing" in run_cli("verify", target, "--public-key", f"{key}.pub").stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["seal"], "there is nothing to seal"),
        (["seal", "."], "a seal needs a key"),
        (["seal", "pyproject.toml", "--sign-with", "pyproject.toml"], "say where the seal of files goes"),
        (["seal", "client", "-o", "x.seal", "--sign-with", "README.md"], "the seal of a folder lies in it"),
        (["seal", "README.md", "-o", "docs/x.seal", "--sign-with", "LICENSE"], "holds no private key"),
        (["verify", "README.md"], "say whose seal it has to be"),
        (["verify", "README.md", "--any-key"], "README.md is no seal, or it was altered"),
    ],
)
def test_mistakes(arguments: list[str], message: str) -> None:
    """A mistake is answered by one sentence and exit code 1."""
    result = run_cli(*arguments)
    assert result.exit_code == 1
    assert message in result.stderr
    assert "Traceback" not in result.stderr
