"""Finds one exposure that is stored twice.

MIMIC-CXR holds some radiographs twice, in another brightness and contrast.
"""

from __future__ import annotations

from typing import NamedTuple

from PIL import Image

SIDE = 32
"""Rows of a fingerprint, and bits of each row."""

SAME_BITS = SIDE * SIDE // 8
"""Bits by which two renderings of one exposure may differ; `docs/images.md` has the measured distances."""


def fingerprint(image: Image.Image) -> str:
    """Returns a difference hash: for each of 32 x 32 places, whether the place to its right is brighter.

    Brightness, contrast, gamma, equalisation and size hardly change which of two neighbours is brighter
    (hackerfactor.com, "Kind of Like That", 2013; finer here, because chest films are alike).

    Args:
        image: mode `L`.

    Returns:
        1,024 bits as 256 hexadecimal digits, rows from the top.
    """
    return fingerprints(image).upright


class Fingerprints(NamedTuple):
    """The fingerprints of a film and of its mirror image, left and right exchanged."""

    upright: str
    mirrored: str


def fingerprints(image: Image.Image) -> Fingerprints:
    """Returns the fingerprints of a film in mode `L` and of its mirror image, for the price of one.

    The second one does not follow from the first, which does not say where two neighbours are equal.
    """
    import numpy as np

    grey = np.asarray(image.resize((SIDE + 1, SIDE), Image.Resampling.BOX))
    each = (np.packbits(side[:, 1:] > side[:, :-1]) for side in (grey, grey[:, ::-1]))
    return Fingerprints(*(bits.tobytes().hex() for bits in each))


def distance(a: str, b: str) -> int:
    """Returns the number of bits, of 1,024, by which two fingerprints differ."""
    return (int(a, 16) ^ int(b, 16)).bit_count()


def same_exposure(a: str, b: str) -> bool:
    """Returns whether two fingerprints are of one exposure in any rendering; a repeated film is not one."""
    return distance(a, b) <= SAME_BITS
