"""evaluate: labels, scores of each study, and figures with intervals for each arm and between arms.

To add a metric, write its rows of `scores` in `_score`, and name it with its aggregate in `_figures`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import combinations

from pyarrow.compute import Expression

from laudo import bertscore, findings, models, sections
from laudo.config import Encoder
from laudo.disk import write_json
from laudo.findings import Lang
from laudo.plan import Plan
from laudo.records import used
from laudo.stats import Aggregate, Cohort, Difference, Interval, holm, mean, means, micro_f1
from laudo.store import Key, Partition, Row, fill, is_done, read

PARTS = ("precision", "recall", "f1")
COUNTS = ("label_tp", "label_fp", "label_fn")
_PART = 512


def run(plan: Plan) -> bool:
    """Makes `labels`, `scores` and `summary`. Returns whether there was anything to do."""
    made = [_label(plan, text) for text in plan.labels]
    encoders = _Encoders(plan)
    made += [_score(plan, arm, encoders) for arm in plan.scores]
    return any([*made, _summarise(plan)])


# --- labels ----------------------------------------------------------------------------------------------------


def _label(plan: Plan, text: str) -> bool:
    if is_done(plan.labels[text]):
        return False
    texts = _texts(plan, text)
    lang: Lang = "en" if text == "en" else "pt"

    def rows_of(keys: Sequence[Key]) -> list[Row]:
        found = {key[0]: _labels_of(texts[key[0]], lang) for key in keys}
        return [
            {"study_id": study, "text": text, "label": name, "value": value}
            for study, some in found.items()
            for name, value in some.items()
        ]

    return fill(plan.labels[text], [(study_id,) for study_id in texts], rows_of, part_size=_PART)


def _labels_of(text: str, lang: Lang) -> dict[str, int | None]:
    """The 14 labels; of an empty text none, though a report without a finding would state No Finding."""
    empty = not text.strip()
    return dict.fromkeys(findings.LABELS) if empty else findings.labels(findings.read(text, lang=lang))


def _texts(plan: Plan, text: str) -> dict[int, str]:
    """study_id -> what is scored, of the test split: the English target, its translation, or an arm's report."""
    tested = {
        s["study_id"]: s for s in read(plan.studies, columns=["study_id", "target"], where=used("test"))
    }
    if text == "en":
        return {study_id: sections.render(s["target"], lang="en") for study_id, s in tested.items()}
    if text == "pt":
        final = {v["study_id"]: v["sections_pt"] for v in read(plan.verdicts)}
        return {
            study_id: sections.render(final[study_id], lang="pt") for study_id in tested if study_id in final
        }
    return {g["study_id"]: g["completion"] for g in read(plan.generations[text])}


def _positive(plan: Plan, text: str) -> dict[int, set[str]]:
    """The labels present or uncertain in each study's text."""
    found: dict[int, set[str]] = {}
    for row in read(plan.labels[text]):
        some = found.setdefault(row["study_id"], set())
        if row["value"] in (1, -1):
            some.add(row["label"])
    return found


# --- scores of each study --------------------------------------------------------------------------------------


class _Encoders:
    """The two encoders of BERTScore, loaded when a score is first asked for."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._loaded: dict[str, bertscore.Encoder] = {}

    def of(self, reference: str) -> bertscore.Encoder:
        if reference not in self._loaded:
            from laudo import chat_hf

            e = self._plan.experiment.evaluate
            settings: Encoder = e.bertscore_pt if reference == "pt" else e.bertscore_en
            self._loaded[reference] = bertscore.Encoder(
                models.source(settings.model),
                layer=settings.layer,
                revision=settings.revision,
                device=chat_hf.device(),
                batch_size=e.batch_size,
            )
        return self._loaded[reference]


def _score(plan: Plan, arm: str, encoders: _Encoders) -> bool:
    if is_done(plan.scores[arm]):
        return False
    patient = _patients(plan)
    texts = {text: _texts(plan, text) for text in ("en", "pt", arm)}
    labels = {text: _positive(plan, text) for text in ("en", arm)}

    def rows_of(keys: Sequence[Key]) -> list[Row]:
        studies = [key[0] for key in keys]
        rows = [
            row
            for study in studies
            for row in _label_rows(study, said=labels[arm][study], wanted=labels["en"].get(study))
        ]
        signatures = {reference: encoders.of(reference).signature for reference in ("pt", "en")}
        write_json(plan.scores[arm].folder / bertscore.SIGNATURES, signatures)
        for reference in ("pt", "en"):
            scored = bertscore.score(
                candidates=[texts[arm][study] for study in studies],
                references=[texts[reference].get(study) for study in studies],
                encoder=encoders.of(reference),
            )
            for study, score in zip(studies, scored, strict=True):
                rows += [
                    _row(study, f"bertscore_{reference}_{part}", reference, getattr(score, part), score.why)
                    for part in PARTS
                ]
        return [{**row, "arm": arm, "subject_id": patient[row["study_id"]]} for row in rows]

    return fill(plan.scores[arm], [(study_id,) for study_id in texts[arm]], rows_of, part_size=_PART)


def _patients(plan: Plan, *, where: Expression | None = None) -> dict[int, int]:
    """study_id -> subject_id."""
    rows = read(plan.studies, columns=["study_id", "subject_id"], where=where)
    return {row["study_id"]: row["subject_id"] for row in rows}


def _label_rows(study: int, *, said: set[str], wanted: set[str] | None) -> Iterator[Row]:
    """The counts that label F1 is made of: over the 14 labels, present and uncertain against the rest."""
    if wanted is None:
        yield from (_row(study, name, "en", None, "no reference") for name in COUNTS)
        return
    for name, count in zip(COUNTS, _counts(said=said, wanted=wanted), strict=True):
        yield _row(study, name, "en", count, "")


def _counts(*, said: set[str], wanted: set[str]) -> list[float]:
    """tp, fp, fn."""
    return [float(len(some)) for some in (said & wanted, said - wanted, wanted - said)]


def _row(study: int, metric: str, reference: str, value: float | None, why: str) -> Row:
    return {"study_id": study, "metric": metric, "reference": reference, "value": value, "why": why}


# --- figures ---------------------------------------------------------------------------------------------------

Figures = dict[tuple[str, str], tuple[Mapping[int, Sequence[float]], Aggregate]]
"""(metric, label) -> the sufficient statistics of each study, and what turns their sums into the figure."""


def _summarise(plan: Plan) -> bool:
    if is_done(plan.summary):
        return False
    settings = plan.experiment.evaluate
    cohort = Cohort(_patients(plan, where=used("test")), resamples=settings.resamples, seed=settings.seed)
    wanted = _positive(plan, "en")
    figures = {arm: _figures(plan, arm, wanted) for arm in plan.scores}
    rows = [
        _figure(arm, "", metric, label, cohort.interval(rows, aggregate=how))
        for arm, some in figures.items()
        for (metric, label), (rows, how) in some.items()
    ]
    for earlier, later in combinations(figures, 2):
        for (metric, label), (a, how) in figures[later].items():
            b = figures[earlier][metric, label][0]
            rows.append(_figure(later, earlier, metric, label, cohort.difference(a=a, b=b, aggregate=how)))
    return _fill_whole(plan.summary, _corrected(rows))


def _corrected(rows: list[Row]) -> list[Row]:
    """The p-values after Holm's correction; a family is the comparisons between arms by one measure and label."""
    adjusted: dict[Key, float] = {}
    for family in {(row["metric"], row["label"]) for row in rows}:
        tested = [r for r in rows if (r["metric"], r["label"]) == family and r["p"] is not None]
        adjusted |= zip(
            ((*family, r["arm"], r["versus"]) for r in tested), holm([r["p"] for r in tested]), strict=True
        )
    return [{**r, "p": adjusted.get((r["metric"], r["label"], r["arm"], r["versus"]))} for r in rows]


def _figures(plan: Plan, arm: str, wanted: Mapping[int, set[str]]) -> Figures:
    values: dict[str, dict[int, float | None]] = {}
    for row in read(plan.scores[arm]):
        values.setdefault(row["metric"], {})[row["study_id"]] = row["value"]
    said = _positive(plan, arm)
    labelled = {study: (said[study], wanted[study]) for study in said if study in wanted}
    figures: Figures = {("label_f1", ""): (_counts_of(labelled, set(findings.LABELS)), micro_f1)}
    for label in findings.LABELS:
        figures["label_f1", label] = (_counts_of(labelled, {label}), micro_f1)
    for reference in ("pt", "en"):
        for part in PARTS:
            name = f"bertscore_{reference}_{part}"
            figures[name, ""] = (means(values[name]), mean)
    return figures


def _counts_of(labelled: Mapping[int, tuple[set[str], set[str]]], among: set[str]) -> dict[int, list[float]]:
    """study_id -> (tp, fp, fn) among some of the labels."""
    return {
        study: _counts(said=said & among, wanted=wanted & among) for study, (said, wanted) in labelled.items()
    }


def _figure(arm: str, versus: str, metric: str, label: str, found: Interval | Difference) -> Row:
    row = {
        "arm": arm,
        "versus": versus,
        "metric": metric,
        "label": label,
        "value": found.value,
        "low": found.low,
        "high": found.high,
        "n": found.n,
    }
    return {**row, "p": found.p if isinstance(found, Difference) else None}


def _fill_whole(partition: Partition, rows: list[Row]) -> bool:
    """Writes a small table as one part."""
    by_key: Callable[[Row], Key] = lambda row: tuple(row[name] for name in partition.table.key)  # noqa: E731
    return fill(partition, [()], lambda _: sorted(rows, key=by_key), part_size=1)
