"""The cache of films: made once, told by its own comment, whole or not there."""

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from films import DEEP, dicom, negative
from laudo import images
from laudo.errors import LaudoError
from laudo.images import Kept, UnreadableImage, cache, fingerprint, keep, read, shrink
from laudo.images.polarity import SUSPECT
from laudo.phantom.draw import draw

FILM = Image.fromarray(draw([], view="PA", size_px=300, seed=4))
HOW: dict[str, Any] = {"size_px": 100, "recipe": "window", "view": "PA"}


@pytest.fixture
def source(tmp_path: Path) -> Path:
    FILM.save(tmp_path / "source.jpg", quality=95)
    return tmp_path / "source.jpg"


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "kept" / "s1" / "a.jpg"


def spoil(path: Path) -> None:
    """Makes a file unreadable that keeps its size and time."""
    found = path.stat()
    path.write_bytes(bytes(found.st_size))
    os.utime(path, ns=(found.st_atime_ns, found.st_mtime_ns))


def test_a_kept_film_is_a_grey_jpeg_of_the_size_asked_for(source: Path, target: Path) -> None:
    kept = keep(source, target, **HOW)
    small = shrink(read(source, size_px=100).image, 100)
    with Image.open(target) as image:
        assert (image.format, image.mode, image.size) == ("JPEG", "L", small.size)
        assert np.abs(np.asarray(image, np.int16) - np.asarray(small)).mean() < 2
    assert kept == Kept(*small.size, fingerprint=fingerprint(small), warning=None)
    assert max(kept.width, kept.height) == 100
    assert [path.name for path in target.parent.iterdir()] == ["a.jpg"]


def test_a_film_that_is_there_is_not_decoded_again(source: Path, target: Path) -> None:
    first = keep(source, target, **HOW)
    before = target.read_bytes()
    spoil(source)
    assert keep(source, target, **HOW) == first
    assert target.read_bytes() == before


def test_a_warning_is_kept(source: Path, target: Path) -> None:
    negative(FILM).save(source, quality=95)
    assert [keep(source, target, **HOW).warning for _ in range(2)] == [SUSPECT] * 2


@pytest.mark.parametrize("change", [{"size_px": 80}, {"recipe": "mimic_jpg"}, {"view": None}])
def test_another_way_of_making_makes_it_again(source: Path, target: Path, change: dict[str, Any]) -> None:
    keep(source, target, **HOW)
    spoil(source)
    with pytest.raises(UnreadableImage):
        keep(source, target, **HOW | change)


def test_another_format_makes_it_again(source: Path, target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    keep(source, target, **HOW)
    spoil(source)
    monkeypatch.setattr(cache, "_FORMAT", 10_000)
    with pytest.raises(UnreadableImage):
        keep(source, target, **HOW)


def test_a_changed_source_is_made_again(source: Path, target: Path) -> None:
    first = keep(source, target, **HOW)
    negative(FILM).save(source, quality=95)
    second = keep(source, target, **HOW)
    assert second.fingerprint != first.fingerprint
    os.utime(source, ns=(1, 1))
    spoil(source)
    with pytest.raises(UnreadableImage):
        keep(source, target, **HOW)


@pytest.mark.parametrize("comment", [None, "not JSON", "7", "[]", "{}", json.dumps({"format": 1})])
def test_a_foreign_film_is_replaced(source: Path, target: Path, comment: str | None) -> None:
    target.parent.mkdir(parents=True)
    Image.new("L", (100, 100)).save(target, comment=comment)
    kept = keep(source, target, **HOW)
    assert kept == keep(source, target, **HOW)
    assert np.asarray(Image.open(target)).any()


@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.999])
def test_a_torn_film_is_replaced(source: Path, target: Path, share: float) -> None:
    first = keep(source, target, **HOW)
    whole = target.read_bytes()
    target.write_bytes(whole[: int(len(whole) * share)])
    assert keep(source, target, **HOW) == first
    assert target.read_bytes() == whole


def test_killed_while_writing_leaves_nothing_under_the_name(
    source: Path, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(path: Path, data: bytes) -> int:
        with path.open("wb") as stream:
            stream.write(data[: len(data) // 2])
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "write_bytes", killed)
    with pytest.raises(KeyboardInterrupt):
        keep(source, target, **HOW)
    assert not any(target.parent.iterdir())


def test_the_same_source_gives_the_same_picture_at_any_time(source: Path, target: Path) -> None:
    keep(source, target, **HOW)
    once = target.read_bytes()
    target.unlink()
    keep(source, target, **HOW)
    assert target.read_bytes() == once
    os.utime(source, ns=(5, 5))
    keep(source, target, **HOW)
    assert target.read_bytes() != once, "its comment has the other time"
    other = Image.open(target)
    target.write_bytes(once)
    assert np.array_equal(np.asarray(other), np.asarray(Image.open(target)))


def test_recipes_of_a_dicom(tmp_path: Path, target: Path) -> None:
    film = dicom(tmp_path / "a.dcm", DEEP // 2, WindowCenter=2048, WindowWidth=4096)
    greys = []
    for recipe in ("window", "mimic_jpg"):
        keep(film, target, **HOW | {"recipe": recipe, "size_px": 256})
        greys.append(np.asarray(Image.open(target)).max())
    # Half of the window's range; the whole range of an equalised film.
    assert abs(int(greys[0]) - 128) < 4 and greys[1] > 250


def test_what_could_not_be_read_back_is_not_kept(tmp_path: Path, target: Path) -> None:
    Image.fromarray(DEEP.astype(np.uint8)).resize((1000, 40)).save(tmp_path / "a.png")
    with pytest.raises(UnreadableImage, match="100 x 4 pixels, a side under 32"):
        keep(tmp_path / "a.png", target, **HOW)
    assert not target.exists()


def test_an_absent_source_is_refused_even_if_it_was_kept(source: Path, target: Path) -> None:
    keep(source, target, **HOW)
    source.unlink()
    with pytest.raises(UnreadableImage, match="No such file"):
        keep(source, target, **HOW)


def test_a_target_that_cannot_be_written_is_a_mistake_to_mend(source: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(LaudoError, match="cannot write") as caught:
        keep(source, tmp_path / "file" / "a.jpg", **HOW)
    assert not isinstance(caught.value, UnreadableImage)


def test_the_public_names_are_there() -> None:
    assert all(hasattr(images, name) for name in images.__all__)
