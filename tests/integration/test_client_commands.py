"""The commands as a user runs them, with the services inside."""

from __future__ import annotations

import json
import struct
import zlib
from pathlib import Path

import pytest

from tests.helpers.cli import make_tar, read_tar, run_cli
from tests.helpers.images import jpeg_file, png_file

PNG, JPEG = png_file(24, 16), jpeg_file(40, 32)


@pytest.fixture(autouse=True)
def models(model_root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The services inside the commands hold random models."""
    monkeypatch.setenv("GANPRESS_GENERATOR_MODELS", str(model_root))


def bomb() -> bytes:
    """Returns a PNG of a few bytes whose header announces 10,000 x 10,000 pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", 10_000, 10_000, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(b""))
        + chunk(b"IEND", b"")
    )


def test_the_main_job(tmp_path: Path) -> None:
    """Generate | compress | inspect: the file is the codec's, and its origin shows before compressing."""
    drawn = run_cli("generate", "--label", "sedan", "--seed", 42)
    shown = json.loads(run_cli("inspect", "--json", stdin=drawn.stdout).stdout)["provenance"]
    assert (shown["model"], shown["label"], shown["seed"]) == ("cars", "sedan", "42")
    small = run_cli("compress", "--method", "kmeans", "--k", 8, "-o", tmp_path / "x.png", stdin=drawn.stdout)
    assert small.exit_code == 0
    assert "stdin: 16x16, " in small.stderr
    assert json.loads(run_cli("inspect", "--json", tmp_path / "x.png").stdout)["settings"] == {"k": 8}


def test_several_images_are_a_webdataset(tmp_path: Path) -> None:
    """Labels times count images, each with a sidecar that gives it again; in a folder the same files."""
    arguments = ("generate", "--label", "suv", "--label", "coupe", "-n", 2, "--seed", 5, "--truncation", 0.5)
    tar = read_tar(run_cli(*arguments).stdout)
    keys = ["cars-suv-5", "cars-suv-6", "cars-coupe-5", "cars-coupe-6"]
    assert list(tar) == [f"{key}{extension}" for key in keys for extension in (".png", ".json")]
    card = json.loads(tar["cars-coupe-6.json"])
    again = run_cli(
        *("generate", "--model", card["model"], "--model-version", card["model_version"]),
        *("--label", card["label"], "--seed", card["seed"], "--truncation", card["truncation"]),
    )
    assert again.stdout == tar["cars-coupe-6.png"]
    run_cli(*arguments, "-o", f"{tmp_path}/cars/")
    assert {path.name: path.read_bytes() for path in (tmp_path / "cars").iterdir()} == tar


def test_generate_replaces_nothing_unasked(tmp_path: Path) -> None:
    """What exists is refused before anything is drawn over it; --force replaces it."""
    path, arguments = tmp_path / "car.png", ("generate", "--label", "suv", "--seed", 1, "-o")
    path.write_bytes(b"mine")
    refused = run_cli(*arguments, path)
    assert (refused.exit_code, path.read_bytes()) == (1, b"mine")
    assert f"{path} exists: --force replaces it" in refused.stderr
    assert run_cli(*arguments, path, "--force").exit_code == 0
    assert path.read_bytes().startswith(b"\x89PNG")
    assert run_cli(*arguments, f"{tmp_path}/cars/").exit_code == 0
    assert run_cli(*arguments, f"{tmp_path}/cars/").exit_code == 1
    assert run_cli(*arguments, f"{tmp_path}/cars/", "--force").exit_code == 0


def test_a_model_without_labels_has_keys_without() -> None:
    """The key of an unconditional image is model and seed."""
    assert "dogs-1.png" in read_tar(run_cli("generate", "--model", "dogs", "-n", 2, "--seed", 1).stdout)


def test_sidecars_are_carried_and_grow() -> None:
    """Compress keeps a sidecar's fields and other companions, and adds what it did; decompress keeps all."""
    tar = make_tar(
        {"a/x.png": PNG, "a/x.json": b'{"seed": 18446744073709551615}', "a/x.cls": b"7", "y.jpg": JPEG}
    )
    small = run_cli("compress", "-m", "webp", "--quality", 80, stdin=tar)
    files = read_tar(small.stdout)
    assert list(files) == ["a/x.webp", "a/x.json", "a/x.cls", "y.webp", "y.json"]
    sidecar = json.loads(files["a/x.json"])
    assert sidecar["seed"] == 2**64 - 1
    record = sidecar["compression"]
    assert (record["codec"], record["options"]) == ("webp", {"quality": 80})
    assert record["output_bytes"] == len(files["a/x.webp"])
    assert record["input_bytes"] == len(PNG)
    back = read_tar(run_cli("decompress", stdin=small.stdout).stdout)
    assert list(back) == ["a/x.png", "a/x.json", "a/x.cls", "y.png", "y.json"]
    assert back["a/x.json"] == files["a/x.json"]


def test_a_sidecar_that_is_no_object_stays_as_it_is() -> None:
    """Nothing of the user's is lost."""
    result = run_cli("compress", stdin=make_tar({"x.png": PNG, "x.json": b"[1]"}))
    assert (result.exit_code, read_tar(result.stdout)["x.json"]) == (0, b"[1]")
    assert "carried over as it is" in result.stderr


def test_a_lossless_result_is_json() -> None:
    """An infinite PSNR is null in JSON, which has no infinity."""
    result = run_cli("compress", "-m", "png", stdin=make_tar({"x.png": PNG}))
    assert (
        json.loads(read_tar(result.stdout)["x.json"], parse_constant=pytest.fail)["compression"]["psnr_db"]
        is None
    )


def test_a_folder_keeps_its_names(tmp_path: Path) -> None:
    """Files come out where they were, with the codec's extension; then back as PNG."""
    for name in ("in/a/x.jpg", "in/y.jpg"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(JPEG)
    assert run_cli("compress", tmp_path / "in", "-m", "dct", "-o", f"{tmp_path}/out/").exit_code == 0
    assert run_cli("decompress", tmp_path / "out", "-o", f"{tmp_path}/back/").exit_code == 0
    found = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*.*") if path.suffix != ".json"}
    assert found == {
        *("in/a/x.jpg", "in/y.jpg"),
        *("out/a/x.gpc", "out/y.gpc"),
        *("back/a/x.png", "back/y.png"),
    }


def test_a_broken_member_costs_no_other(tmp_path: Path) -> None:
    """Broken, empty and mislabelled members are named; the others are compressed; the exit code is 1."""
    broken = {"cut.jpg": JPEG[:300], "empty.png": b"", "text.png": b"hello\n", "bomb.png": bomb()}
    tar = make_tar({"a.png": PNG, **broken, "z.jpg": JPEG})
    result = run_cli("compress", "-o", tmp_path / "out.tar", stdin=tar)
    assert result.exit_code == 1
    assert set(read_tar((tmp_path / "out.tar").read_bytes())) == {"a.gpc", "a.json", "z.gpc", "z.json"}
    lines = result.stderr.splitlines()
    for name in broken:
        assert sum(line.startswith(f"error: {name}: ") for line in lines) == 1
    assert lines[-1] == "error: 4 of 6 images failed, as named above"


def test_a_cut_tar_gives_what_came_before(tmp_path: Path) -> None:
    """The images before the cut are written, and the cut is told."""
    tar = make_tar({"a.png": PNG, "b.jpg": JPEG})
    result = run_cli("compress", "-o", tmp_path / "out.tar", stdin=tar[: tar.index(b"b.jpg") + 600])
    assert result.exit_code == 1
    assert "the tar is broken or incomplete" in result.stderr
    assert "a.gpc" in read_tar((tmp_path / "out.tar").read_bytes())


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "stdin is empty"),
        (JPEG[:300], "truncated or broken"),
        (b"hello\n", "not an image"),
        (bomb(), "10000 x 10000"),
        (make_tar({}), "there are no images in the input"),
        (make_tar({"a.txt": b"-"}), "1 file of other kinds"),
    ],
    ids=["empty", "truncated", "text", "bomb", "empty tar", "tar without images"],
)
@pytest.mark.parametrize("command", ["compress", "decompress"])
def test_bad_input_is_one_line_and_no_file(command: str, data: bytes, message: str, tmp_path: Path) -> None:
    """Whatever is wrong with a single input, the user reads one line, and no output appears."""
    result = run_cli(command, "-o", tmp_path / "out.bin", stdin=data)
    assert (result.exit_code, len(result.stderr.splitlines())) == (1, 1)
    assert result.stderr.startswith("error: ")
    assert message in result.stderr
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("generate --label lorry", "no model has the label 'lorry'; the labels are cars: coupe, sedan, suv"),
        ("generate --model cats", "there is no model 'cats'; the models are cars, dogs"),
        ("generate --model dogs --label sedan", "dogs"),
        ("generate -n 0", "count"),
        ("generate -n 100001", "100000"),
        ("generate -n -1", "count is -1"),
        ("generate --seed -1", "0 to 18446744073709551615"),
        ("generate --seed 18446744073709551616", "0 to 18446744073709551615"),
        ("generate --seed 18446744073709551615 -n 2", "18446744073709551615"),
        ("generate --seed 1 --to-seed -1", "0 to 18446744073709551615"),
        ("generate --to-seed 1", "--to-seed needs the --seed to start from"),
        ("generate --mix suv", "--mix is LABEL=WEIGHT, such as sedan=0.5, not 'suv'"),
        ("generate --mix suv=1 --mix suv=2", "the label 'suv' twice"),
        ("generate --mix suv=1 --label suv", "give --label or --mix, not both"),
        ("generate --mix suv=1", "model 'cars' cannot mix labels"),
        ("generate --format jpeg --quality 0", "quality is 0"),
        ("generate --truncation 0", "above 0 and at most 1"),
        ("generate --truncation nan", "above 0 and at most 1"),
        ("models cats", "there is no model 'cats'; the models are cars, dogs"),
        ("codecs bmp", "there is no codec 'bmp': the codecs are dct, kmeans, avif"),
        ("compress -m bmp", "there is no codec 'bmp': the codecs are avif, dct, gif, jpeg"),
        ("compress --threshold 0", "dct option threshold takes above 0, below 1, not 0"),
        ("compress --threshold 1", "dct option threshold takes above 0, below 1, not 1"),
        ("compress --threshold nan", "dct option threshold takes above 0, below 1, not nan"),
        ("compress --threshold 0.1 --quality 50", "threshold or quality, not both"),
        ("compress -m kmeans --k 0", "kmeans option k takes 1..256, not 0"),
        ("compress -m kmeans --k 257", "kmeans option k takes 1..256, not 257"),
        ("compress -m kmeans --k -3", "kmeans option k takes 1..256, not '-3'"),
        (
            "compress -m kmeans --quality 5",
            "kmeans has no option 'quality': its options are k, seed, dither, pack",
        ),
        ("compress -p colour", "'colour' is not NAME=VALUE"),
        ("compress nowhere.png", "there is no file or folder 'nowhere.png'"),
        ("compress --compressor nowhere", "'nowhere' is no address: give HOST:PORT"),
        ("compress - -", "- is stdin and stands alone"),
        ("inspect nowhere.png", "there is no file or folder 'nowhere.png'"),
    ],
)
def test_mistakes_are_one_line(arguments: str, message: str) -> None:
    """A wrong name or value is answered with what exists or what is accepted, on one line."""
    result = run_cli(*arguments.split(), stdin=make_tar({"a.png": PNG, "b.png": PNG}))
    assert (result.exit_code, result.stdout) == (1, b"")
    assert result.stderr.startswith("error: ")
    assert len(result.stderr.splitlines()) == 1
    assert message in result.stderr


def test_the_output_is_never_the_input(tmp_path: Path) -> None:
    """A command that would overwrite what it reads is refused."""
    (tmp_path / "a.png").write_bytes(PNG)
    for output in (tmp_path / "a.png", tmp_path):
        result = run_cli("compress", tmp_path / "a.png", "-m", "png", "-o", output)
        assert "is the input itself" in result.stderr
    assert (tmp_path / "a.png").read_bytes() == PNG


def test_lines_for_machines(tmp_path: Path) -> None:
    """--json is a line an image: on stdout when the images are in a file, else on stderr."""
    tar = make_tar({"a.png": PNG, "b.png": b"", "c.jpg": JPEG})
    to_file = run_cli("compress", "--json", "-o", tmp_path / "out.tar", stdin=tar)
    *images, last = map(json.loads, to_file.stdout.splitlines())
    lines = {line["name"]: line for line in images}
    assert lines.keys() == {"a.png", "b.png", "c.jpg"}
    assert lines["a.png"]["codec"] == "dct"
    assert lines["b.png"] == {"name": "b.png", "error": "the file is empty"}
    assert {name: last["summary"][name] for name in ("done", "failed")} == {"done": 2, "failed": 1}
    assert last["summary"]["input_bytes"] == len(PNG) + len(JPEG)
    piped = run_cli("compress", "--json", stdin=PNG)
    assert json.loads(piped.stderr)["output_bytes"] == len(piped.stdout)


def test_tables_and_cards() -> None:
    """Models and codecs list what exists and describe one of them, for people and as JSON."""
    for arguments, words in {
        ("models",): ("cars", "dogs", "coupe, sedan, suv", "default: cars"),
        ("models", "cars", "--version", "1"): ("cars 1", "philox-box-muller-1", "16x16"),
        ("codecs",): ("dct", "kmeans", ".gpc", "threshold, quality, color_space"),
        ("codecs", "pillow"): ("jpeg", "subsampling", "1..100"),
    }.items():
        table = run_cli(*arguments)
        assert table.exit_code == 0
        assert all(word in table.stdout.decode() for word in words)
        assert json.loads(run_cli(*arguments, "--json").stdout)


def test_inspect_tells_of_each_image() -> None:
    """Codec, size and sidecar of every image, for people and as JSON; what is broken is named."""
    tar = make_tar({"x.png": PNG, "x.json": b'{"label": "van"}', "cut.png": PNG[:20], "y.jpg": JPEG})
    result = run_cli("inspect", stdin=tar)
    assert result.exit_code == 1
    text = result.stdout.decode()
    assert all(word in text for word in ("x.png", "24x16", '"van"', "y.jpg", "40x32", "subsampling"))
    assert "error: cut.png: " in result.stderr
    lines = [json.loads(line) for line in run_cli("inspect", "--json", stdin=tar).stdout.splitlines()]
    assert lines.pop(1).keys() == {"name", "error"}
    assert [(line["name"], line["codec"], line["sidecar"]) for line in lines] == [
        ("x.png", "png", {"label": "van"}), ("y.jpg", "jpeg", {}),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("options", "said"), [((), "2 images compressed"), (("-v",), "a.png: 24x16"), (("-q",), "")]
)
def test_as_much_is_said_as_was_asked_for(options: tuple[str, ...], said: str) -> None:
    """Totals for many images, a line each with -v, nothing with -q."""
    result = run_cli("compress", *options, stdin=make_tar({"a.png": PNG, "b.png": PNG}))
    assert result.exit_code == 0
    assert said in result.stderr
    assert bool(result.stderr) == bool(said)


@pytest.mark.data
def test_a_real_photograph_in_the_studys_terms(shared_data: Path, tmp_path: Path) -> None:
    """The study's car photo by the study's settings: a larger threshold makes a smaller, worse file."""
    photo = read_tar((shared_data / "photos.tar").read_bytes())["car_640x480.jpg"]
    (tmp_path / "car.jpg").write_bytes(photo)
    command = ("compress", tmp_path / "car.jpg", "--json", "--force", "-o", tmp_path / "x.gpc", "--threshold")
    rows = [json.loads(run_cli(*command, threshold).stdout) for threshold in (0.01, 0.02, 0.03)]
    sizes, psnrs_db = [row["output_bytes"] for row in rows], [row["psnr_db"] for row in rows]
    assert sizes == sorted(sizes, reverse=True)
    assert psnrs_db == sorted(psnrs_db, reverse=True)


def test_repacked_jpegs(tmp_path: Path) -> None:
    """A JPEG becomes smaller and the very file again; a PNG is an error of its own that stops nothing."""
    (tmp_path / "in").mkdir()
    (tmp_path / "in/photo.jpg").write_bytes(JPEG)
    (tmp_path / "in/drawing.png").write_bytes(PNG)
    packed = run_cli("compress", "--method", "repack", tmp_path / "in", "-o", f"{tmp_path}/small/")
    assert packed.exit_code == 1
    assert "repack takes JPEG files" in packed.stderr
    small = tmp_path / "small/photo.gpc"
    assert small.stat().st_size < len(JPEG)
    shown = json.loads(run_cli("inspect", "--json", small).stdout)
    assert (shown["codec"], shown["settings"]) == ("repack", {"jpeg_bytes": len(JPEG)})
    assert run_cli("decompress", small, "-o", f"{tmp_path}/back/").exit_code == 0
    assert (tmp_path / "back/photo.jpg").read_bytes() == JPEG
    for arguments in (("-o", tmp_path / "pixels.png"), ("--png", "-o", tmp_path / "pixels.dat")):
        assert run_cli("decompress", small, *arguments).exit_code == 0
        assert Path(arguments[-1]).read_bytes().startswith(b"\x89PNG")
