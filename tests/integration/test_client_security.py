"""The command line against servers that want TLS and tokens, as a user starts them."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.helpers.certificates import Authority
from tests.helpers.cli import run_cli
from tests.helpers.images import png_file
from tests.helpers.servers import server


@pytest.fixture(scope="module")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """An authority with a server, and tokens in NAME.token for callers of one scope."""
    authority = Authority(tmp_path_factory.mktemp("pki"))
    authority.issue("server")
    authority.issue("client")
    for scope in ("generate", "compress"):
        made = subprocess.run(
            [
                *(sys.executable, "-m", "services.generator", "token", scope, "--scope", scope),
                *("--callers", authority.folder / "callers.toml"),
            ],
            check=True,
            capture_output=True,
            text=True,
        )
        (authority.folder / f"{scope}.token").write_text(made.stdout)
    return authority


def test_token_and_tls(pki, tmp_path):
    """A token opens its service over TLS; without it, without TLS or for the other service it does not."""
    folder: Path = pki.folder
    image = tmp_path / "image.png"
    image.write_bytes(png_file(16, 16))
    options = [
        *("--tls-certificate", str(folder / "server.pem"), "--tls-key", str(folder / "server.key")),
        *("--callers", str(folder / "callers.toml"), "--warm-up", "false"),
    ]
    with server("services.compressor", *options) as bound:
        address = bound.replace("127.0.0.1", "localhost")
        connection = ["--compressor", address, "--ca", folder / "ca.pem"]
        token = ["--token-file", folder / "compress.token"]
        made = run_cli("compress", image, "--method", "png", "-o", tmp_path / "a.png", *connection, *token)
        assert made.exit_code == 0, made.stderr
        assert (tmp_path / "a.png").stat().st_size
        many = run_cli(
            "compress", image, image, "--method", "png", "-o", f"{tmp_path}/b/", *connection, *token
        )
        assert many.exit_code in {0, 1}, many.stderr
        none = run_cli("codecs", *connection)
        assert none.exit_code == 1
        assert f"error: the compressor at {address} does not know you: give your token by" in none.stderr
        other = run_cli("codecs", *connection, "--token-file", folder / "generate.token")
        assert other.exit_code == 1
        assert "needs the scope 'compress'; caller 'generate' has generate" in other.stderr
        plain = run_cli("codecs", "--compressor", address)
        assert plain.exit_code == 1
        assert f"cannot reach the compressor at {address}" in plain.stderr


def test_certificate(pki):
    """Where the server wants certificates, the caller's own opens it and none does not."""
    folder: Path = pki.folder
    options = [
        *("--tls-certificate", str(folder / "server.pem"), "--tls-key", str(folder / "server.key")),
        *("--tls-client-ca", str(folder / "ca.pem"), "--warm-up", "false"),
    ]
    with server("services.compressor", *options) as address:
        connection = ["codecs", "--compressor", address, "--ca", folder / "ca.pem"]
        known = run_cli(*connection, "--certificate", folder / "client.pem", "--key", folder / "client.key")
        assert known.exit_code == 0, known.stderr
        assert run_cli(*connection).exit_code == 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--certificate", "{}/client.pem"], "--certificate and --key go together"),
        (
            ["--certificate", "{}/client.pem", "--key", "{}/server.key"],
            "no PEM certificate with its plain key",
        ),
        (["--ca", "{}/none.pem"], "cannot read .*none.pem: No such file or directory"),
        (["--token-file", "{}/none"], "cannot read .*none: No such file"),
        (["--token-file", "{}/ca.pem"], "ca.pem holds no token"),
        (["--token-file", "{}/generate.token"], "the token would travel to example.org:1 in plain text"),
    ],
)
def test_refusal(pki, options, message):
    """A file that cannot be used, or a token about to be shown to all, is refused before any call."""
    made = run_cli(
        "codecs", "--compressor", "example.org:1", *(option.format(pki.folder) for option in options)
    )
    assert made.exit_code == 1
    assert made.stderr.startswith("error: ")
    assert re.search(message, made.stderr), made.stderr
