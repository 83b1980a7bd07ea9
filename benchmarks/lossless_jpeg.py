"""Writes lossless JPEG (ITU-T T.81, annex H; SOF3, one component), for tests and the table of decoders.

It shares no code with a decoder, so that a film that is decoded equal to the array was decoded as the standard says.
"""

from __future__ import annotations

import struct
from typing import Any

import numpy as np
from numpy.typing import NDArray

Samples = NDArray[Any]

# Bits of the Huffman code of each category 0 to 16: table K.3 of T.81 for 0 to 11, continued in its way.
_LENGTHS = np.array([2, 3, 3, 3, 3, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14])


def encode(
    samples: Samples,
    *,
    bits: int,
    selection: int = 1,
    rows_a_restart: int = 0,
    point_transform: int = 0,
    wrap_bits: int = 0,
) -> bytes:
    """Returns the JPEG of samples of `bits` bits, (rows, columns).

    Args:
        samples: whole numbers from 0 to 2^bits - 1 (two's complement for signed ones).
        selection: the predictor, 1 to 7 (table H.1).
        rows_a_restart: 0 for no restart marker.
        point_transform: low bits that are lost.
        wrap_bits: if not 0, every difference is written plus or minus 2^wrap_bits, whichever is shorter to the other
            side of 0. Some ultrasound devices write so; it is only right if the decoder keeps the low bits of each sample.
    """
    rows, columns = samples.shape
    values = samples.astype(np.int64) >> point_transform
    interval = rows_a_restart or rows
    scans = [
        _scan(values[top : top + interval], bits - point_transform, selection, wrap_bits)
        for top in range(0, rows, interval)
    ]
    entropy = scans[0] + b"".join(
        bytes([0xFF, 0xD0 + (number % 8)]) + scan for number, scan in enumerate(scans[1:])
    )
    counts = np.bincount(_LENGTHS, minlength=17)[1:].astype(np.uint8).tobytes()
    parts = [
        b"\xff\xd8",
        _segment(0xC3, struct.pack(">BHHB", bits, rows, columns, 1) + b"\1\x11\0"),
        _segment(0xC4, b"\0" + counts + bytes(range(17))),
        _segment(0xDD, struct.pack(">H", rows_a_restart * columns)) if rows_a_restart else b"",
        _segment(0xDA, bytes([1, 1, 0, selection, 0, point_transform])),
        entropy,
        b"\xff\xd9",
    ]
    return b"".join(parts)


def differences(values: Samples, bits: int, selection: int) -> Samples:
    """Returns what is coded: sample minus prediction, modulo 2^16, from -32767 to 32768 (H.1.2.1)."""
    left, above, corner = (np.roll(values, shift, axis) for shift, axis in ((1, 1), (1, 0), ((1, 1), (0, 1))))
    prediction = {
        1: left,
        2: above,
        3: corner,
        4: left + above - corner,
        5: left + ((above - corner) >> 1),
        6: above + ((left - corner) >> 1),
        7: (left + above) >> 1,
    }[selection]
    prediction[:, 0] = above[:, 0]
    prediction[0] = left[0]
    prediction[0, 0] = 1 << (bits - 1)
    difference = (values - prediction) & 0xFFFF
    return np.where(difference > 32768, difference - 65536, difference)


def _scan(values: Samples, bits: int, selection: int, wrap_bits: int) -> bytes:
    difference = differences(values, bits, selection)
    if wrap_bits:
        difference = np.where(difference > 0, difference - (1 << wrap_bits), difference + (1 << wrap_bits))
    difference = difference.ravel()
    category = np.ceil(np.log2(np.abs(difference) + 1)).astype(np.int64)
    extra_bits = np.where(category == 16, 0, category)  # category 16 is +32768 alone and has no more bits
    extra = np.where(difference < 0, difference - 1, difference) & ((1 << extra_bits) - 1)
    words = (_codes()[category] << extra_bits) | extra
    stream = _bits(words, _LENGTHS[category] + extra_bits)
    padded = np.concatenate([stream, np.ones(-stream.size % 8, bool)])
    return np.packbits(padded).tobytes().replace(b"\xff", b"\xff\0")


def _codes() -> Samples:
    """Returns the Huffman code of each category (T.81, C.2)."""
    codes, code = [], 0
    for before, length in zip([_LENGTHS[0], *_LENGTHS], _LENGTHS, strict=False):
        code <<= int(length - before)
        codes.append(code)
        code += 1
    return np.array(codes)


def _bits(words: Samples, lengths: Samples) -> NDArray[np.bool_]:
    """Returns the bits of the words one after the other, the highest first."""
    last = np.cumsum(lengths)
    place = np.arange(last[-1]) - np.repeat(last - lengths, lengths)
    shift = np.repeat(lengths, lengths) - 1 - place
    return (np.repeat(words, lengths) >> shift & 1).astype(bool)


def _segment(marker: int, content: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(content) + 2) + content
