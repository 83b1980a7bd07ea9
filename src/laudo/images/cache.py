"""Films at the size that is kept. Each says in its JPEG comment what it was made from, so that none is made twice."""

from __future__ import annotations

import json
import os
from io import BytesIO
from pathlib import Path
from typing import Any, NamedTuple

from PIL import Image

from laudo.disk import atomic, writing
from laudo.images.dicom import Recipe
from laudo.images.exposure import fingerprint
from laudo.images.grey import UnreadableImage, assert_shows_something, assert_size
from laudo.images.picture import assert_not_filled_up
from laudo.images.reading import read, shrink

_FORMAT = 1
"""To be raised when the code makes other pixels, fingerprints or warnings of the same source."""

_QUALITY = 95


class Kept(NamedTuple):
    """A film in the cache: its size in pixels, its fingerprint, and the warning of its reading."""

    width: int
    height: int
    fingerprint: str
    warning: str | None


def keep(source: Path, target: Path, *, size_px: int, recipe: Recipe, view: str | None) -> Kept:
    """Writes the film at `source` to `target` as a grey JPEG, unless it is there already.

    It is there if its comment names the same size and time of the source, recipe, view and `size_px`; then
    nothing is decoded. A torn or foreign file at `target` is replaced. The picture depends on the source's
    bytes and the arguments alone.

    Args:
        source: as for `laudo.images.read`.
        target: its folder is made if need be; the file is there whole or not at all.
        size_px: length of the longest side.
        recipe: as for `read`.
        view: as for `read`.

    Raises:
        UnreadableImage: the source cannot be used.
        LaudoError: the target cannot be written.
    """
    try:
        found = source.stat()
    except OSError as error:
        raise UnreadableImage(source, error.strerror or str(error)) from error
    made_from = {
        "format": _FORMAT, "bytes": found.st_size, "mtime_ns": found.st_mtime_ns, "recipe": recipe,
        "size_px": size_px, "view": view,
    }  # fmt: skip
    there = _there(target, made_from)
    if there:
        return there
    film = read(source, size_px=size_px, recipe=recipe, view=view)
    small = shrink(film.image, size_px)
    # What is kept will be read, long after the source was: it must not be refused then.
    assert_size(source, *small.size)
    assert_shows_something(source, small.histogram())
    assert_not_filled_up(source, small)
    kept = Kept(*small.size, fingerprint=fingerprint(small), warning=film.warning)
    _write(target, small, made_from | {"fingerprint": kept.fingerprint, "warning": kept.warning})
    return kept


def _there(target: Path, made_from: dict[str, Any]) -> Kept | None:
    """What the film at `target` says of itself, if it is whole and made from the same."""
    try:
        with target.open("rb") as stream, Image.open(stream, formats=["JPEG"]) as image:
            said = json.loads(image.info["comment"])
            stream.seek(-2, os.SEEK_END)
            if stream.read() != b"\xff\xd9" or {name: said[name] for name in made_from} != made_from:
                return None
            return Kept(*image.size, fingerprint=said["fingerprint"], warning=said["warning"])
    except (OSError, SyntaxError, ValueError, KeyError, TypeError):
        return None


def _write(target: Path, image: Image.Image, comment: dict[str, Any]) -> None:
    encoded = BytesIO()  # Pillow writes a file in small pieces, three times as slow
    image.save(encoded, format="JPEG", quality=_QUALITY, comment=json.dumps(comment))
    with writing(target.parent):
        target.parent.mkdir(parents=True, exist_ok=True)
    with atomic(target) as temporary:
        temporary.write_bytes(encoded.getvalue())
