"""A folder of a thousand mixed real files goes through compress, decompress and evaluate."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.helpers.cli import Result, run_cli
from tests.helpers.mixture import write_mixture
from tests.helpers.servers import server

COUNT = 1000
PATIENTLY = ("--timeout", "900")
LOSSES = {
    "profile_converted", "metadata_dropped", "frames_dropped", "depth_reduced", "colors_converted",
    "trailing_bytes_dropped", "orientation_applied",
}  # fmt: skip
"""What has to be told of the variants."""


def lines_of(result: Result) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Returns the lines of each file, and the summary."""
    *lines, last = map(json.loads, result.stdout.splitlines())
    return lines, last["summary"]


def failures(lines: list[dict[str, Any]], root: Path) -> set[str]:
    """Returns the names, below a folder, of what failed."""
    return {str(Path(line["name"]).relative_to(root)) for line in lines if "error" in line}


def files(root: Path) -> dict[str, bytes]:
    """Returns all files below a folder."""
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


@pytest.mark.data
@pytest.mark.large
def test_a_thousand_files(shared_data: Path, tmp_path: Path) -> None:
    """Nothing is lost: what fails is what was seeded, what is changed is told, a server gives the same."""
    originals, small, back = tmp_path / "originals", tmp_path / "small", tmp_path / "back"
    seeded = write_mixture(originals, shared_data / "cars.tar", COUNT)
    sound = {str(Path(name).with_suffix("")) for name in files(originals) if name not in seeded}
    assert len(files(originals)) == COUNT
    assert len(sound) == COUNT - len(seeded)

    compress = ("compress", originals, "--codec", "dct", "-p", "effort=fast", "--no-metrics", "--json", "-o")
    compressed = run_cli(*compress, f"{small}/", *PATIENTLY)
    lines, summary = lines_of(compressed)
    assert compressed.exit_code == 1
    assert failures(lines, originals) == seeded
    assert (summary["done"], summary["failed"]) == (len(sound), len(seeded))
    reports = [line["input"] for line in lines if "input" in line]
    changes = Counter(change["kind"] for report in reports for change in report["changes"])
    assert changes.keys() >= LOSSES
    assert {name.removesuffix(".gpc") for name in files(small) if name.endswith(".gpc")} == sound

    decompressed = run_cli("decompress", small, "--json", "-o", f"{back}/", *PATIENTLY)
    assert (decompressed.exit_code, lines_of(decompressed)[1]["done"]) == (0, len(sound))
    assert {name.removesuffix(".png") for name in files(back) if name.endswith(".png")} == sound

    evaluated = run_cli("evaluate", originals, back, "--json", *PATIENTLY)
    lines, summary = lines_of(evaluated)
    assert evaluated.exit_code == 1
    assert failures(lines, originals) == seeded
    assert summary["done"] == len(sound)
    psnrs_db = {line["name"]: line["psnr_db"] for line in lines if line.get("psnr_db") is not None}
    assert min(psnrs_db.values()) > 20, min(psnrs_db, key=psnrs_db.__getitem__)

    with server("services.compressor", "--warm-up", "false") as address:
        remote = run_cli(*compress, f"{tmp_path}/remote/", "--compressor", address, *PATIENTLY)
        assert lines_of(remote)[1] == lines_of(compressed)[1]
    assert files(tmp_path / "remote") == files(small)
