"""DICOM to 8-bit grey, by the window that its maker gave it or by the recipe that made MIMIC-CXR-JPG."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from PIL import Image

from laudo.errors import LaudoError
from laudo.images import dicom_tables
from laudo.images.dicom_pixels import height_of_a_pixel, numbers, padding_mask, stored_values
from laudo.images.grey import (
    MIN_RANGE,
    Film,
    UnreadableImage,
    assert_holds_levels,
    assert_shows_something,
    assert_size,
    by_rows,
    grey_range,
    histogram,
    to_8_bits,
    usual_range,
)
from laudo.images.polarity import looks_inverted
from laudo.images.views import may_be_frontal
from laudo.vocabulary import DicomRecipe, ImageWarning

if TYPE_CHECKING:
    from laudo.images.grey import Grey, Values


class Header(NamedTuple):
    """What a DICOM says of its image, None where it does not say it; sizes in pixels."""

    view_position: str | None
    rows: int | None
    columns: int | None


def header(path: Path) -> Header:
    """Returns the view and size of a DICOM without decoding its pixels.

    Raises:
        UnreadableImage: absent, damaged, or not a DICOM.
    """
    from pydicom import dcmread

    names = ["ViewPosition", "Rows", "Columns"]
    with _reasons(path):
        dataset = dcmread(path, stop_before_pixels=True, specific_tags=names)
        view, rows, columns = (dataset.get(name) for name in names)
        view_position = str(view).strip() if view else ""
        return Header(view_position or None, rows or None, columns or None)


def decode(path: Path, data: bytes, *, recipe: DicomRecipe, view: str | None) -> Film:
    """Returns the film in mode `L`, air dark and bone bright.

    A frontal film that clearly shows the opposite of what its tags say is inverted (`polarity`). A film that
    its window or table hardly shows is spread over its own range. Both carry a warning.

    Args:
        path: for messages.
        data: the bytes of the file.
        recipe: `window`: modality LUT, then VOI LUT, window or percentiles (PS3.3 C.11.1, C.11.2), padding
            black; `mimic_jpg`: as MIMIC-CXR-JPG was made (MIT-LCP/mimic-cxr, issue 16): stored values from
            minimum to maximum, no window, MONOCHROME1 negated, histogram equalised.
        view: its ViewPosition in the tables of the corpus, if known.

    Raises:
        UnreadableImage: not one grey frame, damaged, or of too few grey levels.
    """
    with _reasons(path):
        dataset, stored = _stored(path, data)
        padding = _padding(stored, dataset, recipe)
        if padding.all():
            raise UnreadableImage(path, "every pixel is padding")
        grey, stretched = _rendered(path, stored, dataset, inside=~padding, recipe=recipe)
        ratio = height_of_a_pixel(dataset)
    grey[padding] = 0
    own_view = str(dataset.get("ViewPosition") or "")
    frontal = may_be_frontal(view) and may_be_frontal(own_view)
    inverted = frontal and looks_inverted(Image.fromarray(grey))
    if inverted:
        grey = 255 - grey
        grey[padding] = 0
    image = Image.fromarray(equalised(grey) if recipe == "mimic_jpg" else grey)
    return Film(_with_square_pixels(path, image, ratio), _WARNINGS.get((stretched, inverted)))


_WARNINGS = {
    (False, True): ImageWarning.SHOWN_INVERTED,
    (True, False): ImageWarning.STRETCHED,
    (True, True): ImageWarning.STRETCHED_AND_INVERTED,
}
"""The warning of a film that is (stretched, inverted)."""


def _padding(stored: Values, dataset: Any, recipe: DicomRecipe) -> Values:
    """Returns which pixels are padding, (rows, columns); MIMIC-CXR-JPG was made without looking for any."""
    import numpy as np

    return np.zeros(stored.shape, bool) if recipe == "mimic_jpg" else padding_mask(stored, dataset)


def _rendered(
    path: Path, stored: Values, dataset: Any, *, inside: Values, recipe: DicomRecipe
) -> tuple[Grey, bool]:
    """Returns the grey levels, (rows, columns), and whether they had to be stretched.

    They are, if the recipe gives a film that shows almost nothing `inside`.
    """
    import numpy as np

    inverted = dataset.PhotometricInterpretation == "MONOCHROME1"
    grey: Grey | None
    if recipe == "mimic_jpg":
        values, grey = stored, _whole_range(stored)
        if np.ptp(stored) < 255:  # fewer stored values than levels of grey
            assert_holds_levels(path, stored, name="stored value")
    else:
        values = _modality(stored, dataset)
        grey = _by_tags(values, dataset)
        # MONOCHROME1 and INVERSE say the same thing, and DX files must carry both: invert only once.
        inverted = inverted or dataset.get("PresentationLUTShape") == "INVERSE"
    stretched = grey is not None and _shows_little(grey[inside])
    if grey is None or stretched:
        assert_holds_levels(path, stored[inside], name="stored value")
        if dataset.get("ModalityLUTSequence"):
            assert_holds_levels(path, values[inside], name="mapped value")
        low, high = usual_range(values[inside])
        grey = to_8_bits(values, low=low, high=high)
        assert_shows_something(path, histogram(grey[inside]))
    return 255 - grey if inverted else grey, stretched


_CLIPPED = 0.95
"""Share of black and white pixels above which a window is of another range: collimation alone gives half."""


def _shows_little(grey: Grey) -> bool:
    """Returns whether fewer than `MIN_RANGE` levels are left, or almost only black and white."""
    counts = histogram(grey)
    low, high = grey_range(counts)
    return high - low < MIN_RANGE or bool(counts[0] + counts[255] > _CLIPPED * grey.size)


def _with_square_pixels(path: Path, image: Image.Image, ratio: float) -> Image.Image:
    """Returns the film enlarged along the longer side of its pixels; `ratio` is height by width."""
    if ratio == 1:
        return image
    width, height = image.size
    size = (width, round(height * ratio)) if ratio > 1 else (round(width / ratio), height)
    if max(size) > 4 * max(image.size):
        raise UnreadableImage(path, f"its pixels are {ratio:.3g} times as high as wide")
    assert_size(path, *size)
    return image.resize(size, Image.Resampling.BILINEAR)


@contextmanager
def _reasons(path: Path) -> Iterator[None]:
    """Turns each error of pydicom and its decoders on a damaged file into a refusal with its reason."""
    try:
        with warnings.catch_warnings():
            # pydicom warns of thousands of harmless oddities, and only warns of a file that is cut short.
            warnings.simplefilter("ignore")
            warnings.filterwarnings("error", message="End of file")
            yield
    except UnreadableImage:
        raise
    except ImportError as error:
        what = f"this DICOM needs {error.name}, which is not installed"
        raise LaudoError(what, where=str(path), fix="pip install 'laudo[dicom]'") from error
    except UserWarning as error:
        raise UnreadableImage(path, "the file is cut short") from error
    except Exception as error:
        raise UnreadableImage(path, " ".join(str(error).split()) or type(error).__name__) from error


_PIXELS = ("PixelData", "FloatPixelData", "DoubleFloatPixelData")


def _stored(path: Path, data: bytes) -> tuple[Any, Values]:
    """Returns the data set and its stored values, (rows, columns)."""
    import numpy as np
    from pydicom import dcmread

    dataset = dcmread(BytesIO(data))
    if not any(name in dataset for name in _PIXELS):
        raise UnreadableImage(path, "it holds no pixels")
    frames = int(dataset.get("NumberOfFrames") or 1)
    photometric = dataset.get("PhotometricInterpretation") or "unnamed"
    if frames != 1 or photometric not in ("MONOCHROME1", "MONOCHROME2"):
        raise UnreadableImage(path, f"{frames} frame(s) of {photometric} pixels, not one of grey")
    if not (dataset.get("Rows") and dataset.get("Columns")):
        raise UnreadableImage(path, "its head has no size")
    assert_size(path, dataset.Columns, dataset.Rows)
    stored = stored_values(dataset)
    if stored.ndim != 2:
        raise UnreadableImage(path, f"its pixels have the shape {stored.shape}, not rows and columns")
    if stored.dtype.kind == "f" and not np.isfinite(stored).all():
        raise UnreadableImage(path, "some of its pixels are no numbers")
    return dataset, stored


# --- the recipe of MIMIC-CXR-JPG ---------------------------------------------------------------------


def _whole_range(stored: Values) -> Grey:
    """Returns minimum to maximum as 0 to 255, cut to whole numbers, in the recipe's order of steps."""
    import numpy as np

    low = np.float64(stored.min())
    span = stored.max() - low or 1

    def levels(rows: Values) -> Values:
        cut: Values = ((rows.astype(np.float64) - low) / span * 255).astype(np.uint8)
        return cut

    return by_rows(levels, stored, kind=np.uint8)


def equalised(grey: Grey) -> Grey:
    """Returns the film after global histogram equalisation, bit by bit as OpenCV's `equalizeHist` does it.

    The lowest grey level that occurs becomes 0. Pixels of that level are not counted any more: every other
    level becomes 255 times the share of pixels up to it, in 32-bit floats
    (opencv/modules/imgproc/src/histogram.cpp).
    """
    import numpy as np

    counts = np.array(histogram(grey))
    lowest = counts[np.flatnonzero(counts)[0]]
    if lowest == grey.size:
        return grey
    scale = np.float32(255) / np.float32(grey.size - lowest)
    above = (np.cumsum(counts) - lowest).clip(0)
    table = np.rint(above.astype(np.float32) * scale).clip(0, 255).astype(np.uint8)
    return by_rows(lambda rows: table[rows], grey, kind=np.uint8)


# --- windows -----------------------------------------------------------------------------------------


def _modality(stored: Values, dataset: Any) -> Values:
    """Returns the values after the Modality LUT or the rescaling (PS3.3 C.11.1).

    A slope of 0, which would leave nothing of the film, and half of the pair are ignored, as DCMTK does it.
    """
    import numpy as np

    items = dataset.get("ModalityLUTSequence")
    if items:
        table = dicom_tables.load(dataset, items[0], signed=stored.dtype.kind == "i")
        return by_rows(lambda rows: table(rows), stored, kind=np.int64)
    slope, intercept = (_first(dataset, name) for name in ("RescaleSlope", "RescaleIntercept"))
    values: Values = stored.astype(np.float64)
    if slope and intercept is not None:
        values *= slope
        values += intercept
    return values


def _by_tags(values: Values, dataset: Any) -> Grey | None:
    """Returns grey levels by the first VOI LUT, else by the first window; None where there is neither."""
    import numpy as np

    items = dataset.get("VOILUTSequence")
    if items:
        table = dicom_tables.load(dataset, items[0], signed=values.min() < 0)

        def mapped(rows: Values) -> Grey:
            return to_8_bits(table(rows), low=0, high=table.top)

        return by_rows(mapped, values, kind=np.uint8)
    centre, width = (_first(dataset, name) for name in ("WindowCenter", "WindowWidth"))
    if centre is None or width is None or width <= 0:
        return None
    function = dataset.get("VOILUTFunction") or "LINEAR"
    return _through_window(values, centre=centre, width=width, function=function)


def _through_window(values: Values, *, centre: float, width: float, function: str) -> Grey:
    """Returns grey levels of a window (PS3.3 C.11.2.1.2 and C.11.2.1.3)."""
    import numpy as np

    if function == "SIGMOID":

        def sigmoid(rows: Values) -> Grey:
            # The limit, far into black, keeps exp from overflowing.
            exponent = np.clip(-4 * (rows - centre) / width, None, 700)
            return to_8_bits(1 / (1 + np.exp(exponent)), low=0, high=1)

        return by_rows(sigmoid, values, kind=np.uint8)
    low, high = centre - width / 2, centre + width / 2
    if function == "LINEAR":
        high -= 1  # LINEAR counts whole values: a window of width 5 holds five of them
    return to_8_bits(values, low=low, high=high)


def _first(dataset: Any, name: str) -> float | None:
    """Returns the first number of a tag that may have several; None if there is none."""
    return next(iter(numbers(dataset.get(name))), None)
