"""The command line: parse, call one stage, print what happened. Heavy modules are imported by the commands."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from laudo import __version__
from laudo.errors import LaudoError

if TYPE_CHECKING:
    from laudo.plan import Plan

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    help="Chest X-ray reports in Brazilian Portuguese: from a MIMIC-CXR folder to a results page.\n\n"
    "Start with `laudo demo`: the whole study on drawn radiographs, on a CPU, in minutes.\n\n"
    "Research software, not a medical device.",
)

Experiment = Annotated[
    str,
    typer.Argument(
        help="An experiment: a TOML file, or the name of one that is shipped (demo, paper, default)."
    ),
]
Runs = Annotated[Path, typer.Option("--runs", help="Where runs live; this one in RUNS/NAME.")]
ShardText = Annotated[
    str,
    typer.Option("--shard", help="Only this share of the parts, INDEX/COUNT from 0, as in a Slurm array."),
]
RUNS = Path("runs")
_EXTRAS = {
    "models": {"torch", "transformers", "peft", "accelerate", "bitsandbytes"},
    "dicom": {"pydicom", "pylibjpeg"},
}


def main() -> None:
    """Runs a command; a user's mistake becomes one message and exit code 2, an interrupt 130."""
    try:
        app()
    except LaudoError as error:
        print(f"laudo: {error}", file=sys.stderr)
        sys.exit(2)
    except ModuleNotFoundError as error:
        extra = next((name for name, modules in _EXTRAS.items() if error.name in modules), None)
        if not extra:
            raise
        print(
            f"laudo: this needs {error.name}, which is not installed\n"
            f"  to mend it: pip install 'laudo[{extra}]', or in a checkout: make setup",
            file=sys.stderr,
        )
        sys.exit(2)
    except SystemExit as ended:
        if ended.code == 130:  # what Typer makes of an interrupt
            print(
                "\nlaudo: stopped; what is finished is kept, the same command goes on from there",
                file=sys.stderr,
            )
        raise


def _version(asked: bool) -> None:
    if asked:
        print(f"laudo {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    pass


def _open(experiment: str, runs: Path) -> Plan:
    from laudo import config, plan

    loaded = config.load(experiment)
    return plan.plan(loaded, runs / loaded.name)


def _report(name: str, made: bool) -> None:
    print(f"{name}: {'done' if made else 'nothing to do'}")


# --- the stages ------------------------------------------------------------------------------------------------


@app.command(epilog="Example: `laudo prepare experiment.toml`")
def prepare(
    experiment: Experiment,
    runs: Runs = RUNS,
    shard: ShardText = "0/1",
    describe: Annotated[
        bool,
        typer.Option("--describe", help="Then say what the corpus holds: labels, views, lengths, sections."),
    ] = False,
) -> None:
    """MIMIC-CXR folder -> `studies`, and the images at the size that is kept."""
    from laudo import census
    from laudo import prepare as stage
    from laudo.spread import Shard
    from laudo.store import is_done

    made_plan = _open(experiment, runs)
    _report("prepare", stage.run(made_plan, shard=Shard.parse(shard)))
    if is_done(made_plan.studies):
        counts = census.census(made_plan)
        print(census.text(counts) if describe else census.summary(counts))
    else:
        print("other shards have not kept all their images yet; the last to end writes studies")


@app.command(epilog="Example: `laudo translate experiment.toml --shard 3/8`")
def translate(experiment: Experiment, runs: Runs = RUNS, shard: ShardText = "0/1") -> None:
    """English sections -> Brazilian Portuguese, by the model of `[translate]`."""
    from laudo import translate as stage
    from laudo.spread import Shard

    _report("translate", stage.run(_open(experiment, runs), shard=Shard.parse(shard)))


@app.command(epilog="Example: `laudo check experiment.toml`")
def check(experiment: Experiment, runs: Runs = RUNS) -> None:
    """Every translation gets a verdict: accepted, repaired, flagged or quarantined."""
    from laudo import check as stage

    _report("check", stage.run(_open(experiment, runs)))


@app.command(epilog="Example: `laudo train experiment.toml`")
def train(experiment: Experiment, runs: Runs = RUNS) -> None:
    """LoRA of the reporting model on accepted translations."""
    from laudo import train as stage

    _report("train", stage.run(_open(experiment, runs)))


@app.command(epilog="Example: `laudo generate experiment.toml`")
def generate(experiment: Experiment, runs: Runs = RUNS, shard: ShardText = "0/1") -> None:
    """Reports of the test split, by every arm of the experiment."""
    from laudo import generate as stage
    from laudo.spread import Shard

    _report("generate", stage.run(_open(experiment, runs), shard=Shard.parse(shard)))


@app.command(epilog="Example: `laudo evaluate experiment.toml`")
def evaluate(experiment: Experiment, runs: Runs = RUNS) -> None:
    """Labels, scores, and differences between arms with their intervals."""
    from laudo import evaluate as stage

    _report("evaluate", stage.run(_open(experiment, runs)))


@app.command(epilog="Example: `laudo report experiment.toml`")
def report(experiment: Experiment, runs: Runs = RUNS) -> None:
    """The results page and `results.json`."""
    from laudo import report as stage

    made_plan = _open(experiment, runs)
    _report("report", stage.run(made_plan))
    print(f"page: {made_plan.run / 'results.html'}")


# --- the whole -------------------------------------------------------------------------------------------------


@app.command(epilog="Example: `laudo run experiment.toml`")
def run(experiment: Experiment, runs: Runs = RUNS) -> None:
    """All that is missing or stale, in order; what is finished is not done again."""
    made_plan = _open(experiment, runs)
    stages = ["prepare", "translate", "check", "train", "generate", "evaluate", "report"]
    if not any(arm.adapter for arm in made_plan.experiment.arms.values()):
        stages.remove("train")
    made = [_step(name, made_plan) for name in stages]
    if not any(made):
        print("nothing to do: every table is done and the page is up to date")
    print(f"page: {made_plan.run / 'results.html'}")


def _step(name: str, made_plan: Plan) -> bool:
    from importlib import import_module

    stage: Callable[[Plan], bool] = import_module(f"laudo.{name}").run
    made = stage(made_plan)
    if made:
        print(f"{name}: done", flush=True)
    return made


@app.command(epilog="Example: `laudo demo`, then open the page it names")
def demo(runs: Runs = RUNS) -> None:
    """The whole study on the phantom: drawn radiographs, invented reports, small models. Minutes on a CPU."""
    run("demo", runs)


@app.command(epilog="Example: `laudo status experiment.toml`")
def status(experiment: Experiment, runs: Runs = RUNS) -> None:
    """Every table: how complete it is, what is stale, and why."""
    from laudo import report as page
    from laudo.store import state

    made_plan = _open(experiment, runs)
    for partition in made_plan:
        now = state(partition)
        print(
            f"{partition.name:40} {now.word:8} {now.rows:>8} rows"
            + "".join(f"\n    {why}" for why in now.reasons)
        )
    print(f"{'results.html':40} {'done' if page.is_done(made_plan) else 'stale or missing'}")


# --- filters: JSON lines in, JSON lines out ----------------------------------------------------------------------

Lines = Annotated[str, typer.Argument(metavar="FILE", help="JSON lines; `-` for standard input.")]


@app.command(epilog="Example: `laudo sections --lang en reports.jsonl | head -1`")
def sections(
    file: Lines,
    lang: Annotated[Literal["en", "pt"], typer.Option(help="The language of the reports.")],
    mode: Annotated[
        Literal["default", "reference"],
        typer.Option(help="`reference`: as MIT-LCP's section parser, with the id as the study id."),
    ] = "default",
) -> None:
    """Reports `{"id", "text"}` into their sections, and the one to take: `target`, `target_section`."""
    from laudo import lines
    from laudo.sections import Report, chosen, reference, split

    if mode == "reference" and lang != "en":
        raise LaudoError(
            "the reference parser knows English only", mend="give --lang en, or leave --mode reference out"
        )
    report: Report
    for row in lines.read(file, keys=("id", "text")):
        if mode == "reference":
            report = made = reference.split(row["text"], study_id=row["id"])
            target, name = made.target, made.target_section
        else:
            report = split(row["text"], lang=lang)
            name, target = chosen(report) or (None, "")
        # Of a name that occurs twice the last body stays.
        bodies = {section.name: section.body for section in report.sections}
        taken = {"target": target, "target_section": name}
        lines.write({"id": row["id"], "sections": bodies, "order": report.order, **taken})


@app.command(epilog="Example: `laudo label --lang pt laudos.jsonl | head -1`")
def label(
    file: Lines,
    lang: Annotated[
        str, typer.Option(help="The language of the reports: en, pt, or one that --lexicon brings.")
    ],
    mode: Annotated[
        Literal["default", "reference"],
        typer.Option(help="`reference`: read and aggregate as chexpert-labeler does, quirks included."),
    ] = "default",
    lexicon: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="A folder with concepts/ and languages/ to add to the lexicon."),
    ] = None,
) -> None:
    """Reports `{"id", "text"}` into CheXpert's 14 labels (1, 0, -1 or null) and the facts they follow from."""
    from laudo import findings, lines

    findings.read("", lang=lang, lexicon=lexicon)  # a mistake in either is told before the first line
    mistaken = findings.mistaken(lexicon=lexicon) if lexicon else []
    if mistaken:
        raise LaudoError(
            f"the lexicon does not read {len(mistaken)} of its sentences as it should",
            where="; ".join(mistaken[:3]),
        )
    for row in lines.read(file, keys=("id", "text")):
        facts = findings.read(row["text"], lang=lang, mode=mode, lexicon=lexicon)
        told = [findings.as_json(fact, text=row["text"]) for fact in facts]
        lines.write({"id": row["id"], "labels": findings.labels(facts, mode=mode), "facts": told})


# --- the phantom -----------------------------------------------------------------------------------------------


@app.command(epilog="Example: `laudo phantom corpus --studies 1000 --seed 1 --no-images`")
def phantom(
    folder: Annotated[
        Path, typer.Argument(metavar="DIR", help="Receives mimic/ (the layout of MIMIC-CXR) and truth/.")
    ],
    studies: Annotated[int, typer.Option(min=1, help="Number of studies.")] = 1000,
    seed: Annotated[int, typer.Option(help="The same seed gives the same bytes.")] = 0,
    image_size: Annotated[int, typer.Option(min=64, help="Longer side of the images, in pixels.")] = 512,
    images: Annotated[
        bool, typer.Option("--images/--no-images", help="Draw the images, or leave them out.")
    ] = True,
    split: Annotated[
        str, typer.Option(help="Proportions of train, validate, test; `mimic` for MIMIC-CXR's own.")
    ] = "60,10,30",
) -> None:
    """A corpus in MIMIC-CXR's layout, of drawn chests and invented reports, with the truth beside it."""
    from laudo.phantom import corpus
    from laudo.progress import Progress

    proportions = corpus.MIMIC_PROPORTIONS if split == "mimic" else _proportions(split)
    made = corpus.write(
        folder, count=studies, seed=seed, proportions=proportions, size_px=image_size if images else None
    )
    with Progress("phantom", studies) as progress:
        for _ in made:
            progress.add()
    print(f"{studies} studies: {folder / 'mimic'}; the truth: {folder / 'truth'}")


def _proportions(text: str) -> tuple[float, ...]:
    try:
        parts = tuple(float(part) for part in text.split(","))
    except ValueError:
        parts = ()
    if len(parts) != 3 or min(parts, default=-1) < 0 or not sum(parts):
        raise LaudoError(
            f"'{text}' is not a split",
            mend="give three shares, for example --split 60,10,30, or --split mimic",
        )
    return parts
