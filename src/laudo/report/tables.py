"""What the page reads of a finished study.

A column has to be listed in `_COLUMNS` before it can be fetched here, so that what the page reads and what
decides whether it is up to date are the same list.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

from laudo import store
from laudo.census import Census
from laudo.experiment.plan import Plan
from laudo.store import Partition, Row, Source, used
from laudo.store.state import Seen, digests_of, origins_of, state
from laudo.vocabulary import LABELS, SPLITS, References, Verdict

if TYPE_CHECKING:
    import pyarrow.compute as pc

_COLUMNS: Mapping[str, tuple[str, ...]] = {
    "census": ("value", "note"),
    "studies": ("split", "excluded", "target", "images"),
    "verdicts": ("verdict", "sections_pt"),
    "training": ("value",),
    "generations": ("completion", "stop", "new_tokens"),
    "labels": ("value",),
    "scores": ("value", "statistics", "why", "signature"),
    "summary": ("value", "low", "high", "n", "p"),
}
"""The columns that the page uses of each table, apart from the keys."""


class Estimate(NamedTuple):
    """A row of `summary`; a number that is not finite is None.

    Attributes:
        versus: the arm that is subtracted; empty where this is not a difference.
        label: a CheXpert label; empty for all of them.
        references: which test studies count.
        n: studies that it rests on.
        p: of a difference, corrected by Holm.
        p_floor: the least that p could be: 1 of the randomisations and the data's own order, times the
            number of differences that Holm corrects together.
    """

    arm: str
    versus: str
    measure: str
    label: str
    references: References
    value: float | None
    low: float | None
    high: float | None
    n: int
    p: float | None
    p_floor: float


class StudyScore(NamedTuple):
    """What one study scores by one measure, over all labels; `is_empty` if the generated report is empty."""

    value: float | None
    statistics: Sequence[float] | None
    is_empty: bool


class GenerationCounts(NamedTuple):
    """How many reports an arm wrote, how many of them empty or cut, and their mean length in tokens."""

    n: int
    empty: int
    cut: int
    new_tokens: float | None


class Origin(NamedTuple):
    """A machine with its versions, the stages that used it, and the first and last day of their parts."""

    stages: list[str]
    first_day: str
    last_day: str
    machine: Mapping[str, Any]
    versions: Mapping[str, str]


class Point(NamedTuple):
    """A point of a training curve."""

    step: int
    split: str
    curve: str
    value: float


class Tables:
    """The tables of a plan, each fetched once, when something first needs it.

    Raises:
        NotReady: from any property, where a table is not done.
    """

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.experiment = plan.experiment

    # what the page is made from

    @property
    def sources(self) -> tuple[Source, ...]:
        """The partitions that the page reads, each with the columns that it uses."""
        plan = self.plan
        partitions = [plan.census, plan.studies, plan.verdicts, plan.labels["en"], plan.summary]
        partitions += [*plan.generations.values(), *plan.scores.values()]
        if plan.training is not None:
            partitions.append(plan.training)
        return tuple(partition.using(*_COLUMNS[partition.table.name]) for partition in partitions)

    @property
    def unfinished(self) -> list[str]:
        """The names of the partitions that the page reads and that are not done."""
        seen: Seen = {}
        partitions = [source.partition for source in self.sources]
        return [partition.name for partition in partitions if not state(partition, seen).done]

    @property
    def digests(self) -> dict[str, dict[str, str | None]]:
        """partition -> column -> digest of its content, of all that the page reads."""
        digests = {}
        for source in self.sources:
            recorded = digests_of(source.partition)
            digests[source.partition.name] = {column: recorded.get(column) for column in source.columns}
        return digests

    def require(self) -> None:
        """Refuses to go on if a table is not done.

        Raises:
            NotReady: the summary, or another table, is not done.
        """
        store.require(self.plan.summary, *(source.partition for source in self.sources))

    def _rows(self, partition: Partition, *columns: str, where: pc.Expression | None = None) -> Sequence[Row]:
        table = partition.table
        unlisted = {*columns} - {*table.key, *_COLUMNS[table.name]}
        if unlisted:
            raise ValueError(f"{table.name}: {unlisted} would not count in whether the page is up to date")
        return store.rows(partition, columns=list(columns), where=where)

    # what the tables hold

    @cached_property
    def census(self) -> Census:
        return Census(self._rows(self.plan.census, "topic", "item", "measure", "value", "note"))

    @cached_property
    def test_studies(self) -> tuple[int, ...]:
        """The study_ids of the test studies that are used."""
        return tuple(row["study_id"] for row in self._rows(self.plan.studies, "study_id", where=used("test")))

    def studies(self, study_ids: Iterable[int]) -> dict[int, Row]:
        """study_id -> its target and images, of some studies."""
        where = _field("study_id").isin([*study_ids])
        rows = self._rows(self.plan.studies, "study_id", "target", "images", where=where)
        return {row["study_id"]: row for row in rows}

    def translations(self, study_ids: Iterable[int]) -> dict[int, Row]:
        """study_id -> verdict and final Portuguese sections, of some studies."""
        where = _field("study_id").isin([*study_ids])
        rows = self._rows(self.plan.verdicts, "study_id", "verdict", "sections_pt", where=where)
        return {row["study_id"]: row for row in rows}

    @cached_property
    def verdicts(self) -> dict[str, dict[Verdict, int]]:
        """split -> verdict -> how many of the studies used."""
        verdicts = {
            row["study_id"]: row["verdict"] for row in self._rows(self.plan.verdicts, "study_id", "verdict")
        }
        counts: dict[str, Counter[Verdict]] = {split: Counter() for split in SPLITS}
        for row in self._rows(self.plan.studies, "study_id", "split", where=used()):
            if row["study_id"] in verdicts:
                counts[row["split"]][Verdict(verdicts[row["study_id"]])] += 1
        return {split: {verdict: counts[split][verdict] for verdict in Verdict} for split in SPLITS}

    @cached_property
    def training(self) -> tuple[Point, ...]:
        """The points of the training curves in the order of their steps; none where no arm is tuned."""
        if self.plan.training is None:
            return ()
        rows = self._rows(self.plan.training, "step", "split", "metric", "value")
        points = (Point(row["step"], row["split"], row["metric"], row["value"]) for row in rows)
        return tuple(point for point in points if math.isfinite(point.value))

    @cached_property
    def generations(self) -> dict[str, dict[int, Row]]:
        """arm -> study_id -> completion, stop and number of new tokens."""
        columns = ("study_id", "completion", "stop", "new_tokens")
        return {
            arm: {row["study_id"]: row for row in self._rows(partition, *columns)}
            for arm, partition in self.plan.generations.items()
        }

    @property
    def generation_counts(self) -> dict[str, GenerationCounts]:
        """arm -> how many reports it wrote."""
        return {arm: _counted([*rows.values()]) for arm, rows in self.generations.items()}

    @cached_property
    def scores(self) -> dict[str, dict[str, dict[int, StudyScore]]]:
        """arm -> measure -> study_id -> its score over all labels."""
        scores: dict[str, dict[str, dict[int, StudyScore]]] = {arm: {} for arm in self.experiment.arms}
        of_all_labels = _field("label") == ""
        for (arm, _), partition in self.plan.scores.items():
            columns = ("study_id", "metric", "value", "statistics", "why")
            for row in self._rows(partition, *columns, where=of_all_labels):
                is_empty = row["why"] == "empty candidate"  # so every metric calls it
                score = StudyScore(_finite(row["value"]), row["statistics"], is_empty)
                scores[arm].setdefault(row["metric"], {})[row["study_id"]] = score
        return scores

    @cached_property
    def signatures(self) -> dict[str, dict[str, list[str]]]:
        """arm -> metric -> the distinct signatures of its scores."""
        signatures: dict[str, dict[str, list[str]]] = {arm: {} for arm in self.experiment.arms}
        for (arm, metric), partition in self.plan.scores.items():
            column = store.table(partition, columns=["signature"])["signature"]
            signatures[arm][metric] = sorted(column.unique().to_pylist())
        return signatures

    @cached_property
    def positives(self) -> dict[str, int]:
        """CheXpert label -> studies with a generated report whose target has it, present or uncertain."""
        generated = {study_id for rows in self.generations.values() for study_id in rows}
        rows = self._rows(self.plan.labels["en"], "study_id", "label", "value")
        counts = Counter(
            row["label"] for row in rows if row["study_id"] in generated and row["value"] in (1, -1)
        )
        return {label: counts[label] for label in LABELS}

    @property
    def estimates(self) -> tuple[Estimate, ...]:
        """The estimates from all test studies."""
        return self.estimates_of(References.ALL)

    def estimates_of(self, references: References) -> tuple[Estimate, ...]:
        """The estimates from the test studies with such references."""
        return tuple(row for row in self._estimates if row.references == references)

    @cached_property
    def _estimates(self) -> tuple[Estimate, ...]:
        rows = self._rows(self.plan.summary, *self.plan.summary.table.schema.names)
        families = Counter(_family(row) for row in rows if row["p"] is not None)
        least = 1 / (self.experiment.evaluate.resamples + 1)
        return tuple(_estimate(row, p_floor=min(1.0, families[_family(row)] * least)) for row in rows)

    # how it was made

    @cached_property
    def origins(self) -> list[Origin]:
        """The distinct machines with their versions, in the order of the stages that used them first."""
        stages: dict[str, list[str]] = {}
        origins: dict[str, list[Mapping[str, Any]]] = {}
        for partition in self.plan:
            for origin in origins_of(partition):
                key = json.dumps([origin["machine"], origin["versions"]], sort_keys=True)
                stages.setdefault(key, []).append(partition.table.verb)
                origins.setdefault(key, []).append(origin)
        return [
            Origin(
                list(dict.fromkeys(stages[key])),
                min(origin["day"] for origin in alike),
                max(origin["day"] for origin in alike),
                alike[0]["machine"],
                alike[0]["versions"],
            )
            for key, alike in origins.items()
        ]

    @cached_property
    def settings(self) -> dict[str, Any]:
        """The settings, with what identifies a model's weights instead of where they are, and no folders."""
        experiment, plan = self.experiment, self.plan
        folders = {"mimic": {"root", "reports"}}
        values = experiment.model_dump(mode="json", by_alias=True, exclude=folders)
        reporter = next(iter(plan.generations.values())).settings["reporter"]
        _name_model(values["translate"], plan.translations.settings["model"])
        _name_model(values["reporter"], reporter["model"])
        for (_, metric), partition in plan.scores.items():
            if "model" in partition.settings:
                _name_model(values["evaluate"][metric], partition.settings["model"])
        return values


def _family(row: Row) -> tuple[Any, ...]:
    """What the differences have in common whose p-values are corrected together."""
    return row["metric"], row["label"], row["references"]


def _estimate(row: Row, *, p_floor: float) -> Estimate:
    return Estimate(
        row["arm"],
        row["versus"],
        row["metric"],
        row["label"],
        References(row["references"]),
        value=_finite(row["value"]),
        low=_finite(row["low"]),
        high=_finite(row["high"]),
        n=row["n"],
        p=_finite(row["p"]),
        p_floor=p_floor,
    )


def _name_model(section: dict[str, Any], identity: str) -> None:
    """Puts what identifies a model's weights in the place of its name; a phantom's is marked."""
    is_phantom = section["model"].startswith("phantom:")
    section["model"] = f"phantom:{identity}" if is_phantom else identity


def _counted(generations: Sequence[Row]) -> GenerationCounts:
    tokens = [row["new_tokens"] for row in generations]
    return GenerationCounts(
        n=len(generations),
        empty=sum(not row["completion"].strip() for row in generations),
        cut=sum(row["stop"] == "length" for row in generations),
        new_tokens=sum(tokens) / len(tokens) if tokens else None,
    )


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


def _field(name: str) -> pc.Expression:
    """A column to filter by. Arrow's functions are imported only here, as `laudo status` needs none."""
    import pyarrow.compute as pc

    return pc.field(name)
