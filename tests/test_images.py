"""Images made here with known grey values; DICOM windows are compared with pydicom's own."""

import os
import struct
import zlib
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pydicom
import pytest
from PIL import Image
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.pixels.processing import apply_windowing
from pydicom.uid import ComputedRadiographyImageStorage, ExplicitVRLittleEndian, generate_uid

from laudo.errors import LaudoError
from laudo.images import UnreadableImage, for_model, load, order, shrink

RAMP = np.tile(np.arange(256, dtype=np.uint8), (64, 1))
"""256 x 64 pixels, 0 on the left to 255 on the right."""


def ramp(path: Path, *, mode: str = "L", **options: Any) -> Path:
    Image.fromarray(RAMP).convert(mode).save(path, **options)
    return path


def grey(path: Path, **options: Any) -> np.ndarray[Any, np.dtype[np.int16]]:
    image = load(path, **options)
    assert image.mode == "L"
    return np.asarray(image).astype(np.int16)


def dicom(path: Path, pixels: np.ndarray[Any, Any], **tags: Any) -> Path:
    meta = FileMetaDataset()
    meta.TransferSyntaxUID, meta.MediaStorageSOPClassUID = (
        ExplicitVRLittleEndian,
        ComputedRadiographyImageStorage,
    )
    meta.MediaStorageSOPInstanceUID = generate_uid()
    dataset = FileDataset(path, {}, file_meta=meta, preamble=b"\0" * 128)
    dataset.Rows, dataset.Columns = pixels.shape[-2:]
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation, dataset.PixelRepresentation = (
        1,
        "MONOCHROME2",
        0,
    )
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 16, 12, 11
    dataset.PixelData = pixels.astype("<u2").tobytes()
    for name, value in tags.items():
        setattr(dataset, name, value)
    dataset.save_as(path, enforce_file_format=True)
    return path


# --- pictures ---------------------------------------------------------------------------------------


def test_jpeg_keeps_its_greys(tmp_path: Path) -> None:
    assert np.abs(grey(ramp(tmp_path / "a.jpg", quality=100)) - RAMP).max() <= 2


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "LA", "P"])
def test_every_png_mode_gives_the_same_greys(tmp_path: Path, mode: str) -> None:
    assert np.abs(grey(ramp(tmp_path / "a.png", mode=mode)) - RAMP).max() <= 1


def test_cmyk_jpeg_is_not_inverted(tmp_path: Path) -> None:
    assert np.abs(grey(ramp(tmp_path / "a.jpg", mode="CMYK", quality=100)) - RAMP).max() <= 3


def test_transparent_pixels_are_black(tmp_path: Path) -> None:
    image = Image.new("RGBA", (64, 64), (255, 255, 255, 0))
    image.paste((200, 200, 200, 255), (0, 0, 32, 64))
    image.save(tmp_path / "a.png")
    assert [load(tmp_path / "a.png").getpixel(at) for at in ((10, 10), (50, 10))] == [200, 0]


@pytest.mark.parametrize("top", [65535, 4095])
def test_16_bit_png_uses_its_own_range(tmp_path: Path, top: int) -> None:
    deep = np.round(RAMP.astype(np.float64) / 255 * top).astype(np.uint16)
    Image.fromarray(deep).save(tmp_path / "a.png")
    assert np.abs(grey(tmp_path / "a.png") - RAMP).max() <= 1


def cut(path: Path, *, keep: float) -> Path:
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * keep)])
    return path


def noise(path: Path) -> Path:
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (200, 200), np.uint8)).save(path)
    return path


def animated(path: Path) -> Path:
    frames = [Image.fromarray(RAMP), Image.fromarray(255 - RAMP)]
    frames[0].save(path, save_all=True, append_images=frames[1:])
    return path


def renamed(path: Path, name: str) -> Path:
    return path.rename(path.with_name(name))


def written(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


def huge_png(path: Path) -> Path:
    """A header that promises 60000 x 60000 pixels."""
    head = b"IHDR" + struct.pack(">IIBBBBB", 60000, 60000, 8, 0, 0, 0, 0)
    return written(
        path,
        b"\x89PNG\r\n\x1a\n"
        + struct.pack(">I", 13)
        + head
        + struct.pack(">I", zlib.crc32(head))
        + b"\0\0\0\0IDAT",
    )


BAD = {
    "absent": (lambda d: d / "a.jpg", "No such file"),
    "a folder": (lambda d: (d / "a.jpg").mkdir() or d / "a.jpg", "directory"),
    "empty": (lambda d: written(d / "a.jpg", b""), "empty"),
    "a web page": (
        lambda d: written(d / "a.jpg", b"<html>Please log in</html>"),
        "name says JPEG, its content something",
    ),
    "a PNG named JPEG": (lambda d: renamed(ramp(d / "a.png"), "a.jpg"), "name says JPEG, its content PNG"),
    "a TIFF": (lambda d: ramp(d / "a.tif"), "'.tif' is none of"),
    "half a JPEG": (lambda d: cut(noise(d / "a.jpg"), keep=0.5), "truncated"),
    "half a PNG": (lambda d: cut(noise(d / "a.png"), keep=0.5), "truncated"),
    "only a head": (lambda d: written(d / "a.jpg", b"\xff\xd8\xff\xe0"), "head of the JPEG is damaged"),
    "one pixel": (lambda d: _pixel(d / "a.png"), "1 x 1 pixels"),
    "black": (lambda d: _plain(d / "a.png", 0), "every pixel has the grey value 0"),
    "white": (lambda d: _plain(d / "a.jpg", 255), "every pixel has the grey value 255"),
    "flat 16 bits": (lambda d: _flat(d / "a.png"), "every pixel"),
    "animated": (lambda d: animated(d / "a.png"), "2 pictures"),
    "enormous": (lambda d: huge_png(d / "a.png"), "exceeds limit"),
}


def _pixel(path: Path) -> Path:
    Image.new("L", (1, 1)).save(path)
    return path


def _plain(path: Path, value: int) -> Path:
    Image.new("L", (64, 64), value).save(path)
    return path


def _flat(path: Path) -> Path:
    Image.fromarray(np.full((64, 64), 3000, np.uint16)).save(path)
    return path


@pytest.mark.parametrize(("make", "reason"), BAD.values(), ids=BAD.keys())
def test_bad_pictures_are_refused_with_the_reason(tmp_path: Path, make: Any, reason: str) -> None:
    path = make(tmp_path)
    with pytest.raises(UnreadableImage) as caught:
        load(path)
    assert isinstance(caught.value, LaudoError)
    assert reason in caught.value.reason
    assert caught.value.reason and str(path) in str(caught.value)


# --- DICOM ------------------------------------------------------------------------------------------

DEEP = np.tile(np.arange(0, 4096, 16, dtype=np.uint16), (64, 1))
"""256 x 64 pixels of 12 bits, dark on the left."""


def test_monochrome1_is_inverted_exactly_once(tmp_path: Path) -> None:
    plain = grey(dicom(tmp_path / "a.dcm", DEEP))
    for tags in (
        {"PhotometricInterpretation": "MONOCHROME1"},
        {"PhotometricInterpretation": "MONOCHROME1", "PresentationLUTShape": "INVERSE"},
        {"PresentationLUTShape": "INVERSE"},
    ):
        assert np.array_equal(grey(dicom(tmp_path / "b.dcm", DEEP, **tags)), 255 - plain)
    assert plain[0, 0] == 0 and plain[0, -1] == 255


@pytest.mark.parametrize("function", ["LINEAR", "LINEAR_EXACT", "SIGMOID"])
def test_window_as_pydicom_applies_it(tmp_path: Path, function: str) -> None:
    path = dicom(tmp_path / "a.dcm", DEEP, WindowCenter=2000, WindowWidth=1000, VOILUTFunction=function)
    windowed = apply_windowing(DEEP, pydicom.dcmread(path)).astype(np.float64)
    expected = (windowed - windowed.min()) / (windowed.max() - windowed.min()) * 255
    assert np.abs(grey(path) - expected).max() <= 1


def test_first_of_several_windows(tmp_path: Path) -> None:
    one = grey(dicom(tmp_path / "a.dcm", DEEP, WindowCenter=2000, WindowWidth=1000))
    several = dicom(tmp_path / "b.dcm", DEEP, WindowCenter=[2000, 100], WindowWidth=[1000, 50])
    assert np.array_equal(grey(several), one)


def test_rescale_comes_before_the_window(tmp_path: Path) -> None:
    one = grey(dicom(tmp_path / "a.dcm", DEEP, WindowCenter=2000, WindowWidth=1000))
    path = dicom(
        tmp_path / "b.dcm", DEEP, RescaleSlope=2, RescaleIntercept=-100, WindowCenter=3900, WindowWidth=2000
    )
    assert np.abs(grey(path) - one).max() <= 1


def test_without_window_a_stray_pixel_does_not_darken_the_rest(tmp_path: Path) -> None:
    stray = DEEP // 8
    stray[0, 0] = 4095
    assert grey(dicom(tmp_path / "a.dcm", stray))[10, -1] == 255


@pytest.mark.parametrize(
    ("tags", "reason"),
    [
        ({"NumberOfFrames": 2, "PixelData": DEEP.tobytes() * 2}, "2 frame(s)"),
        ({"PhotometricInterpretation": "PALETTE COLOR"}, "PALETTE COLOR"),
        ({"PixelData": DEEP.tobytes()[:100]}, "pixel data"),
        ({"Rows": 4, "PixelData": DEEP[:4].tobytes()}, "256 x 4 pixels"),
        ({"WindowCenter": 60000, "WindowWidth": 10}, "every pixel"),
        ({"BitsAllocated": None}, "Bits Allocated"),
    ],
)
def test_bad_dicom_is_refused_with_the_reason(tmp_path: Path, tags: dict[str, Any], reason: str) -> None:
    with pytest.raises(UnreadableImage) as caught:
        load(dicom(tmp_path / "a.dcm", DEEP, **tags))
    assert reason in caught.value.reason


def test_dicom_cut_short_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnreadableImage):
        load(cut(dicom(tmp_path / "a.dcm", DEEP), keep=0.5))


# --- size and order ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("size", "expected"),
    [((300, 200), (90, 60)), ((200, 300), (60, 90)), ((45, 30), (90, 60)), ((3000, 40), (90, 1))],
)
def test_shrink_brings_the_longest_side_and_keeps_the_aspect(
    size: tuple[int, int], expected: tuple[int, int]
) -> None:
    assert shrink(Image.new("L", size), 90).size == expected


def test_pad_centres_on_black_and_squash_fills(tmp_path: Path) -> None:
    Image.fromarray(np.where(np.arange(100)[:, None] < 50, 100, 200).repeat(200, 1).astype(np.uint8)).save(
        tmp_path / "a.png"
    )
    padded, squashed = (
        for_model(tmp_path / "a.png", size_px=80, geometry=geometry)
        for geometry in ("pad", "squash")  # type: ignore[arg-type]
    )
    for image in (padded, squashed):
        assert (image.mode, image.size) == ("RGB", (80, 80))
    # 200 x 100 becomes 80 x 40, rows 20 to 59
    column = [padded.getpixel((40, y)) for y in (0, 19, 20, 59, 60, 79)]
    assert column == [(0,) * 3, (0,) * 3, (100,) * 3, (200,) * 3, (0,) * 3, (0,) * 3]
    assert [squashed.getpixel((40, y)) for y in (0, 79)] == [(100,) * 3, (200,) * 3]


def test_a_jpeg_decoded_small_is_nearly_the_same_and_never_too_small(tmp_path: Path) -> None:
    waves = 127 + 100 * np.sin(np.arange(800) / 40)[:, None] * np.cos(np.arange(1200) / 60)
    Image.fromarray(waves.astype(np.uint8)).save(tmp_path / "a.jpg", quality=95)
    small = load(tmp_path / "a.jpg", size_px=200)
    assert small.size == (300, 200)
    full = np.asarray(shrink(load(tmp_path / "a.jpg"), 200)).astype(float)
    assert np.abs(np.asarray(shrink(small, 200)) - full).mean() < 1


class View(NamedTuple):
    dicom_id: str
    view_position: str | None
    rows: int | None = 100
    columns: int | None = 100


def test_order_of_views() -> None:
    expected = [
        View("g", "PA", 200, 200),
        View("b", "PA"),
        View("c", "PA"),
        View("a", "PA", None, None),
        View("z", "AP"),
        View("d", "AP AXIAL"),
        View("e", None),
        View("h", "LATERAL"),
        View("f", "LL"),
        View("i", "LPO"),
        View("j", "XTABLE LATERAL"),
    ]
    assert order(expected[::-1]) == expected
    assert order(sorted(expected)) == expected


# --- real images ------------------------------------------------------------------------------------

REAL = os.environ.get("LAUDO_REAL_DATA")
real = pytest.mark.skipif(not REAL, reason="LAUDO_REAL_DATA names no folder of real inputs")


@real
def test_real_radiographs() -> None:
    paths = sorted((Path(REAL or "") / "radiographs").glob("*.jpg"))
    assert len(paths) == 27
    for path in paths[:6]:
        assert load(path).size == (2000, 2000)
        assert for_model(path, size_px=896, geometry="pad").size == (896, 896)


@real
def test_a_real_monochrome1_radiograph_has_dark_air() -> None:
    image = np.asarray(load(Path(REAL or "") / "dicom" / "RG1_J2KI.dcm"))
    assert image.shape == (1955, 1841)
    borders = np.concatenate([image[:20].ravel(), image[:, :20].ravel(), image[:, -20:].ravel()])
    middle = image[500:1500, 820:1020]  # the mediastinum
    assert np.median(borders) < np.median(middle)
