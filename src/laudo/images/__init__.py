"""Radiographs: decode JPEG, PNG and DICOM, order the views of a study, and bring a film to a model's square.

Training and generation both use `for_model`. An image that cannot be trusted (cut short, blank, minute,
animated, not what its name says) is refused with the reason and never becomes a black picture.
`docs/images.md` describes every step.
"""

from laudo.images.cache import LARGEST_BYTES, WORKER_BYTES, CachedFilm, cache_film, film_digest
from laudo.images.decoding import decode, fit, for_model
from laudo.images.dicom import Header, header
from laudo.images.exposure import fingerprint, same_exposure
from laudo.images.grey import MIN_SIDE_PX, Film, UnreadableImage
from laudo.images.views import order

__all__ = [
    "LARGEST_BYTES",
    "MIN_SIDE_PX",
    "WORKER_BYTES",
    "CachedFilm",
    "Film",
    "Header",
    "UnreadableImage",
    "cache_film",
    "decode",
    "film_digest",
    "fingerprint",
    "fit",
    "for_model",
    "header",
    "order",
    "same_exposure",
]
