"""JPEG and PNG: decoded completely, or refused with the reason."""

from __future__ import annotations

import struct
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path

from PIL import Image, ImageOps, UnidentifiedImageError

from laudo.images.grey import MAX_PIXELS, UnreadableImage, assert_holds_levels, assert_size, to_8_bits

_ORIENTATION = 0x0112
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
        image = _opened(path, data, kind)
        if kind == "JPEG" and size_px:
            image.draft("L", (size_px, size_px))
        image.load()
        if kind == "JPEG":
            _assert_ends(path, data)
            assert_not_filled_up(path, image)
        if image.getexif().get(_ORIENTATION, 1) != 1:
            image = ImageOps.exif_transpose(image)
        return _grey(path, image)


@contextmanager
def _reasons(path: Path, kind: str) -> Iterator[None]:
    """Turns each error that Pillow raises on a damaged file into a refusal with its reason."""
    try:
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


def _opened(path: Path, data: bytes, kind: str) -> Image.Image:
    """Returns the image, its pixels not decoded yet."""
    with warnings.catch_warnings():
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        image = Image.open(BytesIO(data), formats=[kind])
    assert_size(path, *image.size)
    # A photograph with previews (MPO) and an animated PNG both have several frames.
    frames = getattr(image, "n_frames", 1)
    if frames > 1:
        raise UnreadableImage(path, f"it holds {frames} pictures")
    return image


def _assert_ends(path: Path, data: bytes) -> None:
    """Refuses a JPEG that was filled up with zeros, which libjpeg decodes without an error.

    FF D9 (end of image) and FF DA (start of scan) cannot occur within a scan (ITU-T T.81, B.1.1.5), so an end
    of image must follow the last start of scan.
    """
    last_end = max(0, data.rfind(b"\xff\xd9"))
    if b"\xff\xda" in data[last_end:]:
        raise UnreadableImage(path, "image file is truncated (its end is missing)")


def assert_not_filled_up(path: Path, image: Image.Image) -> None:
    """Refuses an image whose last row is 128: libjpeg completes a JPEG that ends too early with this grey."""
    width, height = image.size
    last_row = image.crop((0, height - 1, width, height)).convert("L")
    if last_row.getextrema() == (128, 128):
        raise UnreadableImage(path, "its lower part is flat grey: data is missing")


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
