"""The results page, one file that needs no network, and the same numbers as JSON beside it.

`results.html` is written first and `results.json` last, so the field `made_from` in the JSON says that both
are whole and from what they were made. The page holds text of models: everything in it is escaped.
"""

from __future__ import annotations

import base64
import hashlib
import io
import itertools
import json
import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from laudo import __version__, bertscore, census, disk, figures, images, sections, store
from laudo.findings import LABELS
from laudo.mimic import SPLITS
from laudo.plan import Plan
from laudo.records import used
from laudo.store import Row

EXAMPLE_PX = 320

_WORDS = {"train": "treino", "validate": "validação", "test": "teste"}
_VERDICTS = {
    "accepted": "aceita",
    "repaired": "reparada",
    "flagged": "com ressalva",
    "quarantined": "em quarentena",
}
_REASONS = {
    "no split": "sem partição", "no report": "sem laudo", "empty report": "laudo vazio", "damaged report": "laudo danificado", "no usable section": "sem seção aproveitável",
    "nothing left of the target": "só frases que as políticas retiram", "no image": "sem imagem",
    "image file is missing": "arquivo de imagem ausente", "unreadable image": "imagem ilegível",
    "no label row": "sem linha de rótulos", "no positive label": "sem rótulo positivo", "uncertain label": "com rótulo incerto",
    "same report as in test": "laudo igual a um do teste", "same report as in validate": "laudo igual a um da validação",
    "outside the subset": "fora do subconjunto pedido", "not needed": "além do número pedido", "same exposure": "repete outra imagem do estudo",
    "shown inverted": "mostrada invertida, pois o que se vê contradiz a indicação fotométrica do arquivo",
    "looks inverted": "parece invertida",
}  # fmt: skip
_SECTIONS = {
    "findings": "achados", "impression": "impressão", "indication": "indicação", "history": "história", "technique": "técnica",
    "comparison": "comparação", "examination": "exame", "recommendations": "recomendações", "notification": "notificação",
    "comment": "comentário", "wet_read": "leitura preliminar", "addendum": "adendo", "preamble": "preâmbulo",
    "last_paragraph": "último parágrafo", "full_report": "laudo sem cabeçalhos",
}  # fmt: skip
_REMOVED = {
    "communication": "frases sobre quem foi avisado", "priors": "frases que comparam com exame anterior",
    "identifiers": "frases com marca de anonimização", "marks": "marcas de anonimização retiradas de frases mantidas",
}  # fmt: skip


def run(plan: Plan) -> bool:
    """Writes `results.html` and `results.json` in the run's folder, unless they are there and up to date.

    Returns:
        Whether they were written.

    Raises:
        NotReady: the summary, or a table it was made from, is unfinished or stale.
    """
    if is_done(plan):
        return False
    tables = _read(plan)
    results = _results(plan, tables)
    page = _page(plan, tables, results)
    with disk.atomic(plan.run / "results.html") as temporary:
        temporary.write_text(page, "utf-8")
    disk.write_json(_json(plan), results)
    return True


def is_done(plan: Plan) -> bool:
    """Whether the page is there, made from the present summary, settings, template and version."""
    if not _json(plan).is_file() or not (plan.run / "results.html").is_file():
        return False
    try:
        found = json.loads(_json(plan).read_text("utf-8"))
    except ValueError:
        return False  # damaged: made again, as nothing in it was paid for
    return bool(found.get("made_from") == _made_from(plan))


def _json(plan: Plan) -> Path:
    return plan.run / "results.json"


def _made_from(plan: Plan) -> str:
    template = hashlib.sha256(files("laudo.templates").joinpath("results.html.j2").read_bytes()).hexdigest()
    made = [plan.summary.fingerprint, plan.experiment.report.model_dump(), template, __version__]
    return hashlib.sha256(json.dumps(made, sort_keys=True).encode()).hexdigest()[:16]


# --- reading -------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Tables:
    """What the page is made from: `tested` are the test studies used, with their verdicts in `verdicts` as for all
    others; `scores` by arm and metric; `training` is empty where no arm is tuned."""

    census: dict[str, Any]
    tested: dict[int, Row]
    verdicts: dict[int, Row]
    training: list[Row]
    generations: dict[str, list[Row]]
    scores: dict[str, dict[str, dict[int, float | None]]]
    stated: list[Row]
    summary: list[Row]


def _read(plan: Plan) -> _Tables:
    store.require(plan.summary)
    tuned = any(arm.adapter for arm in plan.experiment.arms.values())
    scores: dict[str, dict[str, dict[int, float | None]]] = {arm: defaultdict(dict) for arm in plan.scores}
    for arm, partition in plan.scores.items():
        for row in store.read(partition):
            scores[arm][row["metric"]][row["study_id"]] = _finite(row["value"])
    return _Tables(
        census=census.census(plan),
        tested={row["study_id"]: row for row in store.read(plan.studies, where=used("test"))},
        verdicts={row["study_id"]: row for row in store.read(plan.verdicts)},
        training=store.read(plan.training) if tuned else [],
        generations={arm: store.read(partition) for arm, partition in plan.generations.items()},
        scores=scores,
        stated=store.read(plan.labels["en"]),
        summary=store.read(plan.summary),
    )


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


# --- results.json --------------------------------------------------------------------------------------------


def _results(plan: Plan, t: _Tables) -> dict[str, Any]:
    own: dict[str, dict[str, Any]] = {arm: {} for arm in plan.experiment.arms}
    labels: dict[str, dict[str, Any]] = {arm: {} for arm in plan.experiment.arms}
    differences = []
    for row in t.summary:
        numbers = {name: _finite(row[name]) for name in ("value", "low", "high")} | {"n": row["n"]}
        if row["versus"] and not row["label"]:
            differences.append(
                {
                    "a": row["arm"],
                    "b": row["versus"],
                    "metric": row["metric"],
                    **numbers,
                    "p": _finite(row["p"]),
                }
            )
        elif not row["versus"] and row["label"]:
            labels[row["arm"]][row["label"]] = numbers
        elif not row["versus"]:
            own[row["arm"]][row["metric"]] = numbers
    return {
        "experiment": plan.experiment.name, "made_from": _made_from(plan), "laudo": __version__,
        "arms": own, "differences": differences, "labels": labels, "positives": _positives(t),
        "corpus": t.census, "verdicts": _verdicts(plan, t), "generations": {arm: _written(rows) for arm, rows in t.generations.items()},
        "signatures": {arm: disk.read_json(made.folder / bertscore.SIGNATURES) for arm, made in plan.scores.items()},
        "settings": plan.experiment.model_dump(mode="json", by_alias=True),
    }  # fmt: skip


def _verdicts(plan: Plan, t: _Tables) -> dict[str, dict[str, int]]:
    """split -> verdict -> studies."""
    counts: dict[str, Counter[str]] = {split: Counter() for split in SPLITS}
    for row in store.read(plan.studies, columns=["study_id", "split"], where=used()):
        if row["study_id"] in t.verdicts:
            counts[row["split"]][t.verdicts[row["study_id"]]["verdict"]] += 1
    return {split: dict(some) for split, some in counts.items()}


def _written(rows: list[Row]) -> dict[str, Any]:
    """How many reports an arm wrote, how many of them empty or cut at the limit, and their mean length."""
    tokens = [row["new_tokens"] for row in rows]
    return {
        "n": len(rows),
        "empty": sum(not row["completion"].strip() for row in rows),
        "cut": sum(row["stop"] == "length" for row in rows),
        "new_tokens": sum(tokens) / len(tokens) if tokens else None,
    }


def _positives(t: _Tables) -> dict[str, int]:
    """Scored studies whose English target states the label, present or uncertain."""
    scored = {row["study_id"] for rows in t.generations.values() for row in rows}
    counts = Counter(
        row["label"] for row in t.stated if row["study_id"] in scored and row["value"] in (1, -1)
    )
    return {label: counts[label] for label in LABELS}


# --- results.html --------------------------------------------------------------------------------------------


def _page(plan: Plan, t: _Tables, results: dict[str, Any]) -> str:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("laudo"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "num": figures.number, "signed": figures.signed, "p": figures.p_value, "whole": figures.whole, "arm": figures.arm_name,
        "metric": lambda name: figures.METRICS.get(name, name),
    }  # fmt: skip
    environment.globals |= {"interval": figures.interval}
    colours = _colours(plan)
    return environment.get_template("results.html.j2").render(
        e=plan.experiment, r=results, colours=colours, splits=_WORDS, verdicts=_VERDICTS, labels=figures.LABELS_PT, few=figures.MIN_POSITIVES,
        metrics=_ordered({metric for arm in results["arms"].values() for metric in arm}), reasons=_REASONS, sections=_SECTIONS, removed=_REMOVED,
        unsplit=any("" in by for by in results["corpus"]["excluded"].values()),
        image_counts=sorted({*results["corpus"]["images"], *results["corpus"]["images kept"]}),
        drawn=_drawn(plan, t, results, colours), lowest=_lowest(t), examples=_examples(plan, t),
    )  # fmt: skip


def _drawn(
    plan: Plan, t: _Tables, results: Mapping[str, Any], colours: Mapping[str, str]
) -> dict[str, dict[str, Any]]:
    """The figures by section and metric, marked safe: we made them, and their texts are escaped."""
    from markupsafe import Markup

    tuned = next((colours[name] for name, arm in plan.experiment.arms.items() if arm.adapter), figures.INK)
    drawn = {
        "differences": figures.differences(results["differences"]),
        "labels": {
            "label_f1": figures.labels(results["labels"], positives=results["positives"], colours=colours)
        },
        "training": figures.training(t.training, colour=tuned),
        "spreads": figures.spreads(t.scores, colours=colours),
    }
    return {section: {metric: Markup(svg) for metric, svg in made.items()} for section, made in drawn.items()}


def _colours(plan: Plan) -> dict[str, str]:
    """One hue an arm, the same throughout the page; controls are grey."""
    hues = {False: itertools.cycle(figures.HUES), True: itertools.cycle(figures.GREYS)}
    return {name: next(hues[arm.pictures == "another_patient"]) for name, arm in plan.experiment.arms.items()}


def _ordered(metrics: Iterable[str]) -> list[str]:
    known = list(figures.METRICS)
    return sorted(metrics, key=lambda m: (known.index(m) if m in known else len(known), m))


def _lowest(t: _Tables) -> tuple[int, float] | None:
    """Step and value of the lowest validation loss."""
    return min(
        figures.series(t.training, metric="loss", split="validate"), key=lambda point: point[1], default=None
    )


# --- examples ------------------------------------------------------------------------------------------------


def _examples(plan: Plan, t: _Tables) -> list[dict[str, Any]]:
    """Test studies in the order of a hash of their id: spread evenly, and nobody's choice."""
    hashed = sorted(
        t.tested.values(), key=lambda study: hashlib.sha256(str(study["study_id"]).encode()).digest()
    )
    return [_example(plan, t, study) for study in hashed[: plan.experiment.report.examples]]


def _example(plan: Plan, t: _Tables, study: Row) -> dict[str, Any]:
    study_id, verdict = study["study_id"], t.verdicts.get(study["study_id"])
    written = {
        arm: next((row for row in rows if row["study_id"] == study_id), None)
        for arm, rows in t.generations.items()
    }
    return {
        "study_id": study_id,
        "images": [
            {"view": image["view"], "uri": _data_uri(plan.run / image["path"])} for image in study["images"]
        ],
        "en": sections.render(study["target"], lang="en"),
        "pt": sections.render(verdict["sections_pt"], lang="pt") if verdict else "",
        "verdict": verdict["verdict"] if verdict else None,
        "arms": {
            arm: {
                "row": row,
                **{
                    count: t.scores[arm].get(f"label_{count}", {}).get(study_id)
                    for count in ("tp", "fp", "fn")
                },
            }
            for arm, row in written.items()
        },
    }


def _data_uri(path: Path) -> str:
    buffer = io.BytesIO()
    images.shrink(images.load(path, size_px=EXAMPLE_PX), EXAMPLE_PX).save(buffer, "JPEG", quality=80)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode()
