"""Preparing films: the package's way against Pillow's plain way, and with all cores.

LAUDO_REAL_DATA=FOLDER python benchmarks/images.py [--films 40] [--repeats 5]

Films are grey JPEGs of 2544 x 3056 pixels, quality 95: the radiographs of LAUDO_REAL_DATA, equalised and enlarged
so that the files are about as large as those of MIMIC-CXR-JPG (1.5 MB), or drawn ones. Both ways work on the same film in turn, so that a busy machine slows both.
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

from laudo import images, spread
from laudo.phantom.draw import draw

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


def plain(path: Path) -> Image.Image:
    image = Image.open(path)
    scale = SIDE / max(image.size)
    return image.resize((round(image.width * scale), round(image.height * scale)), BILINEAR)


def plain_keep(path: Path, kept: Path) -> None:
    plain(path).save(kept / path.name, quality=95)


def shrunk(path: Path) -> Image.Image:
    return images.shrink(images.load(path, size_px=SIDE), SIDE)


def keep(path: Path, kept: Path) -> None:
    target = kept / path.name
    target.unlink(missing_ok=True)
    images.keep(path, target, size_px=SIDE, recipe="window", view="PA")


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
    said = ", ".join(f"{name} {statistics.median(rate):.1f}" for name, rate in rates.items())
    print(f"{what}: {said} films a second and core; ratio {spread_of(ratios)}")


def spread_of(values: list[float]) -> str:
    return f"{statistics.median(values):.2f} ({min(values):.2f} to {max(values):.2f})"


def difference(films: list[Path]) -> float:
    """Mean absolute difference of the two ways, in grey levels."""
    return statistics.mean(
        float(np.abs(np.asarray(plain(film), np.int16) - np.asarray(shrunk(film), np.int16)).mean())
        for film in films
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--films", type=int, default=40)
    parser.add_argument("--repeats", type=int, default=5)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        films, kept = write_films(Path(name), args.films), Path(name) / "kept"
        kept.mkdir()
        compare("decode and shrink", {"Pillow": plain, "laudo": shrunk}, films, args.repeats)
        whole = {"Pillow": partial(plain_keep, kept=kept), "laudo": partial(keep, kept=kept)}
        compare("the whole of keep", whole, films, args.repeats)
        print(f"mean absolute difference {difference(films):.2f} grey levels")
        with spread.pool() as over:
            list(over(partial(keep, kept=kept), films))  # workers have started
            start = time.monotonic()
            list(over(partial(keep, kept=kept), films))
            rate = len(films) / (time.monotonic() - start)
        start = time.monotonic()
        for film in films:
            images.keep(film, kept / film.name, size_px=SIDE, recipe="window", view="PA")
        again = len(films) / (time.monotonic() - start)
        print(
            f"keep on {spread.workers()} cores: {rate:.1f} films a second; already kept: {again:.0f} a second"
        )


if __name__ == "__main__":
    main()
