"""Which models a run uses."""

from __future__ import annotations

from laudo.settings import Settings
from laudo.vocabulary import Geometry


class ModelName(Settings):
    """A model by hub id, local path, or `phantom:NAME` for one of the small models of the package."""

    model: str
    revision: str | None = None


class Model(ModelName):
    """A language model, and how it is loaded."""

    load_in_4bit: bool = False


class Reporter(Model):
    """The model that writes reports from images: what is tuned, and what every arm asks."""

    geometry: Geometry = "pad"
    """How a film becomes the square that the model sees, for training and generation alike."""
