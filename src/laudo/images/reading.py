"""One file to one film, and one film to what a model sees."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from PIL import Image

from laudo.images import dicom, picture, polarity
from laudo.images.dicom import Recipe
from laudo.images.grey import Film, UnreadableImage, assert_shows_something
from laudo.images.views import may_be_frontal

Geometry = Literal["pad", "squash"]

_KINDS = {".jpg": "JPEG", ".jpeg": "JPEG", ".png": "PNG", ".dcm": "DICOM", ".dicom": "DICOM"}
_BILINEAR = Image.Resampling.BILINEAR


def read(
    path: Path, *, size_px: int | None = None, recipe: Recipe = "window", view: str | None = None
) -> Film:
    """One radiograph as 8-bit grey, air dark and bone bright, and a warning where that was in doubt.

    A frontal DICOM whose tags call for the opposite of what it shows is inverted; a frontal JPEG or PNG that
    looks inverted is left as it is, for it has no tag that could be wrong. Both carry a warning.

    Args:
        path: a .jpg, .png or .dcm file holding what its name says.
        size_px: the size it will be used at: a JPEG is then decoded at 1/2, 1/4 or 1/8 of its size, no side
            below `size_px`. The pixels differ a little (about half a grey level on average).
        recipe: how a DICOM becomes 8-bit grey (`laudo.images.dicom.decode`).
        view: its ViewPosition, if known; laterals are not looked at for inversion.

    Raises:
        UnreadableImage: with the reason.
    """
    film = _decoded(path, size_px=size_px, recipe=recipe, view=view)
    if _KINDS[path.suffix.lower()] == "DICOM" or not may_be_frontal(view):
        return film
    suspect = polarity.polarity(film.image) <= -polarity.STRONG
    return Film(film.image, polarity.SUSPECT if suspect else None)


def load(path: Path, *, size_px: int | None = None) -> Image.Image:
    """The image that `read` gives."""
    return _decoded(path, size_px=size_px, recipe="window", view=None).image


def _decoded(path: Path, *, size_px: int | None, recipe: Recipe, view: str | None) -> Film:
    """The film without a judgement of pictures, which is for whoever keeps its warning."""
    data, kind = _bytes(path)
    if kind == "DICOM":
        return dicom.decode(path, data, recipe=recipe, view=view)
    image = picture.decode(path, data, kind=kind, size_px=size_px)
    assert_shows_something(path, image.histogram())
    return Film(image, None)


def shrink(image: Image.Image, size_px: int) -> Image.Image:
    """The image with its longest side at `size_px`, its aspect kept."""
    scale = size_px / max(image.size)
    width, height = (max(1, round(side * scale)) for side in image.size)
    return image.resize((width, height), _BILINEAR)


def for_model(
    path: Path, *, size_px: int, geometry: Geometry, recipe: Recipe = "window", view: str | None = None
) -> Image.Image:
    """The radiograph as a model sees it, in training and generation alike: RGB, `size_px` square.

    It is read and shrunk as `keep` does it, so a film from the cache and one from its source are the same but
    for the JPEG in between.

    Args:
        path: as for `read`, or a film from the cache.
        size_px: side of the square; MedGemma's processor wants 896.
        geometry: `pad` keeps the aspect, centred on black, as MedGemma 1.5's notebooks do; `squash`
            stretches to the square, as Gemma3ImageProcessor alone would.
        recipe: as for `read`.
        view: as for `read`.

    Raises:
        UnreadableImage: with the reason.
    """
    image = shrink(_decoded(path, size_px=size_px, recipe=recipe, view=view).image, size_px)
    if geometry == "squash":
        return image.resize((size_px, size_px), _BILINEAR).convert("RGB")
    square = Image.new("RGB", (size_px, size_px))
    square.paste(image, ((size_px - image.width) // 2, (size_px - image.height) // 2))
    return square


def _bytes(path: Path) -> tuple[bytes, str]:
    """The file, read once, and its kind: JPEG, PNG or DICOM by name and by content, which must agree."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UnreadableImage(path, error.strerror or str(error)) from error
    named = _KINDS.get(path.suffix.lower())
    if not data:
        raise UnreadableImage(path, "the file is empty")
    if named is None:
        raise UnreadableImage(path, f"suffix {path.suffix!r} is none of {', '.join(_KINDS)}")
    if _content(data) != named:
        raise UnreadableImage(path, f"its name says {named}, its content {_content(data)}")
    return data, named


def _content(data: bytes) -> str:
    if data.startswith(b"\xff\xd8\xff"):
        return "JPEG"
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return "PNG"
    return "DICOM" if data[128:132] == b"DICM" else "something else"
