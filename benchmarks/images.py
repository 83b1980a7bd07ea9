"""How fast films are prepared: by the package and by Pillow alone, on one core; and by the package on all cores.

LAUDO_REAL_DATA=FOLDER python benchmarks/images.py [--films 40] [--repeats 5]

Films are grey JPEGs of 2544 x 3056 pixels, quality 95: the radiographs of LAUDO_REAL_DATA, equalised and enlarged so that
the files are about as large as those of MIMIC-CXR-JPG (1.5 MB), or drawn ones. Both ways take turns on each film, so
that a busy machine slows both.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from laudo import images
from laudo.phantom.draw import draw
from laudo.store import spread

SIZE, SIDE = (2544, 3056), 896
BILINEAR = Image.Resampling.BILINEAR


def write_films(folder: Path, count: int) -> list[Path]:
    real = sorted(Path(os.environ.get("LAUDO_REAL_DATA", "/nowhere"), "radiographs").glob("*.jpg"))
    paths = [folder / f"{n}.jpg" for n in range(count)]
    for n, path in enumerate(paths):
        film = (
            Image.open(real[n % len(real)]).convert("L").reduce(2)
            if real
            else Image.fromarray(draw([], view="PA", size_px=1024, seed=n))
        )
        ImageOps.equalize(film.resize(SIZE, BILINEAR)).save(path, quality=95)
    mean = statistics.mean(path.stat().st_size for path in paths)
    print(f"{count} {'real' if real else 'drawn'} films, {mean / 1e6:.2f} MB on average")
    return paths


def pillow(path: Path) -> Image.Image:
    image = Image.open(path)
    scale = SIDE / max(image.size)
    return image.resize((round(image.width * scale), round(image.height * scale)), BILINEAR)


def pillow_cache(path: Path, cache: Path) -> None:
    pillow(path).save(cache / path.name, quality=95)


def laudo(path: Path) -> Image.Image:
    # A lateral is not examined for inversion, which Pillow does not do either.
    return images.fit(images.decode(path, size_px=SIDE, view="LATERAL").image, SIDE)


def laudo_cache(path: Path, cache: Path) -> None:
    target = cache / path.name
    target.unlink(missing_ok=True)
    images.cache_film(path, target, size_px=SIDE, recipe="window", view="PA")


def compare(what: str, ways: dict[str, Callable[[Path], object]], films: list[Path], repeats: int) -> None:
    """Prints films a second of CPU time for each way, and the ratio of the second to the first."""
    rates: dict[str, list[float]] = defaultdict(list)
    for _ in range(repeats):
        spent = dict.fromkeys(ways, 0.0)
        for film in films:
            for name, way in ways.items():
                start = time.process_time()
                way(film)
                spent[name] += time.process_time() - start
        for name in ways:
            rates[name].append(len(films) / spent[name])
    first, second = rates.values()
    ratios = [b / a for a, b in zip(first, second, strict=True)]
    medians = ", ".join(f"{name} {statistics.median(rate):.1f}" for name, rate in rates.items())
    print(f"{what}: {medians} films a second and core; ratio {with_range(ratios)}")


def with_range(values: list[float]) -> str:
    return f"{statistics.median(values):.2f} ({min(values):.2f} to {max(values):.2f})"


def difference(films: list[Path]) -> float:
    """Mean absolute difference of the two ways, in grey levels."""
    return statistics.mean(
        float(np.abs(np.asarray(pillow(film), np.int16) - np.asarray(laudo(film), np.int16)).mean())
        for film in films
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--films", type=int, default=40)
    parser.add_argument("--repeats", type=int, default=5)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        films, cache = write_films(Path(name), args.films), Path(name) / "cache"
        cache.mkdir()
        compare("decode and shrink", {"Pillow": pillow, "laudo": laudo}, films, args.repeats)
        ways = {"Pillow": partial(pillow_cache, cache=cache), "laudo": partial(laudo_cache, cache=cache)}
        compare("cache_film", ways, films, args.repeats)
        print(f"mean absolute difference {difference(films):.2f} grey levels")
        with spread.pool() as over:
            list(over(partial(laudo_cache, cache=cache), films))  # the workers start
            start = time.monotonic()
            list(over(partial(laudo_cache, cache=cache), films))
            rate = len(films) / (time.monotonic() - start)
        start = time.monotonic()
        for film in films:
            images.cache_film(film, cache / film.name, size_px=SIDE, recipe="window", view="PA")
        again = len(films) / (time.monotonic() - start)
        print(
            f"cache_film on {spread.workers()} cores: {rate:.1f} films a second; in the cache: {again:.0f} a second"
        )


if __name__ == "__main__":
    main()
