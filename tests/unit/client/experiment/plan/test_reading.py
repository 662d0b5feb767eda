"""Plans are read, and what is wrong with them is told with its line."""

from __future__ import annotations

import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from client.errors import InputError
from client.experiment.plan.reading import json_schema, parse_plan, read_plan, ready_made

PLAN = """\
name: tiny
sources:
  - name: cars
    kind: generated
    model: cars
codecs:
  - codec: jpeg
    options: {quality: [50, 85]}
"""


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("quality: [50, 85]", "quality: [null]", "codecs[0].options.quality: an option takes a number"),
        ("name: tiny", "nam: tiny", "line 1, nam: there is no field 'nam': the fields are name, description"),
        ("name: tiny", "name: a/b", "line 1, name: it should match pattern"),
        ("name: tiny", "name: tiny\nname: two", "line 2: 'name' is there twice"),
        ("name: tiny", "name: tiny\nkeep_images: -1", "keep_images: it must be a whole number from 0"),
        ("kind: generated", "kind: drawn", "line 3, sources[0]: kind is real or generated, not 'drawn'"),
        ("    model: cars", "", "line 3, sources[0]: the field 'model' is missing"),
        ("model: cars", "model: cars\n    count: 0", "sources[0].count: it must be greater than or"),
        ("model: cars", "model: cars\n    size: 3", "line 6, sources[0].size: there is no field 'size'"),
        ("codecs:", "perturbations: [{rotat: 9}]\ncodecs:", "perturbations[0].rotat: there is no field"),
        ("codecs:", "perturbations: [turn]\ncodecs:", "perturbations[0]: it must be none, or a"),
        ("codecs:", "perturbations: [{}]\ncodecs:", "line 6, perturbations[0]: names no change"),
        ("[50, 85]}", "[50, 85]", "line 9: this is no YAML: "),
    ],
)  # fmt: skip
def test_mistakes_are_told_with_their_line(old: str, new: str, message: str) -> None:
    """A wrong field, value or bracket is one sentence with file, line and what is accepted."""
    with pytest.raises(InputError, match=r"^plan\.yaml line ") as caught:
        parse_plan(PLAN.replace(old, new, 1), "plan.yaml")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@given(st.text(max_size=200))
def test_any_text_is_a_plan_or_refused(text: str) -> None:
    """No text makes anything but a sentence about it."""
    with pytest.raises(InputError):
        parse_plan(text, "plan.yaml")


@given(st.integers(0, len(PLAN)), st.integers(0, len(PLAN)), st.text(max_size=5))
def test_a_changed_plan_is_read_or_refused(start: int, end: int, between: str) -> None:
    """Wherever something is cut out and put in, the rest is a plan or refused by a sentence."""
    with suppress(InputError):
        parse_plan(PLAN[:start] + between + PLAN[end:], "plan.yaml")


def test_ready_made_plans_are_correct() -> None:
    """Each plan in the box can be read by its name, which it has."""
    assert ready_made() == ["quick", "rate-distortion", "robustness", "study"]
    for name in ready_made():
        assert read_plan(name).plan.name == name


def test_an_absent_plan_is_told() -> None:
    """A name that is neither a file nor a plan in the box lists these."""
    with pytest.raises(
        InputError, match="there is no plan 'absent': name a YAML file, or one of quick, rate-"
    ):
        read_plan("absent")


def test_the_digest_is_that_of_the_meaning() -> None:
    """Defaults, order of keys and place of the data do not count; values do."""
    digest = parse_plan(PLAN, "a").plan.digest()
    assert parse_plan("seed: 0\ndata: elsewhere\n" + PLAN, "b").plan.digest() == digest
    assert parse_plan("seed: 1\n" + PLAN, "c").plan.digest() != digest


def test_the_schema_describes_every_field() -> None:
    """No field of a plan is without a description."""
    schema = json.loads(json_schema())
    for model in (schema, *schema["$defs"].values()):
        for name, field in model["properties"].items():
            assert field.get("description"), name
