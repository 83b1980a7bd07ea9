"""Fingerprints: one exposure in many renderings, and exposures that are not the same.

The renderings are Pillow's own operations. Which films are of one patient, and of which day, is said in the
ATTRIBUTION.csv of the real ones.
"""

import csv
import io
from collections.abc import Callable
from functools import cache
from itertools import combinations, product

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageFilter, ImageOps

from films import RAMP, REAL, real
from laudo.images import decode, fingerprint, same_exposure
from laudo.images.exposure import SAME_BITS, distance
from laudo.images.polarity import STRONG, polarity
from laudo.phantom.draw import draw


def levels(change: Callable[[int], float]) -> Callable[[Image.Image], Image.Image]:
    return lambda image: image.point([round(min(255, max(0, change(grey)))) for grey in range(256)])


def compressed(image: Image.Image) -> Image.Image:
    data = io.BytesIO()
    image.save(data, "JPEG", quality=50)
    return Image.open(data)


RENDERINGS = {
    "gamma 0.6": levels(lambda grey: 255 * (grey / 255) ** 0.6),
    "gamma 1.6": levels(lambda grey: 255 * (grey / 255) ** 1.6),
    "contrast 1.3": levels(lambda grey: (grey - 128) * 1.3 + 128),
    "contrast 0.7": levels(lambda grey: (grey - 128) * 0.7 + 128),
    "brighter": levels(lambda grey: grey + 30),
    "darker": levels(lambda grey: grey - 30),
    "equalised": ImageOps.equalize,
    "autocontrast": lambda image: ImageOps.autocontrast(image, 1),
    "quality 50": compressed,
    "half the size": lambda image: image.resize((image.width // 2, image.height // 2)),
}
SHARPENED = {
    "sharpened": lambda image: image.filter(ImageFilter.UnsharpMask(radius=image.width // 50, percent=150))
}
"""As the second rendering that some machines store, for lines and tubes."""
TURNS = {"10 left": lambda image: image.rotate(10), "10 right": lambda image: image.rotate(-10)}


@cache
def drawn(view: str, seed: int) -> Image.Image:
    return Image.fromarray(draw([], view=view, size_px=512, seed=seed))


@cache
def real_films() -> dict[str, tuple[str, Image.Image]]:
    """File name -> patient and film."""
    with (REAL / "radiographs" / "ATTRIBUTION.csv").open() as rows:
        return {
            row["filename"]: (
                row["patient"],
                decode(REAL / "radiographs" / row["filename"], size_px=896).image,
            )
            for row in csv.DictReader(rows)
        }


@pytest.mark.parametrize("name", RENDERINGS)
@pytest.mark.parametrize("view", ["PA", "LATERAL"])
def test_a_drawn_film_rendered_otherwise_is_the_same_exposure(view: str, name: str) -> None:
    film = drawn(view, 1)
    assert same_exposure(fingerprint(film), fingerprint(RENDERINGS[name](film)))


@pytest.mark.parametrize("name", RENDERINGS)
def test_a_drawn_film_mirrored_and_rendered_otherwise_is_found_by_its_mirrored_fingerprint(name: str) -> None:
    film = drawn("PA", 1)
    mirrored = RENDERINGS[name](ImageOps.mirror(film))
    assert not same_exposure(fingerprint(film), fingerprint(mirrored))
    assert same_exposure(fingerprint(film), fingerprint(ImageOps.mirror(mirrored)))


@real
def test_no_real_film_is_the_mirror_of_another() -> None:
    films = [film for _, film in real_films().values()]
    prints = [fingerprint(film) for film in films]
    mirrored = [fingerprint(ImageOps.mirror(film)) for film in films]
    assert min(distance(a, b) for a, b in product(prints, mirrored)) > 2 * SAME_BITS


def test_other_patients_and_views_drawn_are_other_exposures() -> None:
    films = [drawn("PA", seed) for seed in range(4)] + [drawn("AP", 0), drawn("LATERAL", 0)]
    prints = [fingerprint(film) for film in films]
    assert not any(same_exposure(a, b) for a, b in combinations(prints, 2))


def test_a_fingerprint_worked_by_hand() -> None:
    """A picture that brightens to the right is all ones; its mirror image and a flat one are all zeros."""
    brightening = Image.fromarray(RAMP)
    assert fingerprint(brightening) == "f" * 256
    assert fingerprint(ImageOps.mirror(brightening)) == "0" * 256
    assert fingerprint(Image.new("L", (100, 100), 7)) == "0" * 256


bits = st.binary(min_size=128, max_size=128).map(bytes.hex)


@given(bits, bits)
def test_distance_is_a_distance(a: str, b: str) -> None:
    assert distance(a, a) == 0 and same_exposure(a, a)
    by_hand = sum((x ^ y).bit_count() for x, y in zip(bytes.fromhex(a), bytes.fromhex(b), strict=True))
    assert distance(a, b) == distance(b, a) == by_hand
    assert same_exposure(a, b) == same_exposure(b, a)


@real
@pytest.mark.parametrize("name", RENDERINGS | SHARPENED)
def test_a_real_film_rendered_otherwise_is_the_same_exposure(name: str) -> None:
    for _, film in real_films().values():
        assert distance(fingerprint(film), fingerprint((RENDERINGS | SHARPENED)[name](film))) < 128


@real
def test_real_films_of_other_days_and_patients_are_other_exposures() -> None:
    prints = {name: fingerprint(film) for name, (_, film) in real_films().items()}
    assert len(prints) == 27
    apart = {pair: distance(prints[pair[0]], prints[pair[1]]) for pair in combinations(prints, 2)}
    patients = {name: patient for name, (patient, _) in real_films().items()}
    assert sum(patients[a] == patients[b] for a, b in apart) == 9, "nine pairs of one patient on two days"
    assert min(apart.values()) > 2 * 128, "twice the threshold"


# --- polarity ----------------------------------------------------------------------------------------


@real
@pytest.mark.parametrize("name", ["as it is", *RENDERINGS, *SHARPENED, *TURNS])
def test_polarity_of_real_films_and_of_their_negatives(name: str) -> None:
    """All are right, so none may be suspected; of the negatives at least five in six must be."""
    change = (RENDERINGS | SHARPENED | TURNS).get(name, lambda image: image)
    films = [change(film) for _, film in real_films().values()]
    assert min(polarity(film) for film in films) > -STRONG + 0.1
    assert sum(polarity(ImageOps.invert(film)) <= -STRONG for film in films) >= 27 * 5 / 6


@pytest.mark.parametrize("border", [0, 128, 255])
@pytest.mark.parametrize("view", ["PA", "AP"])
def test_polarity_of_drawn_films_with_a_border(view: str, border: int) -> None:
    film = ImageOps.expand(drawn(view, 5), border=60, fill=border)
    assert polarity(film) > 0.4
    assert polarity(ImageOps.invert(film)) < -0.4


@pytest.mark.parametrize("view", ["LATERAL", "LL"])
def test_laterals_tell_nothing(view: str) -> None:
    assert abs(polarity(drawn(view, 5))) < 0.1


def test_signs_that_contradict_each_other_tell_nothing() -> None:
    """A dark band down the middle says inverted, a bright lower end says right."""
    film = Image.fromarray(RAMP).resize((320, 320)).point(lambda grey: 100 + grey // 50)
    film.paste(20, (140, 0, 180, 260))
    film.paste(200, (20, 260, 300, 320))
    assert polarity(film) == 0
    film.paste(250, (140, 0, 180, 260))
    assert polarity(film) > STRONG


def test_polarity_of_what_is_no_chest_is_nothing() -> None:
    for film in (
        Image.linear_gradient("L"),
        Image.linear_gradient("L").rotate(90),
        Image.new("L", (99, 99), 5),
    ):
        assert abs(polarity(film)) < 0.2
