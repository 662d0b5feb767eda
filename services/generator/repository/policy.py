"""Which versions of a model are served."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Self

from services.generator.models import NAME_PATTERN, VERSION_PATTERN


class VersionPolicyError(ValueError):
    """A version policy cannot be read; the message names it and says what would be accepted."""


@dataclass(frozen=True)
class VersionPolicy:
    """Which versions of one model are served: of those it allows, the newest sound ones up to its limit."""

    limit: int | None = None
    """How many; None means all."""
    only: frozenset[int] | None = None
    """The versions that it allows; None means every one."""

    def candidates(self, versions: Collection[int]) -> list[int]:
        """Returns those versions that it allows, newest first."""
        return sorted((v for v in versions if self.only is None or v in self.only), reverse=True)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Reads `all`, `latest`, `latest:N` or versions such as `1,4`.

        Raises:
            VersionPolicyError: It is none of these.
        """
        if text == "all":
            return cls()
        if text == "latest":
            return cls(limit=1)
        if (latest := re.fullmatch("latest:([0-9]+)", text)) and VERSION_PATTERN.fullmatch(latest[1]):
            return cls(limit=int(latest[1]))
        versions = text.split(",")
        if all(VERSION_PATTERN.fullmatch(version) for version in versions):
            return cls(only=frozenset(map(int, versions)))
        raise VersionPolicyError(f"{text!r} is not all, latest, latest:N or a list of versions such as 1,4")


@dataclass(frozen=True)
class VersionPolicies:
    """The policy of each model."""

    default: VersionPolicy = VersionPolicy()
    """Of models without one of their own."""
    by_name: dict[str, VersionPolicy] = field(default_factory=dict[str, VersionPolicy])
    """Of the others."""

    def of(self, name: str) -> VersionPolicy:
        """Returns a model's policy."""
        return self.by_name.get(name, self.default)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Reads policies, such as `latest:2 cars=all dogs=1,4`: one for all models, then those of some.

        Raises:
            VersionPolicyError: A word is no policy, or there are two for the same models.
        """
        default: VersionPolicy | None = None
        by_name: dict[str, VersionPolicy] = {}
        for word in text.split():
            name, equals, policy = word.rpartition("=")
            if not equals and default is None:
                default = VersionPolicy.parse(policy)
            elif equals and NAME_PATTERN.fullmatch(name) and name not in by_name:
                by_name[name] = VersionPolicy.parse(policy)
            elif equals and not NAME_PATTERN.fullmatch(name):
                raise VersionPolicyError(f"{name!r} in {word!r} is not the name of a model")
            else:
                raise VersionPolicyError(f"{word!r} is a second policy for {name or 'all models'}")
        return cls(default or VersionPolicy(), by_name)


ALL_VERSIONS = VersionPolicies()
"""Every version of every model."""
