"""The command that writes a phantom corpus."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from laudo.cli.arguments import new_group
from laudo.cli.words import counted
from laudo.errors import LaudoError

commands = new_group()

Folder = Annotated[
    Path, typer.Argument(metavar="DIR", help="Receives mimic/ (the layout of MIMIC-CXR) and truth/.")
]
Studies = Annotated[int, typer.Option(min=1, help="Number of studies.")]
Seed = Annotated[int, typer.Option(help="The same seed gives the same bytes.")]
ImageSize = Annotated[int, typer.Option(min=64, help="Longer side of the images, in pixels.")]
Images = Annotated[bool, typer.Option("--images/--no-images", help="Draw the images, or leave them out.")]
Split = Annotated[
    str, typer.Option(help="Proportions of train, validate, test; `mimic` for MIMIC-CXR's own.")
]


@commands.command(epilog="Example: laudo phantom corpus --studies 1000 --seed 1 --no-images")
def phantom(
    folder: Folder,
    studies: Studies = 1000,
    seed: Seed = 0,
    image_size: ImageSize = 512,
    images: Images = True,
    split: Split = "60,10,30",
) -> None:
    """Writes a drawn corpus in MIMIC-CXR's layout.

    Chests are drawn and reports invented; the truth of both is written beside them.
    """
    from laudo.phantom import corpus
    from laudo.progress import Progress
    from laudo.store.disk import writing

    proportions = corpus.MIMIC_PROPORTIONS if split == "mimic" else _proportions(split)
    size_px = image_size if images else None
    written = corpus.write(folder, count=studies, seed=seed, proportions=proportions, size_px=size_px)
    with writing(folder), Progress("phantom", studies) as progress:
        for _ in written:
            progress.add()
    print(f"{counted(studies, 'study')}: {folder / 'mimic'}; the truth: {folder / 'truth'}")


def _proportions(text: str) -> tuple[float, ...]:
    try:
        shares = tuple(float(share) for share in text.split(","))
    except ValueError:
        shares = ()
    if len(shares) != 3 or min(shares, default=-1) < 0 or not sum(shares):
        raise LaudoError(
            f"'{text}' is not a split",
            fix="give three shares, for example --split 60,10,30, or --split mimic",
        )
    return shares
