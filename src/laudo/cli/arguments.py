"""What several commands take: an experiment, the folder of the runs, a shard."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from laudo.experiment import Plan

Experiment = Annotated[
    str,
    typer.Argument(
        help="An experiment: a TOML file, or the name of one that is shipped (demo, paper, default)."
    ),
]
Runs = Annotated[Path, typer.Option("--runs", help="The folder of the runs; this one is RUNS/NAME.")]
ShardText = Annotated[
    str,
    typer.Option("--shard", help="Only this share of the parts, INDEX/COUNT from 0, as in a Slurm array."),
]
RUNS = Path("runs")


def new_group() -> typer.Typer:
    """Returns an empty group of commands; those of every group appear side by side in the help."""
    return typer.Typer(rich_markup_mode=None)


def open_plan(experiment: str, runs: Path) -> Plan:
    """Loads an experiment and lays out its tables in `runs/<name>`.

    Raises:
        ExperimentError: there is no such experiment, or it has mistakes.
        InputError: a table of the corpus is damaged.
    """
    from laudo.experiment import load, plan

    loaded = load(experiment)
    return plan(loaded, runs / loaded.name)
