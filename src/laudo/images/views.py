"""The views of a study: in which order they are used, and which may show a chest from the front."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, TypeVar


class ImageFacts(Protocol):
    """What `order` needs to know of an image; sizes in pixels."""

    @property
    def dicom_id(self) -> str: ...
    @property
    def view_position(self) -> str | None: ...
    @property
    def rows(self) -> int | None: ...
    @property
    def columns(self) -> int | None: ...


Image = TypeVar("Image", bound=ImageFacts)


def order(images: Sequence[Image]) -> list[Image]:
    """Returns a study's images in the order of use: PA, AP, other or unnamed frontal, LATERAL, LL, rest.

    Of two images of the same rank the larger comes first, then the one with the smaller dicom_id.
    """

    def place(image: Image) -> tuple[int, int, str]:
        pixels = (image.rows or 0) * (image.columns or 0)
        return _rank(image.view_position), -pixels, image.dicom_id

    return sorted(images, key=place)


def may_be_frontal(view: str | None) -> bool:
    """Returns whether a view is frontal by its name, or has no name."""
    return _rank(view) <= _rank(None)


_RANKS = {"PA": 0, "AP": 1, "": 2, "LATERAL": 3, "LL": 4}
_OTHER_FRONTAL, _OTHER = 2, 5


def _rank(view: str | None) -> int:
    """Returns the place of a view in the order; `AP AXIAL` and `PA LLD`, names of MIMIC-CXR, are frontal."""
    name = (view or "").upper().strip()
    if name.startswith(("AP ", "PA ")):
        return _OTHER_FRONTAL
    return _RANKS.get(name, _OTHER)
