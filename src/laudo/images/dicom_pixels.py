"""The stored values of a DICOM: where its bits are, which pixels are padding, and what shape a pixel has."""

from __future__ import annotations

import math
from itertools import takewhile
from typing import TYPE_CHECKING, Any

from laudo.images import transfer

if TYPE_CHECKING:
    from laudo.images.grey import Values

_IN_WHOLE_WORDS = {
    "1.2.840.10008.1.2",  # Implicit VR Little Endian
    "1.2.840.10008.1.2.1",  # Explicit VR Little Endian
    "1.2.840.10008.1.2.1.99",  # Deflated
    "1.2.840.10008.1.2.2",  # Explicit VR Big Endian
    "1.2.840.10008.1.2.5",  # RLE Lossless
}
"""Transfer syntaxes that keep every bit of the words, stored or not, where it is."""


def stored_values(dataset: Any) -> Values:
    """Returns the stored values, (rows, columns): the bits from High Bit down, without what lies beside them.

    The bits below and above them may hold overlays or rubbish (PS3.5 8.1.1). pydicom 3.0 takes the lowest
    bits whatever High Bit says, and leaves overlays that are embedded in a compressed stream where they are.
    A JPEG 2000 stream of another precision than Bits Stored is decoded with its own (PS3.5 8.2.4).

    Raises:
        ValueError: a High Bit that cannot be; and what `transfer.decoded` raises.
    """
    allocated, stored, high = (dataset.get(name) for name in ("BitsAllocated", "BitsStored", "HighBit"))
    below = 0 if None in (stored, high) else high + 1 - stored
    if below < 0 or (allocated and high is not None and high >= allocated):
        raise ValueError(f"High Bit {high} of {stored} bits stored in {allocated}")
    if below:
        if dataset.file_meta.TransferSyntaxUID not in _IN_WHOLE_WORDS:
            raise ValueError(f"High Bit {high} of {stored} bits stored, in compressed pixels")
        dataset.BitsStored, dataset.HighBit = allocated, allocated - 1
        return _bits(transfer.decoded(dataset), stored, below=below)
    values: Values = transfer.decoded(dataset)
    return _bits(values, stored, below=0) if _has_embedded_overlay(dataset) else values


def _bits(values: Values, count: int, *, below: int) -> Values:
    """Returns `count` bits of each value, from the bit `below`; the highest is the sign of a signed value."""
    width = 8 * values.dtype.itemsize
    # The sign bit goes to the left end; the shift back to the right carries it, or fills with 0.
    moved: Values = (values << (width - count - below)) >> (width - count)
    return moved


def _has_embedded_overlay(dataset: Any) -> bool:
    """Returns whether an overlay lies in the unused bits of the pixels (PS3.3 C.9.2, retired in 2004)."""
    return any(
        dataset.get((group, 0x0102)) and dataset[group, 0x0102].value for group in range(0x6000, 0x6020, 2)
    )


def padding_mask(stored: Values, dataset: Any) -> Values:
    """Returns which pixels are padding: of the value, or from it to the range limit (PS3.3 C.7.5.1.1.2).

    Both are compared with stored values.
    """
    import numpy as np

    value, limit = (dataset.get(name) for name in ("PixelPaddingValue", "PixelPaddingRangeLimit"))
    if value is None:
        return np.zeros(stored.shape, bool)
    first = _as_stored(value, stored)
    last = first if limit is None else _as_stored(limit, stored)
    if first is None or last is None:
        return np.zeros(stored.shape, bool)
    is_padding: Values = (stored >= min(first, last)) & (stored <= max(first, last))
    return is_padding


def _as_stored(value: int, stored: Values) -> int | None:
    """Returns a value of 16 bits as the pixels have it, also if its sign was written wrongly.

    It is None if no pixel can have it, as 65535 among 8-bit pixels.
    """
    import numpy as np

    if stored.dtype.kind not in "iu":
        return value
    limits = np.iinfo(stored.dtype)
    candidates = (value, value - 2**16, value + 2**16)
    return next((each for each in candidates if limits.min <= each <= limits.max), None)


_SPACINGS = ("PixelSpacing", "ImagerPixelSpacing", "NominalScannedPixelSpacing")


def height_of_a_pixel(dataset: Any) -> float:
    """Returns the height of a pixel divided by its width; 1 where the file says nothing.

    A spacing is between rows, then between columns (PS3.3 10.7.1.3). PixelAspectRatio is for files without a
    spacing (C.7.6.3.1.7); some have both, so the first tag whose sides differ counts. A difference under 1 %
    is one of rounding.
    """
    for name in (*_SPACINGS, "PixelAspectRatio"):
        pair = numbers(dataset.get(name))
        if len(pair) == 2 and min(pair) > 0 and abs(pair[0] / pair[1] - 1) >= 0.01:
            return pair[0] / pair[1]
    return 1.0


def numbers(value: Any) -> list[float]:
    """Returns the numbers of a tag with one value or several, up to the first that is empty or not finite."""
    values = [value] if value is None or isinstance(value, (str, float, int)) else value
    found = (float(each) if each not in (None, "") else math.nan for each in values)
    return list(takewhile(math.isfinite, found))
