"""The commands of a whole study: write its experiment, run it, run the demo, see how far it is."""

from __future__ import annotations

import shlex
import sys
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from laudo.cli.arguments import RUNS, Experiment, Runs, new_group, open_plan
from laudo.cli.stages import run_stage

if TYPE_CHECKING:
    from laudo.experiment import Plan

commands = new_group()

_STAGES = ("prepare", "translate", "check", "train", "generate", "evaluate", "report")


@commands.command(epilog="Example: laudo new my.toml")
def new(
    file: Annotated[str, typer.Argument(metavar="FILE", help="The file to write, for example my.toml.")],
) -> None:
    """Writes an experiment in which every setting is explained.

    As it is written it does what `default` does. Its name is the file's.
    """
    from laudo.experiment import write_new

    write_new(file)
    print(f"{file} is written; every setting is explained in it")
    print(f"next: laudo prepare {shlex.quote(file)} --describe")


@commands.command(epilog="Example: laudo run experiment.toml")
def run(experiment: Experiment, runs: Runs = RUNS) -> None:
    """Runs every stage that is missing or stale, in order.

    What is finished is not done again. All that the rest needs is looked at first.
    """
    from laudo.experiment import needs

    plan = open_plan(experiment, runs)
    needs.require(plan, *_STAGES)
    # Without an arm that has the adapter there is nothing to train.
    stages = [name for name in _STAGES if name != "train" or plan.training]
    outcomes = [_run_and_print(name, plan) for name in stages]
    if not any(outcomes):
        print("nothing to do: every table is done and the page is up to date")
    print(f"page: {plan.run / 'results.html'}")


@commands.command(epilog="Example: laudo demo, then open the page that it names")
def demo(runs: Runs = RUNS) -> None:
    """Runs the whole study on the phantom, on a CPU, in minutes.

    The phantom has drawn radiographs, invented reports and small models.
    """
    run("demo", runs)


@commands.command(epilog="Example: laudo status experiment.toml")
def status(experiment: Experiment, runs: Runs = RUNS) -> None:
    """Shows every table: whether it is done, and why not."""
    plan = open_plan(experiment, runs)
    if plan.corpus.absent:
        print(f"the corpus is not there: {plan.corpus.absent}; finished tables stay finished")
    entries = [*_tables(plan), _page(plan)]
    if sys.stdout.isatty():
        _print_on_terminal(entries)
    else:
        _print_as_text(entries)


def _run_and_print(name: str, plan: Plan) -> bool:
    was_made = run_stage(name, plan)
    if was_made:
        print(f"{name}: done", flush=True)
    return was_made


# --- status -------------------------------------------------------------------------------------------------

_COLOURS = {"done": "green", "damaged": "red", "missing": "bright_black"}
"""The colours of the words; the others are yellow."""


class _Entry(NamedTuple):
    """A line of the status; `rows` is empty where there are none to count."""

    name: str
    word: str
    rows: str
    reasons: tuple[str, ...]


def _tables(plan: Plan) -> list[_Entry]:
    from laudo.store.state import Seen, state

    seen: Seen = {}
    states = [(partition.name, state(partition, seen)) for partition in plan]
    return [_Entry(name, now.word, f"{now.rows:,}", now.reasons) for name, now in states]


def _page(plan: Plan) -> _Entry:
    from laudo import report

    now = report.state(plan)
    return _Entry("results.html", now.word, "", now.reasons)


def _print_as_text(entries: list[_Entry]) -> None:
    width = max(44, *(len(entry.name) for entry in entries))
    for entry in entries:
        print(f"{entry.name:{width}} {entry.word:8} {entry.rows:>11}".rstrip())
        for reason in entry.reasons:
            print(f"    {reason}")


def _print_on_terminal(entries: list[_Entry]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, header_style="bold")
    table.add_column("table")
    table.add_column("state", no_wrap=True)
    table.add_column("rows", justify="right", no_wrap=True)
    for entry in entries:
        name = Text(entry.name)
        for reason in entry.reasons:
            name.append(f"\n    {reason}", style="dim")
        table.add_row(name, Text(entry.word, style=_COLOURS.get(entry.word, "yellow")), entry.rows)
    Console().print(table)
