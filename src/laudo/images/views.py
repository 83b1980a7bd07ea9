"""The views of a study: which come first, and which may show a chest from the front."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, TypeVar


class ImageRef(Protocol):
    """What `order` needs to know of an image; sizes in pixels."""

    @property
    def dicom_id(self) -> str: ...
    @property
    def view_position(self) -> str | None: ...
    @property
    def rows(self) -> int | None: ...
    @property
    def columns(self) -> int | None: ...


Ref = TypeVar("Ref", bound=ImageRef)


def order(views: Sequence[Ref]) -> list[Ref]:
    """The images of a study in order of use: PA, AP, other or unnamed frontal, LATERAL, LL, the rest.

    Within one kind of view the larger comes first, then the smaller dicom_id.
    """
    return sorted(
        views,
        key=lambda view: (_rank(view.view_position), -(view.rows or 0) * (view.columns or 0), view.dicom_id),
    )


def may_be_frontal(view: str | None) -> bool:
    """Whether a view is frontal by its name, or has none."""
    return _rank(view) <= _rank(None)


def _rank(view: str | None) -> int:
    """Position of a view; names as in MIMIC-CXR, so `AP AXIAL` and `PA LLD` are frontal."""
    name = (view or "").upper().strip()
    named = {"PA": 0, "AP": 1, "": 2, "LATERAL": 3, "LL": 4}
    return named.get(name, 2 if name.startswith(("AP ", "PA ")) else 5)
