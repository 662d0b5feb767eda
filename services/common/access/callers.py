"""Callers, and the file that names them.

    [callers.alice]
    token_sha256 = "2bb80d53..."
    scopes = ["generate"]
    images_per_s = 50

    [callers.scraper]
    certificate = "scraper.example"
    scopes = ["metrics"]

A token has 256 random bits, so its plain SHA-256 tells nothing about it; a password's would.
"""

from __future__ import annotations

import hashlib
import secrets
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Annotated, Literal, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from services.common.access.quotas import Allowance, Quota
from services.common.starting import StartError

Scope = Literal["generate", "compress", "admin", "metrics"]
"""What a caller may do: draw images; compress; load and unload models; read metrics. None holds another."""

TOKEN_PREFIX = "ganpress_"  # noqa: S105 - a mark by which scanners find tokens that got into a repository

_Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_.-]{1,64}$")]
_Digest = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]


class CallersError(StartError):
    """The file of callers cannot be used; the message says where and why."""


class Entry(BaseModel):
    """What the file says of one caller."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    scopes: frozenset[Scope] = Field(min_length=1)
    token_sha256: _Digest | None = None
    certificate: str | None = Field(None, min_length=1)
    expires: AwareDatetime | None = None
    images_per_s: float = Field(0.0, ge=0)
    megapixels_per_s: float = Field(0.0, ge=0)
    max_calls: int = Field(0, ge=0)

    @property
    def expired(self) -> bool:
        """Whether the caller's time is over, by this machine's clock."""
        return self.expires is not None and datetime.now(UTC) >= self.expires

    def allowance(self, default: Allowance) -> Allowance:
        """Returns what the caller may ask for: what is 0 here is the default's."""
        return Allowance(
            self.images_per_s or default.images_per_s,
            self.megapixels_per_s or default.megapixels_per_s,
            self.max_calls or default.max_calls,
        )


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid")

    callers: Mapping[_Name, Entry]


@dataclass(frozen=True)
class Callers:
    """The callers of a file."""

    by_name: Mapping[str, Entry]
    """All of them."""

    @classmethod
    def parse(cls, text: str) -> Self:
        """Returns the callers of a file's text.

        Raises:
            CallersError: It is not TOML, a value is not acceptable, or a token or certificate names two.
        """
        try:
            by_name = _File.model_validate(tomllib.loads(text)).callers
        except tomllib.TOMLDecodeError as error:
            raise CallersError(f"it is not TOML: {error}") from error
        except ValidationError as error:
            detail = error.errors()[0]
            where = ".".join(str(part) for part in detail["loc"]) or "the file"
            raise CallersError(f"{where}: {detail['msg'][:1].lower() + detail['msg'][1:]}") from error
        seen: dict[str, str] = {}
        for name, entry in by_name.items():
            keys = [key for key in (entry.token_sha256, entry.certificate) if key]
            if not keys:
                raise CallersError(f"callers.{name}: give token_sha256, certificate or both")
            for key in keys:
                if key in seen:
                    raise CallersError(f"callers.{name} has the token or certificate of callers.{seen[key]}")
                seen[key] = name
        return cls(by_name)

    def of_token(self, token: str) -> str | None:
        """Returns the name of the caller with a token, None when nobody has it.

        Every entry is compared, each in constant time, so that how long it takes tells nothing.
        """
        digest = token_digest(token)
        found: str | None = None
        for name, entry in self.by_name.items():
            if secrets.compare_digest(entry.token_sha256 or "", digest):
                found = name
        return found

    def of_certificate(self, identities: frozenset[str]) -> str | None:
        """Returns the name of the caller with one of a certificate's names, None when nobody has."""
        return next((name for name, entry in self.by_name.items() if entry.certificate in identities), None)


@dataclass(frozen=True)
class Caller:
    """Who calls."""

    name: str
    """Name in the file, name of the certificate, or address."""
    scopes: frozenset[Scope]
    """What it may do."""
    quota: Quota = field(default_factory=lambda: Quota(Allowance()))
    """What it has asked for."""


def new_token() -> str:
    """Returns a token that nobody has had before."""
    return TOKEN_PREFIX + secrets.token_urlsafe(32)


def token_digest(token: str) -> str:
    """Returns what the file holds of a token."""
    return hashlib.sha256(token.encode()).hexdigest()
