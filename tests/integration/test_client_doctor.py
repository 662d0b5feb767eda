"""`client doctor`: what it finds, and how it ends."""

from __future__ import annotations

import json
from datetime import timedelta

from tests.helpers.certificates import Authority
from tests.helpers.cli import run_cli


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
    assert "it has ended, renew it" in verdicts["certificate"]["told"]
    assert "cannot reach the generator at 127.0.0.1:1" in verdicts["generator"]["told"]
