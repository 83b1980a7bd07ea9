"""The commands of the stages: one each."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from laudo.cli.arguments import RUNS, Experiment, Runs, ShardText, new_group, open_plan

if TYPE_CHECKING:
    from laudo.experiment import Plan
    from laudo.store.spread import Shard

commands = new_group()

Describe = Annotated[
    bool,
    typer.Option("--describe", help="Also print what the corpus holds: labels, views, lengths, sections."),
]
LookAgain = Annotated[
    bool, typer.Option("--look-again", help="Look at every file of the corpus again, as some have changed.")
]


@commands.command(epilog="Example: laudo prepare experiment.toml")
def prepare(
    experiment: Experiment,
    runs: Runs = RUNS,
    shard: ShardText = "0/1",
    describe: Describe = False,
    look_again: LookAgain = False,
) -> None:
    """Takes studies and images from a MIMIC-CXR folder.

    Every study has a row in `studies`; the row of an excluded study says why. Images are cached at the size
    that is set.
    """
    from laudo.cli import census
    from laudo.prepare.missing import missing_images
    from laudo.store import is_done, rows
    from laudo.vocabulary import SPLITS

    plan = _run("prepare", experiment, runs, shard, look_again=look_again)
    if is_done(plan.census):
        settings = plan.experiment.prepare
        requested = {split: settings.size_of(split) for split in SPLITS}
        census.show(rows(plan.census), complete=describe, requested=requested, missing=missing_images(plan))
    else:
        print("not all shares are done yet; the shard that ends last makes the table studies")


@commands.command(epilog="Example: laudo translate experiment.toml --shard 3/8")
def translate(experiment: Experiment, runs: Runs = RUNS, shard: ShardText = "0/1") -> None:
    """Translates English sections to Brazilian Portuguese.

    The model is that of `[translate]`.
    """
    _run("translate", experiment, runs, shard)


@commands.command(epilog="Example: laudo check experiment.toml")
def check(experiment: Experiment, runs: Runs = RUNS) -> None:
    """Checks every translation and gives it a verdict.

    The verdicts: accepted, repaired, flagged, quarantined. Only accepted and repaired translations are
    learnt from.
    """
    _run("check", experiment, runs)


@commands.command(epilog="Example: laudo train experiment.toml")
def train(experiment: Experiment, runs: Runs = RUNS) -> None:
    """Tunes the reporting model (LoRA) on accepted translations."""
    _run("train", experiment, runs)


@commands.command(epilog="Example: laudo generate experiment.toml")
def generate(experiment: Experiment, runs: Runs = RUNS, shard: ShardText = "0/1") -> None:
    """Generates the reports of the test split, arm by arm."""
    _run("generate", experiment, runs, shard)


@commands.command(epilog="Example: laudo evaluate experiment.toml")
def evaluate(experiment: Experiment, runs: Runs = RUNS) -> None:
    """Scores the reports and compares the arms, with intervals."""
    _run("evaluate", experiment, runs)


@commands.command(epilog="Example: laudo report experiment.toml")
def report(experiment: Experiment, runs: Runs = RUNS) -> None:
    """Writes the results page and `results.json`."""
    plan = _run("report", experiment, runs)
    print(f"page: {plan.run / 'results.html'}")


def run_stage(name: str, plan: Plan, **options: Shard | bool) -> bool:
    """Runs a stage and returns whether there was anything to do.

    Its module is imported only now, as some take seconds and mistakes in the experiment should be reported
    before.
    """
    stage: Callable[..., bool] = import_module(f"laudo.{name}").run
    return stage(plan, **options)


def _run(name: str, experiment: str, runs: Path, shard: str | None = None, **options: bool) -> Plan:
    """Opens a plan, runs one stage of it and prints the outcome."""
    from laudo.experiment import needs

    plan = open_plan(experiment, runs)
    needs.require(plan, name)
    was_made = run_stage(name, plan, **_parsed(shard), **options)
    print(f"{name}: {_outcome(was_made, shard)}")
    return plan


def _outcome(was_made: bool, shard: str | None) -> str:
    if not was_made:
        return "nothing to do"
    return "done" if shard in (None, "0/1") else f"share {shard} is done"


def _parsed(shard: str | None) -> dict[str, Shard]:
    """The option of a stage that can be shared among machines; none for another stage."""
    from laudo.store.spread import Shard

    return {} if shard is None else {"shard": Shard.parse(shard)}
