"""`studies`: what the tables, the texts, the subset and the films say of each study, joined by study_id."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby
from operator import itemgetter
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from laudo import sections
from laudo.experiment.plan import Plan
from laudo.prepare.source import OpenCorpus, of_keys
from laudo.store import Key, Row, fill, is_done, rows, table
from laudo.store.tables import STUDIES
from laudo.vocabulary import EXCLUSION_WITHOUT_IMAGE, ImageExclusion

_PART_SIZE = 8192


def make(plan: Plan, corpus: OpenCorpus) -> bool:
    """Makes `studies`: every study has a row, and one that is not used says why in `excluded`."""
    if is_done(plan.studies):
        return False
    shown = _films(plan)
    subset = table(plan.subset, columns=["study_id", "images", "excluded"])
    texts = table(plan.texts, columns=["study_id", "encoding", "sections", "target", "removed"])
    earlier = _targets(plan, corpus) if plan.experiment.prepare.priors == "supply" else {}

    def rows_of(keys: Sequence[Key]) -> pa.Table:
        parts = [of_keys(each, list(keys)) for each in (corpus.index, texts, subset)]
        # Each has every study, in the order of study_id.
        index, text, chosen = (part.sort_by("study_id") for part in parts)
        films = [_of_study(study, shown) for study in chosen.to_pylist()]
        columns = {name: index[name] for name in _OF_INDEX}
        columns |= {name: text[name] for name in ("encoding", "sections", "target", "removed")}
        columns |= {name: _column(name, [getattr(each, name) for each in films]) for name in _Films._fields}
        columns["prior_report"] = _column(
            "prior_report", [earlier.get(prior) for prior in index["prior"].to_pylist()]
        )
        return pa.table({name: columns[name] for name in STUDIES.schema.names})

    return fill(plan.studies, corpus.keys, rows_of, part_size=_PART_SIZE)


_OF_INDEX = ("study_id", "subject_id", "split", "taken", "prior", "chexpert", "negbio", "radiologist")


def _column(name: str, values: Sequence[Any]) -> pa.Array:
    return pa.array(values, STUDIES.schema.field(name).type)


class _Films(NamedTuple):
    """A study's cached images, the views of all its images, and why it is not used."""

    images: list[Row]
    views: list[str]
    excluded: str | None


def _films(plan: Plan) -> dict[int, list[Row]]:
    """study_id -> the rows of `films`, in the order of use."""
    columns = ["study_id", "position", "dicom_id", "view", "path", "digest", "left_out"]
    ordered = sorted(rows(plan.films, columns=columns), key=itemgetter("study_id", "position"))
    return {study_id: list(films) for study_id, films in groupby(ordered, key=itemgetter("study_id"))}


def _of_study(study: Mapping[str, Any], films: Mapping[int, list[Row]]) -> _Films:
    """The images of a study; one without a cached image is excluded for what is wrong with its first one."""
    own = films.get(study["study_id"])
    if own is None:
        return _Films([], [image["view"] or "" for image in study["images"]], study["excluded"])
    cached = [
        {name: film[name] for name in ("dicom_id", "view", "path", "digest")} for film in own if film["path"]
    ]
    return _Films(cached, [film["view"] for film in own], None if cached else _exclusion(own[0]["left_out"]))


def _exclusion(left_out: str) -> str:
    """Why a study is excluded whose first image is left out, with the detail, if there is one."""
    reason, mark, detail = left_out.partition(":")
    return EXCLUSION_WITHOUT_IMAGE[ImageExclusion(reason)] + mark + detail


def _targets(plan: Plan, corpus: OpenCorpus) -> dict[int, str]:
    """study_id -> its English target under headings, for those that are the prior of a study asked for."""
    chosen = table(plan.subset, columns=["study_id"], where=pc.field("excluded").is_null())
    index = corpus.index.select(["study_id", "prior"])
    priors = index.filter(pc.is_in(index["study_id"], value_set=chosen["study_id"].combine_chunks()))["prior"]
    targets = rows(
        plan.texts, columns=["study_id", "target"], where=pc.field("study_id").isin(priors.combine_chunks())
    )
    return {row["study_id"]: sections.render(row["target"], lang="en") for row in targets if row["target"]}
