"""How long a phantom takes: text alone at MIMIC-CXR's size, and pictures.

python benchmarks/phantom.py [--studies 227835]
"""

from __future__ import annotations

import argparse
import resource
import tempfile
import time
from pathlib import Path

from laudo.phantom import corpus


def measure(name: str, *, studies: int, size_px: int | None) -> None:
    with tempfile.TemporaryDirectory() as folder:
        start = time.monotonic()
        for _ in corpus.write(Path(folder), count=studies, seed=1, size_px=size_px):
            pass
        seconds = time.monotonic() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        f"{name}: {studies} studies in {seconds:.1f} s, {studies / seconds:.0f} a second, peak {peak:.0f} MiB"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--studies", type=int, default=227_835)
    args = parser.parse_args()
    measure("text", studies=args.studies, size_px=None)
    measure("pictures of 512 px", studies=200, size_px=512)


if __name__ == "__main__":
    main()
