"""The cache: films as small grey JPEGs, each made only once.

The JPEG comment of a cached film records its origin: what it was made from, and how. A film with the same
origin is not made again.
"""

from __future__ import annotations

import json
from contextlib import nullcontext
from io import BytesIO
from pathlib import Path
from typing import Any, NamedTuple

from PIL import Image

from laudo.images.decoding import decode, fit, pixels
from laudo.images.exposure import fingerprints
from laudo.images.grey import MAX_PIXELS, MIN_RANGE, UnreadableImage, assert_shows_something, assert_size
from laudo.store import spread
from laudo.store.content import of_bytes
from laudo.store.disk import atomic, writing
from laudo.vocabulary import DicomRecipe

_FORMAT = 3
"""Raise this number when the code makes other pixels, fingerprints or warnings of the same source."""

USUAL_PIXELS = 16_000_000
"""Nearly all films have fewer; larger ones are decoded by one worker at a time."""

_BYTES_PER_PIXEL = 26
"""The most memory that decoding takes (a PNG of 16-bit colour; `benchmarks/RESULTS.md`)."""

_LIBRARIES = 150 * 2**20

WORKER_BYTES = _LIBRARIES + USUAL_PIXELS * _BYTES_PER_PIXEL
"""The most memory of a worker that decodes films of up to `USUAL_PIXELS`."""

LARGEST_BYTES = (MAX_PIXELS - USUAL_PIXELS) * _BYTES_PER_PIXEL
"""What the largest film takes beyond it."""

_QUALITY = 95
_LOST_LEVELS = 4
"""By so many levels a film may be flatter after its compression; more than 1 was not seen."""

_START_OF_JPEG, _END_OF_JPEG, _START_OF_SCAN, _COMMENT = b"\xff\xd8", b"\xff\xd9", b"\xff\xda", b"\xff\xfe"


class CachedFilm(NamedTuple):
    """A film in the cache.

    Attributes:
        width, height: in pixels.
        digest: of its JPEG without the comment, so that it is the same wherever and whenever it was made.
        fingerprint: as `fingerprint` gives it.
        mirrored: the fingerprint of the film with left and right exchanged.
        warning: as `decode` gives it.
    """

    width: int
    height: int
    digest: str
    fingerprint: str
    mirrored: str
    warning: str | None


def cache_film(
    source: Path, target: Path, *, size_px: int, recipe: DicomRecipe, view: str | None
) -> CachedFilm:
    """Returns the film at `target`, and writes it first if it is not in the cache yet.

    A film is in the cache if its comment names the same size and time of the source, recipe, view and
    `size_px`; then nothing is decoded. An incomplete file at `target`, or one of another origin, is replaced.
    The pixels depend only on the bytes of the source and the arguments.

    Args:
        source: as for `laudo.images.decode`.
        target: receives a grey JPEG. Its folder is made if necessary. The file is never incomplete.
        size_px: length of the longest side; a smaller film is enlarged.
        recipe: as for `decode`.
        view: as for `decode`.

    Raises:
        UnreadableImage: the source cannot be used.
        LaudoError: the target cannot be written.
    """
    origin = _origin(source) | {"recipe": recipe, "size_px": size_px, "view": view}
    cached = _cached(target, origin)
    if cached:
        return cached
    # A few enormous films would fill the memory if all workers decoded one at the same time.
    with spread.alone() if pixels(source) > USUAL_PIXELS else nullcontext():
        film = decode(source, size_px=size_px, recipe=recipe, view=view)
        small = fit(film.image, size_px)
    _assert_can_be_decoded_again(source, small)
    mark, mirrored = fingerprints(small)
    found = {"fingerprint": mark, "mirrored": mirrored, "warning": film.warning}
    jpeg = _encoded(small, origin | found)
    with writing(target.parent):
        target.parent.mkdir(parents=True, exist_ok=True)
    with atomic(target) as temporary:
        temporary.write_bytes(jpeg)
    return CachedFilm(*small.size, _digest(jpeg), mark, mirrored, film.warning)


def film_digest(path: Path) -> str | None:
    """Returns the digest of a film in the cache, as `CachedFilm` has it; None if it cannot be read."""
    try:
        return _digest(path.read_bytes())
    except OSError:
        return None


def _origin(source: Path) -> dict[str, Any]:
    try:
        status = source.stat()
    except OSError as error:
        raise UnreadableImage(source, error.strerror or str(error)) from error
    return {"format": _FORMAT, "bytes": status.st_size, "mtime_ns": status.st_mtime_ns}


def _cached(target: Path, origin: dict[str, Any]) -> CachedFilm | None:
    """Returns the film at `target`; None if it is absent, incomplete or of another origin."""
    try:
        jpeg = target.read_bytes()
        with Image.open(BytesIO(jpeg), formats=["JPEG"]) as image:
            comment, size = json.loads(image.info["comment"]), image.size
        has_origin = {name: comment[name] for name in origin} == origin
        if not (has_origin and jpeg.endswith(_END_OF_JPEG)):
            return None
        found = (comment[name] for name in ("fingerprint", "mirrored", "warning"))
        return CachedFilm(*size, _digest(jpeg), *found)
    except (OSError, SyntaxError, ValueError, KeyError, TypeError):
        return None


def _assert_can_be_decoded_again(source: Path, small: Image.Image) -> None:
    """Refuses a film that `decode` would refuse later, when it comes from the cache."""
    assert_size(source, *small.size)
    assert_shows_something(source, small.histogram(), levels=MIN_RANGE + _LOST_LEVELS)


def _encoded(image: Image.Image, comment: dict[str, Any]) -> bytes:
    encoded = BytesIO()  # Pillow writes to a file in small pieces, which takes three times as long
    image.save(encoded, format="JPEG", quality=_QUALITY, comment=json.dumps(comment))
    return encoded.getvalue()


def _digest(jpeg: bytes) -> str:
    """The digest of a JPEG without its comment, which names the time of the source.

    A segment is a marker of two bytes and a length of two bytes that counts itself (ISO/IEC 10918-1,
    B.1.1.4).
    """
    start = len(_START_OF_JPEG)
    while start < len(jpeg) and (marker := jpeg[start : start + 2]) != _START_OF_SCAN:
        end = start + 2 + int.from_bytes(jpeg[start + 2 : start + 4])
        if marker == _COMMENT:
            return of_bytes(jpeg[:start] + jpeg[end:])
        start = end
    return of_bytes(jpeg)
