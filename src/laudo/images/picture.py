"""JPEG and PNG: decoded whole or refused with the reason."""

from __future__ import annotations

import struct
import warnings
import zlib
from io import BytesIO
from pathlib import Path

from PIL import Image, ImageOps, UnidentifiedImageError

from laudo.images.grey import MAX_PIXELS, UnreadableImage, assert_size, to_8_bits, usual_range

_ORIENTATION = 0x0112
_DAMAGE = (OSError, SyntaxError, ValueError, EOFError, struct.error, zlib.error)
_BOMBS = (Image.DecompressionBombError, Image.DecompressionBombWarning)


def decode(path: Path, data: bytes, *, kind: str, size_px: int | None) -> Image.Image:
    """The picture in mode `L`, upright as its EXIF orientation says and every viewer shows it.

    Args:
        path: for messages.
        data: the file's bytes.
        kind: `JPEG` or `PNG`.
        size_px: see `laudo.images.read`.

    Raises:
        UnreadableImage: damaged, cut short, minute, enormous or animated.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            image: Image.Image = Image.open(BytesIO(data), formats=[kind])
        assert_size(path, *image.size)
        # A photograph with previews (MPO) and an animated PNG both have frames.
        frames = getattr(image, "n_frames", 1)
        if frames > 1:
            raise UnreadableImage(path, f"it holds {frames} pictures")
        if kind == "JPEG" and size_px:
            image.draft("L", (size_px, size_px))
        image.load()
        if kind == "JPEG":
            _assert_ends(path, data)
            assert_not_filled_up(path, image)
        if image.getexif().get(_ORIENTATION, 1) != 1:
            image = ImageOps.exif_transpose(image)
        return _grey(image)
    except UnidentifiedImageError as error:
        why = f"the head of the {kind} is damaged, or of a kind that cannot be read (12 bits)"
        raise UnreadableImage(path, why) from error
    except _BOMBS as error:
        raise UnreadableImage(path, f"its head promises over {MAX_PIXELS} pixels") from error
    except _DAMAGE as error:
        # Without numbers of bytes, so that equal damage is counted together.
        reason, _, _ = str(error).partition(" (")
        raise UnreadableImage(path, reason or type(error).__name__) from error


def _assert_ends(path: Path, data: bytes) -> None:
    """Refuses a JPEG filled up with zeros, which libjpeg decodes without a word.

    Within a scan FF D9 (end of image) and FF DA (start of scan) cannot occur (ITU-T T.81, B.1.1.5), so an end
    must follow the last start.
    """
    if b"\xff\xda" in data[max(0, data.rfind(b"\xff\xd9")) :]:
        raise UnreadableImage(path, "image file is truncated (its end is missing)")


def assert_not_filled_up(path: Path, image: Image.Image) -> None:
    """Refuses a picture with a last row of 128: so libjpeg fills up a baseline JPEG that ends too early."""
    width, height = image.size
    if image.crop((0, height - 1, width, height)).convert("L").getextrema() == (128, 128):
        raise UnreadableImage(path, "its lower part is flat grey: data is missing")


def _grey(image: Image.Image) -> Image.Image:
    if image.mode == "L" and "transparency" not in image.info:
        return image
    if image.mode.startswith("I"):
        return _of_16_bits(image)
    if image.has_transparency_data:
        black = Image.new("RGBA", image.size, "black")
        image = Image.alpha_composite(black, image.convert("RGBA"))
    return image.convert("RGB").convert("L")


def _of_16_bits(image: Image.Image) -> Image.Image:
    """Its own range to 0..255: many files hold 12 bits, and a plain shift blackens them."""
    import numpy as np

    values = np.asarray(image, dtype=np.float64)
    low, high = usual_range(values)
    return Image.fromarray(to_8_bits(values, low=low, high=high))
