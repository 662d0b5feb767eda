"""Which model a request means."""

from __future__ import annotations

import pytest

from services.generator.catalogue import Catalogue
from services.generator.errors import RequestError, UnknownModelError
from services.generator.repository.local import find_models
from tests.helpers.models import write_model


@pytest.fixture(scope="module")
def catalogue(tmp_path_factory) -> Catalogue:
    """Models `cars` (two versions, the newer one with a label more), `trucks` and `dogs`."""
    root = tmp_path_factory.mktemp("catalogue")
    write_model(root, "cars", 1, labels=["coupe", "van"])
    write_model(root, "cars", 2, labels=["coupe", "suv", "van"])
    write_model(root, "dogs", 1, labels=[])
    write_model(root, "trucks", 1, labels=["pickup", "van"])
    return Catalogue(find_models(root), "cars")


@pytest.mark.parametrize(
    ("name", "version", "label", "expected"),
    [
        ("", 0, "", ("cars", 2)),
        ("", 1, "", ("cars", 1)),
        ("", 0, "suv", ("cars", 2)),
        ("", 0, "pickup", ("trucks", 1)),
        ("dogs", 0, "", ("dogs", 1)),
        ("cars", 0, "", ("cars", 2)),
        ("cars", 1, "van", ("cars", 1)),
        ("trucks", 1, "van", ("trucks", 1)),
    ],
)
def test_choice(catalogue, name, version, label, expected):
    """A request's model is the one named, else the one with the label, else the default."""
    model = catalogue.choose(name, version, label)
    assert (model.name, model.version) == expected


@pytest.mark.parametrize(
    ("name", "version", "label", "error", "message"),
    [
        ("cats", 0, "", UnknownModelError, "there is no model 'cats'; the models are cars, dogs, trucks"),
        ("cars", 3, "", UnknownModelError, "model 'cars' has no version 3; its versions are 1, 2"),
        ("", 3, "", UnknownModelError, "model 'cars' has no version 3"),
        ("cars", 0, "Suv", RequestError, "model 'cars' has no label 'Suv'; its labels are coupe, suv, van"),
        ("cars", 1, "suv", RequestError, "model 'cars' has no label 'suv'; its labels are coupe, van"),
        ("dogs", 0, "suv", RequestError, "model 'dogs' has no labels: ask for it without 'suv'"),
        ("", 0, "van", RequestError, "the models cars, trucks have a label 'van': name one"),
        (
            "",
            0,
            "bus",
            RequestError,
            "no model has the label 'bus'; .* cars: coupe, suv, van; trucks: pickup, van",
        ),
    ],
)
def test_refusal(catalogue, name, version, label, error, message):
    """What does not exist is refused with a list of what does."""
    with pytest.raises(error, match=message):
        catalogue.choose(name, version, label)


def test_absent_default(model_root):
    """Where the default model is absent the first one takes its place."""
    catalogue = Catalogue(find_models(model_root), "birds")
    assert catalogue.choose("", 0, "").name == catalogue.default_model == "cars"


def test_nothing_is_served():
    """A catalogue may be empty: then nothing is found, and the message says so."""
    catalogue = Catalogue((), "cars")
    assert catalogue.models == ()
    for name in ("", "cars"):
        with pytest.raises(UnknownModelError, match="there is no model 'cars'; the models are none"):
            catalogue.choose(name, 0, "")


def test_no_labels_at_all(tmp_path):
    """A label is refused where no model has any."""
    write_model(tmp_path, "dogs", labels=[])
    with pytest.raises(RequestError, match="no model has the label 'suv'; the labels are none"):
        Catalogue(find_models(tmp_path), "dogs").choose("", 0, "suv")
