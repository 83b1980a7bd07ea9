"""evaluate: facts and labels of the texts, scores of each study, and figures with intervals by patient.

It goes over `laudo.metrics.METRICS` and names no metric: what a metric compares, and how the scores of
many studies become one number, the metric itself declares.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import combinations

import pyarrow as pa
import pyarrow.compute as pc

from laudo import fidelity, findings, sections, store
from laudo.experiment.plan import Plan
from laudo.experiment.settings import Experiment
from laudo.findings import Fact
from laudo.metrics import METRICS, Metric, ScoredPair, Scorer, Text
from laudo.metrics.statistics import Aggregate, Cohort, Statistics, holm
from laudo.store import Key, Partition, Row
from laudo.vocabulary import References

_PART_SIZE = 512
"""Studies in a part."""


def run(plan: Plan) -> bool:
    """Makes `facts` of the arms, `labels`, `scores` and `summary`; returns whether any was to be made."""
    changes = [_read_reports(plan, arm) for arm in plan.generations]
    changes += [_label(plan, text) for text in plan.labels]
    changes += [_score(plan, metric) for metric in METRICS]
    changes.append(store.make(plan.summary, lambda _: _summary_rows(plan)))
    return any(changes)


# --- facts of the arms' reports ---------------------------------------------------------------------------


def _read_reports(plan: Plan, arm: str) -> bool:
    if store.is_done(plan.facts[arm]):
        return False
    reports = _generated(plan, arm)

    def rows_of(keys: Sequence[Key]) -> list[Row]:
        return [
            {**findings.as_row(fact), "study_id": study_id, "text": arm, "section": "", "number": number}
            for (study_id,) in keys
            for number, fact in enumerate(findings.read(reports[study_id], lang="pt"))
        ]

    return store.fill(plan.facts[arm], _keys(reports), rows_of, part_size=_PART_SIZE)


# --- the texts of the test studies ------------------------------------------------------------------------


def _texts(plan: Plan, text: str, *, with_facts: bool) -> dict[int, Text]:
    """Returns one text of each test study that has it: `en`, `pt`, or an arm's report."""
    bodies = _bodies(plan, text)
    facts = _facts(plan, text, bodies) if with_facts else {}
    return {study_id: Text(body, facts.get(study_id, ())) for study_id, body in bodies.items()}


def _bodies(plan: Plan, text: str) -> dict[int, str]:
    if text in plan.generations:
        return _generated(plan, text)
    tested = store.rows(plan.studies, columns=["study_id", "target"], where=store.used("test"))
    targets = {row["study_id"]: row["target"] for row in tested}
    if text == "en":
        return {study_id: sections.render(target, lang="en") for study_id, target in targets.items()}
    translated = store.rows(plan.verdicts, columns=["study_id", "sections_pt"], where=_of_studies(targets))
    return {row["study_id"]: sections.render(row["sections_pt"], lang="pt") for row in translated}


def _generated(plan: Plan, arm: str) -> dict[int, str]:
    rows = store.rows(plan.generations[arm], columns=["study_id", "completion"])
    return {row["study_id"]: row["completion"] for row in rows}


def _facts(plan: Plan, text: str, study_ids: Collection[int]) -> dict[int, list[Fact]]:
    facts: dict[int, list[Fact]] = defaultdict(list)
    for row in store.rows(plan.facts[text], where=_of_studies(study_ids)):
        facts[row["study_id"]].append(findings.from_row(row))
    return facts


def _of_studies(study_ids: Collection[int]) -> pc.Expression:
    return pc.field("study_id").isin(pa.array(study_ids, pa.int64()))


def _keys(of_studies: Mapping[int, object]) -> list[Key]:
    return [(study_id,) for study_id in of_studies]


# --- labels -----------------------------------------------------------------------------------------------


def _label(plan: Plan, text: str) -> bool:
    if store.is_done(plan.labels[text]):
        return False
    texts = _texts(plan, text, with_facts=True)

    def rows_of(keys: Sequence[Key]) -> list[Row]:
        return [
            {"study_id": study_id, "text": text, "label": label, "value": value}
            for (study_id,) in keys
            for label, value in texts[study_id].labels.items()
        ]

    return store.fill(plan.labels[text], _keys(texts), rows_of, part_size=_PART_SIZE)


# --- scores of each study ---------------------------------------------------------------------------------


def _score(plan: Plan, metric: Metric) -> bool:
    arms = [arm for arm in plan.generations if not store.is_done(plan.scores[arm, metric.name])]
    if not arms:
        return False
    settings = plan.experiment.evaluate
    scorer = metric.open(settings.of_metric(metric), batch_size=settings.batch_size)
    references = _texts(plan, metric.reference, with_facts=metric.reads == "facts")
    changes = [_score_arm(plan, arm, metric, scorer=scorer, references=references) for arm in arms]
    return any(changes)


def _score_arm(
    plan: Plan, arm: str, metric: Metric, *, scorer: Scorer, references: Mapping[int, Text]
) -> bool:
    candidates = _texts(plan, arm, with_facts=metric.reads == "facts")
    patients = _patients(plan)

    def rows_of(keys: Sequence[Key]) -> list[Row]:
        pairs = [ScoredPair(study_id, candidates[study_id], references.get(study_id)) for (study_id,) in keys]
        same_for_all = {"arm": arm, "reference": metric.reference, "signature": scorer.signature}
        return [
            {**score._asdict(), **same_for_all, "subject_id": patients[score.study_id]}
            for score in scorer.score(pairs)
        ]

    return store.fill(plan.scores[arm, metric.name], _keys(candidates), rows_of, part_size=_PART_SIZE)


def _patients(plan: Plan, *, where: pc.Expression | None = None) -> dict[int, int]:
    """Returns study_id -> subject_id."""
    rows = store.rows(plan.studies, columns=["study_id", "subject_id"], where=where)
    return {row["study_id"]: row["subject_id"] for row in rows}


# --- figures ----------------------------------------------------------------------------------------------


def _summary_rows(plan: Plan) -> list[Row]:
    settings = plan.experiment.evaluate
    patients = _patients(plan, where=store.used("test"))
    cohort = Cohort(patients, resamples=settings.resamples, seed=settings.seed)
    learnable = _learnable(plan)
    return [row for metric in METRICS for row in _metric_rows(plan, metric, cohort, learnable)]


def _learnable(plan: Plan) -> set[int]:
    """Returns the study_ids whose reference is accepted or repaired."""
    rows = store.rows(plan.verdicts, columns=["study_id", "verdict"])
    return {row["study_id"] for row in rows if row["verdict"] in fidelity.LEARNABLE}


def _metric_rows(plan: Plan, metric: Metric, cohort: Cohort, learnable: Collection[int]) -> Iterator[Row]:
    """Yields the figures of each measure of a metric, over all labels and by label.

    Those over all labels come a second time, from the studies whose reference is in no doubt. Their intervals
    are from the same draws of patients; a patient without such a study adds nothing to a sum.
    """
    by_arm = {arm: _statistics(plan.scores[arm, metric.name]) for arm in _controls_first(plan.experiment)}
    measured = {(measure, "") for measure in metric.measures}
    for measure, label in sorted(measured.union(*by_arm.values())):
        of_arms = {arm: statistics.get((measure, label), {}) for arm, statistics in by_arm.items()}
        chosen = {References.ALL: of_arms}
        if not label:
            chosen[References.LEARNABLE] = {
                arm: {
                    study_id: of_study for study_id, of_study in statistics.items() if study_id in learnable
                }
                for arm, statistics in of_arms.items()
            }
        for references, statistics in chosen.items():
            for row in _figures(cohort, statistics, metric.measures[measure]):
                yield {**row, "metric": measure, "label": label, "references": references.value}


def _controls_first(experiment: Experiment) -> list[str]:
    """Returns the arms in the order in which they are subtracted, a later one minus an earlier one."""
    return sorted(experiment.arms, key=lambda arm: arm not in experiment.controls)


def _statistics(partition: Partition) -> dict[tuple[str, str], dict[int, Sequence[float]]]:
    """Returns (measure, label) -> study_id -> the statistics of each study that counts."""
    statistics: dict[tuple[str, str], dict[int, Sequence[float]]] = defaultdict(dict)
    for row in store.rows(partition, columns=["study_id", "metric", "label", "statistics"]):
        of_studies = statistics[row["metric"], row["label"]]
        if row["statistics"] is not None:
            of_studies[row["study_id"]] = row["statistics"]
    return statistics


def _figures(cohort: Cohort, of_arms: Mapping[str, Statistics], aggregate: Aggregate) -> list[Row]:
    """Returns the rows of each arm and of each pair of arms.

    A difference is a later arm minus an earlier one. The p-values of the pairs are one family, corrected by
    Holm.
    """
    arms = [
        {"arm": arm, "versus": "", **cohort.interval(statistics, aggregate=aggregate)._asdict(), "p": None}
        for arm, statistics in of_arms.items()
    ]
    pairs = [
        {"arm": later, "versus": earlier, **cohort.difference(a=a, b=b, aggregate=aggregate)._asdict()}
        for (earlier, b), (later, a) in combinations(of_arms.items(), 2)
    ]
    tested = [row for row in pairs if row["p"] is not None]
    for row, p in zip(tested, holm([row["p"] for row in tested]), strict=True):
        row["p"] = p
    return [*arms, *pairs]
