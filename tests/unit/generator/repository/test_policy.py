"""Which versions are served."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.generator.repository import VersionPolicies, VersionPolicyError
from services.generator.repository.policy import VersionPolicy


@pytest.mark.parametrize(
    ("text", "limit", "candidates"),
    [
        ("all", None, [10, 9, 1]),
        ("latest", 1, [10, 9, 1]),
        ("latest:2", 2, [10, 9, 1]),
        ("9,1", None, [9, 1]),
        ("10", None, [10]),
        ("7", None, []),
    ],
)
def test_policy(text, limit, candidates):
    """A policy gives the versions that it allows, newest first, and says how many are served."""
    policy = VersionPolicy.parse(text)
    assert policy.limit == limit
    assert policy.candidates([1, 10, 9]) == candidates


def test_policies_by_name():
    """A model has the policy of its name, else the general one, which is `all` unless it is given."""
    policies = VersionPolicies.parse("latest:2 cars=all dogs=1,4")
    assert policies.of("cars") == VersionPolicy()
    assert policies.of("dogs") == VersionPolicy(only=frozenset({1, 4}))
    assert policies.of("birds") == VersionPolicy(limit=2)
    assert (
        VersionPolicies.parse("dogs=latest").of("cars")
        == VersionPolicies.parse("").of("x")
        == VersionPolicy()
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("newest", "'newest' is not all, latest, latest:N or a list of versions such as 1,4"),
        ("latest:0", "'latest:0' is not"),
        ("latest:", "'latest:' is not"),
        ("latest:-1", "'latest:-1' is not"),
        ("1,,2", "'1,,2' is not"),
        ("0", "'0' is not"),
        ("cars=", "'' is not"),
        ("cars=latest:x", "'latest:x' is not"),
        ("Cars=all", "'Cars' in 'Cars=all' is not the name of a model"),
        ("=all", "'' in '=all' is not the name of a model"),
        ("all latest", "'latest' is a second policy for all models"),
        ("cars=all cars=1", "'cars=1' is a second policy for cars"),
    ],
)
def test_refusal(text, message):
    """What is no policy is refused with a sentence that says what is one."""
    with pytest.raises(VersionPolicyError, match=message):
        VersionPolicies.parse(text)


@given(st.text("alestcr:=,0123456789 \u0661", max_size=30))
def test_any_text(text):
    """Any text is policies or is refused."""
    try:
        policies = VersionPolicies.parse(text)
    except VersionPolicyError:
        return
    assert policies.of("x").candidates(range(1, 5)) in (
        [4, 3, 2, 1],
        policies.of("x").candidates([1, 2, 3, 4]),
    )
