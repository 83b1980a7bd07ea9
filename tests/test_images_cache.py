"""The cache of films: each is made once, known by its own comment, and complete or absent."""

import json
import os
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageOps

from films import DEEP, dicom, negative
from laudo.errors import LaudoError
from laudo.images import CachedFilm, UnreadableImage, cache, cache_film, decode, fingerprint, fit, for_model
from laudo.phantom.draw import draw
from laudo.vocabulary import ImageWarning

FILM = Image.fromarray(draw([], view="PA", size_px=300, seed=4))
ARGUMENTS: dict[str, Any] = {"size_px": 100, "recipe": "window", "view": "PA"}


@pytest.fixture
def source(tmp_path: Path) -> Path:
    FILM.save(tmp_path / "source.jpg", quality=95)
    return tmp_path / "source.jpg"


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "cache" / "s1" / "a.jpg"


def spoil(path: Path) -> None:
    """Makes a file unreadable, but leaves its size and time."""
    status = path.stat()
    path.write_bytes(bytes(status.st_size))
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def pixels(path: Path) -> np.ndarray[Any, Any]:
    with Image.open(path) as image:
        return np.asarray(image)


def test_a_cached_film_is_a_grey_jpeg_of_the_requested_size(source: Path, target: Path) -> None:
    film = cache_film(source, target, **ARGUMENTS)
    small = fit(decode(source, size_px=100).image, 100)
    with Image.open(target) as image:
        assert (image.format, image.mode, image.size) == ("JPEG", "L", small.size)
        assert np.abs(np.asarray(image, np.int16) - np.asarray(small)).mean() < 2
    digest = film.digest
    marks = {"fingerprint": fingerprint(small), "mirrored": fingerprint(ImageOps.mirror(small))}
    assert film == CachedFilm(*small.size, digest=digest, warning=None, **marks)
    assert max(film.width, film.height) == 100
    assert [path.name for path in target.parent.iterdir()] == ["a.jpg"]


def test_the_digest_is_of_the_picture_and_not_of_when_its_source_was_written(
    source: Path, target: Path
) -> None:
    """Pillow's own JPEG of the same pixels, without a comment, has the same bytes but for the comment."""
    film = cache_film(source, target, **ARGUMENTS)
    os.utime(source, (1, 1))
    again = target.with_name("again.jpg")
    assert (
        cache_film(source, again, **ARGUMENTS).digest
        == film.digest
        == cache_film(source, again, **ARGUMENTS).digest
    )
    assert again.read_bytes() != target.read_bytes()
    with Image.open(source) as image:
        image.transpose(Image.Transpose.FLIP_LEFT_RIGHT).save(source, quality=95)
    assert cache_film(source, again, **ARGUMENTS).digest != film.digest


def test_a_cached_film_is_not_decoded_again(source: Path, target: Path) -> None:
    first = cache_film(source, target, **ARGUMENTS)
    before = target.read_bytes()
    spoil(source)
    assert cache_film(source, target, **ARGUMENTS) == first
    assert target.read_bytes() == before


def test_the_warning_of_a_cached_film_is_the_first_one(source: Path, target: Path) -> None:
    negative(FILM).save(source, quality=95)
    assert [cache_film(source, target, **ARGUMENTS).warning for _ in range(2)] == [
        ImageWarning.LOOKS_INVERTED
    ] * 2


@pytest.mark.parametrize("change", [{"size_px": 80}, {"recipe": "mimic_jpg"}, {"view": None}])
def test_other_arguments_make_the_film_again(source: Path, target: Path, change: dict[str, Any]) -> None:
    cache_film(source, target, **ARGUMENTS)
    spoil(source)
    with pytest.raises(UnreadableImage):
        cache_film(source, target, **ARGUMENTS | change)


def test_another_format_of_the_cache_makes_the_film_again(
    source: Path, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache_film(source, target, **ARGUMENTS)
    spoil(source)
    monkeypatch.setattr(cache, "_FORMAT", 10_000)
    with pytest.raises(UnreadableImage):
        cache_film(source, target, **ARGUMENTS)


def test_a_changed_source_makes_the_film_again(source: Path, target: Path) -> None:
    first = cache_film(source, target, **ARGUMENTS)
    negative(FILM).save(source, quality=95)
    second = cache_film(source, target, **ARGUMENTS)
    assert second.fingerprint != first.fingerprint
    os.utime(source, ns=(1, 1))
    spoil(source)
    with pytest.raises(UnreadableImage):
        cache_film(source, target, **ARGUMENTS)


@pytest.mark.parametrize("comment", [None, "not JSON", "7", "[]", "{}", json.dumps({"format": 1})])
def test_a_film_of_unknown_origin_is_replaced(source: Path, target: Path, comment: str | None) -> None:
    target.parent.mkdir(parents=True)
    Image.new("L", (100, 100)).save(target, comment=comment)
    film = cache_film(source, target, **ARGUMENTS)
    assert film == cache_film(source, target, **ARGUMENTS)
    assert pixels(target).any()


@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.999])
def test_an_incomplete_film_is_replaced(source: Path, target: Path, share: float) -> None:
    first = cache_film(source, target, **ARGUMENTS)
    complete = target.read_bytes()
    target.write_bytes(complete[: int(len(complete) * share)])
    assert cache_film(source, target, **ARGUMENTS) == first
    assert target.read_bytes() == complete


def test_a_process_killed_while_it_writes_leaves_no_film(
    source: Path, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def write_half(path: Path, data: bytes) -> int:
        with path.open("wb") as stream:
            stream.write(data[: len(data) // 2])
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "write_bytes", write_half)
    with pytest.raises(KeyboardInterrupt):
        cache_film(source, target, **ARGUMENTS)
    assert not any(target.parent.iterdir())


def test_the_same_source_gives_the_same_pixels_at_any_time(source: Path, target: Path) -> None:
    cache_film(source, target, **ARGUMENTS)
    first = target.read_bytes()
    first_pixels = pixels(target)
    target.unlink()
    cache_film(source, target, **ARGUMENTS)
    assert target.read_bytes() == first
    os.utime(source, ns=(5, 5))
    cache_film(source, target, **ARGUMENTS)
    assert target.read_bytes() != first, "its comment has the other time"
    assert np.array_equal(pixels(target), first_pixels)


def test_each_recipe_of_a_dicom_gives_its_own_pixels(tmp_path: Path, target: Path) -> None:
    source = dicom(tmp_path / "a.dcm", DEEP // 2, WindowCenter=2048, WindowWidth=4096)
    greys = []
    for recipe in ("window", "mimic_jpg"):
        cache_film(source, target, **ARGUMENTS | {"recipe": recipe, "size_px": 256})
        greys.append(pixels(target).max())
    # Half of the window's range; the whole range of an equalised film.
    assert abs(int(greys[0]) - 128) < 4 and greys[1] > 250


def test_a_film_that_could_not_be_decoded_again_is_not_cached(tmp_path: Path, target: Path) -> None:
    Image.fromarray(DEEP.astype(np.uint8)).resize((1000, 40)).save(tmp_path / "a.png")
    with pytest.raises(UnreadableImage, match="100 x 4 pixels, a side under 32"):
        cache_film(tmp_path / "a.png", target, **ARGUMENTS)
    assert not target.exists()


def test_a_film_in_the_cache_can_be_decoded_whatever_its_jpeg_does_to_a_narrow_range(
    tmp_path: Path, target: Path
) -> None:
    """Compression moved the percentiles of these films by one level, and a film of 32 levels had 31."""
    cached = 0
    for base, span in product((0, 5, 100, 215), range(30, 52)):
        FILM.point(lambda grey, base=base, span=span: base + round(grey * span / 255)).save(
            tmp_path / "a.png"
        )
        try:
            cache_film(tmp_path / "a.png", target, **ARGUMENTS)
        except UnreadableImage as error:
            assert "99 % of its pixels have grey values from" in error.reason
        else:
            assert for_model(target, size_px=100, geometry="pad").size == (100, 100)
            cached += 1
    assert 0 < cached < 88


def test_an_absent_source_is_refused_even_if_its_film_is_cached(source: Path, target: Path) -> None:
    cache_film(source, target, **ARGUMENTS)
    source.unlink()
    with pytest.raises(UnreadableImage, match="No such file"):
        cache_film(source, target, **ARGUMENTS)


def test_a_target_that_cannot_be_written_is_a_message(source: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(LaudoError, match="cannot write") as caught:
        cache_film(source, tmp_path / "file" / "a.jpg", **ARGUMENTS)
    assert not isinstance(caught.value, UnreadableImage)
