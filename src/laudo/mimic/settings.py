"""Where the corpus is."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from laudo.settings import Settings


class CorpusSettings(Settings):
    """A folder in PhysioNet's layout, and the reports, which MIMIC-CXR-JPG does not hold.

    The variables LAUDO_MIMIC and LAUDO_REPORTS stand in for an absent `root` and an absent `reports`.
    """

    root: Annotated[str, Field(min_length=1)] | None = None
    reports: Annotated[str, Field(min_length=1)] | None = None
    """`mimic-cxr-reports.zip`, or the folder it was unpacked into, where that is not `root`."""
