"""A report that is divided into sections."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from laudo.sections.lines import unwrap


class Section(NamedTuple):
    """A normalised name (`findings`, `wet_read`, `last_paragraph`, ...) and the text under it."""

    name: str
    body: str


@dataclass(frozen=True)
class SectionedReport:
    """The sections of a report in the order of the text. `full_report` and `last_paragraph` are at the end.

    A name may occur more than once.
    """

    sections: tuple[Section, ...]

    @property
    def order(self) -> list[str]:
        """The names of the sections."""
        return [section.name for section in self.sections]

    @property
    def unwrapped(self) -> SectionedReport:
        """The same sections with joined lines (`unwrap`)."""
        return SectionedReport(tuple(Section(name, unwrap(body)) for name, body in self.sections))

    def last(self, name: str) -> str | None:
        """Returns the text of the last section with a name, because it is the radiologist's final version."""
        return next((body for other, body in reversed(self.sections) if other == name), None)
