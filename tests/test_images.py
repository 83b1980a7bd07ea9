"""JPEG and PNG made here with known grey values; the order of views; the square that a model sees."""

import struct
import zlib
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from PIL import Image, ImageCms

from films import RAMP, REAL, cut, dicom, grey, negative, ramp, real
from laudo.errors import LaudoError
from laudo.images import UnreadableImage, cache_film, decode, fit, for_model, order
from laudo.phantom.draw import draw
from laudo.vocabulary import ImageWarning

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
    assert [decode(tmp_path / "a.png").image.getpixel(at) for at in ((10, 10), (50, 10))] == [200, 0]


@pytest.mark.parametrize("top", [65535, 4095])
def test_16_bit_png_uses_its_own_range(tmp_path: Path, top: int) -> None:
    deep = np.round(RAMP.astype(np.float64) / 255 * top).astype(np.uint16)
    Image.fromarray(deep).save(tmp_path / "a.png")
    assert np.abs(grey(tmp_path / "a.png") - RAMP).max() <= 1


def test_a_hot_pixel_does_not_darken_a_16_bit_png(tmp_path: Path) -> None:
    deep = RAMP.astype(np.uint16) * 4
    deep[5, 5] = 65535
    Image.fromarray(deep).save(tmp_path / "a.png")
    assert np.abs(grey(tmp_path / "a.png")[10] - RAMP[10]).max() <= 2


@pytest.mark.parametrize(
    ("orientation", "upright"),
    [(1, lambda a: a), (2, np.fliplr), (3, lambda a: np.rot90(a, 2)), (6, lambda a: np.rot90(a, -1))],
)
def test_exif_orientation_is_honoured(tmp_path: Path, orientation: int, upright: Callable[..., Any]) -> None:
    """Exif 2.32, tag 274: row 0, column 0 are top, right (2), bottom, right (3), right, top (6)."""
    corners = np.kron([[10, 90], [170, 250]], np.ones((64, 128))).astype(np.uint8)
    exif = Image.Exif()
    exif[274] = orientation
    for name in ("a.jpg", "a.png"):
        Image.fromarray(corners).save(tmp_path / name, quality=100, exif=exif)
        shown = grey(tmp_path / name)
        assert shown.shape == upright(corners).shape
        assert np.abs(shown - upright(corners)).max() <= 2


def test_a_colour_profile_changes_nothing(tmp_path: Path) -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    with_profile = grey(ramp(tmp_path / "a.jpg", icc_profile=profile))
    assert np.array_equal(with_profile, grey(ramp(tmp_path / "b.jpg")))


@pytest.mark.parametrize("name", ["a.jpg", "a.png"])
def test_a_picture_that_looks_inverted_is_left_as_it_is_with_a_warning(tmp_path: Path, name: str) -> None:
    right = Image.fromarray(draw([], view="PA", size_px=256, seed=1))
    right.save(tmp_path / name, quality=95)
    assert decode(tmp_path / name).warning is None
    negative(right).save(tmp_path / name, quality=95)
    for view in (None, "PA", "AP AXIAL"):
        film = decode(tmp_path / name, view=view)
        assert film.warning == ImageWarning.LOOKS_INVERTED
        difference = np.asarray(film.image, np.int16) - np.asarray(negative(right))
        assert np.abs(difference).mean() < 2
    for view in ("LATERAL", "LL", "LPO"):
        assert decode(tmp_path / name, view=view).warning is None


def noise(path: Path, **options: Any) -> Path:
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (200, 200), np.uint8)).save(path, **options)
    return path


def animated(path: Path) -> Path:
    frames = [Image.fromarray(RAMP), Image.fromarray(255 - RAMP)]
    frames[0].save(path, save_all=True, append_images=frames[1:])
    return path


def written(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


def huge_png(path: Path, side: int) -> Path:
    """A header that promises `side` x `side` pixels."""
    head = b"IHDR" + struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    return written(
        path,
        b"\x89PNG\r\n\x1a\n"
        + struct.pack(">I", 13)
        + head
        + struct.pack(">I", zlib.crc32(head))
        + b"\0\0\0\0IDAT",
    )


def patched(path: Path, offset: int, value: bytes) -> Path:
    """Changes the frame header (SOF0: FF C0, length, precision, rows, columns) of a JPEG."""
    data = bytearray(ramp(path).read_bytes())
    at = data.index(b"\xff\xc0") + 4 + offset
    data[at : at + len(value)] = value
    return written(path, bytes(data))


def uniform(path: Path, value: int, **options: Any) -> Path:
    Image.new("L", (64, 64), value).save(path, **options)
    return path


def labelled(path: Path) -> Path:
    """Black but for a burnt-in label of 0.4 % of its pixels."""
    image = Image.new("L", (200, 200))
    image.paste(255, (10, 10, 26, 20))
    image.save(path)
    return path


def two_photographs(path: Path) -> Path:
    Image.fromarray(RAMP).save(path, format="MPO", save_all=True, append_images=[Image.fromarray(255 - RAMP)])
    return path


def ended(path: Path, tail: bytes) -> Path:
    """The first half of a JPEG, then `tail`."""
    data = noise(path).read_bytes()
    return written(path, data[: len(data) // 2] + tail)


def flipped_bits(path: Path) -> Path:
    data = bytearray(noise(path).read_bytes())
    data[len(data) // 2] ^= 255
    return written(path, bytes(data))


def saved(path: Path, kind: str) -> Path:
    Image.fromarray(RAMP).save(path, format=kind)
    return path


def of_greys(path: Path, pixels: Any) -> Path:
    Image.fromarray(pixels).save(path)
    return path


def colour_of_16_bits(path: Path, values: Any, *, kind: int = 2, alpha: Any = 65535) -> Path:
    """A PNG of 16 bits (PNG 11.2.2), RGB (2), grey with alpha (4) or RGBA (6): Pillow cannot write one."""
    samples = values if values.ndim == 3 else values[:, :, None].repeat(1 if kind == 4 else 3, 2)
    if kind != 2:
        samples = np.dstack([samples, np.broadcast_to(alpha, values.shape)])
    scanlines = b"".join(b"\0" + row.astype(">u2").tobytes() for row in samples)
    head = struct.pack(">IIBBBBB", values.shape[1], values.shape[0], 16, kind, 0, 0, 0)
    chunks = [(b"IHDR", head), (b"IDAT", zlib.compress(scanlines)), (b"IEND", b"")]
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n"
        + b"".join(
            struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
            for name, data in chunks
        )
    )
    return path


BAD = {
    "absent": (lambda d: d / "a.jpg", "No such file or directory"),
    "a folder": (lambda d: (d / "a.jpg").mkdir() or d / "a.jpg", "Is a directory"),
    "empty": (lambda d: written(d / "a.jpg", b""), "the file is empty"),
    "a web page": (
        lambda d: written(d / "a.jpg", b"<html>Please log in</html>"),
        "its name says JPEG, its content something else",
    ),
    "a PNG named JPEG": (lambda d: saved(d / "a.jpg", "PNG"), "its name says JPEG, its content PNG"),
    "a TIFF named PNG": (
        lambda d: saved(d / "a.png", "TIFF"),
        "its name says PNG, its content something else",
    ),
    "a TIFF": (lambda d: saved(d / "a.tif", "TIFF"), "suffix '.tif' is none of"),
    "half a JPEG": (lambda d: cut(noise(d / "a.jpg"), keep=0.5), "image file is truncated"),
    "half a progressive JPEG": (
        lambda d: cut(noise(d / "a.jpg", progressive=True), keep=0.5),
        "image file is truncated",
    ),
    "half a JPEG, then zeros": (
        lambda d: ended(d / "a.jpg", bytes(30_000)),
        "image file is truncated (its end is missing)",
    ),
    "half a JPEG, then an end": (
        lambda d: ended(d / "a.jpg", b"\xff\xd9"),
        "its lower part is flat grey: data is missing",
    ),
    "half a PNG": (lambda d: cut(noise(d / "a.png"), keep=0.5), "image file is truncated"),
    "a PNG with a wrong byte": (lambda d: flipped_bits(d / "a.png"), "broken data stream"),
    "only a head": (lambda d: written(d / "a.jpg", b"\xff\xd8\xff\xe0"), "the head of the JPEG is damaged"),
    "12 bits": (lambda d: patched(d / "a.jpg", 0, b"\x0c"), "or of a kind that cannot be read (12 bits)"),
    "without a height": (lambda d: patched(d / "a.jpg", 1, b"\0\0"), "the head of the JPEG is damaged"),
    "one pixel": (lambda d: saved_size(d / "a.png", 1, 1), "1 x 1 pixels, a side under 32"),
    "black": (lambda d: uniform(d / "a.png", 0), "every pixel has the grey value 0"),
    "white": (lambda d: uniform(d / "a.jpg", 255), "every pixel has the grey value 255"),
    "black with a label": (
        lambda d: labelled(d / "a.png"),
        "99 % of its pixels have grey values from 0 to 0",
    ),
    "flat 16 bits": (lambda d: flat(d / "a.png"), "every pixel has the value "),
    "16 bits of few levels": (
        lambda d: of_greys(d / "a.png", (RAMP // 9).astype(np.uint16)),
        "99 % of its pixels have values from 0 to 28",
    ),
    "16-bit colour of few levels": (
        lambda d: colour_of_16_bits(d / "a.png", RAMP.astype(np.uint16) // 9),
        "99 % of its pixels have values from 0 to 28",
    ),
    "8 bits of 16 levels": (
        lambda d: of_greys(d / "a.png", RAMP // 16),
        "99 % of its pixels have grey values from 0 to 15",
    ),
    "a film almost black": (
        lambda d: of_greys(d / "a.jpg", RAMP // 10),
        "99 % of its pixels have grey values",
    ),
    "transparent": (lambda d: transparent(d / "a.png"), "every pixel has the grey value 0"),
    "animated": (lambda d: animated(d / "a.png"), "it holds 2 pictures"),
    "two photographs": (lambda d: two_photographs(d / "a.jpg"), "it holds 2 pictures"),
    "enormous PNG": (lambda d: huge_png(d / "a.png", 60_000), "its head promises over 89478485 pixels"),
    "large PNG": (lambda d: huge_png(d / "a.png", 9_460), "its head promises over 89478485 pixels"),
    "enormous JPEG": (
        lambda d: patched(d / "a.jpg", 1, struct.pack(">HH", 60_000, 60_000)),
        "its head promises over 89478485 pixels",
    ),
}


def saved_size(path: Path, width: int, height: int) -> Path:
    Image.new("L", (width, height)).save(path)
    return path


def transparent(path: Path) -> Path:
    Image.new("LA", (64, 64), (200, 0)).save(path)
    return path


def flat(path: Path) -> Path:
    Image.fromarray(np.full((64, 64), 3000, np.uint16)).save(path)
    return path


@pytest.mark.parametrize(("make", "reason"), BAD.values(), ids=BAD.keys())
def test_bad_pictures_are_refused_with_the_reason(tmp_path: Path, make: Any, reason: str) -> None:
    path = make(tmp_path)
    for size_px in (None, 40):  # the whole and the fast way
        with pytest.raises(UnreadableImage) as caught:
            decode(path, size_px=size_px)
        assert reason in caught.value.reason
    assert isinstance(caught.value, LaudoError)
    assert caught.value.reason and str(path) in str(caught.value)


@pytest.mark.parametrize("kind", [2, 4, 6])
@pytest.mark.parametrize("step", [1, 16, 257])
def test_16_bit_colour_is_as_deep_as_16_bit_grey(tmp_path: Path, kind: int, step: int) -> None:
    """Red, green and blue are equal, so grey is each of them (ITU-R BT.601: their weights add up to 1)."""
    values = RAMP.astype(np.uint16) * step
    shown = grey(colour_of_16_bits(tmp_path / "a.png", values, kind=kind))
    assert np.abs(shown - grey(of_greys(tmp_path / "b.png", values))).max() <= 1
    assert np.abs(shown - RAMP).max() <= 2


def test_16_bit_colours_have_the_weights_of_8_bits(tmp_path: Path) -> None:
    """The columns are black, red, green, blue and white; ITU-R BT.601 gives 0, 76, 150, 29 and 255."""
    colours = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 1]], np.uint16) * 4095
    picture = np.tile(colours.repeat(20, 0), (64, 1, 1))
    shown = grey(colour_of_16_bits(tmp_path / "a.png", picture))
    assert np.abs(shown[0, 10::20] - [0, 76, 150, 29, 255]).max() <= 1


@pytest.mark.parametrize("kind", [4, 6])
def test_transparent_pixels_of_16_bits_are_black(tmp_path: Path, kind: int) -> None:
    alpha = np.where(np.arange(256) < 128, 0, 65535)
    deep = RAMP.astype(np.uint16) * 16
    shown = grey(colour_of_16_bits(tmp_path / "a.png", deep, kind=kind, alpha=alpha))
    assert np.abs(shown - np.where(RAMP < 128, 0, RAMP)).max() <= 2


@pytest.mark.parametrize("keep", [0.3, 0.5, 0.9])
def test_equal_damage_has_the_same_reason(tmp_path: Path, keep: float) -> None:
    with pytest.raises(UnreadableImage) as caught:
        decode(cut(noise(tmp_path / "a.jpg"), keep=keep))
    assert caught.value.reason == "image file is truncated"


# --- whole or not -----------------------------------------------------------------------------------

WAVES = (127 + 100 * np.sin(np.arange(200) / 20)[:, None] * np.cos(np.arange(232) / 15)).astype(np.uint8)
"""A film of 232 x 200 pixels whose last row is not grey 128."""


def with_grey(rows: slice, columns: slice = slice(None)) -> np.ndarray[Any, Any]:
    film = WAVES.copy()
    film[rows, columns] = 128
    return film


LETTERBOXED = {
    "below": with_grey(slice(150, None)),
    "lower half": with_grey(slice(100, None)),
    "last row": with_grey(slice(199, None)),
    "last column": with_grey(slice(None), slice(231, None)),
    "all around": np.pad(WAVES[40:160, 40:192], 40, constant_values=128),
}

JPEGS: dict[str, dict[str, Any]] = {
    "quality 30": {"quality": 30},
    "quality 95": {"quality": 95},
    "quality 100": {"quality": 100},
    "optimised": {"optimize": True},
    "progressive": {"progressive": True},
    "a restart marker every 7 blocks": {"restart_marker_blocks": 7},
    "a restart marker a row": {"restart_marker_rows": 1},
    "4:2:0": {"mode": "RGB", "subsampling": "4:2:0"},
    "4:4:4, restarts": {"mode": "RGB", "subsampling": "4:4:4", "restart_marker_rows": 1},
    "CMYK": {"mode": "CMYK"},
}
"""How a JPEG is written: options of Pillow."""


def as_jpeg(film: np.ndarray[Any, Any], *, mode: str = "L", **options: Any) -> bytes:
    file = BytesIO()
    Image.fromarray(film).convert(mode).save(file, "JPEG", **options)
    return file.getvalue()


@pytest.mark.parametrize("options", JPEGS.values(), ids=JPEGS.keys())
def test_a_whole_jpeg_that_ends_in_mid_grey_is_kept(tmp_path: Path, options: dict[str, Any]) -> None:
    for film in LETTERBOXED.values():
        path = written(tmp_path / "a.jpg", as_jpeg(film, **options))
        assert np.abs(grey(path) - film).mean() < 12
        for size_px in (100, 40):
            assert min(decode(path, size_px=size_px).image.size) >= size_px


@pytest.mark.parametrize("film", LETTERBOXED.values(), ids=LETTERBOXED.keys())
def test_a_film_that_ends_in_mid_grey_is_kept_cached_and_shown(
    tmp_path: Path, film: np.ndarray[Any, Any]
) -> None:
    Image.fromarray(film).save(tmp_path / "a.png")
    dicom(tmp_path / "a.dcm", film.astype(np.uint16) * 16, WindowCenter=2048, WindowWidth=4096)
    written(tmp_path / "a.jpg", as_jpeg(film, quality=95))
    for suffix in ("png", "dcm", "jpg"):
        cached = tmp_path / f"cached {suffix}.jpg"
        cache_film(tmp_path / f"a.{suffix}", cached, size_px=120, recipe="window", view=None)
        for path in (tmp_path / f"a.{suffix}", cached):
            assert for_model(path, size_px=120, geometry="pad").size == (120, 120)


@pytest.mark.parametrize("options", JPEGS.values(), ids=JPEGS.keys())
@pytest.mark.parametrize("end", [b"", b"\xff\xd9", bytes(20_000)], ids=["cut", "cut, end", "zeros"])
def test_a_jpeg_cut_anywhere_in_its_last_scan_is_refused(
    tmp_path: Path, options: dict[str, Any], end: bytes
) -> None:
    for film in (WAVES, LETTERBOXED["below"]):
        whole = as_jpeg(film, **options)
        start = whole.rindex(b"\xff\xda") + 20
        for place in np.linspace(start, 0.98 * len(whole), 8):
            path = written(tmp_path / "a.jpg", whole[: int(place)] + end)
            for size_px in (None, 40):
                with pytest.raises(UnreadableImage, match=r"is truncated|data is missing"):
                    decode(path, size_px=size_px)


def segment(marker: int, content: bytes) -> bytes:
    """A segment of a JPEG: FF, marker, length, content (T.81, B.1.1.4)."""
    return struct.pack(">BBH", 0xFF, marker, len(content) + 2) + content


def with_fills(data: bytes) -> bytes:
    """A JPEG with fill bytes (T.81, B.1.1.2) before each marker of its head, and before its end."""
    head, at = data[:2], 2
    while data[at + 1] != 0xDA:
        end = at + 2 + int.from_bytes(data[at + 2 : at + 4])
        head, at = head + b"\xff\xff" + data[at:end], end
    return head + b"\xff\xff" + data[at:-2] + b"\xff\xff\xff\xd9"


def around(picture: bytes) -> dict[str, bytes]:
    """Files that hold the picture, and something else."""
    thumbnail, before, end = as_jpeg(WAVES[:64, :64]), picture[2:], picture[-2:]
    markers = b"text \xff\xda and \xff\xd9 and \xff\xd8 more"
    return {
        "zeros after it": picture + bytes(1000),
        "markers after it": picture + markers,
        "a thumbnail after it": picture + thumbnail,
        "half a thumbnail after it": picture + thumbnail[: len(thumbnail) // 2],
        "a thumbnail before it": picture[:2] + segment(0xE2, thumbnail) + before,
        "fills": with_fills(picture),
        "a comment after its data": picture[:-2] + segment(0xFE, markers) + end,
        "stray bytes before its end": picture[:-2] + b"abc" + end,
        "its number of lines after its data (DNL)": picture[:-2] + segment(0xDC, b"\0\xc8") + end,
        "damaged EXIF": picture[:2] + segment(0xE1, b"Exif\0\0damaged") + before,
        "a damaged index of pictures": picture[:2] + segment(0xE2, b"MPF\0damaged") + before,
    }


@pytest.mark.parametrize("name", around(as_jpeg(WAVES)))
@pytest.mark.parametrize("film", [WAVES, LETTERBOXED["below"]], ids=["", "letterboxed"])
def test_a_whole_jpeg_shows_the_same_whatever_else_its_file_holds(
    tmp_path: Path, name: str, film: np.ndarray[Any, Any]
) -> None:
    picture = as_jpeg(film)
    alone = written(tmp_path / "a.jpg", picture)
    path = written(tmp_path / "b.jpg", around(picture)[name])
    for size_px in (None, 40):
        assert np.array_equal(grey(path, size_px=size_px), grey(alone, size_px=size_px))


@pytest.mark.parametrize("name", ["a thumbnail after it", "markers after it", "a thumbnail before it"])
def test_half_a_jpeg_is_refused_whatever_else_its_file_holds(tmp_path: Path, name: str) -> None:
    """The end of a thumbnail is not its end."""
    picture = as_jpeg(WAVES)
    half = picture[: len(picture) // 2]
    for cut_picture in (half, half + b"\xff\xd9"):
        with pytest.raises(UnreadableImage, match=r"is truncated|data is missing|broken data stream"):
            decode(written(tmp_path / "a.jpg", around(cut_picture)[name]))


def test_a_jpeg_without_its_last_bytes_is_refused(tmp_path: Path) -> None:
    """Nothing says whether only the marker of its end is lost."""
    for options in JPEGS.values():
        whole = as_jpeg(WAVES, **options)
        for lost in (1, 2, 3):
            with pytest.raises(UnreadableImage, match="is truncated"):
                decode(written(tmp_path / "a.jpg", whole[:-lost]))


def chunk(name: bytes, content: bytes, *, crc: int | None = None) -> bytes:
    """A chunk of a PNG: length, name, content, CRC (PNG 5.3)."""
    crc = zlib.crc32(name + content) if crc is None else crc
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", crc)


@pytest.mark.parametrize(
    "note",
    [chunk(b"tEXt", b"a\0b", crc=1), chunk(b"eXIf", b"damaged"), chunk(b"tIME", b"damaged", crc=1)],
    ids=["text with a wrong CRC", "damaged EXIF", "time with a wrong CRC"],
)
def test_a_png_with_a_damaged_note_or_bytes_after_it_is_kept(tmp_path: Path, note: bytes) -> None:
    """Ancillary chunks are not needed for the picture (PNG 5.4); one of the picture itself is."""
    path = ramp(tmp_path / "a.png")
    data, data_starts = path.read_bytes(), path.read_bytes().index(b"IDAT") - 4
    written(path, data[:data_starts] + note + data[data_starts:] + b"bytes after it")
    assert np.array_equal(grey(path), RAMP)
    written(path, data[:data_starts] + chunk(b"PLTE", bytes(9), crc=1) + data[data_starts:])
    with pytest.raises(UnreadableImage, match="the head of the PNG is damaged"):
        decode(path)


# --- size and order ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("size", "expected"),
    [((300, 200), (90, 60)), ((200, 300), (60, 90)), ((45, 30), (90, 60)), ((3000, 40), (90, 1))],
)
def test_shrink_brings_the_longest_side_and_keeps_the_aspect(
    size: tuple[int, int], expected: tuple[int, int]
) -> None:
    assert fit(Image.new("L", size), 90).size == expected


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
    small = decode(tmp_path / "a.jpg", size_px=200).image
    assert small.size == (300, 200)
    full = np.asarray(fit(decode(tmp_path / "a.jpg").image, 200)).astype(float)
    assert np.abs(np.asarray(fit(small, 200)) - full).mean() < 1


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


def test_a_dicom_and_its_film_in_the_cache_are_shown_the_same(tmp_path: Path) -> None:
    picture = draw([], view="PA", size_px=300, seed=2)
    film = dicom(tmp_path / "a.dcm", picture.astype(np.uint16) * 16, PhotometricInterpretation="MONOCHROME1")
    for recipe in ("window", "mimic_jpg"):
        cache_film(film, tmp_path / f"{recipe}.jpg", size_px=200, recipe=recipe, view=None)
        for geometry in ("pad", "squash"):
            direct, kept = (
                np.asarray(for_model(path, size_px=200, geometry=geometry, recipe=recipe), np.int16)
                for path in (film, tmp_path / f"{recipe}.jpg")
            )
            assert np.abs(direct - kept).mean() < 2, "but for the compression"
            lungs, middle = direct[80:100, 55:65, 0].mean(), direct[80:100, 95:105, 0].mean()
            assert lungs < middle, "inverted by neither of the two"


# --- real images ------------------------------------------------------------------------------------


@real
def test_real_radiographs() -> None:
    paths = sorted((REAL / "radiographs").glob("*.jpg"))
    assert len(paths) == 27
    for path in paths:
        small = decode(path, size_px=896)
        assert small.image.size == (1000, 1000)
        assert small.warning is None
    full = np.asarray(fit(decode(paths[0]).image, 896)).astype(float)
    fast = np.asarray(fit(decode(paths[0], size_px=896).image, 896))
    assert np.abs(fast - full).mean() < 1
    assert for_model(paths[0], size_px=896, geometry="pad").size == (896, 896)
