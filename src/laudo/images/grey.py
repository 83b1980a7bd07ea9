"""What every reader shares: the refusal, a film with its warning, and the way from numbers to 8 bits."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from PIL import Image

from laudo.errors import InputError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Grey = NDArray[np.uint8]
    Values = NDArray[Any]

MIN_SIDE_PX = 32
"""No radiograph is smaller; a smaller picture is a thumbnail or a placeholder."""

MAX_PIXELS = 89_478_485
"""Pillow's own limit, kept for DICOM too: a header that promises more is damaged or hostile."""

_MIN_RANGE = 4
"""Grey levels between the darkest and the brightest half per cent; compression alone makes 2 of a flat area."""


class UnreadableImage(InputError):
    """An image file that is absent, damaged or no radiograph."""

    def __init__(self, path: Path, reason: str) -> None:
        self.reason = reason
        mend = "fetch the file again or leave it out"
        super().__init__(f"the image cannot be used: {reason}", where=str(path), mend=mend)


class Film(NamedTuple):
    """A radiograph as 8-bit grey (mode `L`), and what a reader should know of how it came about."""

    image: Image.Image
    warning: str | None


def assert_size(path: Path, width: int, height: int) -> None:
    """Refuses what is too small for a radiograph, and what is too large before room is made for it."""
    if min(width, height) < MIN_SIDE_PX:
        raise UnreadableImage(path, f"{width} x {height} pixels, a side under {MIN_SIDE_PX}")
    if width * height > MAX_PIXELS:
        raise UnreadableImage(path, f"its head promises over {MAX_PIXELS} pixels")


def assert_shows_something(path: Path, histogram: Sequence[int]) -> None:
    """Refuses a film whose 256-bin histogram is all but one grey; a stray label does not save it."""
    reached = list(accumulate(histogram))
    low, high = (
        next(grey for grey, count in enumerate(reached) if count >= share * reached[-1])
        for share in (0.005, 0.995)
    )
    if max(histogram) == reached[-1]:
        raise UnreadableImage(path, f"every pixel has the grey value {low}")
    if high - low < _MIN_RANGE:
        raise UnreadableImage(path, f"99 % of its pixels have grey values from {low} to {high}")


def usual_range(values: Values) -> tuple[float, float]:
    """The percentiles 0.5 and 99.5: a hot pixel or a label must not darken the rest."""
    import numpy as np

    low, high = np.percentile(values, (0.5, 99.5))
    return float(low), float(high)


def to_8_bits(values: Values, *, low: float, high: float) -> Grey:
    """Grey levels of values, `low` and below to 0, `high` and above to 255; all 0 where that is no range."""
    import numpy as np

    if high <= low:
        return np.zeros(values.shape, np.uint8)
    unit = np.clip((values - low) / (high - low), 0, 1)
    grey: Grey = np.rint(unit * 255).astype(np.uint8)
    return grey
