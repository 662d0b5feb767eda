"""`client experiment run` as a user runs it, with the real services."""

from __future__ import annotations

import hashlib
import io
import json
import math
import shutil
import tarfile
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import pyarrow.parquet as pq
import pytest
from PIL import Image

from client.experiment.store.reading import load
from client.experiment.store.schema import describe_columns
from tests.helpers.cli import run_cli
from tests.helpers.experiments import comparable, manifest, plan, results, write_images, write_plan
from tests.helpers.images import jpeg_file


@pytest.fixture(autouse=True)
def _models(model_root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GANPRESS_GENERATOR_MODELS", str(model_root))


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """Four small images."""
    return write_images(tmp_path / "images")


def run_plan(tmp_path: Path, content: dict[str, Any], name: str = "out", *options: object) -> Path:
    """Runs a plan to its end and returns its results."""
    file = write_plan(tmp_path / f"{name}.yaml", content)
    result = run_cli("experiment", "run", file, "-o", tmp_path / name, *options)
    assert result.exit_code == 0, result.stderr
    return tmp_path / name


def test_a_plan_becomes_a_row_for_each_cell(tmp_path: Path, images: Path) -> None:
    """Every image goes through every setting, and its numbers belong together."""
    out = run_plan(tmp_path, plan(images))
    table = results(out)
    assert table.column_names == list(describe_columns())
    rows = table.to_pylist()
    assert [row["cell_index"] for row in rows] == list(range(7 * 4))
    assert len({row["cell_id"] for row in rows}) == 7 * 4
    assert [row["image"] for row in rows[::4]] == [
        "cars-coupe-0.png",
        "cars-sedan-0.png",
        "cars-suv-0.png",
        "small/001.png",
        "small/003.png",
        "tall/000.jpg",
        "tall/002.jpg",
    ]
    assert [row["label"] for row in rows[::4]] == ["coupe", "sedan", "suv", "small", "small", "tall", "tall"]
    assert [row["setting"] for row in rows[:4]] == ["quality=50", "quality=85", "size of jpeg", "lossless"]
    for row in rows:
        assert row["error"] is None
        assert row["bits_per_pixel"] == pytest.approx(
            8 * row["compressed_bytes"] / row["width_px"] / row["height_px"]
        )
        assert row["compression_percent"] == pytest.approx(
            100 * (1 - row["compressed_bytes"] / row["original_bytes"])
        )
        assert min(row["encode_ms"], row["decode_ms"]) > 0
        assert (row["psnr_rgb_db"] == math.inf) == (row["codec"] == "png")
        assert row["ms_ssim"] is None
        assert (row["model"] is None) == (row["source_kind"] == "real")
        assert json.loads(row["libraries"])["python"]
    assert manifest(out)["cells"] == 28
    assert {path.name for path in out.iterdir()} == {"images", "manifest.json", "results.parquet"}


def test_a_search_ends_within_the_size_of_the_other(tmp_path: Path, images: Path) -> None:
    """The file is within its target; under one more of the option it would not be, or there is no more."""
    codecs = [
        {"codec": "jpeg", "options": {"quality": list(range(1, 101)), "optimize": True}},
        {"codec": "jpeg", "options": {"optimize": True}, "equal_size_to": {"codec": "jpeg"}},
    ]
    rows = results(run_plan(tmp_path, plan(images, codecs=codecs, metrics=[]))).to_pylist()
    found = [row for row in rows if row["target_bytes"]]
    assert {row["setting"] for row in found} == {"size of jpeg, optimize=true"}
    for row in found:
        sizes = [one["compressed_bytes"] for one in rows if one["image"] == row["image"]][:-1]
        quality = json.loads(row["options"])["quality"]
        assert row["compressed_bytes"] == sizes[quality - 1] <= row["target_bytes"]
        assert quality == 100 or sizes[quality] > row["target_bytes"]


def test_a_size_out_of_reach_is_a_row_with_its_reason(tmp_path: Path, images: Path) -> None:
    """A codec whose smallest file is too large has an error that tells its size, and the rest goes on."""
    codecs = [
        {"codec": "webp", "options": {"quality": 0}},
        {"codec": "jpeg", "equal_size_to": {"codec": "webp", "options": {"quality": 0}}},
    ]
    file = write_plan(tmp_path / "plan.yaml", plan(images, codecs=codecs))
    result = run_cli("experiment", "run", file, "-o", tmp_path / "out")
    assert result.exit_code == 1
    rows = results(tmp_path / "out").to_pylist()
    assert [row["error"] is None for row in rows] == [True, False] * 7
    assert "jpeg cannot reach" in rows[1]["error"]
    assert "the closest is" in rows[1]["error"]


def test_kept_images_are_those_that_the_rows_name(tmp_path: Path, images: Path) -> None:
    """The first image of each source is kept with all that became of it, under the names of their digests."""
    out = run_plan(tmp_path, plan(images))
    kept = [row for row in results(out).to_pylist() if row["input_file"]]
    assert {row["image"] for row in kept} == {"cars-coupe-0.png", "small/001.png"}
    for row in kept:
        data = (out / row["input_file"]).read_bytes()
        assert hashlib.sha256(data).hexdigest() == row["input_sha256"]
        data = (out / row["output_file"]).read_bytes()
        assert (len(data), hashlib.sha256(data).hexdigest()) == (
            row["compressed_bytes"],
            row["output_sha256"],
        )
    named = {row[column] for row in kept for column in ("input_file", "output_file")}
    assert named == {str(path.relative_to(out)) for path in (out / "images").rglob("*.*")}


def test_the_same_plan_gives_the_same_rows(tmp_path: Path, images: Path) -> None:
    """Two runs differ in nothing but times, however many cells are under way at a time."""
    first = run_plan(tmp_path, plan(images), "a", "--concurrency", 1)
    second = run_plan(tmp_path, plan(images), "b", "--concurrency", 16)
    assert comparable(results(first)) == comparable(results(second))


def test_shards_merge_to_the_whole(tmp_path: Path, images: Path) -> None:
    """Two shards in one folder, merged, are the rows of one run; so are two folders, merged into a third."""
    whole = comparable(results(run_plan(tmp_path, plan(images), "whole")))
    for shard in ("0/2", "1/2"):
        run_plan(tmp_path, plan(images), "shared", "--shard", shard)
    early = run_cli("experiment", "merge", tmp_path / "shared")
    assert early.exit_code == 0, early.stderr
    assert comparable(results(tmp_path / "shared")) == whole
    again = run_cli("experiment", "merge", tmp_path / "shared")
    assert again.exit_code == 0, again.stderr
    assert comparable(results(tmp_path / "shared")) == whole
    for number in (0, 1):
        run_plan(tmp_path, plan(images), f"part{number}", "--shard", f"{number}/2")
    missing = run_cli("experiment", "merge", tmp_path / "part0", "-o", tmp_path / "merged")
    assert (missing.exit_code, "12 of 28 cells are missing" in missing.stderr) == (1, True), missing.stderr
    run_cli("experiment", "merge", tmp_path / "part0", tmp_path / "part1", "-o", tmp_path / "merged")
    assert comparable(results(tmp_path / "merged")) == whole
    for row in whole:
        if row["output_file"]:
            assert (tmp_path / "merged" / row["output_file"]).is_file()


def test_a_run_that_has_ended_is_not_run_again(tmp_path: Path, images: Path) -> None:
    """The same command, and resume, leave every time as it was measured."""
    out = run_plan(tmp_path, plan(images))
    before = results(out).to_pylist()
    run_plan(tmp_path, plan(images))
    assert run_cli("experiment", "resume", out).exit_code == 0
    assert results(out).to_pylist() == before


def test_pandas_and_duckdb_read_the_results(tmp_path: Path, images: Path) -> None:
    """The Parquet file is one that others read, with types and descriptions."""
    out = run_plan(tmp_path, plan(images))
    frame = pd.read_parquet(out / "results.parquet", dtype_backend="pyarrow")
    assert frame["seed"].dropna().tolist() == [0] * 12
    query = f"select codec, count(*) from '{out}/results.parquet' group by all order by 1"
    assert duckdb.sql(query).fetchall() == [("jpeg", 14), ("png", 7), ("webp", 7)]
    schema = pq.read_schema(out / "results.parquet")
    assert (
        schema.field("bits_per_pixel").metadata[b"description"]
        == b"8 compressed_bytes / (width_px height_px)"
    )
    assert json.loads(schema.metadata[b"ganpress:manifest"]) == manifest(out)


def test_perturbations_are_an_axis(tmp_path: Path, images: Path) -> None:
    """Each image goes in as it is and changed; what is kept shows the change."""
    changes = ["none", {"rotate": 90}, {"grey": True}]
    out = run_plan(tmp_path, plan(images, perturbations=changes, codecs=[{"codec": "png"}]))
    rows = [row for row in results(out).to_pylist() if row["image"] == "small/001.png"]
    assert [row["perturbation"] for row in rows] == ["none", "rotate=90", "grey=true"]
    assert [(row["width_px"], row["height_px"]) for row in rows] == [(24, 32), (32, 24), (24, 32)]
    assert [row["channels"] for row in rows] == [3, 3, 1]
    with Image.open(out / rows[0]["input_file"]) as plain, Image.open(out / rows[1]["input_file"]) as turned:
        assert plain.transpose(Image.Transpose.ROTATE_90).tobytes() == turned.tobytes()


def test_images_of_a_tar_grids_and_sizes(tmp_path: Path, images: Path) -> None:
    """Members of a tar are images like others; a grid is one image of many; sizes are made equal."""
    with tarfile.open(tmp_path / "images.tar", "w") as tar:
        tar.add(images, "images")
    sources = [
        {"name": "tar", "kind": "real", "images": "images.tar", "match": "images/tall/*", "size_px": 16},
        {"name": "grid", "kind": "generated", "model": "dogs", "count": 2, "jpeg_quality": 90,
         "grid": {"columns": 3, "rows": 2}},
    ]  # fmt: skip
    out = run_plan(tmp_path, plan(tmp_path, sources=sources, codecs=[{"codec": "png"}], keep_images="all"))
    rows = results(out).to_pylist()
    assert [row["image"] for row in rows[:2]] == ["images/tall/000.jpg", "images/tall/002.jpg"]
    assert [(row["width_px"], row["height_px"]) for row in rows] == [(16, 16)] * 2 + [(56, 38)] * 2
    assert [row["seed"] for row in rows[2:]] == [0, 6]
    assert rows[2]["input_file"].endswith(".jpg")


def test_the_trainers_figures_of_a_set_are_kept_and_shown(tmp_path: Path, images: Path) -> None:
    """What `ganpress-trainer evaluate` wrote of a model is in sets.parquet and in the report."""
    figures = [
        {
            "name": "kid_lite0",
            "value": 0.61,
            "spread": 0.02,
            "real": -0.0015,
            "chance": None,
            "method": "MMD",
        },
        {"name": "cas_lite0", "value": 0.4, "spread": None, "real": 0.8, "method": "accuracy"},
        {"name": "another", "value": 1.0, "method": "of no set"},
    ]
    evaluation = {"target": "runs/cars", "images": 1000, "seeds": 3, "figures": figures}
    (tmp_path / "evaluation.json").write_text(json.dumps(evaluation))
    sources = [
        {"name": "measured", "kind": "generated", "model": "cars", "count": 3,
         "evaluation": f"{tmp_path}/evaluation.json"},
        {"name": "plain", "kind": "generated", "model": "dogs", "count": 1},
    ]  # fmt: skip
    out = run_plan(tmp_path, plan(images, sources=sources, codecs=[{"codec": "png"}]))
    rows = pq.read_table(out / "sets.parquet").to_pylist()
    assert [(row["source"], row["metric"], row["value"], row["spread"], row["real"]) for row in rows] == [
        ("measured", "kid_lite0", 0.61, 0.02, -0.0015),
        ("measured", "cas_lite0", 0.4, None, 0.8),
    ]
    assert {row["origin"] for row in rows} == {f"{tmp_path}/evaluation.json"}
    report = run_cli("experiment", "report", out, "--format", "json")
    assert report.exit_code == 0, report.stderr
    blocks = [block for section in json.loads(report.stdout)["sections"] for block in section["blocks"]]
    (table,) = (block["rows"] for block in blocks if block.get("table") == "sets")
    assert [row["metric"] for row in table] == ["kid_lite0", "cas_lite0"]


def test_results_without_loss_have_a_report(tmp_path: Path, images: Path) -> None:
    """Where no setting loses anything the labels are compared under those that there are."""
    out = run_plan(tmp_path, plan(images, codecs=[{"codec": "png"}], metrics=[]))
    result = run_cli("experiment", "report", out)
    assert result.exit_code == 0, result.stderr
    assert 'id="chart-labels"' in (out / "report.html").read_text(encoding="utf-8")


def test_what_fails_is_a_row_and_the_rest_goes_on(tmp_path: Path, images: Path) -> None:
    """A corrupt and an empty image have their errors under every setting; the exit code tells."""
    (images / "small" / "broken.jpg").write_bytes(jpeg_file(seed=9)[:300])
    (images / "small" / "empty.png").touch()
    file = write_plan(tmp_path / "plan.yaml", plan(images))
    result = run_cli("experiment", "run", file, "-o", tmp_path / "out")
    assert result.exit_code == 1
    assert "error: 8 of 36 cells failed, first small/broken.jpg with jpeg quality=50: " in result.stderr
    rows = results(tmp_path / "out").to_pylist()
    failed = [row for row in rows if row["error"]]
    assert {row["image"] for row in failed} == {"small/broken.jpg", "small/empty.png"}
    assert all(row["compressed_bytes"] is None for row in failed)
    assert sum(row["compressed_bytes"] is not None for row in rows) == 28
    (images / "small" / "broken.jpg").write_bytes(jpeg_file(seed=9))
    (images / "small" / "empty.png").write_bytes(jpeg_file(seed=8))
    assert run_cli("experiment", "resume", tmp_path / "out").exit_code == 1
    assert run_cli("experiment", "resume", "--retry-failed", tmp_path / "out").exit_code == 0
    assert all(row["error"] is None for row in results(tmp_path / "out").to_pylist())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"codecs": [{"codec": "bmp"}]},
            "line 19, codecs[0].codec: there is no codec 'bmp': the codecs are avif",
        ),
        (
            {"codecs": [{"codec": "jpeg", "options": {"quality": [50, 101]}}]},
            "codecs[0].options.quality: jpeg option quality takes 1..100, not 101",
        ),
        ({"codecs": [{"codec": "jpeg", "options": {"qality": 5}}]}, "codec jpeg has no option 'qality'"),
        (
            {"codecs": [{"codec": "png", "equal_size_to": {"codec": "jpeg"}}]},
            "codec png has no option to search a size with: those that have are avif, dct, gif, jpeg,",
        ),
        (
            {"codecs": [{"codec": "webp", "options": {"quality": 5}, "equal_size_to": {"codec": "jpeg"}}]},
            "codecs[0].options.quality: equal_size_to searches quality: it cannot be among the options",
        ),
        (
            {"codecs": [{"codec": "webp", "equal_size_to": {"codec": "jpeg", "options": {"quality": 0}}}]},
            "codecs[0].equal_size_to.options.quality: jpeg option quality takes 1..100, not 0",
        ),
        (
            {"sources": [{"name": "x", "kind": "real", "images": "absent.tar"}]},
            "line 11, sources[0].images: there is no file or folder",
        ),
        (
            {"sources": [{"name": "x", "kind": "real", "images": ".", "match": "*.bmp"}]},
            "sources[0].match: ",
        ),
        (
            {"sources": [{"name": "x", "kind": "generated", "model": "bikes"}]},
            "sources[0].model: the generator has no model 'bikes'; it has cars, dogs",
        ),
        (
            {"sources": [{"name": "x", "kind": "generated", "model": "cars", "labels": ["bus"]}]},
            "sources[0].labels: model cars has no label 'bus': its labels are coupe, sedan, suv",
        ),
        (
            {
                "sources": [
                    {
                        "name": "x",
                        "kind": "generated",
                        "model": "cars",
                        "count": 3,
                        "evaluation": "absent.json",
                    }
                ]
            },
            "line 13, sources[0].evaluation: there is no file ",
        ),
        (
            {
                "sources": [
                    {
                        "name": "x",
                        "kind": "generated",
                        "model": "cars",
                        "count": 3,
                        "evaluation": "readme.txt",
                    }
                ]
            },
            "readme.txt is no evaluation.json of `ganpress-trainer evaluate`",
        ),
        (
            {"perturbations": [{"zoom": 0}]},
            "perturbations[0].zoom: it must be greater than or equal to 0.1, not 0",
        ),
        ({"codec": []}, "there is no field 'codec': the fields are name, "),
    ],
)
def test_mistakes_in_a_plan_are_one_sentence(
    changes: dict[str, Any], message: str, tmp_path: Path, images: Path
) -> None:
    """A mistake is told with its place and what is accepted, and nothing is written."""
    file = write_plan(tmp_path / "plan.yaml", plan(images, **changes))
    result = run_cli("experiment", "run", file, "-o", tmp_path / "out")
    assert (result.exit_code, result.stdout) == (1, b"")
    assert message in result.stderr
    assert result.stderr.startswith(f"error: {file} line ")
    assert len(result.stderr.splitlines()) == 1
    assert not (tmp_path / "out").exists()


def test_optional_sources_may_be_absent(tmp_path: Path, images: Path) -> None:
    """A source that is optional is left out with a note; with nothing left there is nothing to run."""
    absent = {"name": "bikes", "kind": "generated", "model": "bikes", "optional": True}
    file = write_plan(tmp_path / "plan.yaml", plan(images, sources=[*plan(images)["sources"], absent]))
    result = run_cli("experiment", "run", file, "-o", tmp_path / "out")
    assert result.exit_code == 0, result.stderr
    assert "note: source bikes is left out: the generator has no model 'bikes'" in result.stderr
    file = write_plan(tmp_path / "none.yaml", plan(images, sources=[absent]))
    result = run_cli("experiment", "run", file, "-o", tmp_path / "none")
    assert (result.exit_code, "no source of" in result.stderr) == (1, True)


def test_results_of_something_else_are_left_alone(tmp_path: Path, images: Path) -> None:
    """Results of another plan, of other images, and folders of other files are refused and not touched."""
    out = run_plan(tmp_path, plan(images))
    before = (out / "results.parquet").read_bytes()
    other = write_plan(tmp_path / "other.yaml", plan(images, seed=1))
    result = run_cli("experiment", "run", other, "-o", out)
    assert (result.exit_code, "it is of the plan tiny (" in result.stderr) == (1, True), result.stderr
    (images / "small" / "new.png").write_bytes(jpeg_file())
    result = run_cli("experiment", "resume", out)
    assert (result.exit_code, "the images of source photos are not the same" in result.stderr) == (1, True)
    assert (out / "results.parquet").read_bytes() == before
    result = run_cli("experiment", "run", other, "-o", images)
    assert (result.exit_code, "holds other files and no results" in result.stderr) == (1, True)
    result = run_cli("experiment", "resume", images)
    assert (result.exit_code, "it has no manifest.json" in result.stderr) == (1, True)
    shutil.copytree(out, tmp_path / "copy")
    (tmp_path / "copy" / "manifest.json").write_text("{}")
    result = run_cli("experiment", "merge", tmp_path / "copy")
    assert (result.exit_code, "is not what this version of GanPress writes" in result.stderr) == (1, True)


def test_a_model_that_changed_is_refused(
    tmp_path: Path, images: Path, model_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Results that one model began are not gone on with by another of the same name."""
    out = run_plan(tmp_path, plan(images))
    shutil.copytree(model_root, tmp_path / "models")
    shutil.rmtree(tmp_path / "models" / "cars" / "2")
    monkeypatch.setenv("GANPRESS_GENERATOR_MODELS", str(tmp_path / "models"))
    result = run_cli("experiment", "resume", out)
    assert (result.exit_code, "was drawn by model" in result.stderr) == (1, True), result.stderr


def test_results_can_be_read_while_they_are_made(tmp_path: Path, images: Path) -> None:
    """One shard's rows are there for readers before the other has begun."""
    run_plan(tmp_path, plan(images), "out", "--shard", "0/2")
    table = load(str(tmp_path / "out"))
    assert table.num_rows == 16
    assert table.schema.equals(pq.read_schema(io.BytesIO(_parquet(table))))


def _parquet(table: Any) -> bytes:
    file = io.BytesIO()
    pq.write_table(table, file)
    return file.getvalue()


def test_plans_and_schema_are_shown() -> None:
    """The ready-made plans can be listed and shown, and the schema is JSON that describes them."""
    listed = run_cli("experiment", "plans").stdout.decode()
    for name in ("quick", "rate-distortion", "robustness", "study"):
        assert name in listed
        assert run_cli("experiment", "plans", name).stdout.startswith(f"name: {name}\n".encode())
    schema = json.loads(run_cli("experiment", "schema").stdout)
    assert set(schema["required"]) == {"name", "sources", "codecs"}
    assert schema["properties"]["keep_images"]["description"].startswith("Of how many images")
