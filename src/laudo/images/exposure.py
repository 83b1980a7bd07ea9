"""Finding one exposure stored twice: MIMIC-CXR holds radiographs again in other brightness and contrast."""

from __future__ import annotations

from PIL import Image

SIDE = 32
"""Rows of a fingerprint, and bits a row."""

SAME_BITS = SIDE * SIDE // 8
"""Bits in which two renderings of one exposure may differ; `docs/images.md` has the measured distances."""


def fingerprint(image: Image.Image) -> str:
    """A difference hash: for each of 32 x 32 places, whether its right neighbour is brighter.

    Brightness, contrast, gamma, equalisation and size hardly change which of two neighbours is brighter
    (hackerfactor.com, "Kind of Like That", 2013; finer here, as chest films are alike).

    Args:
        image: mode `L`.

    Returns:
        1,024 bits as 256 hexadecimal digits, rows from the top.
    """
    import numpy as np

    grey = np.asarray(image.resize((SIDE + 1, SIDE), Image.Resampling.BOX))
    return np.packbits(grey[:, 1:] > grey[:, :-1]).tobytes().hex()


def distance(a: str, b: str) -> int:
    """The number of bits in which two fingerprints differ, of 1,024."""
    return (int(a, 16) ^ int(b, 16)).bit_count()


def same_exposure(a: str, b: str) -> bool:
    """Whether two fingerprints are of one exposure, in whatever rendering; a repeated film is another exposure."""
    return distance(a, b) <= SAME_BITS
