"""DICOM made here with known values; windows and tables are compared with pydicom's own."""

from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from pydicom.data import get_testdata_file
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.pixels.processing import apply_modality_lut, apply_voi, apply_windowing
from pydicom.uid import JPEG2000Lossless, RLELossless

from films import DEEP, REAL, cut, dicom, grey, real
from laudo.images import Header, UnreadableImage, decode, header
from laudo.images.dicom import equalised
from laudo.phantom.draw import draw
from laudo.vocabulary import ImageWarning


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


@pytest.mark.parametrize(
    ("function", "expected"), [("LINEAR", [0, 32, 159, 255]), ("LINEAR_EXACT", [0, 26, 128, 255])]
)
def test_the_ends_of_a_narrow_window(tmp_path: Path, function: str, expected: list[int]) -> None:
    """PS3.3 C.11.2.1.2, centre 10, width 5: from 7.5 to 11.5, or to 12.5 if exact; 10 is 2.5/4 or 2.5/5."""
    stored = np.repeat([7, 8, 10, 13], 16)[None].repeat(64, 0)
    path = dicom(tmp_path / "a.dcm", stored, WindowCenter=10, WindowWidth=5, VOILUTFunction=function)
    assert grey(path)[0, ::16].tolist() == expected


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


# --- tables, signs, padding --------------------------------------------------------------------------

SIGNED = DEEP.astype(np.int16) - 2048
"""From -2048 on the left to 2032."""


def table(first: int, entries: list[int]) -> list[Dataset]:
    item = Dataset()
    item.add_new("LUTDescriptor", "SS", [len(entries), first, 16])
    item.add_new("LUTData", "US", entries)
    return [item]


def test_signed_pixels_are_windowed_as_pydicom_does_it(tmp_path: Path) -> None:
    path = dicom(tmp_path / "a.dcm", SIGNED, PixelRepresentation=1, WindowCenter=0, WindowWidth=2000)
    windowed = apply_windowing(SIGNED, pydicom.dcmread(path))
    expected = (windowed - windowed.min()) / np.ptp(windowed) * 255
    assert np.abs(grey(path) - expected).max() <= 1


def test_a_table_on_signed_pixels_is_applied_as_pydicom_does_it(tmp_path: Path) -> None:
    entries = [round(4000 * (n / 2000) ** 2) for n in range(2001)]
    tags = {"PixelRepresentation": 1, "VOILUTSequence": table(-1000, entries)}
    # The window beside it has no say.
    path = dicom(tmp_path / "a.dcm", SIGNED, WindowCenter=0, WindowWidth=10, **tags)
    inside = np.clip(SIGNED, -1000, 1000)  # pydicom 3.0 overflows below and above a table
    # The greatest entry, 4000, has 12 bits, so 4095 is white.
    expected = apply_voi(inside, pydicom.dcmread(path)) / 4095 * 255
    assert np.abs(grey(path) - expected).max() <= 1
    assert np.ptp(grey(path)) == 249


@pytest.mark.parametrize("first", [-100, 65436], ids=["signed", "read as unsigned"])
def test_a_table_on_rescaled_values_starts_where_it_says(tmp_path: Path, first: int) -> None:
    """Stored 0, 50, 100, 200 become -100, -50, 0, 100; the table falls from -100 to 0, by hand."""
    stored = np.repeat([0, 50, 100, 200], 64)[None].repeat(64, 0)
    item = table(0, [200 - 2 * n for n in range(101)])[0]
    item.add_new("LUTDescriptor", "SS" if first < 0 else "US", [101, first, 16])
    path = dicom(tmp_path / "a.dcm", stored, RescaleSlope=1, RescaleIntercept=-100, VOILUTSequence=[item])
    assert grey(path)[0, ::64].tolist() == [200, 100, 0, 0]


def test_a_table_takes_the_nearest_value(tmp_path: Path) -> None:
    """Stored 0, 2, 3, 4 become 0, 1, 1.5, 2: entries 0, 1, 2, 2 of a table of 8 bits in steps of 60."""
    stored = np.repeat([0, 2, 3, 4], 16)[None].repeat(64, 0)
    tags = {"RescaleSlope": 0.5, "RescaleIntercept": 0, "VOILUTSequence": table(0, [0, 60, 120, 180, 240])}
    assert grey(dicom(tmp_path / "a.dcm", stored, **tags))[0, ::16].tolist() == [0, 60, 120, 120]


@pytest.mark.parametrize("bits", [12, 16])
@pytest.mark.parametrize(("lowest", "highest"), [(0, 4095), (600, 3500)])
def test_the_range_of_a_table_is_that_of_its_bits(
    tmp_path: Path, bits: int, lowest: int, highest: int
) -> None:
    """PS3.3 C.11.2.1.1: 2^12 - 1 is white, also where 12-bit entries stand under a descriptor of 16."""
    entries = [lowest + (highest - lowest) * n // 4095 for n in range(4096)]
    items = table(0, entries)
    items[0].LUTDescriptor = [4096, 0, bits]
    expected = np.array(entries)[DEEP] / 4095 * 255
    assert np.abs(grey(dicom(tmp_path / "a.dcm", DEEP, VOILUTSequence=items)) - expected).max() <= 1


def test_a_table_of_0_entries_has_65536(tmp_path: Path) -> None:
    """PS3.3 C.11.2.1.1, because 65536 does not fit into 16 bits."""
    item = Dataset()
    item.add_new("LUTDescriptor", "US", [0, 0, 16])
    item.add_new("LUTData", "OW", np.minimum(16 * np.arange(2**16), 65535).astype("<u2").tobytes())
    expected = DEEP / 4095 * 255
    assert np.abs(grey(dicom(tmp_path / "a.dcm", DEEP, VOILUTSequence=[item])) - expected).max() <= 1


def test_a_modality_table_comes_first(tmp_path: Path) -> None:
    item = Dataset()
    item.add_new("LUTDescriptor", "US", [4096, 0, 16])
    item.add_new("LUTData", "US", [4095 - n for n in range(4096)])
    item.ModalityLUTType = "US"
    path = dicom(tmp_path / "a.dcm", DEEP, ModalityLUTSequence=[item], WindowCenter=2048, WindowWidth=4096)
    expected = apply_modality_lut(DEEP, pydicom.dcmread(path)) / 4095 * 255
    assert np.abs(grey(path) - expected).max() <= 1


def short(items: list[Dataset]) -> list[Dataset]:
    items[0].LUTData = list(items[0].LUTData)[:100]
    return items


# --- what tags say wrongly -------------------------------------------------------------------------------

BODY = 600 + DEEP // 2
"""From 600 on the left to 2640, as a film without its surroundings."""

STRETCHED = np.clip((BODY - 608.0) / (2632 - 608.0), 0, 1) * 255
"""The percentiles 0.5 and 99.5 of 256 equal steps are the second lowest and the second highest."""


@pytest.mark.parametrize(
    "tags",
    [
        {"WindowCenter": 128, "WindowWidth": 256, "BitsStored": 12},
        {"WindowCenter": 40, "WindowWidth": 400},
        {"WindowCenter": 32768, "WindowWidth": 65536},
        {"WindowCenter": 60000, "WindowWidth": 10},
        {"WindowCenter": 2000, "WindowWidth": 20, "VOILUTFunction": "SIGMOID"},
        {"VOILUTSequence": table(5000, [7, 7, 7])},
        {"VOILUTSequence": table(5000, [0, 7])},
    ],
    ids=lambda tags: " ".join(map(str, tags.values()))[:30],
)
def test_a_window_of_another_range_gives_way_to_the_films_own_with_a_warning(
    tmp_path: Path, tags: dict[str, Any]
) -> None:
    path = dicom(tmp_path / "a.dcm", BODY, **tags)
    assert np.abs(grey(path) - STRETCHED).max() <= 2
    assert decode(path).warning == ImageWarning.STRETCHED


def test_a_wrong_window_and_a_wrong_tag_have_one_warning_of_both(tmp_path: Path) -> None:
    chest = draw([], view="PA", size_px=300, seed=2).astype(np.uint16) * 16
    tags = {"PhotometricInterpretation": "MONOCHROME1", "WindowCenter": 60000, "WindowWidth": 10}
    film = decode(dicom(tmp_path / "a.dcm", 4095 - chest, **tags))
    false = decode(dicom(tmp_path / "b.dcm", chest, **tags))
    assert film.warning == ImageWarning.STRETCHED
    assert false.warning == ImageWarning.STRETCHED_AND_INVERTED


def test_a_stray_pixel_does_not_take_the_greys_of_a_film_by_the_recipe_of_mimic(tmp_path: Path) -> None:
    """From minimum to maximum, 12 bits have 16 of 256 greys where one pixel is 65535."""
    stray = DEEP.copy()
    stray[0, 0] = 65535
    film = decode(dicom(tmp_path / "a.dcm", stray, BitsStored=16, HighBit=15), recipe="mimic_jpg")
    assert film.warning == ImageWarning.STRETCHED
    assert len(np.unique(np.asarray(film.image))) > 200


@pytest.mark.parametrize(
    "tags",
    [
        {"RescaleSlope": 0, "RescaleIntercept": 0},
        {"RescaleSlope": 2},
        {"RescaleSlope": 2, "RescaleIntercept": None},
        {"RescaleSlope": None, "RescaleIntercept": 7},
        {"PixelPaddingValue": 65535},
        {"PixelPaddingRangeLimit": 100},
        {"PixelSpacing": ["0.1", ""]},
        {"PixelAspectRatio": [0, 0]},
        {"VOILUTSequence": []},
        {"VOILUTFunction": ""},
        {"HighBit": None},
        {"WindowCenter": ["2048", ""], "WindowWidth": ["4096", ""]},
    ],
    ids=lambda tags: " ".join(tags),
)
def test_tags_without_a_meaning_change_nothing(tmp_path: Path, tags: dict[str, Any]) -> None:
    """DCMTK (dimomod.cc) ignores a slope of 0 and a pair that is not whole; the rest says nothing."""
    window = {"WindowCenter": 2048, "WindowWidth": 4096}
    plain = grey(dicom(tmp_path / "a.dcm", DEEP, **window))
    film = decode(dicom(tmp_path / "b.dcm", DEEP, **window | tags))
    assert np.array_equal(np.asarray(film.image), plain) and film.warning is None


@pytest.mark.parametrize(
    ("tags", "warning"),
    [
        ({"WindowCenter": 2000, "WindowWidth": 0}, None),
        ({"WindowCenter": 2000, "WindowWidth": -5}, None),
        ({"WindowCenter": 2000}, None),
        ({"WindowCenter": ["", "2000"], "WindowWidth": ["", "100"]}, None),
        ({"WindowCenter": 2000, "WindowWidth": 1}, ImageWarning.STRETCHED),  # black below 1999.5, else white
    ],
    ids=lambda tags: str(tags)[:40],
)
def test_a_window_that_is_none_gives_way_to_the_films_own_range(
    tmp_path: Path, tags: dict[str, Any], warning: str | None
) -> None:
    path = dicom(tmp_path / "a.dcm", BODY, **tags)
    assert np.abs(grey(path) - STRETCHED).max() <= 1
    assert decode(path).warning == warning


@pytest.mark.parametrize(("bits", "step"), [(32, 2**16), (32, 1), (64, 2**20)])
def test_pixels_of_more_than_16_bits(tmp_path: Path, bits: int, step: int) -> None:
    pixels = (BODY.astype("<u8") * step).astype(f"<u{bits // 8}").tobytes()
    tags = {"BitsAllocated": bits, "BitsStored": bits, "HighBit": bits - 1, "PixelData": pixels}
    assert np.abs(grey(dicom(tmp_path / "a.dcm", BODY, **tags)) - STRETCHED).max() <= 1


def of_floats(path: Path, values: np.ndarray[Any, Any]) -> Path:
    dataset = pydicom.dcmread(dicom(path, DEEP, BitsAllocated=32))
    for name in ("PixelData", "BitsStored", "HighBit", "PixelRepresentation"):
        delattr(dataset, name)
    dataset.FloatPixelData = values.astype("<f4").tobytes()
    dataset.save_as(path)
    return path


def test_float_pixels(tmp_path: Path) -> None:
    assert np.abs(grey(of_floats(tmp_path / "a.dcm", BODY / 4096)) - STRETCHED).max() <= 1
    with pytest.raises(UnreadableImage, match="some of its pixels are no numbers"):
        decode(of_floats(tmp_path / "b.dcm", np.where(DEEP < 9, np.nan, BODY)))


def of_jpeg_2000(path: Path, pixels: Any, *, bits: int, **tags: Any) -> Path:
    """A film in a lossless JPEG 2000 stream of these bits, whatever the tags say."""
    codecs = pytest.importorskip("imagecodecs")
    dataset = pydicom.dcmread(dicom(path, DEEP, WindowCenter=2048, WindowWidth=4096, **tags))
    options = {"level": 0, "codecformat": "j2k", "bitspersample": bits, "reversible": True}
    dataset.PixelData = encapsulate([codecs.jpeg2k_encode(pixels, **options)])
    dataset["PixelData"].is_undefined_length = True
    dataset.file_meta.TransferSyntaxUID = JPEG2000Lossless
    dataset.save_as(path)
    return path


@pytest.mark.parametrize(("bits", "stored"), [(12, 12), (12, 16), (16, 12), (12, 10)])
def test_a_jpeg_2000_stream_knows_its_bits(tmp_path: Path, bits: int, stored: int) -> None:
    """PS3.5 8.2.4: the characteristics within the stream are used to decode it."""
    plain = grey(dicom(tmp_path / "a.dcm", DEEP, WindowCenter=2048, WindowWidth=4096))
    path = of_jpeg_2000(tmp_path / "b.dcm", DEEP, bits=bits, BitsStored=stored, HighBit=stored - 1)
    assert np.array_equal(grey(path), plain)


def test_an_overlay_within_a_jpeg_2000_stream_is_no_part_of_the_film(tmp_path: Path) -> None:
    """Overlay Bit Position 12 (60xx,0102): the overlay is bit 12 of each pixel (PS3.3 C.9.2)."""
    overlay = DEEP.copy()
    overlay[10:20] |= 1 << 12
    dataset = pydicom.dcmread(of_jpeg_2000(tmp_path / "a.dcm", overlay, bits=16))
    dataset.add_new((0x6000, 0x0102), "US", 12)
    dataset.save_as(tmp_path / "a.dcm")
    plain = grey(dicom(tmp_path / "b.dcm", DEEP, WindowCenter=2048, WindowWidth=4096))
    assert np.array_equal(grey(tmp_path / "a.dcm"), plain)


def test_high_bit_of_compressed_pixels(tmp_path: Path) -> None:
    """RLE keeps the words as they are (PS3.5 annex G); a stream of JPEG 2000 may hold 12 bits or all 16."""
    words, tags = DEEP << 4 | 5, {"HighBit": 15, "WindowCenter": 2048, "WindowWidth": 4096}
    dataset = pydicom.dcmread(dicom(tmp_path / "a.dcm", words, **tags))
    plain = grey(tmp_path / "a.dcm")
    dataset.compress(RLELossless)
    dataset.save_as(tmp_path / "b.dcm")
    assert np.array_equal(grey(tmp_path / "b.dcm"), plain)
    with pytest.raises(UnreadableImage, match="High Bit 15 of 12 bits stored, in compressed pixels"):
        decode(of_jpeg_2000(tmp_path / "c.dcm", words, bits=16, HighBit=15))


@pytest.mark.parametrize("sign", [0, 1])
@pytest.mark.parametrize("rubbish", [0, 0b1010])
def test_the_stored_bits_end_at_high_bit(tmp_path: Path, sign: int, rubbish: int) -> None:
    """PS3.5 8.1.1, its second example: 12 bits stored, High Bit 15, anything below them."""
    values = DEEP.astype(np.int16) - 2048 * sign
    window = {"WindowCenter": 2048 - 2048 * sign, "WindowWidth": 4096, "PixelRepresentation": sign}
    usual = grey(dicom(tmp_path / "a.dcm", values, BitsStored=16, HighBit=15, **window))
    words = (values.astype(np.int32) << 4 | rubbish).astype(np.uint16)
    assert np.array_equal(grey(dicom(tmp_path / "b.dcm", words, HighBit=15, **window)), usual)


def test_an_overlay_above_the_stored_bits_is_no_part_of_the_film(tmp_path: Path) -> None:
    window = {"WindowCenter": 2048, "WindowWidth": 4096}
    plain = grey(dicom(tmp_path / "a.dcm", DEEP, **window))
    overlay = DEEP.copy()
    overlay[10:20] |= 1 << 12
    assert np.array_equal(grey(dicom(tmp_path / "b.dcm", overlay, **window)), plain)


@pytest.mark.parametrize("name", ["VOILUTSequence", "ModalityLUTSequence"])
@pytest.mark.parametrize("odd", [0, 1])
def test_a_table_of_8_bits_may_be_packed_two_to_a_word(tmp_path: Path, name: str, odd: int) -> None:
    """Entry n of the table is n; the first of two in a word is its low byte (CP-522)."""
    entries = bytes(range(256))[: 256 - odd]
    item = Dataset()
    item.add_new("LUTDescriptor", "US", [len(entries), 0, 8])
    item.add_new("LUTData", "OW", entries + bytes(odd))
    film = np.tile(np.arange(256, dtype=np.uint16), (64, 1))
    tags = {name: [item], "WindowCenter": 128, "WindowWidth": 256}
    top = 255 - odd
    assert np.abs(grey(dicom(tmp_path / "a.dcm", film, **tags)) - np.minimum(film, top)).max() <= 1


def test_a_modality_table_of_12_bits(tmp_path: Path) -> None:
    item = table(0, [4095 - n for n in range(4096)])[0]
    item.LUTDescriptor = [4096, 0, 12]
    tags = {"ModalityLUTSequence": [item], "WindowCenter": 2048, "WindowWidth": 4096}
    expected = np.rint((4095 - DEEP) / 4095 * 255)
    assert np.abs(grey(dicom(tmp_path / "a.dcm", DEEP, **tags)) - expected).max() <= 1


def test_padding_that_no_pixel_can_have_is_no_padding(tmp_path: Path) -> None:
    """White pixels of 8 bits are 255, and not 65535 cut to 8 bits."""
    film = np.tile(np.arange(256, dtype=np.uint8), (64, 1))
    tags = {"BitsAllocated": 8, "BitsStored": 8, "HighBit": 7, "PixelData": film.tobytes()}
    window = {"WindowCenter": 128, "WindowWidth": 256}
    path = dicom(tmp_path / "a.dcm", film, PixelPaddingValue=65535, **tags, **window)
    assert np.abs(grey(path) - film).max() <= 1


@pytest.mark.parametrize(
    ("tags", "size"),
    [
        ({"PixelAspectRatio": [2, 1]}, (256, 128)),
        ({"PixelAspectRatio": [1, 2]}, (512, 64)),
        ({"PixelSpacing": [0.2, 0.1]}, (256, 128)),
        ({"ImagerPixelSpacing": [0.1, 0.2]}, (512, 64)),
        ({"PixelSpacing": [0.143, 0.1431]}, (256, 64)),
        ({"PixelSpacing": [0, 0], "PixelAspectRatio": [1, 1]}, (256, 64)),
    ],
)
def test_a_film_has_square_pixels(tmp_path: Path, tags: dict[str, Any], size: tuple[int, int]) -> None:
    """Spacing and ratio are vertical before horizontal (PS3.3 10.7.1.3 and C.7.6.3.1.7)."""
    image = decode(dicom(tmp_path / "a.dcm", DEEP, **tags)).image
    assert image.size == size
    assert np.ptp(np.asarray(image)) == 255


def padded(value: int) -> np.ndarray[Any, Any]:
    """A narrow range in the middle, and a quarter of padding on the left."""
    pixels = 1000 + DEEP // 16
    pixels[:, :64] = value
    return pixels


@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
@pytest.mark.parametrize(
    ("value", "tags"),
    [
        (0, {"PixelPaddingValue": 0}),
        (4095, {"PixelPaddingValue": 4095}),
        (4000, {"PixelPaddingValue": 4095, "PixelPaddingRangeLimit": 3990}),
        (30, {"PixelPaddingValue": 0, "PixelPaddingRangeLimit": 40}),
    ],
)
def test_padding_is_black_and_no_part_of_the_range(
    tmp_path: Path, photometric: str, value: int, tags: dict[str, int]
) -> None:
    """Without padding 1064 to 1255 fills the grey scale, by percentiles; by hand, 1160 is its middle."""
    shown = grey(dicom(tmp_path / "a.dcm", padded(value), PhotometricInterpretation=photometric, **tags))
    assert not shown[:, :64].any()
    assert abs(shown[0, 160] - 128) <= 2
    ends = [shown[0, 64], shown[0, 255]]
    assert ends == ([255, 0] if photometric == "MONOCHROME1" else [0, 255])


def test_signed_padding_written_as_unsigned(tmp_path: Path) -> None:
    pixels = padded(0).astype(np.int16)
    pixels[:, :64] = -2000
    path = dicom(tmp_path / "a.dcm", pixels, PixelRepresentation=1, BitsStored=16, HighBit=15)
    dataset = pydicom.dcmread(path)
    dataset.add_new("PixelPaddingValue", "US", 63536)  # -2000 in 16 bits
    dataset.save_as(path)
    shown = grey(path)
    assert not shown[:, :64].any() and abs(shown[0, 160] - 128) <= 2


# --- the recipe of MIMIC-CXR-JPG ---------------------------------------------------------------------

THIRDS = np.repeat([100, 200, 400], [128, 64, 64])[None].repeat(64, 0)
"""Half of the pixels 100, a quarter 200, a quarter 400."""


def test_equalisation_worked_by_hand() -> None:
    """Four of 10, two of 20, one of 30, one of 40: 0, then 2, 3, 4 quarters of 255 (OpenCV: equalizeHist)."""
    grey = np.array([10] * 4 + [20] * 2 + [30, 40], np.uint8)
    assert equalised(grey).tolist() == [0] * 4 + [128] * 2 + [191, 255]


@pytest.mark.parametrize(
    ("photometric", "expected"),
    [
        # 0, 85, 255; of the 128 pixels a row above the lowest, 64 and 128 are reached
        ("MONOCHROME2", [0, 128, 255]),
        # 255, 170, 0; of 192 above the lowest, 64 and 192
        ("MONOCHROME1", [255, 85, 0]),
    ],
)
def test_mimic_jpg_worked_by_hand(tmp_path: Path, photometric: str, expected: list[int]) -> None:
    tags = {"WindowCenter": 300, "WindowWidth": 10, "RescaleSlope": -1, "RescaleIntercept": 5}
    path = dicom(tmp_path / "a.dcm", THIRDS, PhotometricInterpretation=photometric, **tags)
    assert grey(path, recipe="mimic_jpg")[0, [0, 130, 200]].tolist() == expected


# --- polarity ----------------------------------------------------------------------------------------


def film(path: Path, *, right: bool, view: str = "PA", **tags: Any) -> Path:
    """A drawn film whose pixels agree with its tags, or do not."""
    pixels = draw([], view=view, size_px=256, seed=3).astype(np.uint16) * 16
    tags = {"WindowCenter": 2048, "WindowWidth": 4096, "PhotometricInterpretation": "MONOCHROME1"} | tags
    return dicom(path, 4095 - pixels if right else pixels, **tags)


@pytest.mark.parametrize("recipe", ["window", "mimic_jpg"])
def test_a_false_photometric_tag_is_mended_with_a_warning(tmp_path: Path, recipe: Any) -> None:
    right = decode(film(tmp_path / "a.dcm", right=True), recipe=recipe)
    false = decode(film(tmp_path / "b.dcm", right=False), recipe=recipe)
    assert (right.warning, false.warning) == (None, ImageWarning.SHOWN_INVERTED)
    difference = np.abs(np.asarray(right.image, np.int16) - np.asarray(false.image))
    assert difference.mean() < 1  # 4095 - 16 n is not 16 (255 - n)


@pytest.mark.parametrize(("view", "own"), [("LATERAL", ""), (None, "LL"), ("LPO", "PA"), ("PA", "LATERAL")])
def test_no_other_view_than_a_frontal_is_inverted(tmp_path: Path, view: str | None, own: str) -> None:
    false = film(tmp_path / "a.dcm", right=False, ViewPosition=own)
    assert decode(false, view=view).warning is None
    assert decode(false, view=None if view else "PA").warning == (
        ImageWarning.SHOWN_INVERTED if own in ("", "PA") else None
    )


def test_a_drawn_lateral_without_a_name_is_left_alone(tmp_path: Path) -> None:
    for right in (True, False):
        assert decode(film(tmp_path / "a.dcm", right=right, view="LATERAL")).warning is None


def test_padding_stays_black_when_a_false_tag_is_mended(tmp_path: Path) -> None:
    path = film(tmp_path / "a.dcm", right=False, PixelPaddingValue=4095)
    dataset = pydicom.dcmread(path)
    pixels = dataset.pixel_array.copy()
    pixels[:, :20] = 4095
    dataset.PixelData = pixels.tobytes()
    dataset.save_as(path)
    shown = decode(path)
    assert shown.warning == ImageWarning.SHOWN_INVERTED
    assert not np.asarray(shown.image)[:, :20].any()


# --- encodings ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["jp2klossless", "jpeg_ls_lossless", "RLE", "bigendian", "expb", "implicit"])
def test_lossless_encodings_give_the_same_picture(name: str) -> None:
    """Files of pydicom's test data: one MR slice in several transfer syntaxes."""
    plain, other = (get_testdata_file(f"MR_small{suffix}.dcm") for suffix in ("", f"_{name}"))
    assert np.array_equal(grey(Path(str(plain))), grey(Path(str(other))))


# --- bad ones ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("tags", "reason"),
    [
        ({"NumberOfFrames": 2, "PixelData": DEEP.tobytes() * 2}, "2 frame(s)"),
        ({"PhotometricInterpretation": "PALETTE COLOR"}, "PALETTE COLOR"),
        ({"PixelData": DEEP.tobytes()[:100]}, "pixel data"),
        ({"Rows": 4, "PixelData": DEEP[:4].tobytes()}, "256 x 4 pixels"),
        ({"PixelPaddingValue": 0, "PixelPaddingRangeLimit": 4095}, "every pixel is padding"),
        ({"PixelData": bytes(2 * DEEP.size)}, "every pixel has the stored value 0"),
        ({"PixelData": (DEEP // 160).tobytes()}, "99 % of its pixels have stored values from 0 to 25"),
        (
            {"VOILUTSequence": table(0, [7, 7]), "PixelData": (DEEP // 160).tobytes()},
            "99 % of its pixels have stored values from 0 to 25",
        ),
        ({"VOILUTSequence": short(table(0, list(range(4096))))}, "its table has 100 entries, and 4096"),
        ({"ModalityLUTSequence": short(table(0, list(range(4096))))}, "its table has 100 entries, and 4096"),
        ({"VOILUTSequence": [Dataset()]}, "its table has no descriptor of three numbers"),
        (
            {"ModalityLUTSequence": table(0, [n // 1024 for n in range(4096)])},
            "have mapped values from 0 to 3",
        ),
        ({"HighBit": 9}, "High Bit 9 of 12 bits stored in 16"),
        ({"HighBit": 16}, "High Bit 16 of 12 bits stored in 16"),
        ({"PixelSpacing": [0.1, 0.9]}, "its pixels are 0.111 times as high as wide"),
        ({"BitsAllocated": None}, "Bits Allocated"),
        ({"PhotometricInterpretation": None}, "1 frame(s) of unnamed pixels"),
        ({"Rows": 60000, "Columns": 60000}, "its head promises over 89478485 pixels"),
        ({"Rows": None}, "its head has no size"),
    ],
)
def test_bad_dicom_is_refused_with_the_reason(tmp_path: Path, tags: dict[str, Any], reason: str) -> None:
    with pytest.raises(UnreadableImage) as caught:
        decode(dicom(tmp_path / "a.dcm", DEEP, **tags))
    assert reason in caught.value.reason


def test_dicom_cut_short_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnreadableImage, match="less than expected"):
        decode(cut(dicom(tmp_path / "a.dcm", DEEP), keep=0.5))


def test_a_dicom_without_pixels_is_refused(tmp_path: Path) -> None:
    dataset = pydicom.dcmread(dicom(tmp_path / "a.dcm", DEEP))
    del dataset.PixelData
    dataset.save_as(tmp_path / "a.dcm")
    with pytest.raises(UnreadableImage, match="it holds no pixels"):
        decode(tmp_path / "a.dcm")


def test_colour_pixels_are_refused() -> None:
    with pytest.raises(UnreadableImage, match=r"1 frame\(s\) of RGB pixels, not one of grey"):
        decode(Path(str(get_testdata_file("SC_rgb_rle.dcm"))))


def test_a_dicom_without_its_preamble_is_refused(tmp_path: Path) -> None:
    path = dicom(tmp_path / "a.dcm", DEEP)
    path.write_bytes(path.read_bytes()[132:])
    with pytest.raises(UnreadableImage, match="its name says DICOM, its content something else"):
        decode(path)


# --- headers -----------------------------------------------------------------------------------------


def test_header_is_read_without_the_pixels(tmp_path: Path) -> None:
    path = dicom(tmp_path / "a.dcm", DEEP, ViewPosition="LL")
    assert header(path) == Header("LL", 64, 256)
    assert header(cut(path, keep=0.5)) == Header("LL", 64, 256)
    assert header(dicom(path, DEEP, ViewPosition="", Rows=None)) == Header(None, None, 256)


@pytest.mark.parametrize("data", [None, b"", b"<html>"])
def test_header_of_no_dicom_is_refused(tmp_path: Path, data: bytes | None) -> None:
    if data is not None:
        (tmp_path / "a.dcm").write_bytes(data)
    with pytest.raises(UnreadableImage):
        header(tmp_path / "a.dcm")


# --- a real one --------------------------------------------------------------------------------------


@real
@pytest.mark.parametrize("recipe", ["window", "mimic_jpg"])
def test_a_real_film_has_dark_air_also_when_its_tag_is_falsified(tmp_path: Path, recipe: Any) -> None:
    """JPEG 2000, MONOCHROME1, PA; the expected mean and spread were measured before this code was written."""
    source = REAL / "dicom" / "RG1_J2KI.dcm"
    right = decode(source, recipe=recipe)
    image = np.asarray(right.image)
    mean, spread = {"window": (192, 39), "mimic_jpg": (129, 74)}[recipe]
    assert image.shape == (1955, 1841)
    assert abs(image.mean() - mean) < 1 and abs(image.std() - spread) < 1
    assert np.median(image[500:1000, 300:600]) < np.median(image[500:1500, 820:1020]), "lung, mediastinum"
    dataset = pydicom.dcmread(source)
    dataset.PhotometricInterpretation = "MONOCHROME2"
    dataset.save_as(tmp_path / "a.dcm")
    false = decode(tmp_path / "a.dcm", recipe=recipe)
    assert (right.warning, false.warning) == (None, ImageWarning.SHOWN_INVERTED)
    assert np.abs(np.asarray(false.image, np.int16) - image).max() <= 1
    lateral = decode(tmp_path / "a.dcm", recipe=recipe, view="LATERAL")
    assert lateral.warning is None


@real
def test_a_real_film_cut_within_its_codestream_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnreadableImage, match="cut short"):
        decode(cut(_copy(REAL / "dicom" / "RG1_J2KI.dcm", tmp_path / "a.dcm"), keep=0.6))


def _copy(source: Path, target: Path) -> Path:
    target.write_bytes(source.read_bytes())
    return target
