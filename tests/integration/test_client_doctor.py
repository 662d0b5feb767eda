"""`client doctor`: what it finds, and how it ends."""

from __future__ import annotations

import json
from collections.abc import Generator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

from tests.helpers.certificates import Authority, Issued
from tests.helpers.cli import run_cli
from tests.helpers.models import write_model
from tests.helpers.servers import server


def test_sound():
    """The services inside the program are sound, and their limits are told."""
    made = run_cli("doctor", "--json")
    assert made.exit_code == 0, made.stderr
    findings = json.loads(made.stdout)
    assert {finding["what"] for finding in findings} == {"generator", "compressor"}
    assert {finding["verdict"] for finding in findings} == {"ok"}
    assert "100,000 images a request" in made.stdout.decode()


def test_wrong(tmp_path):
    """Servers that are not there and an old certificate are wrong, one that ends soon is a warning."""
    authority = Authority(tmp_path)
    late = authority.issue("late", timedelta(days=-1))
    addresses = ["--generator", "127.0.0.1:1", "--compressor", "127.0.0.1:1"]
    made = run_cli(
        *("doctor", "--json", *addresses, "--ca", authority.file),
        *("--certificate", late.certificate, "--key", late.key),
    )
    assert made.exit_code == 1
    assert made.stderr == "error: 3 of 4 things are wrong\n"
    verdicts = {finding["what"]: finding for finding in json.loads(made.stdout)}
    assert verdicts["authority"]["verdict"] == "warning"
    assert "renew it" in verdicts["certificate"]["told"]
    assert "cannot reach the generator at 127.0.0.1:1" in verdicts["generator"]["told"]


@contextmanager
def _generator(models: Path, issued: Issued | None = None, *options: str) -> Generator[str]:
    files = ("--tls-certificate", str(issued.certificate), "--tls-key", str(issued.key)) if issued else ()
    with server("services.generator", "--models", str(models), *files, *options) as address:
        yield address


def _told(*options: str | Path) -> str:
    findings = json.loads(run_cli("doctor", "--json", *options).stdout)
    return "\n".join(finding["told"] for finding in findings if finding["what"] == "generator")


def test_handshakes(tmp_path):
    """Why client and server do not come together is told in words: a certificate's end, TLS or plain text."""
    authority, other = Authority(tmp_path / "a"), Authority(tmp_path / "b")
    models = tmp_path / "models"
    write_model(models, "dogs", 1, labels=(), seed=3)
    with _generator(models, authority.issue("late", timedelta(days=-1))) as address:
        assert "certificate has expired: renew it there" in _told(
            "--generator", address, "--ca", authority.file
        )
        assert "it speaks TLS: give --ca" in _told("--generator", address)
    with _generator(models, authority.issue("sound"), "--tls-client-ca", str(other.file)) as address:
        told = _told("--generator", address, "--ca", authority.file)
        assert "the certificate CN=sound ends" in told
        assert "if it wants a certificate of yours" in told
        assert "of its authority by --ca" in _told("--generator", address, "--ca", other.file)
        mine = other.issue("me")
        own = ("--certificate", mine.certificate, "--key", mine.key)
        assert "drew" in _told("--generator", address, "--ca", authority.file, *own)
    with _generator(models) as address:
        assert "if it speaks plain text" in _told("--generator", address, "--ca", authority.file)
