"""Settings: one class, four sources, clear refusals, and the command made from it."""

from __future__ import annotations

import asyncio
from typing import Literal

import pytest
from click.testing import CliRunner
from ganpress.v1.generator_service_pb2 import DESCRIPTOR
from pydantic import Field
from pydantic_settings import SettingsConfigDict

from services.common.command import service_command
from services.common.health import Health
from services.common.server import Api, Service
from services.common.settings import ServiceSettings, SettingsError


class PainterSettings(ServiceSettings):
    """Paint."""

    model_config = SettingsConfigDict(env_prefix="GANPRESS_PAINTER_")

    port: int = Field(1234, ge=0, le=65535, description="Port.")
    coats: int = Field(2, ge=1, description="Coats of paint.")
    gloss: Literal["matt", "silk"] = Field("matt", description="Gloss.")
    dry: bool = Field(True, description="Let it dry.")


def test_sources_in_order(tmp_path, monkeypatch):
    """A flag beats the environment, that beats the file, that beats the default."""
    file = tmp_path / "painter.toml"
    file.write_text("port = 1\ncoats = 11\ngrace_s = 1.5\n")
    monkeypatch.setenv("GANPRESS_PAINTER_PORT", "2")
    monkeypatch.setenv("GANPRESS_PAINTER_COATS", "22")
    settings = PainterSettings.load(file, port="3")
    assert (settings.port, settings.coats, settings.grace_s, settings.gloss) == (3, 22, 1.5, "matt")


@pytest.mark.parametrize(
    ("flags", "address"),
    [
        ({}, "127.0.0.1:1234"),
        ({"host": "0.0.0.0", "port": 5}, "0.0.0.0:5"),
        ({"host": "::1"}, "[::1]:1234"),
        ({"host": "x", "address": "unix:/tmp/s"}, "unix:/tmp/s"),
    ],
)
def test_listen_address(flags, address):
    """The address is host and port, IPv6 in brackets, unless it is given whole."""
    assert PainterSettings.load(**flags).listen_address == address


def test_worker_count():
    """Without a number there is at least one thread."""
    assert PainterSettings.load(threads=3).worker_count == 3
    assert PainterSettings.load().worker_count >= 1


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (
            {"port": "x"},
            r"setting port \(--port or GANPRESS_PAINTER_PORT\): input should be a valid integer.*, got 'x'",
        ),
        ({"port": 65536}, "less than or equal to 65535, got 65536"),
        ({"coats": 0}, "setting coats .*greater than or equal to 1, got 0"),
        ({"gloss": "shiny"}, "setting gloss .*'matt' or 'silk', got 'shiny'"),
        ({"colour": "red"}, "there is no setting 'colour'; the settings are host, port, .*coats, gloss, dry"),
    ],
)
def test_refusal(flags, message):
    """An unacceptable value is refused with its name, its flag, its variable and what is accepted."""
    with pytest.raises(SettingsError, match=message):
        PainterSettings.load(**flags)


def test_every_fault_is_named():
    """Two bad values give two lines."""
    with pytest.raises(SettingsError) as caught:
        PainterSettings.load(port="x", coats=0)
    assert len(str(caught.value).splitlines()) == 2


def test_bad_environment(monkeypatch):
    """A bad value in the environment is named like a bad flag."""
    monkeypatch.setenv("GANPRESS_PAINTER_PORT", "tcp://10.0.0.1:50051")
    with pytest.raises(SettingsError, match=r"GANPRESS_PAINTER_PORT\).*got 'tcp://10\.0\.0\.1:50051'"):
        PainterSettings.load()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "cannot read the settings file '.*painter.toml': No such file"),
        (b"port = ", "the settings file '.*painter.toml' is not TOML"),
        (b"\xff", "the settings file '.*painter.toml' is not TOML"),
        (b"colour = 'red'", "there is no setting 'colour'"),
    ],
)
def test_bad_file(tmp_path, content, message):
    """A file that is absent, not TOML or has an unknown setting is refused by name."""
    file = tmp_path / "painter.toml"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(SettingsError, match=message):
        PainterSettings.load(file)


class PaintError(Exception):
    """The service cannot start."""


def painter(settings: PainterSettings) -> Service:
    """A service that only says how it was set up, by not starting."""

    async def start(_: Health) -> None:
        raise PaintError(f"{settings.coats} coats of {settings.gloss}, dry: {settings.dry}")

    api = Api(DESCRIPTOR.services_by_name["GeneratorService"], lambda _: None, {PaintError: None})
    return Service([api], start, lambda: asyncio.sleep(0))


COMMAND = service_command("painter", PainterSettings, painter)


def test_command_options(tmp_path):
    """The command's options are the settings, and an error that the service knows is one line."""
    file = tmp_path / "painter.toml"
    file.write_text('gloss = "silk"')
    options = ["--port", "0", "--coats", "7", "--dry", "false", "--config", str(file)]
    result = CliRunner().invoke(COMMAND, options)
    assert (result.exit_code, result.stderr) == (1, "Error: 7 coats of silk, dry: False\n")


@pytest.mark.parametrize(
    "options",
    [["--coats", "0"], ["--dry", "perhaps"], ["--gloss", "shiny"], ["--colour", "red"], ["--config", "no"]],
)
def test_command_refusal(options):
    """A bad option ends with exit code 2 and a message."""
    result = CliRunner().invoke(COMMAND, options)
    assert result.exit_code == 2
    assert "Error: " in result.stderr
    assert isinstance(result.exception, SystemExit)


def test_command_help():
    """The help names every setting with its variable, default and range."""
    text = " ".join(CliRunner().invoke(COMMAND, ["--help"], terminal_width=200).output.split())
    for name in PainterSettings.model_fields:
        assert f"--{name.replace('_', '-')}" in text
        assert f"GANPRESS_PAINTER_{name.upper()}" in text
    assert "Coats of paint. [env var: GANPRESS_PAINTER_COATS; default: 2; 1 or more]" in text
    assert "--dry [true|false] Let it dry. [env var: GANPRESS_PAINTER_DRY; default: true]" in text
    assert "GANPRESS_PAINTER_CONFIG" in text
