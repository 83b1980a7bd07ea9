"""Radiographs: decode JPEG, PNG and DICOM, order the views, and bring them to a model's square.

Training and generation both go through `for_model`. A picture that cannot be trusted (cut short,
blank, minute, animated, not what its name says) is refused with the reason, never passed on as black.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeVar

from PIL import Image, UnidentifiedImageError

from laudo.errors import InputError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Pixels = NDArray[np.float64]

MIN_SIDE_PX = 32
"""No radiograph is smaller; a smaller picture is a thumbnail or a placeholder."""

Geometry = Literal["pad", "squash"]

_KINDS = {".jpg": "JPEG", ".jpeg": "JPEG", ".png": "PNG", ".dcm": "DICOM", ".dicom": "DICOM"}
_BILINEAR = Image.Resampling.BILINEAR


class UnreadableImage(InputError):
    """An image file that is absent, damaged or no radiograph."""

    def __init__(self, path: Path, reason: str) -> None:
        self.reason = reason
        mend = "fetch the file again or leave it out"
        super().__init__(f"the image cannot be used: {reason}", where=str(path), mend=mend)


class ImageRef(Protocol):
    """What `order` needs to know of an image; sizes in pixels."""

    @property
    def dicom_id(self) -> str: ...
    @property
    def view_position(self) -> str | None: ...
    @property
    def rows(self) -> int | None: ...
    @property
    def columns(self) -> int | None: ...


Ref = TypeVar("Ref", bound=ImageRef)


def load(path: Path, *, size_px: int | None = None) -> Image.Image:
    """One radiograph as 8-bit grey (mode `L`), air dark and bone bright.

    Args:
        path: a .jpg, .png or .dcm file holding what its name says.
        size_px: the size it will be used at: a JPEG is then decoded at 1/2, 1/4 or 1/8 of its size, no side
            below `size_px`, a third faster. The pixels differ a little (about 0.3 grey levels on average).

    Raises:
        UnreadableImage: with the reason.
    """
    kind = _kind(path)
    image = _from_dicom(path) if kind == "DICOM" else _from_picture(path, kind, size_px)
    low, high = image.getextrema()
    if low == high:
        raise UnreadableImage(path, f"every pixel has the grey value {low}")
    return image


def shrink(image: Image.Image, size_px: int) -> Image.Image:
    """The image with its longest side at `size_px`, its aspect kept."""
    scale = size_px / max(image.size)
    width, height = (max(1, round(side * scale)) for side in image.size)
    return image.resize((width, height), _BILINEAR)


def order(views: Sequence[Ref]) -> list[Ref]:
    """The images of a study in order of use: PA, AP, other or unnamed frontal, LATERAL, LL, the rest.

    Within one kind of view the larger comes first, then the smaller dicom_id.
    """
    return sorted(
        views,
        key=lambda view: (_rank(view.view_position), -(view.rows or 0) * (view.columns or 0), view.dicom_id),
    )


def for_model(path: Path, *, size_px: int, geometry: Geometry) -> Image.Image:
    """The radiograph as a model sees it, in training and generation alike: RGB, `size_px` square.

    Args:
        path: as for `load`.
        size_px: side of the square; MedGemma's processor wants 896.
        geometry: `pad` keeps the aspect, centred on black, as MedGemma 1.5's notebooks do; `squash`
            stretches to the square, as Gemma3ImageProcessor alone would.

    Raises:
        UnreadableImage: with the reason.
    """
    image = load(path, size_px=size_px)
    if geometry == "squash":
        return image.resize((size_px, size_px), _BILINEAR).convert("RGB")
    image = shrink(image, size_px)
    square = Image.new("RGB", (size_px, size_px))
    square.paste(image, ((size_px - image.width) // 2, (size_px - image.height) // 2))
    return square


def _rank(view: str | None) -> int:
    """Position of a view; names as in MIMIC-CXR, so `AP AXIAL` and `PA LLD` are frontal."""
    name = (view or "").upper().strip()
    named = {"PA": 0, "AP": 1, "": 2, "LATERAL": 3, "LL": 4}
    return named.get(name, 2 if name.startswith(("AP ", "PA ")) else 5)


def _kind(path: Path) -> str:
    """JPEG, PNG or DICOM, by name and by content, which must agree."""
    try:
        with path.open("rb") as stream:
            head = stream.read(132)
    except OSError as error:
        raise UnreadableImage(path, error.strerror or str(error)) from error
    named = _KINDS.get(path.suffix.lower())
    if not head:
        raise UnreadableImage(path, "the file is empty")
    if named is None:
        raise UnreadableImage(path, f"suffix {path.suffix!r} is none of {', '.join(_KINDS)}")
    if _content(head) != named:
        raise UnreadableImage(path, f"its name says {named}, its content {_content(head)}")
    return named


def _content(head: bytes) -> str:
    if head.startswith(b"\xff\xd8\xff"):
        return "JPEG"
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return "PNG"
    return "DICOM" if head[128:132] == b"DICM" else "something else"


def _assert_size(path: Path, width: int, height: int) -> None:
    if min(width, height) < MIN_SIDE_PX:
        raise UnreadableImage(path, f"{width} x {height} pixels, a side under {MIN_SIDE_PX}")


# --- JPEG and PNG -----------------------------------------------------------------------------------


_DECODING_ERRORS = (
    OSError,
    SyntaxError,
    ValueError,
    EOFError,
    struct.error,
    zlib.error,
    Image.DecompressionBombError,
)


def _from_picture(path: Path, kind: str, size_px: int | None) -> Image.Image:
    try:
        with Image.open(path) as image:
            _assert_size(path, *image.size)
            # A photograph with previews (MPO) and an animated PNG both have frames.
            frames = getattr(image, "n_frames", 1)
            if frames > 1:
                raise UnreadableImage(path, f"it holds {frames} pictures")
            if kind == "JPEG" and size_px:
                image.draft("L", (size_px, size_px))
            image.load()
            return _grey(image)
    except UnidentifiedImageError as error:
        raise UnreadableImage(path, f"the head of the {kind} is damaged") from error
    except _DECODING_ERRORS as error:
        raise UnreadableImage(path, str(error) or type(error).__name__) from error


def _grey(image: Image.Image) -> Image.Image:
    if image.mode == "L" and "transparency" not in image.info:
        return image.copy()
    if image.mode.startswith("I"):
        return _to_8_bits(image)
    if image.has_transparency_data:
        black = Image.new("RGBA", image.size, "black")
        image = Image.alpha_composite(black, image.convert("RGBA"))
    return image.convert("RGB").convert("L")


def _to_8_bits(image: Image.Image) -> Image.Image:
    """16-bit grey, its own range to 0..255: many files hold 12 bits, and a plain shift blackens them."""
    import numpy as np

    pixels = np.asarray(image, dtype=np.float64)
    return _scaled(pixels, low=float(pixels.min()), high=float(pixels.max()))


def _scaled(pixels: Pixels, *, low: float, high: float) -> Image.Image:
    """Grey image of pixels, `low` and below to 0, `high` and above to 255."""
    import numpy as np

    if high <= low:
        return Image.new("L", (pixels.shape[1], pixels.shape[0]))
    unit = np.clip((pixels - low) / (high - low), 0, 1)
    return Image.fromarray(np.round(unit * 255).astype(np.uint8))


# --- DICOM ------------------------------------------------------------------------------------------


def _from_dicom(path: Path) -> Image.Image:
    """Modality LUT, window or percentiles, inversion where low values mean white (DICOM PS3.3 C.11)."""
    from pydicom import dcmread
    from pydicom.pixels.processing import apply_modality_lut

    try:
        dataset = dcmread(path)
        frames = int(dataset.get("NumberOfFrames") or 1)
        photometric = str(dataset.get("PhotometricInterpretation", ""))
        stored = dataset.pixel_array if frames == 1 and photometric.startswith("MONOCHROME") else None
        values = None if stored is None else apply_modality_lut(stored, dataset).astype("float64")
    except Exception as error:  # the decoders behind pydicom raise almost anything on a damaged file
        raise UnreadableImage(path, f"{error or type(error).__name__}") from error
    if values is None:
        raise UnreadableImage(path, f"{frames} frame(s) of {photometric or 'unnamed'} pixels, not grey")
    _assert_size(path, values.shape[1], values.shape[0])
    values, low, high = _window(path, values, dataset)
    image = _scaled(values, low=low, high=high)
    # The two say the same thing, and DX files must carry both: invert once.
    inverted = photometric == "MONOCHROME1" or dataset.get("PresentationLUTShape") == "INVERSE"
    return image.point(lambda grey: 255 - grey) if inverted else image


def _window(path: Path, values: Pixels, dataset: Any) -> tuple[Pixels, float, float]:
    """The values to show and the range to show them in: VOI table, else first window, else percentiles."""
    import numpy as np
    from pydicom.pixels.processing import apply_voi_lut

    try:
        function = dataset.get("VOILUTFunction") or "LINEAR"
        if dataset.get("VOILUTSequence") or function == "SIGMOID":
            shown = np.asarray(apply_voi_lut(values.astype(np.int64), dataset), dtype=np.float64)
            return shown, float(shown.min()), float(shown.max())
        centre, width = (_first(dataset.get(name)) for name in ("WindowCenter", "WindowWidth"))
    except Exception as error:  # as above
        raise UnreadableImage(path, f"its window cannot be applied: {error}") from error
    if centre is not None and width is not None and width > 0:
        # PS3.3 C.11.2.1.2.1: LINEAR counts whole values, so its window ends one earlier.
        return values, centre - width / 2, centre + width / 2 - (function != "LINEAR_EXACT")
    low, high = np.percentile(values, (0.5, 99.5))
    return values, float(low), float(high)


def _first(value: Any) -> float | None:
    """The first of a window's values; a file may offer several windows, or an empty one."""
    if value is None or value == "":
        return None
    return float(value) if isinstance(value, (int, float, str)) else float(value[0])
