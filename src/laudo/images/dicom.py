"""DICOM to 8-bit grey, by the window its maker gave it or by the recipe that made MIMIC-CXR-JPG."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from PIL import Image

from laudo.errors import LaudoError
from laudo.images import polarity
from laudo.images.grey import (
    Film,
    UnreadableImage,
    assert_shows_something,
    assert_size,
    to_8_bits,
    usual_range,
)
from laudo.images.views import may_be_frontal

if TYPE_CHECKING:
    from laudo.images.grey import Grey, Values

Recipe = Literal["window", "mimic_jpg"]


class Header(NamedTuple):
    """What a DICOM says of its picture, where it says it; sizes in pixels."""

    view_position: str | None
    rows: int | None
    columns: int | None


def header(path: Path) -> Header:
    """The view and size of a DICOM, without reading its pixels.

    Raises:
        UnreadableImage: absent, damaged, or no DICOM.
    """
    from pydicom import dcmread

    names = ("ViewPosition", "Rows", "Columns")
    with _reasons(path):
        dataset = dcmread(path, stop_before_pixels=True, specific_tags=list(names))
        view, rows, columns = (dataset.get(name) for name in names)
        return Header(str(view).strip() or None if view else None, rows or None, columns or None)


def decode(path: Path, data: bytes, *, recipe: Recipe, view: str | None) -> Film:
    """The film in mode `L`, air dark and bone bright.

    A frontal film that clearly shows the opposite of what its tags promise is inverted, with a warning
    (`polarity`).

    Args:
        path: for messages.
        data: the file's bytes.
        recipe: `window`: modality LUT, then VOI LUT, window or percentiles (PS3.3 C.11.1, C.11.2), padding
            black; `mimic_jpg`: as MIMIC-CXR-JPG was made (MIT-LCP/mimic-cxr, issue 16): stored values from
            minimum to maximum, no window, MONOCHROME1 negated, histogram equalised.
        view: its ViewPosition in the corpus's tables, if known.

    Raises:
        UnreadableImage: no single grey frame, damaged, or a window that shows nothing.
    """
    import numpy as np

    with _reasons(path):
        dataset, stored = _stored(path, data)
        low_is_white = dataset.PhotometricInterpretation == "MONOCHROME1"
        if recipe == "mimic_jpg":
            shown, outside = _whole_range(stored), np.zeros(stored.shape, bool)
        else:
            outside = _padding(stored, dataset)
            shown = _windowed(stored, dataset, inside=~outside)
            # The two say the same thing, and DX files must carry both: invert once.
            low_is_white |= dataset.get("PresentationLUTShape") == "INVERSE"
    if outside.all():
        raise UnreadableImage(path, "every pixel is padding")
    shown = 255 - shown if low_is_white else shown
    assert_shows_something(path, _histogram(shown[~outside]).tolist())
    shown[outside] = 0
    warning = None
    frontal = may_be_frontal(view) and may_be_frontal(str(dataset.get("ViewPosition") or ""))
    if frontal and polarity.polarity(Image.fromarray(shown)) <= -polarity.STRONG:
        shown, warning = 255 - shown, polarity.MENDED
        shown[outside] = 0
    return Film(Image.fromarray(equalised(shown) if recipe == "mimic_jpg" else shown), warning)


@contextmanager
def _reasons(path: Path) -> Iterator[None]:
    """Turns whatever pydicom and the decoders behind it raise on a damaged file into a reason."""
    try:
        with warnings.catch_warnings():
            # pydicom warns of oddities by the thousand; of a file cut short it does no more than that.
            warnings.simplefilter("ignore")
            warnings.filterwarnings("error", message="End of file")
            yield
    except UnreadableImage:
        raise
    except ImportError as error:
        raise LaudoError(
            "DICOM files need pydicom", where=str(path), mend="pip install 'laudo[dicom]'"
        ) from error
    except UserWarning as error:
        raise UnreadableImage(path, "the file is cut short") from error
    except Exception as error:
        raise UnreadableImage(path, " ".join(str(error).split()) or type(error).__name__) from error


def _stored(path: Path, data: bytes) -> tuple[Any, Values]:
    """The data set and its stored values, (rows, columns)."""
    from pydicom import dcmread

    dataset = dcmread(BytesIO(data))
    if not any(name in dataset for name in ("PixelData", "FloatPixelData", "DoubleFloatPixelData")):
        raise UnreadableImage(path, "it holds no pixels")
    frames = int(dataset.get("NumberOfFrames") or 1)
    photometric = dataset.get("PhotometricInterpretation") or "unnamed"
    if frames != 1 or photometric not in ("MONOCHROME1", "MONOCHROME2"):
        raise UnreadableImage(path, f"{frames} frame(s) of {photometric} pixels, not one of grey")
    if not (dataset.get("Rows") and dataset.get("Columns")):
        raise UnreadableImage(path, "its head has no size")
    assert_size(path, dataset.Columns, dataset.Rows)
    stored = dataset.pixel_array
    if stored.ndim != 2:
        raise UnreadableImage(path, f"its pixels have the shape {stored.shape}, not rows and columns")
    return dataset, stored


# --- the recipe of MIMIC-CXR-JPG ---------------------------------------------------------------------


def _whole_range(stored: Values) -> Grey:
    """Minimum to maximum as 0 to 255, cut to whole numbers, in the recipe's own order of operations."""
    import numpy as np

    values = stored.astype(np.float64)
    values -= values.min()
    grey: Grey = (values / (values.max() or 1) * 255).astype(np.uint8)
    return grey


def equalised(grey: Grey) -> Grey:
    """Global histogram equalisation as OpenCV's `equalizeHist` does it, to the last bit.

    The lowest grey level that occurs becomes 0; every other becomes the pixels up to it, without those of the
    lowest, times 255 over all without the lowest (opencv/modules/imgproc/src/histogram.cpp), in 32-bit floats.
    """
    import numpy as np

    counts = _histogram(grey)
    lowest = counts[np.flatnonzero(counts)[0]]
    if lowest == grey.size:
        return grey
    scale = np.float32(255) / np.float32(grey.size - lowest)
    above = (np.cumsum(counts) - lowest).clip(0)
    table = np.rint(above.astype(np.float32) * scale).clip(0, 255).astype(np.uint8)
    levels: Grey = table[grey]
    return levels


def _histogram(grey: Grey) -> Values:
    import numpy as np

    return np.bincount(grey.ravel(), minlength=256)


# --- windows -----------------------------------------------------------------------------------------


def _windowed(stored: Values, dataset: Any, *, inside: Values) -> Grey:
    """Modality LUT, then the first of: VOI LUT, window, percentiles of the pixels `inside`."""
    import numpy as np
    from pydicom.pixels.processing import apply_modality_lut

    values = apply_modality_lut(stored, dataset).astype(np.float64)
    if dataset.get("VOILUTSequence"):
        table, first = _table(dataset, signed=values.min() < 0)
        shown = table[np.clip(np.rint(values) - first, 0, len(table) - 1).astype(np.intp)]
        return to_8_bits(shown, low=table.min(), high=table.max())
    centre, width = (_first(dataset.get(name)) for name in ("WindowCenter", "WindowWidth"))
    if centre is None or width is None or width <= 0:
        low, high = usual_range(values[inside]) if inside.any() else (0.0, 0.0)
        return to_8_bits(values, low=low, high=high)
    function = dataset.get("VOILUTFunction") or "LINEAR"
    if function == "SIGMOID":  # PS3.3 C.11.2.1.3.1; the clip, far into black, keeps exp from overflowing
        exponent = np.clip(-4 * (values - centre) / width, None, 700)
        return to_8_bits(1 / (1 + np.exp(exponent)), low=0, high=1)
    # PS3.3 C.11.2.1.2.1: LINEAR counts whole values, so its window ends one earlier.
    return to_8_bits(values, low=centre - width / 2, high=centre + width / 2 - (function == "LINEAR"))


def _table(dataset: Any, *, signed: bool) -> tuple[Values, int]:
    """The first VOI LUT and the value of its first entry (PS3.3 C.11.2.1.1).

    The value is signed where the values to be mapped may be, but a file without explicit types, whose pixels
    are unsigned and become negative by rescaling, has it read as unsigned.
    """
    import numpy as np

    item = dataset.VOILUTSequence[0]
    count, first = item.LUTDescriptor[0] or 2**16, int(item.LUTDescriptor[1])
    entries = item.LUTData
    if isinstance(entries, bytes):
        entries = np.frombuffer(entries, "<u2" if dataset.original_encoding[1] else ">u2")
    return np.asarray(entries, np.float64)[:count], first - 2**16 if signed and first >= 2**15 else first


def _padding(stored: Values, dataset: Any) -> Values:
    """Where the pixels are padding: the value, or all from it to the range limit (PS3.3 C.7.5.1.1.2).

    Both are compared with stored values; the cast mends a value written with the wrong sign.
    """
    import numpy as np

    value, limit = (dataset.get(name) for name in ("PixelPaddingValue", "PixelPaddingRangeLimit"))
    if value is None:
        return np.zeros(stored.shape, bool)
    ends = np.array([value, value if limit is None else limit], np.int64).astype(stored.dtype)
    within: Values = (stored >= ends.min()) & (stored <= ends.max())
    return within


def _first(value: Any) -> float | None:
    """The first of a window's values; a file may offer several windows, an empty one, or no number."""
    if value is None or value == "":
        return None
    number = float(value) if isinstance(value, (int, float, str)) else float(value[0])
    return number if math.isfinite(number) else None
