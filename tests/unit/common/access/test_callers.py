"""The file of callers, and the command that adds to it."""

from __future__ import annotations

import stat
from datetime import UTC, datetime

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from services.common.access import CallersError, Guard, UnauthenticatedError
from services.common.access.callers import Callers, new_token, token_digest
from services.common.token_command import token

DIGEST = "0" * 64


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[callers", "it is not TOML"),
        ("", "callers: field required"),
        ("[callers.a]\nscopes = []\n", "callers.a.scopes: .*at least 1 item"),
        (
            '[callers.a]\nscopes = ["draw"]\n',
            "callers.a.scopes.*'generate', 'compress', 'admin' or 'metrics'",
        ),
        ('[callers.a]\nscopes = ["admin"]\n', "callers.a: give token_sha256, certificate or both"),
        ('[callers.a]\nscopes = ["admin"]\ntoken_sha256 = "secret"\n', "callers.a.token_sha256"),
        ('[callers.a]\nscopes = ["admin"]\ntoken = "x"\n', "callers.a.token: extra inputs"),
        ('[callers."a b"]\nscopes = ["admin"]\n', "callers.a b"),
        ('[callers.a]\nscopes = ["admin"]\nimages_per_s = -1\n', "callers.a.images_per_s"),
        ('[callers.a]\nscopes = ["admin"]\nexpires = 2026-01-01\n', "callers.a.expires"),
        (
            "".join(f'[callers.{n}]\nscopes = ["admin"]\ntoken_sha256 = "{DIGEST}"\n' for n in "ab"),
            r"callers.b has the token or certificate of callers\.a",
        ),
    ],
)
def test_refusal(text, message):
    """A file that cannot be used is refused with the place and what is wrong there."""
    with pytest.raises(CallersError, match=message):
        Callers.parse(text)


@given(st.text())
def test_any_token(presented):
    """Whatever is presented as a token, only the token itself names its caller."""
    made = new_token()
    callers = Callers.parse(f'[callers.a]\nscopes = ["admin"]\ntoken_sha256 = "{token_digest(made)}"\n')
    assert callers.of_token(presented) is None
    assert callers.of_token(made) == "a"


def test_tokens_differ():
    """Tokens are long, never the same, and known by their beginning."""
    tokens = {new_token() for _ in range(100)}
    assert len(tokens) == 100
    assert all(len(made) >= 50 and made.startswith("ganpress_") for made in tokens)


def test_command(tmp_path):
    """The command prints a token that the file then knows, and keeps only its digest, for the owner alone."""
    path = tmp_path / "callers.toml"
    for name, scopes in (("alice", ["generate"]), ("bob", ["compress", "admin"])):
        arguments = [name, "--callers", str(path), *(part for scope in scopes for part in ("--scope", scope))]
        result = CliRunner().invoke(token, arguments)
        assert result.exit_code == 0, result.output
        caller = Guard(path).identify([("authorization", f"Bearer {result.output.strip()}")], dict, "")
        assert (caller.name, caller.scopes) == (name, set(scopes))
        assert result.output.strip() not in path.read_text()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize("name", ["alice", "a b", "x" * 65, 'a"]'])
def test_command_refusal(tmp_path, name):
    """A name that is taken or cannot be one is refused, and the file stays as it was."""
    path = tmp_path / "callers.toml"
    path.write_text(f'[callers.alice]\nscopes = ["admin"]\ntoken_sha256 = "{DIGEST}"\n')
    before = path.read_text()
    result = CliRunner().invoke(token, [name, "--scope", "generate", "--callers", str(path)])
    assert result.exit_code == 1
    assert "cannot add" in result.output
    assert path.read_text() == before


def test_expired(tmp_path):
    """A caller whose time is over is told so."""
    path = tmp_path / "callers.toml"
    moment = datetime.now(UTC).isoformat()
    path.write_text(
        f'[callers.a]\nscopes = ["admin"]\ntoken_sha256 = "{token_digest("t")}"\nexpires = {moment}\n'
    )
    with pytest.raises(UnauthenticatedError, match="the access of caller 'a' ended at"):
        Guard(path).identify([("authorization", "Bearer t")], dict, "")
