"""Whether a frontal chest film shows air dark and bone bright, judged from the picture alone."""

from __future__ import annotations

from PIL import Image

STRONG = 0.2
"""A polarity of at most minus this is taken for an inverted film; `docs/images.md` has the measured margins."""

MENDED = "shown inverted: the photometric tag contradicts the picture"
SUSPECT = "looks inverted: the lungs are brighter than mediastinum and abdomen"

_BOX = Image.Resampling.BOX


def polarity(image: Image.Image) -> float:
    """How surely air is dark: from -1 (inverted) by 0 (cannot tell) to 1.

    Lungs are darker than the mediastinum between them and than the abdomen below. Both differences are taken
    between mean ranks of grey levels, so that gamma, contrast and equalisation do not matter; the weaker one
    counts, and nothing counts where they contradict each other.

    What it cannot do: lungs as white as the heart (severe oedema, ARDS, large effusions), a film of something
    else than a chest, a patient turned by 90 degrees or far off the middle give about 0, so an inverted film
    of these kinds passes. Laterals give about 0 as well.

    Args:
        image: mode `L`; flat borders (collimation, padding) of any grey are left out.
    """
    import numpy as np

    grey = np.asarray(_without_borders(image).resize((32, 32), _BOX))
    ordered = np.sort(grey, axis=None)
    below, up_to = (np.searchsorted(ordered, grey, side) for side in ("left", "right"))
    # The middle of equal greys, so that a negative has the negative polarity.
    ranks = (below + up_to) / (2 * grey.size)
    down, across = (np.mgrid[0:32, 0:32] + 0.5) / 32
    off_middle = abs(across - 0.5)
    lungs = ranks[(abs(off_middle - 0.23) < 0.08) & (down > 0.2) & (down < 0.6)].mean()
    mediastinum = ranks[(off_middle < 0.07) & (down > 0.2) & (down < 0.75)].mean()
    abdomen = ranks[(off_middle < 0.35) & (down > 0.82)].mean()
    weaker, stronger = sorted((mediastinum - lungs, abdomen - lungs), key=abs)
    return float(weaker) if weaker * stronger > 0 else 0.0


def _without_borders(image: Image.Image) -> Image.Image:
    """A thumbnail without the outer rows and columns that vary by less than a twentieth of its range."""
    import numpy as np

    small = image.reduce(max(1, min(image.size) // 256))
    grey = np.asarray(small)
    edges = []
    for axis, length in ((1, small.height), (0, small.width)):
        varied = np.flatnonzero(np.ptp(grey, axis=axis) > np.ptp(grey) / 20)
        edges.append((varied[0], varied[-1] + 1) if varied.size else (0, length))
    (top, bottom), (left, right) = edges
    return small.crop((left, top, right, bottom))
