"""`client verify`: compares files with their seal."""

from __future__ import annotations

import json
from pathlib import Path

import click

from client.errors import InputError, PartialError
from client.options import json_option
from client.sealing import SEAL_FILE, check, read_manifest, read_public_key
from client.sealing.manifest import MAX_SEAL_BYTES
from client.terminal import note


@click.command(short_help="Tell what has changed since files were sealed.")
@click.argument("place", type=click.Path(path_type=Path, exists=True))
@click.option(
    "--public-key",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    envvar="GANPRESS_SEAL_PUBLIC_KEY",
    show_envvar=True,
    help="Public key of who sealed the files.",
)
@click.option(
    "--any-key", is_flag=True, help="Take whatever key the seal names: finds damage, but no forger."
)
@json_option
def verify(place: Path, public_key: Path | None, any_key: bool, as_json: bool) -> None:
    """Compare files with their seal: name all that were altered, are missing or were added.

    PLACE is a seal, or a folder with one. The exit code is 0 only if nothing has changed. With --json each
    file is one line.
    """
    if bool(public_key) == any_key:
        raise InputError(
            "say whose seal it has to be: --public-key FILE, or --any-key to look for damage alone"
        )
    seal_path = place / SEAL_FILE if place.is_dir() else place
    if not seal_path.exists():
        raise InputError(f"{place} is not sealed: there is no {SEAL_FILE} in it")
    with seal_path.open("rb") as file:
        data = file.read(MAX_SEAL_BYTES)
    manifest = read_manifest(data, str(seal_path), read_public_key(public_key) if public_key else None)
    count = failed = 0
    for finding in check(manifest, seal_path):
        count += 1
        failed += bool(finding.problem)
        if as_json:
            click.echo(json.dumps({"path": finding.path, "problem": finding.problem}))
        elif finding.problem:
            note(f"error: {finding.path!r}: {finding.problem}")
    signer = manifest.key.public_bytes_raw().hex()
    if failed:
        raise PartialError(f"{failed} of {count} files are not as they were sealed")
    note(f"{seal_path}: {count} files are as they were sealed by the key {signer[:16]}...")
