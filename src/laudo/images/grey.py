"""What every decoder shares: the refusal of an image, a film with its warning, and the way to 8 bits."""

from __future__ import annotations

from collections.abc import Callable, Sequence
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
"""No radiograph is smaller; a smaller image is a thumbnail or a placeholder."""

MAX_PIXELS = 89_478_485
"""Pillow's own limit, used for DICOM too: a header that promises more is damaged or hostile."""

_ROWS = 64
"""Rows that are worked out together."""

_PIXELS = 2**20
"""Pixels that are counted together."""

MIN_RANGE = 32
"""Levels that a film needs between its darkest and its brightest half per cent.

With fewer it is nearly black, white or flat, as 12-bit values are in 16 bits, or a film under a wrong window.
"""


class UnreadableImage(InputError):
    """An image file that is absent, damaged or not a radiograph."""

    def __init__(self, path: Path, reason: str) -> None:
        self.reason = reason
        fix = "fetch the file again or leave it out"
        super().__init__(f"the image cannot be used: {reason}", where=str(path), fix=fix)


class Film(NamedTuple):
    """A radiograph as 8-bit grey (mode `L`), and an `ImageWarning` or None."""

    image: Image.Image
    warning: str | None


def assert_size(path: Path, width: int, height: int) -> None:
    """Refuses an image that is too small for a radiograph, or too large to be decoded."""
    if min(width, height) < MIN_SIDE_PX:
        raise UnreadableImage(path, f"{width} x {height} pixels, a side under {MIN_SIDE_PX}")
    if width * height > MAX_PIXELS:
        raise UnreadableImage(path, f"its head promises over {MAX_PIXELS} pixels")


def assert_shows_something(path: Path, histogram: Sequence[int], *, levels: int = MIN_RANGE) -> None:
    """Refuses a film of fewer than `levels` levels, by its 256-bin histogram; a label does not count."""
    low, high = grey_range(histogram)
    if max(histogram) == sum(histogram):
        raise UnreadableImage(path, f"every pixel has the grey value {low}")
    if high - low < levels:
        raise UnreadableImage(path, f"99 % of its pixels have grey values from {low} to {high}")


def grey_range(histogram: Sequence[int]) -> tuple[int, int]:
    """Returns the grey levels of the percentiles 0.5 and 99.5 of a histogram."""
    return _level_of(0.005, histogram), _level_of(0.995, histogram)


def _level_of(share: float, histogram: Sequence[int]) -> int:
    """Returns the lowest grey level that at least this share of the pixels does not exceed."""
    needed = share * sum(histogram)
    return next(level for level, count in enumerate(accumulate(histogram)) if count >= needed)


def usual_range(values: Values) -> tuple[float, float]:
    """Returns the percentiles 0.5 and 99.5, so that a hot pixel or a label does not darken the rest.

    The values are rearranged: to save memory, no copy is made of them.
    """
    import numpy as np

    low, high = np.percentile(values, (0.5, 99.5), overwrite_input=True)
    return float(low), float(high)


def assert_holds_levels(path: Path, values: Values, *, name: str) -> tuple[float, float]:
    """Returns `usual_range` of whole numbers that are to fill the grey scale; refuses fewer than `MIN_RANGE`.

    Args:
        name: what the values are, for the reason.
    """
    low, high = usual_range(values.flatten())
    if values.min() == values.max():
        raise UnreadableImage(path, f"every pixel has the {name} {low:g}")
    if values.dtype.kind in "iu" and high - low < MIN_RANGE:
        raise UnreadableImage(path, f"99 % of its pixels have {name}s from {low:g} to {high:g}")
    return low, high


def by_rows(function: Callable[..., Values], *sources: Values, kind: Any) -> Values:
    """Returns `function` of arrays, (rows, columns), worked out for some rows at a time.

    The function looks at each pixel alone. Its intermediate results, of 64 bits a pixel, would otherwise take
    several times the memory of the film.

    Args:
        kind: the type of the result's numbers.
    """
    import numpy as np

    result: Values = np.empty(sources[0].shape[:2], kind)
    for start in range(0, len(result), _ROWS):
        rows = slice(start, start + _ROWS)
        result[rows] = function(*(source[rows] for source in sources))
    return result


def histogram(grey: Grey) -> list[int]:
    """Returns how many pixels have each of the 256 grey levels; NumPy alone would copy them to 64 bits."""
    import numpy as np

    levels = grey.ravel()
    pieces = (levels[start : start + _PIXELS] for start in range(0, levels.size, _PIXELS))
    counts: list[int] = sum(
        (np.bincount(each, minlength=256) for each in pieces), np.zeros(256, int)
    ).tolist()
    return counts


def to_8_bits(values: Values, *, low: float, high: float) -> Grey:
    """Returns grey levels: 0 up to `low`, 255 from `high` on; all are 0 if `high` is not above `low`."""
    import numpy as np

    if high <= low:
        return np.zeros(values.shape, np.uint8)

    def levels(rows: Values) -> Values:
        whole: Values = np.rint(np.clip((rows - low) / (high - low), 0, 1) * 255)
        return whole

    return by_rows(levels, values, kind=np.uint8)
