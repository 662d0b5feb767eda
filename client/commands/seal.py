"""`client seal`: signs a list of files and their digests."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import click

from client.errors import InputError
from client.sealing import SEAL_FILE, generate_key, read_private_key
from client.sealing import seal as make_seal
from client.terminal import note
from client.writing import atomic_file


@click.command(short_help="Seal files, so that any change of them is found.")
@click.argument("paths", nargs=-1, type=click.Path(path_type=Path, exists=True))
@click.option(
    "--sign-with",
    "key",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    envvar="GANPRESS_SEAL_KEY",
    show_envvar=True,
    help="Your private key.",
)
@click.option(
    "--new-key",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Make a key: the private one in FILE, the public one in FILE.pub.",
)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    help=f"Where the seal goes, in a folder that holds all files; of a folder, {SEAL_FILE} in it.",
)
@click.option("--force", is_flag=True, help="Replace a seal or key that exists.")
def seal(
    paths: Sequence[Path], key: Path | None, new_key: Path | None, output: Path | None, force: bool
) -> None:
    """Write a list of PATHS with the SHA-256 of each, signed by Ed25519 (docs/integrity.md).

    PATHS are one folder, with all that is in it, or files. `client verify` then finds every change.

    \b
    client seal --new-key seal.key
    client seal photos/ --sign-with seal.key
    client verify photos/ --public-key seal.key.pub
    """  # noqa: D301 - click keeps the lines after \b as they are
    if new_key:
        public = generate_key(new_key, force=force)
        note(f"the private key is in {new_key}: keep it secret; {public} is for those who verify")
        key = key or new_key
        if not paths:
            return
    if not paths:
        raise InputError("there is nothing to seal: name a folder, or files with -o SEAL")
    if not key:
        raise InputError("a seal needs a key: --sign-with FILE; `client seal --new-key FILE` makes one")
    is_folder = len(paths) == 1 and paths[0].is_dir()
    if not is_folder and any(path.is_dir() for path in paths):
        raise InputError("seal one folder at a time, or files")
    target = output or (paths[0] / SEAL_FILE if is_folder else None)
    if target is None:
        raise InputError(f"say where the seal of files goes: -o {SEAL_FILE}")
    if is_folder and os.path.abspath(target.parent) != os.path.abspath(paths[0]):  # noqa: PTH100 - links stay
        raise InputError(f"the seal of a folder lies in it: {paths[0] / target.name}, not {target}")
    for secret in (key, target):
        if not is_folder and secret in paths:
            raise InputError(f"{secret} cannot be sealed itself")
    manifest, data = make_seal(target, None if is_folder else paths, read_private_key(key))
    with atomic_file(target, force=force) as file:
        file.write(data)
    note(f"{target}: {len(manifest.files)} files sealed")
