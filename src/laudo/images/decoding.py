"""From an image file to a film, and from a film to what a model sees."""

from __future__ import annotations

import warnings
from pathlib import Path

from PIL import Image

from laudo.images import dicom, picture
from laudo.images.grey import Film, UnreadableImage, assert_shows_something
from laudo.images.polarity import looks_inverted
from laudo.images.views import may_be_frontal
from laudo.vocabulary import IMAGE_KINDS, DicomRecipe, Geometry, ImageWarning

_BILINEAR = Image.Resampling.BILINEAR


def decode(
    path: Path, *, size_px: int | None = None, recipe: DicomRecipe = "window", view: str | None = None
) -> Film:
    """Returns one radiograph as 8-bit grey, air dark and bone bright, with a warning if that is in doubt.

    A frontal DICOM that shows the opposite of what its tags say is inverted, and a DICOM whose window shows
    almost nothing is stretched. A frontal JPEG or PNG that looks inverted stays as it is, because it has no
    tag that could be wrong. All of them carry a warning.

    Args:
        path: a file of a suffix in `IMAGE_KINDS`, with the content that the suffix says.
        size_px: the size at which the film will be used. A JPEG is then decoded at 1/2, 1/4 or 1/8 of its
            size, with no side below `size_px`; the pixels differ by about half a grey level on average.
        recipe: how a DICOM becomes 8-bit grey (`laudo.images.dicom.decode`).
        view: its ViewPosition; None if it is not known, so that it may be frontal. Only a film that may
            be frontal is examined for inversion.

    Raises:
        UnreadableImage: with the reason.
    """
    film = _decoded(path, size_px=size_px, recipe=recipe, view=view)
    if IMAGE_KINDS[path.suffix.lower()] == "DICOM" or not may_be_frontal(view):
        return film
    return Film(film.image, ImageWarning.LOOKS_INVERTED if looks_inverted(film.image) else None)


def _decoded(path: Path, *, size_px: int | None, recipe: DicomRecipe, view: str | None) -> Film:
    """Returns the film; a JPEG or PNG is not examined for inversion, which only gives a warning."""
    data, kind = _load(path)
    if kind == "DICOM":
        return dicom.decode(path, data, recipe=recipe, view=view)
    image = picture.decode(path, data, kind=kind, size_px=size_px)
    assert_shows_something(path, image.histogram())
    return Film(image, None)


def pixels(path: Path) -> int:
    """Returns how many pixels the head of an image file promises; 0 where it cannot be read.

    Nothing is decoded, and nothing is refused: `decode` says what is wrong with a file.
    """
    try:
        if IMAGE_KINDS.get(path.suffix.lower()) == "DICOM":
            head = dicom.header(path)
            return (head.rows or 0) * (head.columns or 0)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(path, formats=["JPEG", "PNG"]) as image:
                return image.width * image.height
    except (UnreadableImage, OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        return 0


def fit(image: Image.Image, size_px: int) -> Image.Image:
    """Returns the image with its longest side at `size_px`, enlarged if it is smaller; its aspect stays."""
    scale = size_px / max(image.size)
    width, height = (max(1, round(side * scale)) for side in image.size)
    return image.resize((width, height), _BILINEAR)


def for_model(
    path: Path, *, size_px: int, geometry: Geometry, recipe: DicomRecipe = "window", view: str | None = None
) -> Image.Image:
    """Returns the radiograph as a model sees it in training and generation: RGB, a square of `size_px`.

    The steps are those of `cache_film`, so a film from the cache and one from its source differ only by the
    JPEG compression between them.

    Args:
        path: as for `decode`, or a film from the cache.
        size_px: side of the square; MedGemma's processor wants 896. A smaller film is enlarged.
        geometry: `pad` keeps the aspect and centres the film on black, as the notebooks of MedGemma 1.5 do;
            `squash` stretches the film to the square, as Gemma3ImageProcessor does by itself.
        recipe: as for `decode`.
        view: as for `decode`.

    Raises:
        UnreadableImage: with the reason.
    """
    film = _decoded(path, size_px=size_px, recipe=recipe, view=view)
    image = fit(film.image, size_px)
    if geometry == "squash":
        return image.resize((size_px, size_px), _BILINEAR).convert("RGB")
    square = Image.new("RGB", (size_px, size_px))
    square.paste(image, ((size_px - image.width) // 2, (size_px - image.height) // 2))
    return square


def _load(path: Path) -> tuple[bytes, str]:
    """Returns the bytes of the file and its kind (JPEG, PNG or DICOM); its name and content must agree."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UnreadableImage(path, error.strerror or str(error)) from error
    if not data:
        raise UnreadableImage(path, "the file is empty")
    named_kind = IMAGE_KINDS.get(path.suffix.lower())
    if named_kind is None:
        raise UnreadableImage(path, f"suffix {path.suffix!r} is none of {', '.join(IMAGE_KINDS)}")
    kind = _kind(data)
    if kind != named_kind:
        raise UnreadableImage(path, f"its name says {named_kind}, its content {kind}")
    return data, kind


def _kind(data: bytes) -> str:
    """Returns the kind of a file by its first bytes (ITU-T T.81 B.1.1; PNG 5.2; DICOM PS3.10 7.1)."""
    if data.startswith(b"\xff\xd8\xff"):
        return "JPEG"
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return "PNG"
    if data[128:132] == b"DICM":
        return "DICOM"
    return "something else"
