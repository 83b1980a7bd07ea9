"""Whether a frontal chest film shows air dark and bone bright, judged from its pixels alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PIL import Image

if TYPE_CHECKING:
    from laudo.images.grey import Values

STRONG = 0.2
"""A film whose polarity is at most minus this is inverted; `docs/images.md` has the measured margins."""

_SIDE = 32
_BOX = Image.Resampling.BOX


def looks_inverted(image: Image.Image) -> bool:
    """Returns whether the film, in mode `L`, clearly shows air bright and bone dark."""
    return polarity(image) <= -STRONG


def polarity(image: Image.Image) -> float:
    """Returns how sure it is that air is dark: from -1 (inverted) over 0 (cannot tell) to 1.

    Lungs are darker than the mediastinum between them and darker than the abdomen below them. Both
    differences are differences of mean ranks of grey levels, so that gamma, contrast and equalisation do not
    matter. The weaker difference counts; if the two contradict each other, the result is 0.

    The result is about 0, and an inverted film is not found, if the lungs are as white as the heart (severe
    oedema, ARDS, large effusions), if the film shows something else than a chest, or if the patient is turned
    by 90 degrees or far from the middle. Laterals give about 0 as well.

    Args:
        image: mode `L`; flat borders (collimation, padding) of any grey are cut off first.
    """
    import numpy as np

    ranks = _ranks(_without_borders(image))
    down, across = (np.mgrid[0:_SIDE, 0:_SIDE] + 0.5) / _SIDE
    off_middle = abs(across - 0.5)
    lungs = (abs(off_middle - 0.23) < 0.08) & (down > 0.2) & (down < 0.6)
    mediastinum = (off_middle < 0.07) & (down > 0.2) & (down < 0.75)
    abdomen = (off_middle < 0.35) & (down > 0.82)
    to_mediastinum = ranks[mediastinum].mean() - ranks[lungs].mean()
    to_abdomen = ranks[abdomen].mean() - ranks[lungs].mean()
    if to_mediastinum * to_abdomen <= 0:
        return 0.0
    return float(min(to_mediastinum, to_abdomen, key=abs))


def _ranks(image: Image.Image) -> Values:
    """Returns for each of 32 x 32 places the share of places that are darker, (rows, columns).

    Of equal greys half are counted, so that a negative has the negative polarity.
    """
    import numpy as np

    grey = np.asarray(image.resize((_SIDE, _SIDE), _BOX))
    ordered = np.sort(grey, axis=None)
    darker = np.searchsorted(ordered, grey, "left")
    not_brighter = np.searchsorted(ordered, grey, "right")
    return (darker + not_brighter) / (2 * grey.size)


def _without_borders(image: Image.Image) -> Image.Image:
    """Returns a thumbnail without outer rows and columns that vary by at most a twentieth of its range."""
    import numpy as np

    small = image.reduce(max(1, min(image.size) // 256))
    grey = np.asarray(small)
    least = np.ptp(grey) / 20
    top, bottom = _extent(np.ptp(grey, axis=1) > least)
    left, right = _extent(np.ptp(grey, axis=0) > least)
    return small.crop((left, top, right, bottom))


def _extent(varied: Values) -> tuple[int, int]:
    """Returns the first place that varies and the one after the last; everything if none varies."""
    import numpy as np

    places = np.flatnonzero(varied)
    if not places.size:
        return 0, len(varied)
    return int(places[0]), int(places[-1]) + 1
