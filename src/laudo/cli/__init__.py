"""The command line: it parses, calls one stage and prints the outcome.

    arguments   what several commands take
    stages      prepare, translate, check, train, generate, evaluate, report
    study       new, run, demo, status
    filters     sections, label: JSON lines in, JSON lines out
    corpus      phantom
    census      the census of a corpus as text
    tables      tables on a terminal or in a file
    lines       JSON lines
    words       counts with their nouns

Heavy libraries are imported by the commands, so that help appears at once.
"""

from __future__ import annotations

import os
import sys
from typing import Annotated, NoReturn

import typer

from laudo import __version__
from laudo.cli import corpus, filters, stages, study
from laudo.errors import LaudoError

_HELP = """Chest X-ray reports in Brazilian Portuguese: from a MIMIC-CXR folder to a results page.

Start with `laudo demo`: the whole study on drawn radiographs, on a CPU, in minutes.

Research software, not a medical device."""

_EXTRAS = {
    "models": {"torch", "transformers", "peft", "accelerate", "bitsandbytes"},
    "dicom": {"pydicom", "imagecodecs"},
}
"""The libraries that are installed only with an extra."""

_INTERRUPTED = 130
"""The exit code that Typer gives to an interrupt."""

app = typer.Typer(
    help=_HELP,
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,  # Rich takes longer to load than everything else that help needs.
    pretty_exceptions_enable=False,
)
for group in (stages, study, filters, corpus):
    app.add_typer(group.commands)


def main() -> None:
    """Runs a command; a user's mistake becomes one message and exit code 2, an interrupt 130."""
    # Nothing is fetched unless the user's environment says so. The hub's library reads this on its import.
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    try:
        app()
    except LaudoError as error:
        _exit_with(str(error))
    except ModuleNotFoundError as error:
        extra = next((name for name, libraries in _EXTRAS.items() if error.name in libraries), None)
        if extra is None:
            raise
        _exit_with(
            f"this needs {error.name}, which is not installed\n"
            f"  fix: pip install 'laudo[{extra}]', or in a checkout: make setup"
        )
    except SystemExit as ending:
        if ending.code == _INTERRUPTED:
            _say("\nlaudo: stopped; what is finished is kept, and the same command continues from there")
        raise


def _exit_with(message: str) -> NoReturn:
    _say(f"laudo: {message}")
    sys.exit(2)


def _say(message: str) -> None:
    print(message, file=sys.stderr)


def _print_version(is_requested: bool) -> None:
    if is_requested:
        print(f"laudo {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    pass
