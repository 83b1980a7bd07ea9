"""`results.json`: the numbers of the page for programs, and what says whether both files are up to date."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

from laudo import __version__
from laudo.census import Census, Topic
from laudo.report.measures import declared
from laudo.report.tables import Estimate, Tables
from laudo.store import content
from laudo.store.disk import write_json
from laudo.vocabulary import SPLITS, References

FORMAT = 3
"""The form of `results.json`. Format 2 had neither `sensitivity` nor `made`."""

FORM: Mapping[str, type] = {
    "format": int,
    "laudo": str,
    "made_from": str,
    "page": str,
    "language": str,
    "experiment": str,
    "arms": dict,
    "differences": list,
    "sensitivity": dict,
    "labels": dict,
    "positives": dict,
    "corpus": dict,
    "verdicts": dict,
    "generations": dict,
    "signatures": dict,
    "settings": dict,
    "made": list,
}
"""The keys of `results.json`, and the type of each value."""


def write(tables: Tables, *, page_digest: str) -> None:
    """Writes `results.json`, the second of the two files."""
    write_json(_path(tables), as_json(tables, page_digest=page_digest))


def is_current(tables: Tables) -> bool:
    """Whether both files are complete, and made from what the page would be made from now."""
    recorded = _load(_path(tables))
    if recorded is None or tables.unfinished:
        return False
    if recorded["made_from"] != made_from(tables) or recorded["made"] != _made(tables):
        return False
    try:
        page = (tables.plan.run / "results.html").read_bytes()
    except OSError:
        return False
    return bool(recorded["page"] == content.of_bytes(page))


def made_from(tables: Tables) -> str:
    """Returns a digest of all that decides the two files.

    That is the content of the columns that the page reads, the settings (`results.json` holds all of them),
    the words of the metrics, and the code, templates and catalogues of this package. Where a run lies and
    when, where and with which versions it was made do not count: equal runs have equal digests.
    """
    language = tables.experiment.report.language
    ingredients = {
        "tables": tables.digests,
        "settings": tables.settings,
        "measures": [[m.name, m.title, m.reading, m.statistics] for m in declared(language)],
        "package": {name: content.of_bytes(file) for name, file in _sources(files(__package__))},
        "laudo": __version__,
    }
    return hashlib.sha256(json.dumps(ingredients, sort_keys=True).encode()).hexdigest()[:16]


def _sources(folder: Traversable) -> Iterator[tuple[str, bytes]]:
    for entry in folder.iterdir():
        if entry.is_dir():
            yield from ((f"{entry.name}/{name}", source) for name, source in _sources(entry))
        elif entry.name.endswith((".py", ".j2", ".css", ".toml")):
            yield entry.name, entry.read_bytes()


def _path(tables: Tables) -> Path:
    return tables.plan.run / "results.json"


def _load(path: Path) -> dict[str, Any] | None:
    """What `results.json` holds; None where it is absent, damaged or of another form."""
    try:
        value = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return None
    if not isinstance(value, dict) or value.get("format") != FORMAT:
        return None
    return value if all(isinstance(value.get(key), form) for key, form in FORM.items()) else None


# --- what it holds -----------------------------------------------------------------------------------------


def as_json(tables: Tables, *, page_digest: str) -> dict[str, Any]:
    """Returns the content of `results.json`."""
    return {
        "format": FORMAT,
        "laudo": __version__,
        "made_from": made_from(tables),
        "page": page_digest,
        "language": tables.experiment.report.language,
        "experiment": tables.experiment.name,
        **_of_references(tables, References.ALL),
        "sensitivity": {"references": References.LEARNABLE, **_of_references(tables, References.LEARNABLE)},
        "labels": _of_labels(tables),
        "positives": tables.positives,
        "corpus": _corpus(tables.census),
        "verdicts": _verdicts(tables),
        "generations": {arm: counts._asdict() for arm, counts in tables.generation_counts.items()},
        "signatures": tables.signatures,
        "settings": tables.settings,
        "made": _made(tables),
    }


def _of_references(tables: Tables, references: References) -> dict[str, Any]:
    """`arms`: arm -> measure -> its estimate; `differences`: those between the arms."""
    arms: dict[str, dict[str, Any]] = {arm: {} for arm in tables.experiment.arms}
    of_all_labels = [row for row in tables.estimates_of(references) if not row.label]
    for row in of_all_labels:
        if not row.versus:
            arms[row.arm][row.measure] = _numbers(row)
    return {"arms": arms, "differences": [_difference(row) for row in of_all_labels if row.versus]}


def _made(tables: Tables) -> list[dict[str, Any]]:
    """When, on what and with which versions: all that differs between equal runs."""
    return [origin._asdict() for origin in tables.origins]


def _of_labels(tables: Tables) -> dict[str, dict[str, dict[str, Any]]]:
    """arm -> label -> measure -> its estimate."""
    labels: dict[str, dict[str, dict[str, Any]]] = {arm: {} for arm in tables.experiment.arms}
    for row in tables.estimates:
        if not row.versus and row.label:
            labels[row.arm].setdefault(row.label, {})[row.measure] = _numbers(row)
    return labels


def _corpus(census: Census) -> dict[str, Any]:
    """The counts of the corpus, without reasons and numbers of images that do not occur in a split."""
    images, words = census.counts(Topic.IMAGES_PER_STUDY), census.values(Topic.WORDS)
    return {
        "corpus": census.studies,
        "used": census.used,
        "patients": census.patients,
        "excluded": {reason: _not_0(counts) for reason, counts in census.counts(Topic.EXCLUDED).items()},
        "labels": census.counts(Topic.LABELS) if census.has_labels else None,
        "views": census.totals(Topic.VIEWS),
        "images": _not_0({n: counts["listed"] for n, counts in images.items()}),
        "images kept": _not_0({n: counts["cached"] for n, counts in images.items()}),
        "films": {
            "left_out": census.totals(Topic.IMAGES_LEFT_OUT),
            "warnings": census.totals(Topic.IMAGE_WARNINGS),
            "unreadable": census.unreadable_images,
        },
        "sections": census.totals(Topic.SECTIONS),
        "words": {split: words.get(split) for split in SPLITS},
        "removed": census.counts(Topic.REMOVED),
        "latin-1": census.latin_1,
        "release": [row._asdict() for row in census.differences] if census.compared else None,
    }


def _not_0(counts: Mapping[str, int]) -> dict[str, int]:
    return {item: count for item, count in counts.items() if count}


def _verdicts(tables: Tables) -> dict[str, dict[str, int]]:
    """split -> verdict -> studies used; only verdicts that occur."""
    return {
        split: {verdict.value: n for verdict, n in counts.items() if n}
        for split, counts in tables.verdicts.items()
    }


def _difference(row: Estimate) -> dict[str, Any]:
    return {
        "a": row.arm,
        "b": row.versus,
        "metric": row.measure,
        **_numbers(row),
        "p": row.p,
        "p_floor": row.p_floor,
    }


def _numbers(row: Estimate) -> dict[str, Any]:
    return {"value": row.value, "low": row.low, "high": row.high, "n": row.n}
