"""The filters: reports as JSON lines in, what is read in them as JSON lines out."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from laudo.cli import lines
from laudo.cli.arguments import new_group
from laudo.cli.words import counted
from laudo.errors import LaudoError

if TYPE_CHECKING:
    from laudo.sections import SectionedReport

commands = new_group()

File = Annotated[str, typer.Argument(metavar="FILE", help="JSON lines; `-` for standard input.")]
Language = Annotated[Literal["en", "pt"], typer.Option(help="The language of the reports.")]
AnyLanguage = Annotated[
    str, typer.Option(help="The language of the reports: en, pt, or one that --lexicon adds.")
]
SectionsMode = Annotated[
    Literal["default", "reference"],
    typer.Option(help="`reference`: as MIT-LCP's section parser, with the id as the study id."),
]
LabelMode = Annotated[
    Literal["default", "reference"],
    typer.Option(help="`reference`: read and aggregate as chexpert-labeler does, quirks included."),
]
Lexicon = Annotated[
    Path | None,
    typer.Option(metavar="DIR", help="A folder with concepts/ and languages/ to add to the lexicon."),
]


@commands.command(epilog="Example: laudo sections --lang en reports.jsonl | head -1")
def sections(file: File, lang: Language, mode: SectionsMode = "default") -> None:
    """Divides reports into sections, and names the one to use.

    A line in is `{"id", "text"}`; a line out is `{"id", "sections", "order", "target", "target_section"}`.
    """
    if mode == "reference" and lang != "en":
        raise LaudoError(
            "the reference parser knows English only", fix="give --lang en, or leave --mode reference out"
        )
    for report in lines.parse(file, keys=("id", "text")):
        lines.write(_reference_sections(report) if mode == "reference" else _sections(report, lang))


@commands.command(epilog="Example: laudo label --lang pt laudos.jsonl | head -1")
def label(file: File, lang: AnyLanguage, mode: LabelMode = "default", lexicon: Lexicon = None) -> None:
    """Reads the facts in reports, and CheXpert's 14 labels.

    A line in is `{"id", "text"}`; a line out is `{"id", "labels", "facts"}`. A label is 1 (present),
    0 (absent), -1 (uncertain) or null.
    """
    from laudo import findings

    findings.read("", lang=lang, lexicon=lexicon)  # reports a mistake in either before the first line
    if lexicon:
        _refuse_failed_examples(lexicon)
    for report in lines.parse(file, keys=("id", "text")):
        facts = findings.read(report["text"], lang=lang, mode=mode, lexicon=lexicon)
        rows = [findings.as_json(fact, text=report["text"]) for fact in facts]
        lines.write({"id": report["id"], "labels": findings.labels(facts, mode=mode), "facts": rows})


def _sections(report: Mapping[str, Any], lang: Literal["en", "pt"]) -> dict[str, Any]:
    from laudo.sections import chosen, split

    divided = split(report["text"], lang=lang)
    name, body = chosen(divided) or (None, "")
    return _row(report, divided, target=body, target_section=name)


def _reference_sections(report: Mapping[str, Any]) -> dict[str, Any]:
    from laudo.sections import reference

    divided = reference.split(report["text"], study_id=report["id"])
    return _row(report, divided, target=divided.target, target_section=divided.target_section)


def _row(report: Mapping[str, Any], divided: SectionedReport, **target: str | None) -> dict[str, Any]:
    """A line of output. If a name occurs twice, the last body is used."""
    bodies = {section.name: section.body for section in divided.sections}
    return {"id": report["id"], "sections": bodies, "order": divided.order, **target}


def _refuse_failed_examples(lexicon: Path) -> None:
    from laudo import findings

    failed = findings.failed_examples(lexicon=lexicon)
    if failed:
        raise LaudoError(
            f"{counted(len(failed), 'example')} of the lexicon failed",
            where="; ".join(failed[:3]),
            fix="correct these sentences, or the words of their concept",
        )
