"""JPEG and PNG: decoded completely, or refused with the reason."""

from __future__ import annotations

import struct
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image, ImageFile, UnidentifiedImageError

from laudo.images import jpeg
from laudo.images.grey import (
    MAX_PIXELS,
    UnreadableImage,
    assert_holds_levels,
    assert_size,
    by_rows,
    to_8_bits,
)

if TYPE_CHECKING:
    from laudo.images.grey import Values

_ORIENTATION = 0x0112
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""How an image of each EXIF orientation becomes upright (Exif 2.32, tag 274)."""

_LOW_BYTES = {"RGB;16B": "RGB;16L", "RGBA;16B": "RGBA;16L", "LA;16B": "RGBA"}
"""How Pillow decodes a PNG of 16-bit colour -> how it decodes the low bytes, which it leaves out.

It takes the high bytes of big-endian numbers, so of little-endian ones it takes the others. It does not know
grey with alpha as little-endian, but the four bytes of such a pixel as four channels.
"""

_LUMA = (0.299, 0.587, 0.114)
"""Red, green and blue in grey (ITU-R BT.601), as in Pillow."""

_DAMAGE = (OSError, SyntaxError, ValueError, EOFError, struct.error, zlib.error)
_TOO_LARGE = (Image.DecompressionBombError, Image.DecompressionBombWarning)


def decode(path: Path, data: bytes, *, kind: str, size_px: int | None) -> Image.Image:
    """Returns the image in mode `L`, turned as its EXIF orientation says.

    Args:
        path: for messages.
        data: the bytes of the file.
        kind: `JPEG` or `PNG`.
        size_px: as for `laudo.images.decode`.

    Raises:
        UnreadableImage: damaged, cut short, minute, enormous or animated.
    """
    with _reasons(path, kind):
        if kind == "PNG":
            data = _without_damaged_notes(data)
        opened = _opened(path, data, kind, size_px)
        image: Image.Image = opened
        deep = _LOW_BYTES.get(str(opened.tile[0].args)) if kind == "PNG" else None
        image.load()
        if kind == "JPEG":
            _assert_whole(path, data, image, size_px)
        if deep:
            low = _opened(path, data, kind, size_px)
            low.tile = [low.tile[0]._replace(args=deep)]
            image = _of_16_bit_colour(image, low, both_in_low=deep == "RGBA")
        return _grey(path, _upright(image))


@contextmanager
def _reasons(path: Path, kind: str) -> Iterator[None]:
    """Turns each error that Pillow raises on a damaged file into a refusal with its reason."""
    try:
        with warnings.catch_warnings():
            # Pillow warns of damaged notes (EXIF, MPF), which the picture does not need.
            warnings.simplefilter("ignore")
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            yield
    except UnidentifiedImageError as error:
        reason = f"the head of the {kind} is damaged, or of a kind that cannot be read (12 bits)"
        raise UnreadableImage(path, reason) from error
    except _TOO_LARGE as error:
        raise UnreadableImage(path, f"its head promises over {MAX_PIXELS} pixels") from error
    except _DAMAGE as error:
        # Numbers of bytes are left out, so that equal damage is counted together.
        reason, _, _ = str(error).partition(" (")
        raise UnreadableImage(path, reason or type(error).__name__) from error


def _opened(path: Path, data: bytes, kind: str, size_px: int | None) -> ImageFile.ImageFile:
    """Returns the image, its pixels not decoded yet; a JPEG will be decoded near `size_px`."""
    image = Image.open(BytesIO(data), formats=[kind])
    assert_size(path, *image.size)
    # A photograph with previews (MPO) and an animated PNG both have several frames.
    frames = getattr(image, "n_frames", 1)
    if frames > 1:
        raise UnreadableImage(path, f"it holds {frames} pictures")
    if kind == "JPEG" and size_px:
        image.draft("L", (size_px, size_px))
    return image


def _assert_whole(path: Path, data: bytes, image: Image.Image, size_px: int | None) -> None:
    """Refuses a JPEG that was filled up with zeros, or in which data is missing; libjpeg decodes both."""
    if not jpeg.ends(data):
        raise UnreadableImage(path, "image file is truncated (its end is missing)")

    def changes(more: bytes) -> bool:
        return _opened(path, more, "JPEG", size_px).tobytes() != image.tobytes()

    if _may_be_completed(image) and jpeg.misses_data(data, changes):
        raise UnreadableImage(path, "its lower part is flat grey: data is missing")


def _may_be_completed(image: Image.Image) -> bool:
    """Returns whether data may be missing: the last pixel is 128, or the kind would show it otherwise."""
    if image.mode not in ("L", "RGB") or "progressive" in image.info:
        return True
    last = image.getpixel((image.width - 1, image.height - 1))
    return last in (128, (128, 128, 128))


def _without_damaged_notes(data: bytes) -> bytes:
    """Returns the PNG without ancillary chunks of a wrong checksum; Pillow would refuse the picture for them.

    A chunk is a length, a name, content and a CRC; a small first letter says ancillary (PNG 5.3, 5.4).
    """
    chunks, at = [data[:8]], 8
    while at < len(data):
        end = at + 12 + int.from_bytes(data[at : at + 4])
        name_and_content, checksum = data[at + 4 : end - 4], data[end - 4 : end]
        ancillary = name_and_content[:1].islower()
        if not ancillary or zlib.crc32(name_and_content) == int.from_bytes(checksum):
            chunks.append(data[at:end])
        at = end
    return b"".join(chunks)


def _upright(image: Image.Image) -> Image.Image:
    """Returns the image turned as its EXIF orientation says; as it is, if that is absent or damaged.

    Pillow's `exif_transpose` also writes the EXIF again, which fails if any other part of it is damaged.
    """
    try:
        turn = _TURNS.get(image.getexif().get(_ORIENTATION, 1))
    except _DAMAGE:
        turn = None
    return image if turn is None else image.transpose(turn)


def _of_16_bit_colour(image: Image.Image, low: Image.Image, *, both_in_low: bool) -> Image.Image:
    """Returns grey of 16 bits on black, in mode `I;16`, by both decodings of a PNG (`_LOW_BYTES`)."""
    import numpy as np

    high_bytes, low_bytes = np.asarray(image), np.asarray(low)
    if both_in_low:
        high_bytes, low_bytes = low_bytes[:, :, ::2], low_bytes[:, :, 1::2]
    deep = Image.fromarray(by_rows(_grey_of_bytes, high_bytes, low_bytes, kind=np.uint16))
    deep.info = image.info
    return deep


def _grey_of_bytes(high: Values, low: Values) -> Values:
    """Returns whole numbers of 16 bits from the bytes of one to four channels, (rows, columns, channels)."""
    import numpy as np

    channels = [high[:, :, n] * np.float32(256) + low[:, :, n] for n in range(high.shape[2])]
    alpha = channels.pop() / 65535 if len(channels) in (2, 4) else 1
    weights = _LUMA if len(channels) == 3 else (1.0,)
    grey = alpha * sum(weight * channel for weight, channel in zip(weights, channels, strict=True))
    whole: Values = np.rint(grey)
    return whole


def _grey(path: Path, image: Image.Image) -> Image.Image:
    if image.mode == "L" and "transparency" not in image.info:
        return image
    if image.mode.startswith("I"):
        return _of_16_bits(path, image)
    if image.has_transparency_data:
        black = Image.new("RGBA", image.size, "black")
        image = Image.alpha_composite(black, image.convert("RGBA"))
    return image.convert("RGB").convert("L")


def _of_16_bits(path: Path, image: Image.Image) -> Image.Image:
    """Returns 8 bits over the image's own range: many files hold 12 bits, and 8 of 16 bits would be black."""
    import numpy as np

    values = np.asarray(image)
    low, high = assert_holds_levels(path, values, name="value")
    return Image.fromarray(to_8_bits(values, low=low, high=high))
