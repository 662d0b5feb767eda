"""Which model a request means."""

from __future__ import annotations

from collections.abc import Sequence

from services.generator.errors import RequestError, UnknownModelError
from services.generator.models import Model


class Catalogue:
    """The models of a server, by name, version and label."""

    def __init__(self, models: Sequence[Model], default_model: str) -> None:
        """Takes the models, sorted by name, then by version, newest first.

        Where there is none of the name `default_model`, the first one takes its place.
        """
        self.models = tuple(models)
        self._newest = {model.name: model for model in reversed(self.models)}
        if self.models and default_model not in self._newest:
            default_model = self.models[0].name
        self.default_model: str = default_model
        """Name of the model that a request without model and label means."""

    def find(self, name: str, version: int = 0) -> Model:
        """Returns a model's version, the newest for 0.

        Raises:
            UnknownModelError: There is no such model or version.
        """
        if name not in self._newest:
            raise UnknownModelError(f"there is no model {name!r}; the models are {self._names()}")
        if not version:
            return self._newest[name]
        versions = {model.version: model for model in self.models if model.name == name}
        if version not in versions:
            known = ", ".join(map(str, sorted(versions)))
            raise UnknownModelError(f"model {name!r} has no version {version}; its versions are {known}")
        return versions[version]

    def choose(self, name: str, version: int, label: str) -> Model:
        """Returns the model that a request means.

        Without a name it is the one model whose newest version has the label, or the default model without a
        label.

        Raises:
            UnknownModelError: There is no such model or version.
            RequestError: The model does not have the label; without a name: no model has it, or several do.
        """
        if not name:
            name = self._name_for(label) if label else self.default_model
        model = self.find(name, version)
        if label and not model.labels:
            raise RequestError(f"model {name!r} has no labels: ask for it without {label!r}")
        if label and label not in model.labels:
            known = ", ".join(model.labels)
            raise RequestError(f"model {name!r} has no label {label!r}; its labels are {known}")
        return model

    def _name_for(self, label: str) -> str:
        names = [name for name, model in self._newest.items() if label in model.labels]
        if len(names) == 1:
            return names[0]
        if names:
            raise RequestError(f"the models {', '.join(sorted(names))} have a label {label!r}: name one")
        known = "; ".join(
            f"{name}: {', '.join(self._newest[name].labels)}"
            for name in sorted(self._newest)
            if self._newest[name].labels
        )
        raise RequestError(f"no model has the label {label!r}; the labels are {known or 'none'}")

    def _names(self) -> str:
        return ", ".join(sorted(self._newest)) or "none"
