"""How large the phantom is."""

from __future__ import annotations

from pydantic import Field, model_validator

from laudo.settings import Settings

RECIPE = 1
"""Raise it when the code or the wordings make another corpus of the same settings."""


class Phantom(Settings):
    """The corpus is the phantom, written into the run's folder before anything else."""

    studies: int = Field(gt=0)
    seed: int = 0
    image_size: int = Field(512, ge=64)
    """Longer side of the images, in pixels."""
    proportions: tuple[float, float, float] = (60, 10, 30)
    """Shares of train, validate, test."""

    @model_validator(mode="after")
    def _has_a_share(self) -> Phantom:
        if min(self.proportions) < 0 or not sum(self.proportions):
            raise ValueError("proportions: three shares, not all of them 0")
        return self
