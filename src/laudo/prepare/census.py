"""Makes `census`: what the prepared corpus holds, counted. `laudo.census` lists what is counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from laudo.census import MEASURES, NO_SPLIT, Topic
from laudo.experiment.plan import Plan
from laudo.mimic import release
from laudo.store import Row, is_done, table, used
from laudo.store import make as make_partition
from laudo.vocabulary import LABELS, SPLITS, Status, kind

_VALUES = {Status.PRESENT: 1, Status.UNCERTAIN: -1, Status.ABSENT: 0}


def make(plan: Plan) -> bool:
    """Makes `census` from `studies` and `films`."""
    if is_done(plan.census):
        return False
    studies = table(plan.studies)
    films = table(plan.films, columns=["dicom_id", "warning", "left_out"])
    is_real = plan.experiment.mimic.phantom is None
    counts = [*_of_corpus(studies, is_real=is_real), *_of_used(studies.filter(used())), *_of_films(films)]
    return make_partition(plan.census, lambda _: counts)


def _count(topic: Topic, item: object, measure: str, value: float | None, note: str | None = None) -> Row:
    if measure not in MEASURES[topic]:
        raise ValueError(f"the topic '{topic}' has no measure '{measure}'")
    return {"topic": topic, "item": str(item), "measure": measure, "value": value, "note": note}


def _of_corpus(studies: pa.Table, *, is_real: bool) -> Iterator[Row]:
    yield _count(Topic.CORPUS, "studies", "all", len(studies))
    unused = studies.filter(~used())
    reasons = zip(unused["excluded"].to_pylist(), unused["split"].to_pylist(), strict=True)
    for (reason, split), n in Counter((kind(reason), split or NO_SPLIT) for reason, split in reasons).items():
        yield _count(Topic.EXCLUDED, reason, split, n)
    if is_real and release.is_full(len(studies)):
        yield _count(Topic.RELEASE, "counts", "compared", len(release.CONTENTS))
        for difference in release.differences(_contents(studies)):
            yield _count(Topic.RELEASE, difference.what, "found", difference.found, difference.why)
            yield _count(Topic.RELEASE, difference.what, "expected", difference.expected)


def _of_used(studies: pa.Table) -> Iterator[Row]:
    yield from _by_split("studies", studies)
    yield from _by_split("patients", studies.group_by(["subject_id", "split"]).aggregate([]))
    for label, by_word in _labels(studies).items():
        yield from (_count(Topic.LABELS, label, word, n) for word, n in by_word.items())
    for view, n in Counter(pc.list_flatten(studies["views"]).to_pylist()).items():
        yield _count(Topic.VIEWS, view, "images", n)
    for measure, column in (("listed", "views"), ("cached", "images")):
        for length, n in Counter(pc.list_value_length(studies[column]).to_pylist()).items():
            yield _count(Topic.IMAGES_PER_STUDY, length, measure, n)
    for name, n in Counter(_keys_of_maps(studies["sections"])).items():
        yield _count(Topic.SECTIONS, name, "studies", n)
    yield from _words(studies)
    yield from _removed(studies["removed"])
    latin = pc.sum(pc.equal(studies["encoding"], "latin-1")).as_py() or 0
    yield _count(Topic.ENCODING, "latin-1", "studies", latin)


def _of_films(films: pa.Table) -> Iterator[Row]:
    reasons = dict(zip(films["dicom_id"].to_pylist(), films["left_out"].to_pylist(), strict=True))
    for reason, n in Counter(kind(reason) for reason in reasons.values() if reason).items():
        yield _count(Topic.IMAGES_LEFT_OUT, reason, "images", n)
    # An earlier version wrote an explanation after a colon.
    for warning, n in Counter(map(kind, films["warning"].drop_null().to_pylist())).items():
        yield _count(Topic.IMAGE_WARNINGS, warning, "images", n)
    for dicom_id, reason in reasons.items():
        if reason and kind(reason) != reason:
            yield _count(Topic.UNREADABLE_IMAGES, dicom_id, "reason", None, reason)


def _by_split(measure: str, rows: pa.Table) -> Iterator[Row]:
    counts = Counter(rows["split"].to_pylist())
    return (_count(Topic.USED, split, measure, counts[split]) for split in SPLITS)


def _labels(studies: pa.Table) -> dict[str, dict[str, int]]:
    """The original study's Table 2: CheXpert's label -> studies in which it is present, uncertain, absent."""
    labels = studies["chexpert"].combine_chunks()
    return {
        label: {
            word: pc.sum(pc.equal(pc.struct_field(labels, label), value)).as_py() or 0
            for word, value in _VALUES.items()
        }
        for label in LABELS
    }


def _keys_of_maps(maps: pa.ChunkedArray) -> list[str]:
    chunks = (chunk.keys[chunk.offsets[0].as_py() : chunk.offsets[-1].as_py()] for chunk in maps.chunks)
    return [key for keys in chunks for key in keys.to_pylist()]


def _words(studies: pa.Table) -> Iterator[Row]:
    """Words of the target by split; no row for a split without a study."""
    for split in SPLITS:
        targets = studies.filter(pc.field("split") == split)["target"].to_pylist()
        lengths = [sum(len(body.split()) for _, body in target) for target in targets]
        if lengths:
            centiles = np.percentile(lengths, (5, 50, 95)).tolist()
            for measure, value in zip(MEASURES[Topic.WORDS], (*centiles, max(lengths)), strict=True):
                yield _count(Topic.WORDS, split, measure, value)


def _removed(maps: pa.ChunkedArray) -> Iterator[Row]:
    """policy -> how many sentences or marks it took, from how many studies."""
    counts: dict[str, list[int]] = {}
    for removed in maps.to_pylist():
        for policy, n in removed:
            counts.setdefault(policy, []).append(n)
    for policy, per_study in counts.items():
        yield _count(Topic.REMOVED, policy, "taken", sum(per_study))
        yield _count(Topic.REMOVED, policy, "studies", len(per_study))


def _contents(studies: pa.Table) -> dict[str, int]:
    """What `release.CONTENTS` counts, of the whole corpus."""
    splits = Counter(studies["split"].to_pylist())
    return {
        "studies": len(studies),
        "patients": pc.count_distinct(studies["subject_id"]).as_py(),
        "images": pc.sum(pc.list_value_length(studies["views"])).as_py(),
        **{f"studies in {split}": splits[split] for split in SPLITS},
        "studies with a report": len(studies) - studies["encoding"].null_count,
        "studies with CheXpert labels": len(studies) - studies["chexpert"].null_count,
        "studies with NegBio labels": len(studies) - studies["negbio"].null_count,
        **{f"{label} {word}": n for label, row in _labels(studies).items() for word, n in row.items()},
    }
