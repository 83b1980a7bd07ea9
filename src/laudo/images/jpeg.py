"""Whether a JPEG is whole: its end, and data that is missing before its end.

For every JPEG of ITU-T T.81 with Huffman codes: baseline, extended, progressive and lossless, in a file of
its own or in a DICOM. libjpeg decodes all of them without an error when data is missing. Wrong bytes within
the data and absent scans of a progressive JPEG are not noticed.
"""

from __future__ import annotations

import re
from collections.abc import Callable

_START, END = b"\xff\xd8", b"\xff\xd9"

_MARKER = re.compile(rb"\xff[^\x00\x01\xd0-\xd7\xff]")
"""A marker that starts a segment, or starts or ends an image (T.81, B.1.1).

FF 00 is data, FF FF a fill; RST (D0 to D7) and TEM (01) have no segment.
"""

_BYTES = bytes(range(0xAA, 0xFF, 7)) + bytes(range(0, 0xFF, 7)) * 16
_MORE = _BYTES + b"".join(bytes([0xFF, 0xD0 + number]) + _BYTES for number in range(8))
"""Data without FF; once more after each restart marker, as a decoder skips to the one that it waits for.

The first bit is 1: libjpeg takes missing bits for 0.
"""


def ends(data: bytes) -> bool:
    """Returns whether a JPEG has its end, whatever follows it."""
    # The search takes a twentieth of the time of decoding, and nearly every file ends with this marker.
    return data.endswith(END) or _end_of_image(data) is not None


def misses_data(data: bytes, changes: Callable[[bytes], bool]) -> bool:
    """Returns whether data is missing in a JPEG that libjpeg has decoded.

    Args:
        data: starts with the JPEG.
        changes: whether the JPEG, with more data before its end, shows another picture. If it was whole, it
            shows the same, since what follows the last block is ignored. If data was missing, the decoder
            takes the new bytes for it, where it had completed the picture with grey.
    """
    end = _end_of_image(data)
    # A fill (FF) would make a marker of the new data.
    return end is None or changes(data[:end].rstrip(b"\xff") + _MORE + END)


def _end_of_image(data: bytes) -> int | None:
    """Returns where the marker of the end is; None if there is none, or if another JPEG starts before it.

    Segments are skipped: an end within one is that of a thumbnail.
    """
    at = len(_START)
    while (marker := _MARKER.search(data, at)) and marker[0] != _START:
        if marker[0] == END:
            return marker.start()
        at = marker.end() + int.from_bytes(data[marker.end() : marker.end() + 2])
    return None
