"""Radiographs: decode JPEG, PNG and DICOM, order the views, and bring them to a model's square.

Training and generation both go through `for_model`. A picture that cannot be trusted (cut short, blank, minute,
animated, not what its name says) is refused with the reason, never passed on as black. `docs/images.md` says
how a film becomes what the model sees.
"""

from laudo.images.cache import Kept, keep
from laudo.images.dicom import Header, Recipe, header
from laudo.images.exposure import fingerprint, same_exposure
from laudo.images.grey import MIN_SIDE_PX, Film, UnreadableImage
from laudo.images.reading import Geometry, for_model, load, read, shrink
from laudo.images.views import order

__all__ = [
    "MIN_SIDE_PX",
    "Film",
    "Geometry",
    "Header",
    "Kept",
    "Recipe",
    "UnreadableImage",
    "fingerprint",
    "for_model",
    "header",
    "keep",
    "load",
    "order",
    "read",
    "same_exposure",
    "shrink",
]
