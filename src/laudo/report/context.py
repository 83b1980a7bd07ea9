"""What a section of the page is made from."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass

from laudo.experiment.settings import Experiment
from laudo.report import drawing, measures
from laudo.report.catalogue import Catalogue
from laudo.report.measures import Measure
from laudo.report.tables import Estimate, Tables


@dataclass(frozen=True)
class Context:
    """What a section of the page is made from.

    Attributes:
        words: the catalogue of the page's language.
        measures: what the metrics declare, the primary measure first.
        colours: arm -> its hue, the same throughout the page; controls are grey.
    """

    tables: Tables
    words: Catalogue
    measures: tuple[Measure, ...]
    colours: Mapping[str, str]

    @classmethod
    def of(cls, tables: Tables) -> Context:
        language = tables.experiment.report.language
        colours = colours_of(tables.experiment)
        return cls(tables, Catalogue(language), measures.declared(language), colours)

    @property
    def experiment(self) -> Experiment:
        return self.tables.experiment

    @property
    def primary(self) -> Measure:
        """The foremost measure of the first metric."""
        return self.measures[0]

    @property
    def is_phantom(self) -> bool:
        """Whether nothing that the page shows is of a patient."""
        return self.experiment.mimic.phantom is not None

    def arm(self, name: str) -> str:
        """Returns what a reader calls an arm."""
        return self.words.arm(name, is_control=name in self.experiment.controls)

    def difference(self, row: Estimate) -> str:
        """Returns what a reader calls a difference between two arms."""
        return f"{self.arm(row.arm)} − {self.arm(row.versus)}"

    def place_of_difference(self, row: Estimate) -> tuple[bool, int, int]:
        """Sorts differences as the experiment names its arms, those from a control last."""
        arms = [*self.experiment.arms]
        return row.versus in self.experiment.controls, arms.index(row.arm), arms.index(row.versus)

    def frame(self, *, title: str, alt: str, width_in: float) -> drawing.Frame:
        """Returns what surrounds a figure, with its axes in the numbers of the page's language."""
        return drawing.Frame(title, alt, width_in, self.words.tick)


def colours_of(experiment: Experiment) -> dict[str, str]:
    """Returns a hue for each arm, grey for a control."""
    hues, greys = itertools.cycle(drawing.HUES), itertools.cycle(drawing.GREYS)
    return {name: next(greys if name in experiment.controls else hues) for name in experiment.arms}
